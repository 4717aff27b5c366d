//! When a call must be looked at again, whatever happens on the wire.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::CallKey;

/// What is due then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Alarm {
    /// Nobody answered an INVITE of the peer in time.
    Unanswered,
    /// The peer did not acknowledge our reliable provisional answer: it goes out again.
    Unpracked,
    /// 64*T1 have passed since our CANCEL.
    CancelExpired,
    /// The session must be refreshed by us (RFC 4028).
    Refresh,
    /// The session was not refreshed.
    Expired,
}

impl Alarm {
    const ALL: [Self; 5] =
        [Self::Unanswered, Self::Unpracked, Self::CancelExpired, Self::Refresh, Self::Expired];
}

/// The alarms of all calls: at most one of each kind for each call.
#[derive(Default)]
pub(super) struct Alarms {
    by_time: BTreeSet<(Duration, CallKey, Alarm)>,
    by_call: HashMap<(CallKey, Alarm), Duration>,
}

impl Alarms {
    /// Sets it, anew if it was set before.
    pub(super) fn set(&mut self, call: CallKey, alarm: Alarm, at: Duration) {
        self.clear(call, alarm);
        self.by_call.insert((call, alarm), at);
        self.by_time.insert((at, call, alarm));
    }

    pub(super) fn clear(&mut self, call: CallKey, alarm: Alarm) {
        if let Some(at) = self.by_call.remove(&(call, alarm)) {
            self.by_time.remove(&(at, call, alarm));
        }
    }

    /// The call is over.
    pub(super) fn forget(&mut self, call: CallKey) {
        Alarm::ALL.into_iter().for_each(|alarm| self.clear(call, alarm));
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, ..)| *at)
    }

    /// The next one that is due.
    pub(super) fn ring(&mut self, now: Duration) -> Option<(CallKey, Alarm)> {
        let (_, call, alarm) = self.by_time.first().copied().filter(|(at, ..)| *at <= now)?;
        self.clear(call, alarm);
        Some((call, alarm))
    }
}
