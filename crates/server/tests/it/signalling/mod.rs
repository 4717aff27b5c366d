//! SIP signalling, held against hand-written peers, against SIPp, and against itself.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is a finding")]

mod calls;
mod clients;
mod dialling;
pub(crate) mod harness;
mod logs;
mod peer;
mod requests;
mod torture;
