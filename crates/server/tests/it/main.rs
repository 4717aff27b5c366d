//! What the server promises, tried from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics says what is wrong")]

mod alerts;
mod api;
mod calls;
mod cli;
#[path = "../../../store/tests/it/cluster.rs"]
mod cluster;
mod config;
mod export;
mod folder;
mod migrate;
mod postgres;
mod readers;
mod receiver;
#[path = "../../../core/tests/it/reference_stats/files.rs"]
mod reference_files;
mod scheduled;
mod server;
mod signalling;
mod tidy;
mod until;
mod watching;
mod webhooks;
mod writer;
