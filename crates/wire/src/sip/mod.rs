//! SIP without sockets and clocks (RFC 3261): messages, and the transactions that carry them.

mod flaw;
mod headers;
mod message;
mod read;
pub mod transaction;

pub use flaw::Flaw;
pub use headers::Headers;
pub use message::{HEAD_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX, Message, Method, Request, Response};
pub use read::{Broken, Piece, datagram, stream};
