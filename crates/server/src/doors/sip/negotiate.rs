//! Agreeing on media: the session description of a leg, and what the media engine makes of the result.

use std::net::IpAddr;
use std::sync::Arc;

use aftercall_media as media;
use aftercall_wire::codec::Codec;
use aftercall_wire::sdp::{self, Description, Direction, Keys, SEED_BYTES, Seed};

use crate::config::{Sip, Srtp};
use crate::signalling::{CallKey, InviteRequest, Transport};

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
    srtp: sdp::Srtp,
    /// What was agreed on last; `None` is plain RTP.
    keys: Option<Keys>,
}

impl Local {
    /// Of a leg that begins with this request.
    ///
    /// # Errors
    /// When the system has no random numbers for a key.
    pub(super) fn new(
        request: &InviteRequest,
        port: u16,
        dialog: CallKey,
        sip: &Sip,
    ) -> Result<Self, getrandom::Error> {
        let srtp = match (sip.srtp, request.transport) {
            (Srtp::Off, _) | (Srtp::Tls | Srtp::Required, Transport::Udp | Transport::Tcp) => sdp::Srtp::Off,
            (Srtp::Any, _) | (Srtp::Tls, Transport::Tls) => sdp::Srtp::Taken(seed()?),
            (Srtp::Required, Transport::Tls) => sdp::Srtp::Required(seed()?),
        };
        let (address, session_id, codecs) = (request.local_ip, dialog.number(), Arc::clone(&sip.codecs));
        Ok(Self { address, port, session_id, codecs, version: 0, srtp, keys: None })
    }

    /// What media is encrypted with.
    pub(super) fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Another key of ours from now on.
    fn renew(&mut self) -> Result<(), NoCommon> {
        match &mut self.srtp {
            sdp::Srtp::Off => {}
            sdp::Srtp::Taken(present) | sdp::Srtp::Required(present) => {
                *present = seed().map_err(|_| NoCommon)?;
            }
        }
        Ok(())
    }

    /// As an offer: what is encrypted stays so.
    fn offered(&self) -> sdp::Local<'_> {
        let srtp = match self.srtp {
            sdp::Srtp::Taken(seed) if self.keys.is_some() => sdp::Srtp::Required(seed),
            srtp => srtp,
        };
        sdp::Local { srtp, ..self.described() }
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
            srtp: self.srtp,
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
    let (mut answer, mut agreed) = sdp::answer(&offer, &local.described()).map_err(refused)?;
    // A key is for one suite and one count of packets, which ends where theirs changes: then so does ours.
    let theirs = |keys: Option<Keys>| keys.map(|keys| keys.theirs);
    if local.version > 1 && theirs(local.keys) != theirs(agreed.srtp) {
        local.renew()?;
        (answer, agreed) = sdp::answer(&offer, &local.described()).map_err(refused)?;
    }
    local.keys = agreed.srtp;
    Ok((answer.into_bytes(), for_media(&agreed)))
}

/// Offers what we can, for an INVITE that came without an offer.
///
/// # Errors
/// When there is no key to be had that it needs.
pub(super) fn offer(local: &mut Local) -> Result<Vec<u8>, NoCommon> {
    local.version += 1;
    // What is offered may be another suite than what was answered with: another key, too.
    if local.keys.is_some_and(|keys| keys.ours.suite() != sdp::Suite::OFFERED) {
        local.renew()?;
    }
    Ok(sdp::offer(&local.offered()).into_bytes())
}

/// What an answer to our offer settled.
///
/// # Errors
/// When it is not readable or accepts nothing.
pub(super) fn answered(answer: &[u8], local: &mut Local) -> Result<media::Agreed, NoCommon> {
    let answer = Description::parse(answer).map_err(|_| NoCommon)?;
    let agreed = sdp::agreed_from_answer(&answer, &local.offered()).map_err(refused)?;
    local.keys = agreed.srtp;
    Ok(for_media(&agreed))
}

/// What an answer settled to an offer that said again what we said last. Seen from the peer that is the same, offer or
/// answer: the first that it takes of what we have.
///
/// # Errors
/// When it is not readable or takes nothing.
pub(super) fn repeated(answer: &[u8], local: &mut Local) -> Result<media::Agreed, NoCommon> {
    let answer = Description::parse(answer).map_err(|_| NoCommon)?;
    let (_, agreed) = sdp::answer(&answer, &local.described()).map_err(refused)?;
    local.keys = agreed.srtp;
    Ok(for_media(&agreed))
}

fn refused(why: sdp::NoCommon) -> NoCommon {
    tracing::info!(%why, "a session description was refused");
    NoCommon
}

