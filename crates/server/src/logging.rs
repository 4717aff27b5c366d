//! What the log shows: to stderr, as text or as JSON lines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one object a line.
    Json,
}

/// What is shown unless the operator says otherwise.
const SHOWN: &str = "info";

/// Logging that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The filter is not one.
    #[error("`{0}` is not a filter for the log, such as `info` or `warn,aftercall=debug`")]
    Filter(String),
    /// Somebody else has started it.
    #[error("the log has been started before")]
    Started,
}

/// Starts logging. `filter` is in the syntax of `RUST_LOG`.
///
/// # Errors
/// When the filter cannot be understood, or logging was started before.
pub fn start(filter: Option<&str>, format: LogFormat) -> Result<(), LogFault> {
    let shown = read(filter.unwrap_or_default())?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let log = tracing_subscriber::registry().with(shown);
    let started = match format {
        LogFormat::Text => log.with(lines).try_init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|_| LogFault::Started)
}

/// Reads a filter in the syntax of `RUST_LOG`; an empty one shows what is shown by default.
///
/// # Errors
/// When it cannot be understood.
pub fn read(filter: &str) -> Result<EnvFilter, LogFault> {
    let filter = if filter.trim().is_empty() { SHOWN } else { filter };
    EnvFilter::try_new(filter).map_err(|_| LogFault::Filter(filter.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused() {
        assert_eq!(
            start(Some("a=b=c"), LogFormat::Text).unwrap_err().to_string(),
            "`a=b=c` is not a filter for the log, such as `info` or `warn,aftercall=debug`"
        );
    }
}
