//! The generator against a small server of its own: real sockets, real packets, known faults.

#![expect(clippy::unwrap_used, reason = "a test's server may fail with its test")]

mod calls;
mod server;
