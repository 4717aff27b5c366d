//! `/cc/reports/csat…`: what ratings come to, period by period, agent by agent, against before and beyond chance.
//!
//! A report is read in one snapshot, so its lines add up. Numbers are those of `core::stats`, explained in
//! `docs/statistics.md`.

pub mod asked;
pub mod compare;
pub mod export;
pub mod ranking;
pub mod series;
mod source;
pub mod table;
pub mod trend;

use axum::Router;
use axum::routing::get;

use super::Api;

/// The reports' routes, below `/cc/reports/csat`.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/reports/csat", get(series::series))
        .route("/reports/csat/distribution", get(series::distribution))
        .route("/reports/csat/funnel", get(series::funnel))
        .route("/reports/csat/ranking", get(ranking::ranking))
        .route("/reports/csat/trend", get(trend::trend))
        .route("/reports/csat/alerts", get(trend::alerts))
        .route("/reports/csat/compare", get(compare::compare))
        .route("/reports/csat/export", get(export::export))
}
