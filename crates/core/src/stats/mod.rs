//! What ratings add up to: counts, shares with their uncertainty, rankings, trends and local days.
//!
//! Every number here has its formula's source beside it and is explained in `docs/statistics.md`.
//! Nothing to count gives `None`, never zero.

pub mod buckets;
pub mod calendar;
pub mod chart;
pub mod compare;
pub mod funnel;
pub mod interval;
pub mod mix;
pub mod probability;
pub mod rank;
pub mod revision;
pub mod scales;
mod slopes;
pub mod tally;
pub mod trend;
pub mod words;

pub use buckets::{Bucket, Grain, buckets};
pub use calendar::WeekStart;
pub use chart::{ChartRule, Charts, Unusual, charts};
pub use compare::{Comparison, against_rest, compare};
pub use funnel::{Funnel, Stage};
pub use interval::{Interval, Level};
pub use mix::{Standardised, standardised};
pub use rank::{Method, Ranked, ranking, ranking_by};
pub use revision::{Known, News};
pub use tally::{Tally, TooMany};
pub use trend::{Trend, trend};
pub use words::Verdict;
