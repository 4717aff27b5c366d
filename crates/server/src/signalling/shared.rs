//! What the one owner of the calls, the sockets and every handle share: settings, counts, and whether we are open.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::counters::Counters;
use super::{Bounds, CallKey, Clock, Count, Peers, SignallingConfig, Timers};

/// Shared by all tasks of one signalling.
pub(super) struct Shared {
    pub(super) peers: Peers,
    pub(super) bounds: Bounds,
    pub(super) timers: Timers,
    pub(super) external_ip: Option<IpAddr>,
    pub(super) user_agent: String,
    pub(super) counters: Counters,
    pub(super) live: Live,
    clock: Clock,
    tags: RandomState,
    next_call: AtomicU64,
    /// Seconds of Retry-After for every new call; 0 while calls are taken.
    closed_for_s: AtomicU32,
}

/// How many there are, as the owner said last.
#[derive(Default)]
pub(super) struct Live {
    pub(super) calls: AtomicUsize,
    pub(super) dialogs: AtomicUsize,
    pub(super) transactions: AtomicUsize,
}

impl Shared {
    pub(super) fn new(config: &SignallingConfig) -> Self {
        Self {
            peers: config.peers.clone(),
            bounds: config.bounds.clone(),
            timers: config.timers,
            external_ip: config.external_ip,
            user_agent: config.user_agent.clone(),
            counters: Counters::default(),
            live: Live::default(),
            clock: config.clock.clone(),
            tags: RandomState::new(),
            next_call: AtomicU64::new(1),
            closed_for_s: AtomicU32::new(0),
        }
    }

    pub(super) fn now(&self) -> Duration {
        (self.clock)()
    }

    pub(super) fn count(&self, count: Count) {
        self.counters.add(count);
    }

    pub(super) fn new_call(&self) -> CallKey {
        CallKey(self.next_call.fetch_add(1, Ordering::Relaxed))
    }

    /// The same tag for the same message, and unguessable: what RFC 3261, section 8.2.7 asks of answers that leave no
    /// memory behind.
    pub(super) fn forgetful_tag(&self, of: &str) -> String {
        format!("{:016x}", self.tags.hash_one(of))
    }

    /// Seconds after which a new call may be tried again, if none is taken now.
    pub(super) fn closed_for_s(&self) -> Option<u32> {
        Some(self.closed_for_s.load(Ordering::Relaxed)).filter(|s| *s > 0)
    }

    pub(super) fn close_for(&self, seconds: Option<NonZeroU32>) {
        self.closed_for_s.store(seconds.map_or(0, NonZeroU32::get), Ordering::Relaxed);
    }
}
