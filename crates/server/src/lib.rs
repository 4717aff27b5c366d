//! See ARCHITECTURE.md.

pub mod signalling;
