//! The wire formats against recorded bytes, tables and generated input.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod dtmf;
mod dtmf_info;
mod fuzz;
mod g711;
mod headers;
mod identity;
mod reference;
mod rtcp;
mod rtp;
mod sdp;
mod sip;
mod srtp;
mod telephone_event;