fn seed() -> Result<Seed, getrandom::Error> {
    let mut random = [0; SEED_BYTES];
    getrandom::fill(&mut random)?;
    Ok(Seed::new(random))
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    const OTHER: &str = "NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj";

    fn local(srtp: sdp::Srtp) -> Local {
        let (address, codecs) = (IpAddr::from([127, 0, 0, 1]), Codec::ALL.as_slice().into());
        Local { address, port: 4000, session_id: 1, codecs, version: 0, srtp, keys: None }
    }

    fn taken() -> Local {
        local(sdp::Srtp::Taken(seed().unwrap()))
    }

    fn describe(media: &str) -> Vec<u8> {
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{media}\r\n")
            .into_bytes()
    }

    fn secret(suite: &str, key: &str) -> Vec<u8> {
        describe(&format!("m=audio 4000 RTP/SAVP 0\r\na=crypto:4 {suite} inline:{key}"))
    }

    /// The line of our key in a description.
    fn line(description: &[u8]) -> String {
        let text = String::from_utf8_lossy(description);
        text.lines().find(|line| line.starts_with("a=crypto")).unwrap_or_default().to_owned()
    }

    #[test]
    fn our_key_stays_while_theirs_does_and_is_another_with_another() {
        const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
        let mut local = taken();
        let mut lines = Vec::new();
        for (what, offer) in [
            ("the first", secret(SUITE, KEY)),
            ("the same", secret(SUITE, KEY)),
            ("another key", secret(SUITE, OTHER)),
            ("another suite", secret("AES_CM_128_HMAC_SHA1_32", OTHER)),
            ("in the clear", describe("m=audio 4000 RTP/AVP 0")),
            ("secret again", secret("AES_CM_128_HMAC_SHA1_32", OTHER)),
        ] {
            let (answer, _) = answer(&offer, &mut local).unwrap();
            let ours = line(&answer);
            assert_eq!(local.keys().is_none(), ours.is_empty(), "{what}");
            let key = ours.split("inline:").nth(1).unwrap_or_default().to_owned();
            assert_eq!(lines.contains(&key), what == "the same", "{what}: {ours}");
            lines.push(key);
        }
        assert_ne!(
            line(&answer(&secret(SUITE, KEY), &mut taken()).unwrap().0).split("inline:").nth(1),
            Some(&*lines[0])
        );
    }

    #[test]
    fn an_answer_to_what_we_said_before_keeps_our_key_and_takes_what_is_new_of_theirs() {
        let mut local = taken();
        let (_, before) = answer(&secret("AES_CM_128_HMAC_SHA1_80", KEY), &mut local).unwrap();
        let ours = local.keys().unwrap().ours;
        let moved = String::from_utf8(secret("AES_CM_128_HMAC_SHA1_80", OTHER)).unwrap();
        let moved = moved.replace("192.0.2.1", "192.0.2.9");
        let after = repeated(moved.as_bytes(), &mut local).unwrap();
        assert_eq!((after.codec, after.heard, after.rtcp), (before.codec, before.heard, before.rtcp));
        assert_eq!(after.remote, "192.0.2.9:4000".parse().ok());
        assert_eq!(local.keys().unwrap().ours, ours);
        assert!(repeated(b"v=0", &mut local).is_err());
        assert!(local.keys().is_some(), "what cannot be read changes nothing");
    }

    #[test]
    fn what_is_encrypted_is_offered_encrypted_and_nothing_else_unless_it_must_be() {
        assert_eq!(line(&offer(&mut taken()).unwrap()), "");
        assert_eq!(line(&offer(&mut local(sdp::Srtp::Off)).unwrap()), "");
        let mut required = local(sdp::Srtp::Required(seed().unwrap()));
        assert!(line(&offer(&mut required).unwrap()).starts_with("a=crypto:1 AES_CM_128_HMAC_SHA1_80 "));
        for (suite, same) in [("AES_CM_128_HMAC_SHA1_80", true), ("AES_CM_128_HMAC_SHA1_32", false)] {
            let mut local = taken();
            let (answer, _) = answer(&secret(suite, KEY), &mut local).unwrap();
            let before = local.keys().copied().unwrap();
            let (said, again) = (line(&answer), line(&offer(&mut local).unwrap()));
            assert!(again.starts_with("a=crypto:1 AES_CM_128_HMAC_SHA1_80 "), "{again}");
            let key = |line: &str| line.split("inline:").nth(1).map(str::to_owned);
            assert_eq!(key(&said) == key(&again), same, "a key is for one suite");
            assert_eq!(local.keys().copied(), Some(before), "until it is answered nothing changes");
            let theirs = describe(&format!(
                "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{OTHER}"
            ));
            answered(&theirs, &mut local).unwrap();
            assert_ne!(local.keys().unwrap().theirs, before.theirs);
            assert_eq!(local.keys().unwrap().ours == before.ours, same);
            assert!(
                answered(&describe("m=audio 4000 RTP/AVP 0"), &mut local).is_err(),
                "encrypted, or not at all"
            );
        }
    }
}
