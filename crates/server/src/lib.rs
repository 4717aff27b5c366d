//! See ARCHITECTURE.md.

pub mod clock;
pub mod config;
pub mod fields;
pub mod secret;
