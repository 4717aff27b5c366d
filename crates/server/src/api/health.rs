//! `/healthz`, `/readyz`, `/metrics`: for who runs the server.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{Ask, Who};
use super::problem::Problem;
use super::{Api, forbidden};
use crate::metrics;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `ready`.
    #[schema(example = "ok")]
    pub status: &'static str,
}

/// Whether the server lives.
#[utoipa::path(
    get, path = "/healthz", tag = "operation", operation_id = "isLive",
    responses((status = 200, description = "It does", body = Health)),
)]
pub async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether ratings can be kept and read now.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", operation_id = "isReady",
    responses((status = 200, description = "They can", body = Health)),
)]
pub async fn ready(State(api): State<Api>) -> Result<Json<Health>, Problem> {
    if !api.writer().is_well() {
        return Err(Problem::unavailable(
            "the database does not take what is said: the server's log says why",
        ));
    }
    api.store().ready().await.map_err(|error| {
        tracing::error!(%error, "the database is not ready");
        Problem::unavailable("the database does not answer: the server's log says why")
    })?;
    Ok(Json(Health { status: "ready" }))
}

/// Counters for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operation", operation_id = "readMetrics",
    responses((status = 200, description = "Prometheus' text format, version 0.0.4", body = String, content_type = "text/plain")),
)]
pub async fn metrics(State(api): State<Api>, Extension(who): Extension<Who>) -> Result<Response, Problem> {
    if !who.may(Ask::Metrics) {
        return Err(forbidden());
    }
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], api.metrics().render()).into_response())
}
