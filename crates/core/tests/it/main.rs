//! The engine as its doors see it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a test panics to fail"
)]

mod about;
mod branches;
mod conversations;
mod faults;
mod fuzz;
mod line;
mod lint;
mod player;
mod polarity;
mod reference_stats;
mod stats;
mod surveys;
mod transcripts;
