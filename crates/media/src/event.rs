//! What the engine tells, and the counters of a leg.

use std::time::Duration;

use aftercall_wire::digit::Digit;

use crate::quality::Quality;
use crate::reception::Arrived;
use crate::record::Recording;

/// Names a leg for as long as the process lives; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub(crate) u64);

/// Names one command to play. The caller chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlayId(pub u64);

/// What a key of the peer does to what is playing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnKey {
    /// Nothing.
    PlayOn,
    /// Cuts it, at the packet after the key's.
    Cut,
}

/// How a key was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyBy {
    /// By a telephone event (RFC 4733).
    Event,
    /// By its two tones in the audio (ITU-T Q.23).
    Tone,
}

/// Something that happened on a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub leg: LegId,
    /// What.
    pub what: Happened,
}

/// What happened. Times are the monotonic clock's (`CLOCK_MONOTONIC`), since the machine's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The peer's first packet came: sound flows. Once for each leg.
    FirstPacket {
        /// When it came.
        at: Duration,
    },
    /// A key was pressed; told at the first packet that says so, and once: one that is told in both ways is
    /// told as a tone.
    Key {
        /// Which.
        digit: Digit,
        /// How it was told.
        by: KeyBy,
        /// When that packet came.
        at: Duration,
        /// What it cut ([`OnKey::Cut`]): nothing more of it is sent, and its end is not told.
        cut: Option<PlayId>,
    },
    /// The last packet of the last clip was sent. Not told of what was stopped or replaced.
    Played {
        /// What was played.
        play: PlayId,
    },
    /// A recording ended.
    Recorded {
        /// What was recorded.
        recording: Recording,
    },
    /// Nothing came from the peer, who may send, for the configured time. Told again only after something
    /// came.
    RtpSilence,
    /// The leg is gone and its port is free: its last event.
    Closed {
        /// How it went.
        stats: Box<Stats>,
        /// How it sounded; `None` where nothing of the peer came.
        quality: Option<Box<Quality>>,
    },
}

/// The counters of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// RTP packets sent.
    pub sent_packets: u64,
    /// The bytes in their payloads.
    pub sent_octets: u64,
    /// Packets that the kernel would not send, and answers that nobody listens where we send (ICMP).
    pub send_faults: u64,
    /// What came from the peer.
    pub arrived: Arrived,
    /// Packets of the peer with a payload type that was not agreed.
    pub unknown_payloads: u64,
    /// Datagrams that are not RTP.
    pub malformed: u64,
    /// RTP packets of others than the peer. Once the peer is settled, the kernel drops these uncounted.
    pub strangers: u64,
    /// Packets of SRTP that another made or changed, or that came before.
    pub forged: u64,
    /// Keys told.
    pub keys: u64,
    /// Events dropped because nobody took them: more than [`crate::EVENTS_WAITING_MAX`] were waiting.
    pub events_dropped: u64,
}
