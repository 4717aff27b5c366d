//! What the store promises, tried through its public face and by plain SQL beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clerk;
mod cluster;
mod directory;
mod durability;
mod events;
mod harness;
mod migration;
mod nodes;
mod opening;
mod posted;
mod reads;
mod refusals;
mod results;
mod runs;
mod sessions;
mod storm;
mod transfer;
