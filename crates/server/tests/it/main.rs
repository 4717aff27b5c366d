//! What the server promises, tried from outside.

mod config;
mod signalling;
mod tidy;
