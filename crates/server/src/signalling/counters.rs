//! What signalling counts, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $variant:ident => $name:literal),+ $(,)?) => {
        /// Something that happened, counted since the start.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Count { $($(#[$doc])* $variant),+ }

        impl Count {
            /// Every count there is, in the order of its declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

counts! {
    /// Messages read, of any kind.
    Messages => "messages",
    /// Pieces that were not SIP, or requests without what every request must have.
    Malformed => "malformed",
    /// Calls that came in and were announced.
    CallsIn => "calls_in",
    /// Calls placed.
    CallsOut => "calls_out",
    /// OPTIONS requests answered.
    Options => "options",
    /// Requests from those who may not, answered 403.
    Forbidden => "forbidden",
    /// Requests from scanners, and from those who may not beyond the rate at which they are answered: not answered.
    Ignored => "ignored",
    /// INVITEs that had to prove who they are (401).
    Challenged => "challenged",
    /// INVITEs beyond the rate of their source (503).
    RateLimited => "rate_limited",
    /// Requests beyond what fits (503).
    Full => "full",
    /// Requests within a dialog that we do not have (481).
    NoDialog => "no_dialog",
    /// INVITEs that came a second time by another way (482).
    Merged => "merged",
    /// Requests whose method we know and do not serve (405), or do not know (501).
    NotServed => "not_served",
    /// Requests that demand an extension (420), body (415) or version (505) that we do not have.
    NotSupported => "not_supported",
    /// Calls whose 2xx was never acknowledged.
    NoAck => "no_ack",
    /// TCP connections refused because there were too many.
    ConnectionsRefused => "connections_refused",
    /// TCP connections closed because the peer sent nonsense, or did not read.
    ConnectionsBroken => "connections_broken",
}

/// The counts themselves.
#[derive(Default)]
pub(super) struct Counters([AtomicU64; Count::ALL.len()]);

impl Counters {
    pub(super) fn add(&self, count: Count) {
        self.0[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }
}
