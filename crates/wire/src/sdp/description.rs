//! What the other side described: only what matters to one audio stream.

use std::net::IpAddr;

use sdp_types::{Attribute, Connection, Media, Session};

use super::crypto::Crypto;
use super::{Direction, PTIME_MS_DEFAULT, PTIME_MS_MAX, PTIME_MS_MIN, Rtcp};
use crate::codec::Codec;
use crate::rtp::PayloadType;

/// The largest description that is read, in bytes. A browser's with video has 10,000.
pub const DESCRIPTION_BYTES_MAX: usize = 32 * 1024;

/// The most streams that a description may have: each one must be answered.
const STREAMS_MAX: usize = 16;

/// The formats looked at in one stream. A desk phone lists ten, a browser thirty.
const FORMATS_MAX: usize = 64;

/// The keys looked at in one stream. A PBX that has every suite lists eight.
const KEYS_MAX: usize = 16;

/// The clock where none is given (RFC 4733, 7.1.1): telephony's.
const CLOCK_HZ_DEFAULT: u32 = 8000;

/// A session description of the other side, offer or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What `t=` said: an answer must repeat it (RFC 3264, 6).
    pub(super) times: (u64, u64),
    pub(super) streams: Vec<Stream>,
}

/// Why a body is not a usable session description: answer 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadDescription {
    /// Longer than [`DESCRIPTION_BYTES_MAX`].
    #[error("the session description is longer than {DESCRIPTION_BYTES_MAX} bytes")]
    TooLong,
    /// More media lines than we are ready to answer.
    #[error("the session description has more than {STREAMS_MAX} streams")]
    TooManyStreams,
    /// Not a session description.
    #[error("the session description does not follow RFC 8866")]
    Syntax,
}

/// One media line with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) media: String,
    pub(super) transport: String,
    pub(super) first_format: String,
    /// 0 refuses the stream.
    pub(super) port: u16,
    /// `None` where no address stands that a packet could go to: a name, `0.0.0.0`, a multicast group.
    pub(super) address: Option<IpAddr>,
    /// The formats that we know, best first.
    pub(super) formats: Vec<Format>,
    pub(super) direction: Direction,
    pub(super) ptime_ms: u8,
    /// The keys for SRTP that we could use, best first.
    pub(super) crypto: Vec<Crypto>,
    pub(super) rtcp: Rtcp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Audio { codec: Codec, payload_type: PayloadType },
    Events { clock_hz: u32, payload_type: PayloadType },
}

impl Description {
    /// Reads a session description, and of it only the lines that matter here: a fault in any other
    /// (`o=`, `b=`, `k=` ...) is no reason to refuse a call.
    ///
    /// # Errors
    /// When the body is too long, has too many streams or is no session description.
    pub fn parse(body: &[u8]) -> Result<Self, BadDescription> {
        if body.len() > DESCRIPTION_BYTES_MAX {
            return Err(BadDescription::TooLong);
        }
        let session = Session::parse(&lines_that_matter(body)).map_err(|_| BadDescription::Syntax)?;
        if session.medias.len() > STREAMS_MAX {
            return Err(BadDescription::TooManyStreams);
        }
        let streams = session.medias.iter().map(|media| Stream::new(media, &session)).collect();
        Ok(Self { times: times(body).unwrap_or_default(), streams })
    }
}

impl Stream {
    fn new(media: &Media, session: &Session) -> Self {
        let connection = media.connections.first().or(session.connection.as_ref());
        let ip = connection.and_then(ip_of);
        let stated = [&media.attributes, &session.attributes].into_iter().find_map(|a| direction_of(a));
        let direction = stated.unwrap_or(Direction::SendRecv);
        // RFC 3264, 8.4: the old way to put a call on hold is an address that nothing can be sent to.
        let held = ip.is_some_and(|ip| ip.is_unspecified());
        Self {
            media: media.media.clone(),
            transport: media.proto.clone(),
            first_format: media.fmt.split_whitespace().next().unwrap_or("0").to_owned(),
            port: media.port,
            address: ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast()),
            formats: formats_of(media),
            direction: if held { direction.and(Direction::SendOnly) } else { direction },
            ptime_ms: ptime_ms(number(media, "ptime"), number(media, "maxptime")),
            crypto: crypto_of(media),
            rtcp: rtcp_of(media),
        }
    }
}

