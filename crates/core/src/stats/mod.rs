//! What ratings add up to: counts, shares with their uncertainty, rankings and local days.
//!
//! Every number here has its formula in the product's documentation of its numbers. Nothing
//! to count gives `None`, never zero.

pub mod calendar;
pub mod interval;
pub mod rank;
pub mod tally;

pub use calendar::WeekStart;
pub use interval::{Interval, Level};
pub use rank::{Ranked, ranking};
pub use tally::{Tally, TooMany};
