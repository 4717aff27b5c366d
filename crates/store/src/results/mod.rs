//! What results are made of: figures of queues by whole local days, and of agents.

pub(crate) mod answer;
pub(crate) mod plan;

use std::ops::Range;

use aftercall_core::stats::calendar::{day, day_of};
use aftercall_core::stats::{Tally, TooMany};
use aftercall_core::{AgentId, QueueId};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::read::Window;
use crate::tenant::Zone;

/// The most periods that one read is asked for: ten years of days.
pub const PERIODS_MAX: usize = 3_660;

/// The most stretches of one answer that no kept day covers: half a minute of reading, and far more than a calendar
/// of another zone than the tenant's needs for a year of days of a few dozen queues.
pub(crate) const RAW_PARTS_MAX: usize = 50_000;

/// Days counted anew in one transaction, during which nobody else writes: 64 days of 70 ratings are a millisecond.
pub(crate) const DAYS_AT_ONCE: usize = 64;

/// Months counted anew in one transaction: 8 of 2,000 ratings are some milliseconds.
pub(crate) const MONTHS_AT_ONCE: usize = 8;

/// How far calls came, as counts. Each call is in one of the states; `started` and `answered` say how many came so far
/// whatever became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Funnel {
    /// Not asked, by a rule.
    pub suppressed: u64,
    /// The survey was put to the caller.
    pub offered: u64,
    /// The first prompt began.
    pub started: u64,
    /// Some question was answered.
    pub answered: u64,
    /// All of it was.
    pub completed: u64,
    /// The caller did not want to be asked.
    pub declined: u64,
    /// The caller hung up before an answer.
    pub abandoned: u64,
    /// The caller said nothing.
    pub no_input: u64,
    /// Something went wrong on our side, or the PBX's.
    pub failed: u64,
}

/// What a queue's time, or several queues', comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Figures {
    /// The ratings given then.
    pub tally: Tally,
    /// The calls that became eligible then.
    pub funnel: Funnel,
}

impl Funnel {
    pub(crate) fn of(counts: [u64; 9]) -> Self {
        let [suppressed, offered, started, answered, completed, declined, abandoned, no_input, failed] =
            counts;
        Self { suppressed, offered, started, answered, completed, declined, abandoned, no_input, failed }
    }

    fn counts(&self) -> [u64; 9] {
        [
            self.suppressed,
            self.offered,
            self.started,
            self.answered,
            self.completed,
            self.declined,
            self.abandoned,
            self.no_input,
            self.failed,
        ]
    }
}

impl Figures {
    /// These and those together.
    ///
    /// # Errors
    /// When there are more ratings than a tally holds.
    pub fn merge(&self, other: &Self) -> Result<Self, TooMany> {
        let mut counts = self.funnel.counts();
        for (mine, theirs) in counts.iter_mut().zip(other.funnel.counts()) {
            *mine = mine.saturating_add(theirs);
        }
        Ok(Self { tally: self.tally.merge(&other.tally)?, funnel: Funnel::of(counts) })
    }
}

/// Which queues to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queues {
    /// Every queue, and what has none.
    All,
    /// These; at most [`QUEUES_MAX`](crate::QUEUES_MAX).
    Only(Vec<QueueId>),
}

/// How figures are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Each queue apart.
    Queue,
    /// All queues in one.
    Nothing,
}

/// A stretch of time as it is counted: whole local days, and what is left at its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The whole days; none where the period holds no whole day.
    pub(crate) days: Option<Days>,
    /// What lies before and behind them.
    pub(crate) edges: Vec<Range<Timestamp>>,
}

/// From a local day to another, both included; what is `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) first: Option<Date>,
    pub(crate) last: Option<Date>,
}