/// The packet time to send, near what is asked for: a multiple of ten within our bounds.
pub(super) fn ptime_ms(asked: Option<u32>, most: Option<u32>) -> u8 {
    let asked = asked.unwrap_or(PTIME_MS_DEFAULT.into());
    let tens = asked.min(most.unwrap_or(u32::MAX)) / 10 * 10;
    u8::try_from(tens).unwrap_or(PTIME_MS_MAX).clamp(PTIME_MS_MIN, PTIME_MS_MAX)
}

fn lines_that_matter(body: &[u8]) -> Vec<u8> {
    let kept = lines(body).filter(|line| {
        matches!(line, [b'v' | b'c' | b'm' | b'a', b'=', ..]) && std::str::from_utf8(line).is_ok()
    });
    kept.flat_map(|line| [line, b"\r\n"]).flatten().copied().collect()
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

fn times(body: &[u8]) -> Option<(u64, u64)> {
    let line = lines(body).find_map(|line| line.strip_prefix(b"t="))?;
    let (start, stop) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some((start.parse().ok()?, stop.parse().ok()?))
}

fn ip_of(connection: &Connection) -> Option<IpAddr> {
    connection.connection_address.split('/').next().and_then(|address| address.parse().ok())
}

fn direction_of(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|attribute| {
        Direction::ALL.into_iter().find(|d| attribute.attribute.eq_ignore_ascii_case(d.attribute()))
    })
}

/// An attribute's number, without what may follow it (`20.0`); zero and nonsense count as absent.
fn number(media: &Media, name: &str) -> Option<u32> {
    let value = media.get_first_attribute_value(name).flatten()?.trim();
    let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|number| *number > 0)
}

fn crypto_of(media: &Media) -> Vec<Crypto> {
    media.get_attribute_values("crypto").flatten().take(KEYS_MAX).filter_map(Crypto::read).collect()
}

fn rtcp_of(media: &Media) -> Rtcp {
    if media.has_attribute("rtcp-mux") {
        return Rtcp::Muxed;
    }
    let port = number(media, "rtcp").and_then(|port| u16::try_from(port).ok());
    port.map_or(Rtcp::Above, Rtcp::Port)
}

fn formats_of(media: &Media) -> Vec<Format> {
    let mut known = [None; 128];
    for codec in Codec::ALL.into_iter().filter(|codec| !codec.payload_type().is_dynamic()) {
        let payload_type = codec.payload_type();
        known[usize::from(payload_type.number())] = Some(Format::Audio { codec, payload_type });
    }
    for mapping in media.get_attribute_values("rtpmap").flatten() {
        if let Some((payload_type, format)) = mapped(mapping) {
            known[usize::from(payload_type.number())] = format;
        }
    }
    let listed = media.fmt.split_whitespace().take(FORMATS_MAX);
    listed.filter_map(payload_type).filter_map(|listed| known[usize::from(listed.number())]).collect()
}

/// `101 telephone-event/8000`: the number, and the format if it is one of ours.
fn mapped(mapping: &str) -> Option<(PayloadType, Option<Format>)> {
    let (listed, encoding) = mapping.trim().split_once(char::is_whitespace)?;
    let payload_type = payload_type(listed)?;
    let mut parts = encoding.trim().split('/');
    let name = parts.next()?;
    let clock = parts.next().map_or(Some(CLOCK_HZ_DEFAULT), |clock| clock.parse().ok());
    let channels = parts.next().map_or(Some(1), |channels| channels.trim().parse::<u8>().ok());
    let codec = |codec: &Codec| {
        codec.name().eq_ignore_ascii_case(name)
            && clock == Some(codec.clock_hz())
            && channels == Some(codec.channels())
    };
    let format = if name.eq_ignore_ascii_case("telephone-event") {
        clock
            .filter(|hz| *hz > 0 && channels == Some(1))
            .map(|clock_hz| Format::Events { clock_hz, payload_type })
    } else {
        Codec::ALL.into_iter().find(codec).map(|codec| Format::Audio { codec, payload_type })
    };
    Some((payload_type, format))
}

fn payload_type(listed: &str) -> Option<PayloadType> {
    listed.parse().ok().and_then(PayloadType::new)
}
