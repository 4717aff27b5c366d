//! What every request goes through: what is seen of it, how long its headers may be, how long it may take.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::Api;
use super::problem::{Kind, Problem};
use super::read::Arriving;

/// Logs and counts a request: its method, its route's template, what came of it. Never its path,
/// its query, its headers or its peer: those name calls and people.
pub async fn observe(State(api): State<Api>, request: Request, next: Next) -> Response {
    let began = api.clock().elapsed();
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", method, route, status = Empty, ms = Empty);
    let mut response = next.run(request).instrument(span.clone()).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // But for what says itself how long it holds.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    let took = api.clock().elapsed().saturating_sub(began);
    api.metrics().http.answered(method, &route, status, took);
    span.record("status", status).record("ms", milliseconds(took));
    span.in_scope(|| tracing::info!("answered"));
    response
}

/// Refuses addresses and headers that are longer than configured.
pub async fn limit_headers(State(api): State<Api>, request: Request, next: Next) -> Response {
    let longest = api.http().max_header_bytes;
    let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if address > longest {
        let detail = format!("an address has at most {longest} bytes");
        return Problem::new(Kind::TooLongAddress, detail).into_response();
    }
    // A line is `name: value` and its end.
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    if address + lines.sum::<usize>() > longest {
        let detail = format!("address and headers together have at most {longest} bytes");
        return Problem::new(Kind::TooLongHeaders, detail).into_response();
    }
    next.run(request).await
}

/// Answers in time, if only to say that it could not.
pub async fn limit_time(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let arriving = Arriving::default();
    request.extensions_mut().insert(arriving.clone());
    let answer = tokio::time::timeout(api.http().request_timeout, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let problem = if arriving.now() {
            Problem::new(Kind::Slow, "the body did not arrive in time")
        } else {
            Problem::unavailable("this took too long: try again; what was asked may still be done")
        };
        problem.with_header(header::CONNECTION, "close").into_response()
    })
}

/// Methods are a closed set in the log and the metrics, whatever a client sends.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
