//! Offer and answer (RFC 3264): what both sides can do.

use std::net::{IpAddr, SocketAddr};

use super::crypto::{Keys, OFFERED_TAG, Srtp, Suite};
use super::description::{Description, Format, Stream, ptime_ms};
use super::{Direction, Rtcp, write};
use crate::codec::Codec;
use crate::rtp::PayloadType;

/// What we bring to an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local<'a> {
    /// Where media reaches us: what `c=` says.
    pub address: IpAddr,
    /// The RTP port there.
    pub port: u16,
    /// A number of this session's own, the same in all its descriptions.
    pub session_id: u64,
    /// One more whenever what we say has changed (RFC 3264, 8).
    pub version: u64,
    /// What we speak; in an offer, best first. An answer follows the offerer's order.
    pub codecs: &'a [Codec],
    /// Whether we speak telephone events.
    pub events: bool,
    /// The packet time that we offer, in milliseconds. An answer follows the offerer's.
    pub ptime_ms: u8,
    /// What we are ready to do; `SendRecv` unless we hold the call.
    pub direction: Direction,
    /// Whether media is encrypted.
    pub srtp: Srtp,
}

/// What both sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Where our media goes; `None` while there is no such address (hold by `0.0.0.0`, a host name):
    /// then it goes where theirs comes from.
    pub remote: Option<SocketAddr>,
    /// The codec, both ways.
    pub codec: Codec,
    /// The codec's number in what we receive.
    pub receive: PayloadType,
    /// The codec's number in what we send.
    pub send: PayloadType,
    /// Telephone events, if both know them; otherwise keys come by INFO or as tones.
    pub events: Option<Events>,
    /// How long our packets are, in milliseconds: 10, 20 ... 60; those of Opus 20.
    pub ptime_ms: u8,
    /// Which way media flows, seen from us.
    pub direction: Direction,
    /// What media is encrypted with; `None` is plain RTP.
    pub srtp: Option<Keys>,
    /// Where RTCP goes.
    pub rtcp: Rtcp,
}

/// How telephone events travel. The two numbers differ only if the other side answered with one that
/// we did not offer (RFC 3264, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// The payload type in what we receive.
    pub receive: PayloadType,
    /// The payload type in what we send.
    pub send: PayloadType,
    /// The clock that their durations count, in Hz. The codec's, if there was a choice.
    pub clock_hz: u32,
}

/// Why no stream suits both sides: answer 488. The stream that came nearest gives the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum NoCommon {
    /// No audio stream is offered, or only ones with port 0.
    #[error("no audio stream")]
    Audio,
    /// Audio only by a transport that we do not take: another than RTP, or SRTP where we do not, or not SRTP
    /// where we take nothing else.
    #[error("no audio stream by a transport that is taken")]
    Transport,
    /// SRTP, and no key in the description that we could use (RFC 4568).
    #[error("no key for SRTP that can be used")]
    Keys,
    /// No codec that we speak.
    #[error("no codec in common")]
    Codec,
    /// Their address is of the other IP version than ours.
    #[error("no address of our IP version")]
    IpVersion,
}

/// Answers an offer: the first audio stream that suits is accepted, with one codec and, if offered,
/// telephone events; every other stream is refused with port 0. Of the
/// keys for SRTP, the first that suits is taken.
///
/// # Errors
/// When no stream suits.
pub fn answer(offer: &Description, local: &Local<'_>) -> Result<(String, Agreed), NoCommon> {
    let (accepted, agreed) = first_that_suits(offer, local)?;
    Ok((write::answer(offer, accepted, local, &agreed), agreed))
}

/// Offers one audio stream: for an INVITE that came without a description, and for telephones.
#[must_use]
pub fn offer(local: &Local<'_>) -> String {
    write::offer(local, offered_events(local))
}

/// What an answer to [`offer`] has settled. `local` is what was offered.
///
/// # Errors
/// When the answer accepts nothing that was offered.
pub fn agreed_from_answer(answer: &Description, local: &Local<'_>) -> Result<Agreed, NoCommon> {
    let (_, mut agreed) = first_that_suits(answer, local)?;
    agreed.receive = agreed.codec.payload_type();
    if agreed.srtp.is_some_and(|keys| (keys.tag, keys.theirs.suite()) != (OFFERED_TAG, Suite::OFFERED)) {
        return Err(NoCommon::Keys);
    }
    // We have not offered it, so it cannot be accepted (RFC 5761, 5.1.1).
    if agreed.rtcp == Rtcp::Muxed {
        agreed.rtcp = Rtcp::Above;
    }
    if let Some(events) = &mut agreed.events {
        let ours = offered_events(local).into_iter().find(|(hz, _)| *hz == events.clock_hz);
        events.receive = ours.map_or(events.receive, |(_, payload_type)| payload_type);
    }
    Ok(agreed)
}

