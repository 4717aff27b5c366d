//! SIP without sockets and clocks (RFC 3261): messages, and the transactions that carry them.

mod flaw;
mod headers;
mod layer;
mod message;
mod phrase;
mod read;
pub mod transaction;
mod value;

pub use flaw::{Flaw, is_token};
pub use headers::Headers;
pub use layer::{Asked, COOKIE, Full, Layer, Passed, Told, TransactionId};
pub use message::{HEAD_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX, Message, Method, Request, Response};
pub use phrase::phrase;
pub use read::{Broken, Piece, datagram, stream};
pub use value::{listed, param, uri_of};
