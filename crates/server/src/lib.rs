//! See ARCHITECTURE.md.

pub mod clock;
pub mod config;