/// The clocks of telephone events that we offer, one for each that our codecs have, with their numbers.
fn offered_events(local: &Local<'_>) -> Vec<(u32, PayloadType)> {
    const CONVENTIONAL: u8 = 101;
    let mut clocks = Vec::new();
    for codec in local.codecs.iter().filter(|_| local.events) {
        if !clocks.contains(&codec.clock_hz()) {
            clocks.push(codec.clock_hz());
        }
    }
    clocks.into_iter().zip((CONVENTIONAL..).filter_map(PayloadType::new)).collect()
}

fn first_that_suits(theirs: &Description, local: &Local<'_>) -> Result<(usize, Agreed), NoCommon> {
    let mut nearest = NoCommon::Audio;
    for (index, stream) in theirs.streams.iter().enumerate() {
        match stream.suits(local) {
            Ok(agreed) => return Ok((index, agreed)),
            Err(reason) => nearest = nearest.max(reason),
        }
    }
    Err(nearest)
}

impl Stream {
    fn suits(&self, local: &Local<'_>) -> Result<Agreed, NoCommon> {
        if !self.media.eq_ignore_ascii_case("audio") || self.port == 0 {
            return Err(NoCommon::Audio);
        }
        let srtp = self.keys(&local.srtp)?;
        let (codec, payload_type) = self.best_codec(local).ok_or(NoCommon::Codec)?;
        if self.address.is_some_and(|theirs| theirs.is_ipv4() != local.address.is_ipv4()) {
            return Err(NoCommon::IpVersion);
        }
        Ok(Agreed {
            remote: self.address.map(|address| SocketAddr::new(address, self.port)),
            codec,
            receive: payload_type,
            send: payload_type,
            events: self.events_for(codec).filter(|_| local.events),
            ptime_ms: codec.ptime_ms(self.ptime_ms),
            direction: self.direction.reversed().and(local.direction),
            srtp,
            rtcp: self.rtcp,
        })
    }

    /// What the stream is encrypted with, in a way that we take. Keys beside plain RTP, which some telephones
    /// offer, change nothing about it.
    fn keys(&self, ours: &Srtp) -> Result<Option<Keys>, NoCommon> {
        // AVPF allows RTCP feedback, and demands none that was not agreed on (RFC 4585, 4).
        let by = |profiles: [&str; 2]| profiles.iter().any(|name| name.eq_ignore_ascii_case(&self.transport));
        match ours {
            Srtp::Off | Srtp::Taken(_) if by(["RTP/AVP", "RTP/AVPF"]) => Ok(None),
            Srtp::Taken(seed) | Srtp::Required(seed) if by(["RTP/SAVP", "RTP/SAVPF"]) => {
                let chosen = self.crypto.first().ok_or(NoCommon::Keys)?;
                let ours = seed.key(chosen.key.suite());
                Ok(Some(Keys { tag: chosen.tag, ours, theirs: chosen.key }))
            }
            _ => Err(NoCommon::Transport),
        }
    }

    fn best_codec(&self, local: &Local<'_>) -> Option<(Codec, PayloadType)> {
        self.formats.iter().find_map(|format| match *format {
            Format::Audio { codec, payload_type } if local.codecs.contains(&codec) => {
                Some((codec, payload_type))
            }
            _ => None,
        })
    }

    /// Events by the codec's clock (RFC 4733 recommends it), otherwise by any: a key is a key.
    fn events_for(&self, codec: Codec) -> Option<Events> {
        let offered = || {
            self.formats.iter().filter_map(|format| match *format {
                Format::Events { clock_hz, payload_type } => {
                    Some(Events { receive: payload_type, send: payload_type, clock_hz })
                }
                Format::Audio { .. } => None,
            })
        };
        offered().find(|events| events.clock_hz == codec.clock_hz()).or_else(|| offered().next())
    }
}

impl Local<'_> {
    /// The packet time to offer, put within bounds.
    pub(super) fn ptime_within_bounds(&self) -> u8 {
        ptime_ms(Some(self.ptime_ms.into()), None)
    }
}