impl Period {
    /// All instants of a window, by the calendar of a zone.
    #[must_use]
    pub fn of(window: &Window, zone: &Zone) -> Self {
        let rules = zone.rules();
        let (mut days, mut edges) = (Days { first: None, last: None }, Vec::new());
        if let (Some(from), Some(to)) = (window.from, window.to)
            && to <= from
        {
            return Self { days: None, edges };
        }
        if let Some(from) = window.from {
            let begun = day(day_of(from, rules), rules);
            let is_whole = begun.span.start == from;
            let first =
                if is_whole { begun.date } else { begun.date.saturating_add(jiff::Span::new().days(1)) };
            edges.push(from..day(first, rules).span.start);
            days.first = Some(first);
        }
        if let Some(to) = window.to {
            let open = day(day_of(to, rules), rules);
            edges.push(open.span.start..to);
            days.last = Some(open.date.saturating_sub(jiff::Span::new().days(1)));
        }
        if let (Some(first), Some(last), Some(from), Some(to)) =
            (days.first, days.last, window.from, window.to)
            && first > last
        {
            return Self { days: None, edges: vec![from..to] };
        }
        edges.retain(|edge| edge.start < edge.end);
        Self { days: Some(days), edges }
    }
}

/// What is asked about queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which.
    pub queues: Queues,
    /// The stretches of time to add up, each by itself; at most [`PERIODS_MAX`]. They may overlap.
    pub windows: Vec<Window>,
    /// How.
    pub by: By,
    /// When the ratings were given whose agents are asked for, too.
    pub agents: Option<Window>,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// A line for each window, and queue where they were asked for apart, in which there is anything.
    pub figures: Vec<Counted>,
    /// A line for each agent with ratings in each queue, by queue and agent.
    pub agents: Vec<AgentFigures>,
}

/// Figures of one period: of a queue, of what has none (`Some(None)`), or of all together (`None`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Whose.
    pub queue: Option<Option<QueueId>>,
    /// The period's place in the question.
    pub period: usize,
    /// What it comes to.
    pub figures: Figures,
}

/// What ratings are put together by, where they are counted one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// All of them.
    Nothing,
    /// The queue.
    Queue,
    /// The agent.
    Agent,
    /// The survey that asked.
    Survey,
    /// The way in which it was asked.
    Channel,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 5] = [Self::Nothing, Self::Queue, Self::Agent, Self::Survey, Self::Channel];

    /// The word in a request, in an answer and in the statements.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Queue => "queue",
            Self::Agent => "agent",
            Self::Survey => "survey",
            Self::Channel => "channel",
        }
    }
}

/// The ratings of one group in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The group's name; `None`: ratings that have none, or all of them.
    pub name: Option<String>,
    /// The window's place in the question.
    pub period: usize,
    /// The ratings.
    pub tally: Tally,
}

/// An agent's ratings within a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentFigures {
    /// The queue; `None`: ratings of no queue.
    pub queue: Option<QueueId>,
    /// The agent.
    pub agent: AgentId,
    /// Their ratings there.
    pub tally: Tally,
}

/// What one call of [`Store::catch_up`](crate::Store::catch_up) did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// Days counted anew.
    pub days: usize,
    /// Months of agents counted anew.
    pub months: usize,
}

impl CaughtUp {
    /// Whether there was nothing to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.days == 0 && self.months == 0
    }
}

/// A bucket on its way to be counted.
pub(crate) struct Span {
    /// Its queue, `""` for none.
    pub(crate) queue: String,
    /// The day, `2026-11-22`, or the month, `2026-11`.
    pub(crate) name: String,
    /// From its first instant until just before the first behind it.
    pub(crate) instants: Range<Timestamp>,
}

pub(crate) fn span_of_day(queue: String, date: Date, zone: &Zone) -> Span {
    Span { queue, name: date.to_string(), instants: day(date, zone.rules()).span }
}

pub(crate) fn span_of_month(queue: String, first: Date, zone: &Zone) -> Span {
    let start = |date| day(date, zone.rules()).span.start;
    let next = first.saturating_add(jiff::Span::new().months(1));
    Span { queue, name: month(first), instants: start(first)..start(next) }
}

/// The month that is not over.
pub(crate) fn present_month(now: Timestamp, zone: &Zone) -> String {
    month(day_of(now, zone.rules()))
}

/// `2026-11`.
pub(crate) fn month(date: Date) -> String {
    date.strftime("%Y-%m").to_string()
}
