//! The HTTP API: request -> query -> JSON. One small file a resource.

pub mod access;
pub mod auth;
mod csat;
pub mod events;
pub(crate) mod filter;
mod guard;
mod health;
mod list;
pub mod listen;
mod openapi;
mod pairs;
pub mod problem;
mod read;
pub(crate) mod reports;
mod results;
mod surveys;
pub mod tail;
pub mod view;
mod webhooks;
pub(crate) mod window;

use std::sync::Arc;

use aftercall_store::{KeyUse, Store};
use axum::Router;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use openapi::document;
pub(crate) use window::rfc_3339;

use self::events::Live;
use self::problem::{Kind, Problem};
pub use self::reports::export::Exports;
use crate::clock::Clock;
use crate::config::{Http, Webhook};
use crate::keys::KeyUses;
use crate::metrics::Metrics;
use crate::surveys::Surveys;
use crate::unusual::Unusual;
use crate::writer::Writer;

/// What the API answers from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Reads.
    pub store: Store,
    /// Writes.
    pub writer: Writer,
    /// The time.
    pub clock: Clock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Limits, proxies, the address others reach.
    pub http: Http,
    /// What callers are asked.
    pub surveys: Arc<Surveys>,
    /// Where the use of keys is noted.
    pub key_uses: KeyUses,
    /// What looks unusual about ratings.
    pub unusual: Arc<Unusual>,
    /// Who is told of what happens.
    pub webhooks: Vec<Webhook>,
    /// Who may watch it.
    pub live: Live,
    /// How many exports there may be at once.
    pub exports: Exports,
}

/// The API's state. Clones share it.
#[derive(Debug, Clone)]
pub struct Api(Arc<Parts>);

impl Api {
    /// An API of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn writer(&self) -> &Writer {
        &self.0.writer
    }

    fn unusual(&self) -> &Unusual {
        &self.0.unusual
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    fn http(&self) -> &Http {
        &self.0.http
    }

    fn surveys(&self) -> &Surveys {
        &self.0.surveys
    }

    fn webhooks(&self) -> &[Webhook] {
        &self.0.webhooks
    }

    fn live(&self) -> &Live {
        &self.0.live
    }

    fn exports(&self) -> &Exports {
        &self.0.exports
    }

    fn note_use(&self, used: KeyUse) {
        self.0.key_uses.note(used);
    }
}

/// Every route, behind the checks that every request goes through.
pub fn router(api: Api) -> Router {
    let cc = Router::new()
        .route("/csat", get(list::list))
        .route("/csat/{call_id}", get(csat::read).post(csat::rate).put(csat::replace).delete(csat::erase))
        .route("/csat/agent/{agent_id}", get(results::agent))
        .route("/csat/queue/{queue_id}", get(results::queue))
        .merge(reports::routes())
        .route("/events", get(events::events))
        .route("/webhooks", get(webhooks::list))
        .route("/webhooks/{webhook}/deliveries", get(webhooks::deliveries))
        .route("/webhooks/{webhook}/deliveries/{event}/retry", post(webhooks::retry))
        .route("/webhooks/{webhook}/replay", post(webhooks::replay))
        .route("/surveys", get(surveys::list))
        .route("/surveys/{name}", get(surveys::read));
    Router::new()
        .nest("/cc", cc.clone())
        .nest("/api/cc", cc)
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .fallback(|| async { Problem::new(Kind::NotFound, "no route leads here: /openapi.json lists all") })
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(api.clone(), auth::authenticate))
        .layer(from_fn_with_state(api.clone(), guard::limit_time))
        .layer(from_fn_with_state(api.clone(), guard::limit_headers))
        .layer(from_fn_with_state(api.clone(), guard::observe))
        .with_state(api)
}

/// `OPTIONS` says which methods there are; every other one that there is not is refused. Either
/// way the router adds `Allow`.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(Kind::Method, "the `Allow` header lists the methods there are").into_response()
}

fn forbidden() -> Problem {
    Problem::new(Kind::Forbidden, "this key's role, agent or queues do not reach that far")
}
