//! Who asks: a key, or someone on this machine (trust.md).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aftercall_core::TenantId;
use aftercall_store::{Actor, KeyUse, Role};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use jiff::SignedDuration;

use super::Api;
use super::access::Who;
use super::problem::{Kind, Problem};
use crate::config::Http;
use crate::keys;
use crate::secret::Secret;

/// A key's last use is noted at most this often: an operator asks whether it is in use, not when exactly.
const USE_NOTED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What everyone without a key is told.
const KEY_NEEDED: &str =
    "this needs a key: `aftercall key create --role ROLE` makes one, send it as `Authorization: Bearer KEY`";

/// What every answer to someone without a key carries (RFC 7234, 5.5: warn-code 199).
const KEYLESS_WARNING: &str = "199 aftercall \"answered without a key because you are on this machine; everyone else needs one: aftercall key create\"";

/// Headers that say that a request was passed on.
const FORWARDED: [&str; 7] =
    ["forwarded", "x-forwarded-", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip", "via"];

/// Where a connection came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The address of a request as others reach it.
#[derive(Debug, Clone)]
pub struct Address {
    base: String,
    path: String,
    query: String,
}

impl Address {
    /// The whole address without the query; only a path when nobody said how others reach us.
    #[must_use]
    pub fn here(&self) -> String {
        format!("{}{}", self.base, self.path)
    }

    /// The query, as it came.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }

    fn of(uri: &Uri, headers: &HeaderMap, trusted: bool, http: &Http) -> Self {
        let forwarded = || trusted.then(|| forwarded_base(headers)).flatten();
        let base = http.public_url.clone().or_else(forwarded).unwrap_or_default();
        Self { base, path: uri.path().to_owned(), query: uri.query().unwrap_or_default().to_owned() }
    }
}

/// Whom the API answers without a key, for the operator to read: a proxy's address is not this machine.
#[must_use]
pub fn answered_without_a_key(http: &Http) -> String {
    let four = IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8);
    let local = [four, IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST))];
    let is_local = |proxy: &&IpNet| local.iter().any(|local| proxy.contains(local) || local.contains(*proxy));
    let proxies: Vec<String> =
        http.trusted_proxies.iter().filter(is_local).map(ToString::to_string).collect();
    let except = match proxies.is_empty() {
        true => String::new(),
        false => format!(" except from {} ([http] trusted_proxies)", proxies.join(", ")),
    };
    format!("anyone on this machine{except}, and nobody else")
}

/// Lets a request pass as somebody, or answers 401.
pub async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    // Without a peer (which the listener always sets) nobody is on this machine.
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| address.ip());
    let trusted = peer.is_some_and(|peer| api.http().trusts(peer));
    let address = Address::of(request.uri(), request.headers(), trusted, api.http());
    let (who, is_keyless) = match bearer(request.headers()) {
        Some(Ok(key)) => (by_key(&api, &key).await, false),
        Some(Err(())) => (Err(wrong_key()), false),
        None if peer.is_some_and(|peer| !trusted && is_local(peer, request.uri(), request.headers())) => {
            (Ok(keyless()), true)
        }
        None => (Err(unauthorized("Bearer realm=\"aftercall\"", KEY_NEEDED)), false),
    };
    let who = match who {
        Ok(who) => who,
        Err(problem) => return problem.into_response(),
    };
    request.extensions_mut().insert(who);
    request.extensions_mut().insert(address);
    let mut response = next.run(request).await;
    if is_keyless {
        response.headers_mut().insert(header::WARNING, HeaderValue::from_static(KEYLESS_WARNING));
    }
    response
}

fn keyless() -> Who {
    Who { tenant: TenantId::default(), role: Role::Admin, actor: Actor::Keyless }
}

/// The key that was sent, if any; an error where there is something else in its place.
fn bearer(headers: &HeaderMap) -> Option<Result<Secret, ()>> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let first = sent.next()?;
    let key = first.to_str().ok().and_then(|text| text.split_once(' '));
    let key = key.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
    match (key, sent.next()) {
        (Some(key), None) if !key.is_empty() => Some(Ok(Secret::new(key))),
        _ => Some(Err(())),
    }
}

