//! The ways in for calls. A door translates between its wire and the one engine.

mod keep;
pub mod sip;
mod webhook;
