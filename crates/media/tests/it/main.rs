//! The engine with real sockets on the loopback interface. Every wait is a receive with a time-out; the
//! engine's own packets, one every 20 ms, are the clock.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod calls;
mod codecs;
mod odd_streams;
mod peer;
mod ports;
mod reports;
mod srtp;