async fn by_key(api: &Api, key: &Secret) -> Result<Who, Problem> {
    let now = api.clock().now();
    let found = api.store().key_by_hash(&keys::hash(key)).await?;
    let key = found.filter(|key| key.works(now)).ok_or_else(wrong_key)?;
    if key.last_used_at.is_none_or(|last| now.duration_since(last) >= USE_NOTED_EVERY) {
        api.note_use(KeyUse { tenant: key.tenant.clone(), key: key.id, at: now });
    }
    Ok(Who { tenant: key.tenant, role: key.role, actor: Actor::Key(key.id) })
}

fn wrong_key() -> Problem {
    unauthorized(
        "Bearer realm=\"aftercall\", error=\"invalid_token\"",
        "this key is not known, or it has expired or been revoked: `aftercall key create --role ROLE` makes a new one",
    )
}

fn unauthorized(challenge: &'static str, detail: &str) -> Problem {
    Problem::new(Kind::Unauthorized, detail).with_header(header::WWW_AUTHENTICATE, challenge)
}

/// Whether the request comes from this machine, and from nowhere else through it: not passed on by
/// a proxy, not sent by a page of another site in a browser here (DNS rebinding, cross-site forms).
fn is_local(peer: IpAddr, uri: &Uri, headers: &HeaderMap) -> bool {
    let passed_on = |name: &HeaderName| FORWARDED.iter().any(|start| name.as_str().starts_with(start));
    let Some(host) = only(headers, &header::HOST) else { return false };
    let origin_is_ours = match only(headers, &header::ORIGIN) {
        Some(origin) => origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host)),
        None => !headers.contains_key(header::ORIGIN),
    };
    peer.to_canonical().is_loopback()
        && is_loopback_name(host)
        && uri.authority().is_none_or(|authority| is_loopback_name(authority.as_str()))
        && !headers.keys().any(passed_on)
        && origin_is_ours
        && !is_cross_site(headers)
}

