//! How a call's media went.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::session::Session;

/// What is kept of a call's media (a row of `cc_csat_quality`). A call without any RTP has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quality {
    /// Packets that the caller's sequence numbers count.
    pub packets_expected: i64,
    /// Those of them that came.
    pub packets_received: i64,
    /// Those that did not.
    pub packets_lost: i64,
    /// Those that came after a later one.
    pub packets_late: i64,
    /// Those that came again, beside these.
    pub packets_duplicate: i64,
    /// The mean interarrival jitter (RFC 3550, 6.4.1).
    pub jitter_mean_us: i64,
    /// Its highest value.
    pub jitter_max_us: i64,
    /// Packets of ours that the caller's side reported lost; `None` where it reported nothing.
    pub peer_packets_lost: Option<i64>,
    /// The jitter that it reported.
    pub peer_jitter_us: Option<i64>,
    /// There and back, by RTCP.
    pub round_trip_us: Option<i64>,
    /// The mean opinion score estimated (ITU-T G.107), 100 to 450.
    pub mos_hundredths: i64,
}

/// A call's media ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Where.
    pub session: Arc<Session>,
    /// How it went.
    pub quality: Quality,
    /// When.
    pub at: Timestamp,
}
