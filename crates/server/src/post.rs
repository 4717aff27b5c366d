//! Telling other systems over HTTP, for whatever is sent out. It blocks, and follows no redirect: the address is the
//! operator's, and nobody else chooses one.

use std::time::Duration;

/// Someone to tell; connections are used again.
pub(crate) fn agent(timeout: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("aftercall/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

/// What of an address may be logged: paths and queries hold tokens.
pub(crate) fn host(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.split(['/', '?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_a_webhook_is_logged() {
        assert_eq!(host("https://crm.example:8443/low?token=secret"), "crm.example:8443");
    }
}
