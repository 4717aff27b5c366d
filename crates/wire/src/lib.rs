//! The wire formats of aftercall: what arrives and leaves as bytes or header text.
//!
//! Everything here is pure. Nothing awaits, logs, reads a clock or touches a socket, and
//! no input, however hostile, makes a parser panic. Time, where it matters, is an argument.

#![warn(missing_docs)]

pub mod codec;
pub mod digit;
pub mod dtmf;
pub mod dtmf_info;
pub mod g711;
pub mod headers;
pub mod identity;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod telephone_event;

pub use codec::Codec;
pub use digit::Digit;
