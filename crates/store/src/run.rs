//! Reports that are sent by schedule: who sends one, how often it was tried, and what came of it.

use aftercall_core::TenantId;
use jiff::Timestamp;

/// The most runs that one read shows: a year of days by both ways.
pub const RUNS_MAX: u16 = 732;

/// A report of a period, on one of its ways.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run {
    /// Whose.
    pub tenant: TenantId,
    /// The report's name.
    pub report: String,
    /// The period: `2026-11-22`, `2026-11`; later ones sort behind earlier ones.
    pub period: String,
    /// How it is sent.
    pub way: Way,
}

/// How a report is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// By mail.
    Mail,
    /// Posted to a URL.
    Post,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Mail, Self::Post];

    /// The word in the database and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Post => "post",
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunProgress {
    /// Somebody is sending it, or has died of it.
    Claimed,
    /// It failed, and is tried again.
    Waiting,
    /// It is sent.
    Sent,
    /// It failed so often that it is not tried again.
    Failed,
}

impl RunProgress {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Claimed, Self::Waiting, Self::Sent, Self::Failed];

    /// The word in the database and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// What came of an attempt. A reason names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// It is sent.
    Sent,
    /// It is tried again from then on.
    Again(Timestamp, String),
    /// It is not tried again.
    GivenUp(String),
}

impl RunOutcome {
    /// RunProgress, from when on somebody else may try, and the reason.
    pub(crate) fn columns(&self, at: Timestamp) -> (RunProgress, Timestamp, Option<&str>) {
        match self {
            Self::Sent => (RunProgress::Sent, at, None),
            Self::Again(from, why) => (RunProgress::Waiting, *from, Some(why)),
            Self::GivenUp(why) => (RunProgress::Failed, at, Some(why)),
        }
    }
}

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRun {
    /// Which.
    pub run: Run,
    /// How far it is.
    pub progress: RunProgress,
    /// How often it was tried.
    pub attempts: u32,
    /// Nobody else takes it over before this.
    pub not_before: Timestamp,
    /// When that became so.
    pub changed_at: Timestamp,
    /// Why the last attempt failed.
    pub error: Option<String>,
}
