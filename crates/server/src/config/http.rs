//! `[http]`: the API's listener and its limits.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use axum::http::Uri;
use ipnet::IpNet;
use serde_json::Value;

use super::values;
use crate::fields::{Fields, parsed, text, whole};
use crate::tls::Files;

/// How the API is served.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How others reach it, without a slash at the end.
    pub public_url: Option<String>,
    /// Who may set `X-Forwarded-*`.
    pub trusted_proxies: Vec<IpNet>,
    /// Certificate and key, where it speaks TLS itself.
    pub tls: Option<Files>,
    /// Longest request body, in bytes.
    pub max_body_bytes: usize,
    /// Longest request line and headers together, in bytes.
    pub max_header_bytes: usize,
    /// How long a request's headers may take to arrive.
    pub header_timeout: Duration,
    /// How long a request may take from its headers to its answer.
    pub request_timeout: Duration,
    /// How many connections are open at once.
    pub max_connections: usize,
    /// How many may watch events at once.
    pub max_event_streams: usize,
}

impl Http {
    pub(super) fn read(fields: &mut Fields<'_, '_>, folder: &Path) -> Option<Self> {
        let listen = fields.required("listen", socket_address);
        let public_url = fields.optional("public_url", absolute_url);
        let trusted_proxies = fields.list("trusted_proxies", values::network);
        let tls = fields.table("tls", |tls| {
            let cert = tls.required("cert", values::path(folder));
            let key = tls.required("key", values::path(folder));
            Some(Files { cert: cert?, key: key?, client_ca: None })
        });
        // Headers above 64 KiB are cut off below HTTP, where no answer can be explained.
        let max_header_bytes = fields.required("max_header_bytes", whole(1024..=65_536));
        let max_body_bytes = fields.required("max_body_bytes", whole(1024..=16_777_216));
        let header_seconds = fields.required("header_seconds", whole(1..=300));
        let request_seconds = fields.required("request_seconds", whole(1..=300));
        let max_connections = fields.required("max_connections", whole(1..=100_000));
        let max_event_streams = fields.required("max_event_streams", whole(0..=10_000));
        Some(Self {
            listen: listen?,
            public_url: public_url?,
            trusted_proxies: trusted_proxies?,
            tls: tls?,
            max_body_bytes: max_body_bytes? as usize,
            max_header_bytes: max_header_bytes? as usize,
            header_timeout: Duration::from_secs(header_seconds?.into()),
            request_timeout: Duration::from_secs(request_seconds?.into()),
            max_connections: max_connections? as usize,
            max_event_streams: max_event_streams? as usize,
        })
    }

    /// Whether this address may set `X-Forwarded-*`.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}

fn socket_address(value: &Value) -> Result<SocketAddr, String> {
    parsed(value).map_err(|_| "must be an address with a port, such as `127.0.0.1:8080`".to_owned())
}

/// An `http` or `https` address with a host, perhaps a path, and nothing behind it.
fn absolute_url(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let whole = || format!("is `{text}`, which is not a whole address such as `https://csat.example.com`");
    let uri: Uri = text.parse().map_err(|_| whole())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(whole());
    }
    if uri.query().is_some() || text.contains('#') || text.contains('@') {
        return Err("must end with its path: no user, `?` or `#`".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}
