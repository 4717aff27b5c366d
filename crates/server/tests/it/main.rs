//! What the server promises, tried from outside.

mod calls;
mod config;
mod server;
mod signalling;
mod tidy;
