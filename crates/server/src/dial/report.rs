//! What a test call measured, for people and for scripts.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A test call, moment by moment. Times are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whom we called.
    pub target: String,
    /// `udp` or `tcp`.
    pub transport: String,
    /// From the INVITE to the 200.
    pub set_up_ms: Option<u64>,
    /// What was agreed on.
    pub codec: Option<String>,
    /// From the 200 to the first RTP packet.
    pub first_packet_ms: Option<u64>,
    /// From the 200 to the first sound.
    pub first_sound_ms: Option<u64>,
    /// The keys pressed, and when after the 200.
    pub pressed: Vec<Pressed>,
    /// From the last key's first packet to the first sound of what was said next; absent where that cannot be
    /// told from what was playing when the key was pressed.
    pub confirmation_ms: Option<u64>,
    /// RTP packets heard.
    pub packets_received: u64,
    /// From the 200 to the end.
    pub call_ms: Option<u64>,
    /// Who hung up: `server`, `caller`.
    pub ended_by: Option<String>,
    /// Why the call did not go as expected; absent when it did.
    pub failure: Option<String>,
}

/// A key that was pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pressed {
    /// Which.
    pub key: char,
    /// When after the 200.
    pub at_ms: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "called {} over {}", self.target, self.transport.to_uppercase())?;
        let line = |f: &mut fmt::Formatter<'_>, what: &str, ms: Option<u64>, note: &str| match ms {
            Some(ms) => writeln!(f, "  {what:<22}{:>8}{note}", seconds(ms)),
            None => Ok(()),
        };
        let codec = self.codec.as_deref().map(|codec| format!("   {codec}")).unwrap_or_default();
        line(f, "answered after", self.set_up_ms, &codec)?;
        line(f, "first packet", self.first_packet_ms, " later")?;
        line(f, "first sound", self.first_sound_ms, " later")?;
        for pressed in &self.pressed {
            line(f, &format!("pressed {}", pressed.key), Some(pressed.at_ms), " into the call")?;
        }
        line(f, "confirmation heard", self.confirmation_ms, " after the key")?;
        if let ([.., last], None, None) = (self.pressed.as_slice(), self.confirmation_ms, &self.failure) {
            let (what, key) = ("confirmation", last.key);
            writeln!(
                f,
                "  {what:<22} not measured: nothing new can be told from what was playing (try --press ,{key})"
            )?;
        }
        let by = self.ended_by.as_deref().map(|by| format!("   by the {by}")).unwrap_or_default();
        line(f, "hung up", self.call_ms, &by)?;
        match &self.failure {
            None => write!(f, "the call went as expected"),
            Some(why) => write!(f, "FAILED: {why}"),
        }
    }
}

/// A whole number of milliseconds; 584 million years fit.
pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10) }
}
