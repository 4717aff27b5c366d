//! Our own descriptions as text.

use std::net::IpAddr;

use super::agree::{Agreed, Local};
use super::crypto::{Crypto, OFFERED_TAG, Srtp, Suite};
use super::description::Description;
use super::{Direction, Rtcp};
use crate::codec::Codec;
use crate::rtp::PayloadType;

/// The audio stream as we describe it.
struct Audio<'a> {
    transport: &'a str,
    codecs: Vec<(Codec, PayloadType)>,
    /// By their clock in Hz.
    events: Vec<(u32, PayloadType)>,
    ptime_ms: u8,
    direction: Direction,
    crypto: Option<Crypto>,
    rtcp: Rtcp,
}

pub(super) fn offer(local: &Local<'_>, events: Vec<(u32, PayloadType)>) -> String {
    let (transport, crypto) = match &local.srtp {
        Srtp::Off | Srtp::Taken(_) => ("RTP/AVP", None),
        Srtp::Required(seed) => {
            ("RTP/SAVP", Some(Crypto { tag: OFFERED_TAG, key: seed.key(Suite::OFFERED) }))
        }
    };
    let audio = Audio {
        transport,
        codecs: local.codecs.iter().map(|codec| (*codec, codec.payload_type())).collect(),
        events,
        ptime_ms: local.ptime_within_bounds(),
        direction: local.direction,
        crypto,
        rtcp: Rtcp::Above,
    };
    text(session(local, (0, 0)).chain(audio.lines(local.port)))
}

pub(super) fn answer(offer: &Description, accepted: usize, local: &Local<'_>, agreed: &Agreed) -> String {
    let streams = offer.streams.iter().enumerate().flat_map(|(index, stream)| {
        if index != accepted {
            return vec![format!("m={} 0 {} {}", stream.media, stream.transport, stream.first_format)];
        }
        let audio = Audio {
            transport: &stream.transport,
            codecs: vec![(agreed.codec, agreed.receive)],
            events: agreed.events.iter().map(|events| (events.clock_hz, events.receive)).collect(),
            ptime_ms: agreed.ptime_ms,
            direction: agreed.direction,
            crypto: agreed.srtp.map(|keys| Crypto { tag: keys.tag, key: keys.ours }),
            rtcp: agreed.rtcp,
        };
        audio.lines(local.port)
    });
    text(session(local, offer.times).chain(streams))
}

fn session(local: &Local<'_>, (start, stop): (u64, u64)) -> impl Iterator<Item = String> {
    let family = match local.address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    let Local { session_id, version, address, .. } = local;
    [
        "v=0".to_owned(),
        format!("o=- {session_id} {version} IN {family} {address}"),
        "s=-".to_owned(),
        format!("c=IN {family} {address}"),
        format!("t={start} {stop}"),
    ]
    .into_iter()
}

impl Audio<'_> {
    fn lines(&self, port: u16) -> Vec<String> {
        let numbers = self.codecs.iter().map(|(_, n)| n).chain(self.events.iter().map(|(_, n)| n));
        let formats: String = numbers.map(|n| format!(" {}", n.number())).collect();
        let mut lines = vec![format!("m=audio {port} {}{formats}", self.transport)];
        for (codec, n) in &self.codecs {
            let channels =
                if codec.channels() == 1 { String::new() } else { format!("/{}", codec.channels()) };
            lines.push(format!("a=rtpmap:{} {}/{}{channels}", n.number(), codec.name(), codec.clock_hz()));
            lines.extend(codec.format_parameters().map(|said| format!("a=fmtp:{} {said}", n.number())));
        }
        for (clock_hz, n) in &self.events {
            lines.push(format!("a=rtpmap:{} telephone-event/{clock_hz}", n.number()));
            lines.push(format!("a=fmtp:{} 0-15", n.number()));
        }
        lines.extend(self.crypto.iter().map(Crypto::line));
        lines.push(format!("a=ptime:{}", self.ptime_ms));
        lines.push(format!("a={}", self.direction.attribute()));
        if self.rtcp == Rtcp::Muxed {
            lines.push("a=rtcp-mux".to_owned());
        }
        lines
    }
}

fn text(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\r\n").collect()
}