/// A header that is there exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// What a browser says when another site's page asks (W3C Fetch Metadata).
fn is_cross_site(headers: &HeaderMap) -> bool {
    let sites = headers.get_all("sec-fetch-site");
    sites.iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// `localhost`, `127.0.0.0/8` or `[::1]`, perhaps with a port.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    if let Some(inside) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inside.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// `https://host` as a trusted proxy says that it was asked.
fn forwarded_base(headers: &HeaderMap) -> Option<String> {
    let host = headers.get("x-forwarded-host")?.to_str().ok()?.split(',').next()?.trim();
    let scheme = headers.get("x-forwarded-proto").map_or(Some("http"), |scheme| scheme.to_str().ok())?;
    let scheme = scheme.split(',').next()?.trim();
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    let sound = matches!(scheme, "http" | "https") && !host.is_empty() && host.chars().all(is_host);
    sound.then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_someone_on_this_machine_and_asking_for_themselves_needs_no_key() {
        const HERE: (&str, &str) = ("host", "127.0.0.1:8080");
        for (peer, sent, expected) in [
            ("127.0.0.1", &[HERE][..], true),
            ("127.8.9.1", &[("host", "localhost")], true),
            ("::1", &[("host", "[::1]:8080")], true),
            ("::ffff:127.0.0.1", &[("host", "LOCALHOST:8080")], true),
            ("127.0.0.1", &[("host", "127.0.0.1")], true),
            ("10.0.0.1", &[HERE], false),
            ("203.0.113.7", &[HERE], false),
            ("127.0.0.1", &[], false),
            ("127.0.0.1", &[HERE, ("host", "localhost")], false),
            ("127.0.0.1", &[("host", "csat.example.com")], false),
            ("127.0.0.1", &[("host", "localhost.example.com")], false),
            ("127.0.0.1", &[("host", "127.0.0.1.example.com")], false),
            ("127.0.0.1", &[("host", "[::2]:8080")], false),
            ("127.0.0.1", &[("host", "127.1")], false),
            ("127.0.0.1", &[("host", "")], false),
            ("127.0.0.1", &[HERE, ("forwarded", "for=10.0.0.1")], false),
            ("127.0.0.1", &[HERE, ("x-forwarded-for", "127.0.0.1")], false),
            ("127.0.0.1", &[HERE, ("x-forwarded-proto", "https")], false),
            ("127.0.0.1", &[HERE, ("x-forwarded-anything", "")], false),
            ("127.0.0.1", &[HERE, ("x-real-ip", "127.0.0.1")], false),
            ("127.0.0.1", &[HERE, ("via", "1.1 proxy")], false),
            ("127.0.0.1", &[HERE, ("origin", "http://127.0.0.1:8080")], true),
            ("127.0.0.1", &[HERE, ("origin", "http://127.0.0.1:9090")], false),
            ("127.0.0.1", &[HERE, ("origin", "https://evil.example")], false),
            ("127.0.0.1", &[HERE, ("origin", "null")], false),
            ("127.0.0.1", &[HERE, ("sec-fetch-site", "cross-site")], false),
            ("127.0.0.1", &[HERE, ("sec-fetch-site", "same-origin")], true),
        ] {
            let local = is_local(peer.parse().unwrap(), &Uri::from_static("/cc/csat"), &headers(sent));
            assert_eq!(local, expected, "{peer} {sent:?}");
        }
        let absolute = Uri::from_static("http://csat.example.com/cc/csat");
        assert!(!is_local("127.0.0.1".parse().unwrap(), &absolute, &headers(&[HERE])));
    }

    #[test]
    fn the_operator_is_told_from_where_on_this_machine_a_key_is_needed() {
        for (proxies, expected) in [
            (&[][..], "anyone on this machine, and nobody else"),
            (&["10.0.0.1/32", "::/128"], "anyone on this machine, and nobody else"),
            (
                &["127.0.0.1/32"],
                "anyone on this machine except from 127.0.0.1/32 ([http] trusted_proxies), and nobody else",
            ),
            (
                &["0.0.0.0/0", "10.0.0.1/32", "::1/128"],
                "anyone on this machine except from 0.0.0.0/0, ::1/128 ([http] trusted_proxies), and nobody else",
            ),
        ] {
            let trusted_proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
            let http = Http { trusted_proxies, ..crate::config::Config::built_in().http };
            assert_eq!(answered_without_a_key(&http), expected, "{proxies:?}");
        }
    }

    #[test]
    fn a_key_is_one_bearer_token_and_anything_else_in_its_place_is_wrong() {
        for (sent, expected) in [
            (&[][..], None),
            (&[("authorization", "Bearer abc")], Some(Ok("abc"))),
            (&[("authorization", "bearer  abc ")], Some(Ok("abc"))),
            (&[("authorization", "Bearer ")], Some(Err(()))),
            (&[("authorization", "Bearer")], Some(Err(()))),
            (&[("authorization", "Basic YTpi")], Some(Err(()))),
            (&[("authorization", "Bearer a"), ("authorization", "Bearer a")], Some(Err(()))),
        ] {
            let found = bearer(&headers(sent));
            let found = found.as_ref().map(|key| key.as_ref().map(Secret::expose).map_err(|_| ()));
            assert_eq!(found, expected, "{sent:?}");
        }
    }

    #[test]
    fn a_proxys_words_become_an_address_only_when_they_are_sound() {
        for (sent, expected) in [
            (&[][..], None),
            (&[("x-forwarded-host", "csat.example.com")], Some("http://csat.example.com")),
            (
                &[("x-forwarded-host", "csat.example.com:8443, inner"), ("x-forwarded-proto", "https, http")],
                Some("https://csat.example.com:8443"),
            ),
            (&[("x-forwarded-host", "a"), ("x-forwarded-proto", "javascript")], None),
            (&[("x-forwarded-host", "a>b")], None),
            (&[("x-forwarded-host", "")], None),
        ] {
            assert_eq!(forwarded_base(&headers(sent)).as_deref(), expected, "{sent:?}");
        }
    }
}
