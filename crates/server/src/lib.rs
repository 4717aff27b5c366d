//! See ARCHITECTURE.md.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod fields;
pub mod keys;
pub mod logging;
pub mod metrics;
pub mod secret;
pub mod surveys;
pub mod writer;
