//! Agreeing on media: the session description of a leg, and what the media engine makes of the result.

use std::net::IpAddr;
use std::sync::Arc;

use aftercall_media as media;
use aftercall_wire::codec::Codec;
use aftercall_wire::sdp::{self, Description, Direction};

use crate::signalling::CallKey;

/// The other side's description cannot be used: 488.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoCommon;

/// Our side of a leg's descriptions.
#[derive(Debug, Clone)]
pub(super) struct Local {
    address: IpAddr,
    port: u16,
    session_id: u64,
    codecs: Arc<[Codec]>,
    /// Counted up with each description we send (RFC 3264, 8).
    version: u64,
}

impl Local {
    /// Of a leg that speaks these codecs.
    pub(super) fn new(address: IpAddr, port: u16, dialog: CallKey, codecs: Arc<[Codec]>) -> Self {
        Self { address, port, session_id: dialog.number(), codecs, version: 0 }
    }

    fn described(&self) -> sdp::Local<'_> {
        sdp::Local {
            address: self.address,
            port: self.port,
            session_id: self.session_id,
            version: self.version,
            codecs: &self.codecs,
            events: true,
            ptime_ms: sdp::PTIME_MS_DEFAULT,
            direction: Direction::SendRecv,
        }
    }
}

/// Answers an offer.
///
/// # Errors
/// When it is not readable or nothing in it suits.
pub(super) fn answer(offer: &[u8], local: &mut Local) -> Result<(Vec<u8>, media::Agreed), NoCommon> {
    let offer = Description::parse(offer).map_err(|_| NoCommon)?;
    local.version += 1;
    let (answer, agreed) = sdp::answer(&offer, &local.described()).map_err(|_| NoCommon)?;
    Ok((answer.into_bytes(), for_media(&agreed)))
}

/// Offers what we can, for an INVITE that came without an offer.
pub(super) fn offer(local: &mut Local) -> Vec<u8> {
    local.version += 1;
    sdp::offer(&local.described()).into_bytes()
}

/// What an answer to our offer settled.
///
/// # Errors
/// When it is not readable or accepts nothing.
pub(super) fn answered(answer: &[u8], local: &Local) -> Result<media::Agreed, NoCommon> {
    let answer = Description::parse(answer).map_err(|_| NoCommon)?;
    let agreed = sdp::agreed_from_answer(&answer, &local.described()).map_err(|_| NoCommon)?;
    Ok(for_media(&agreed))
}

fn for_media(agreed: &sdp::Agreed) -> media::Agreed {
    media::Agreed {
        codec: agreed.codec,
        audio: agreed.send,
        heard: agreed.receive,
        events: agreed.events.map(|events| events.receive),
        ptime: media::Ptime::nearest(agreed.ptime_ms.into()),
        remote: agreed.remote,
        direction: agreed.direction,
        rtcp: agreed.rtcp,
    }
}
