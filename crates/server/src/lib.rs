//! The server: configuration, doors, API, command line. See ARCHITECTURE.md.

pub(crate) mod aftermath;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dial;
pub mod doors;
pub(crate) mod export;
pub mod fields;
pub mod installation;
pub mod keys;
pub mod logging;
pub mod metrics;
pub(crate) mod posted;
pub mod prompts;
pub mod recordings;
pub(crate) mod results;
pub mod scheduled;
pub mod secret;
pub mod signalling;
pub mod surveys;
pub mod tls;
pub(crate) mod unread;
pub mod unusual;
pub mod writer;
