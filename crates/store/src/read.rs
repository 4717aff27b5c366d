//! What a read is about.

use aftercall_core::{AgentId, QueueId};
use jiff::Timestamp;

use crate::error::StoreError;

/// The most queues one read may name: a supervisor's. 256 index seeks are some milliseconds.
pub const QUEUES_MAX: usize = 256;

/// The most ranges one [`crate::Store::tallies`] answers: ten years of days, the longest trend.
pub const RANGES_MAX: usize = 3_660;

/// The most ratings on one page: with the longest comments under 17 MB.
pub const PAGE_MAX: u16 = 1_000;

/// From an instant until just before another; what is `None` is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The first instant within.
    pub from: Option<Timestamp>,
    /// The first instant behind.
    pub to: Option<Timestamp>,
}

/// Whose ratings to count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All of the tenant's.
    Tenant,
    /// An agent's.
    Agent(AgentId),
    /// A queue's.
    Queue(QueueId),
    /// An agent's within these queues: what a supervisor may see. At most [`QUEUES_MAX`].
    AgentIn(AgentId, Vec<QueueId>),
}

/// Refuses more than a bound.
pub(crate) fn bounded(what: &'static str, given: usize, most: usize) -> Result<(), StoreError> {
    if given > most { Err(StoreError::TooMany { what, given, most }) } else { Ok(()) }
}
