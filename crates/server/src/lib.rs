//! See ARCHITECTURE.md.

pub mod clock;
pub mod config;
pub mod fields;
pub mod logging;
pub mod metrics;
pub mod secret;
pub mod surveys;
pub mod writer;
