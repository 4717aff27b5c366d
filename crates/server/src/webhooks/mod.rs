//! Webhooks: what happened, sent to whoever the configuration names, signed as Standard Webhooks says
//! (<https://www.standardwebhooks.com>), again until it is taken or given up.
//!
//! What is to be sent stands in the outbox since the transaction in which it happened; here it is claimed, sent and
//! settled. An event is sent at least once, under the same id each time.

mod courier;
pub mod payload;
mod schedule;
mod send;
mod sign;

pub use courier::Courier;
pub use send::{Answer, Post};
pub use sign::{KeyFault, SigningKey};
