//! The API, on the real router and a real database.

mod access;
mod document;
mod events;
pub(crate) mod export;
mod listen;
mod listing;
mod log;
mod problems;
mod ratings;
mod reference;
mod reports;
mod results;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use aftercall::api::auth::Peer;
use aftercall::api::events::Live;
use aftercall::api::{self, Api, Parts};
use aftercall::clock::Clock;
use aftercall::config::{Config, Http};
use aftercall::keys::{self, KeyUses};
use aftercall::metrics::Metrics;
use aftercall::recordings::Recordings;
use aftercall::surveys::Surveys;
use aftercall::writer::{Writer, WriterTask};
use aftercall_core::stats::WeekStart;
use aftercall_core::{QueueId, TenantId};
use aftercall_store::{NewKey, Role, Store, Tenant, Zone};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::cluster::Database;
use crate::folder::Folder;

/// When tests take place, unless they say otherwise.
pub const NOW: &str = "2026-11-22T08:00:00Z";

/// Nobody carries anything there: what is to be sent waits.
const WEBHOOK: &str = "[[webhook]]\nname = \"crm\"\nurl = \"https://crm.example.com/hooks?token=hidden\"\n\
    secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\nlow_score = 1\n";

pub struct Server {
    pub router: Router,
    pub store: Store,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub http: Http,
    writer_task: WriterTask,
    // Last, so that it goes last.
    folder: Folder,
    database: Option<Database>,
}

/// One story on both databases: each of these gets a server on each of them.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            use crate::api::Server;

            #[tokio::test]
            async fn sqlite() {
                super::$test(Server::start().await).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$test(Server::start_on_postgres().await).await;
            }
        })*
    };
}
pub(crate) use on_both;

impl Server {
    pub async fn start() -> Self {
        Self::start_with(Config::built_in().http).await
    }

    pub async fn start_on_postgres() -> Self {
        let database = Database::new().await;
        let store = Store::open(&database.url).await.unwrap();
        let server = Self::start_in(Folder::new(), store, Config::built_in().http);
        Self { database: Some(database), ..server }
    }

    pub async fn start_with(http: Http) -> Self {
        let folder = Folder::new();
        let store = Store::open(&folder.database()).await.unwrap();
        Self::start_in(folder, store, http)
    }

    fn start_in(folder: Folder, store: Store, http: Http) -> Self {
        let clock = Clock::set_to(NOW.parse().unwrap());
        let config = Config::read(Path::new("aftercall.toml"), WEBHOOK, &|_| None).unwrap();
        let store = store.telling(config.subscriptions());
        let metrics = Arc::new(Metrics::default());
        let recordings = Recordings::within(folder.path());
        let (writer, writer_task) =
            Writer::start(store.clone(), recordings, clock.clone(), Arc::clone(&metrics));
        let (key_uses, _) = KeyUses::start(store.clone());
        let (surveys, _) = Surveys::load(folder.path());
        let router = api::router(Api::new(Parts {
            store: store.clone(),
            writer,
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            http: http.clone(),
            surveys: Arc::new(surveys),
            key_uses,
            unusual: Arc::default(),
            webhooks: config.webhooks,
            live: Live::new(http.max_event_streams, CancellationToken::new()),
            exports: Default::default(),
        }));
        Self { router, store, clock, metrics, http, writer_task, folder, database: None }
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        self.database.as_ref().map_or_else(|| self.folder.database(), |database| database.url.clone())
    }

    /// Takes no more writes, as a server that is shutting down.
    pub async fn stop_writing(self) -> (Router, Folder) {
        self.writer_task.drain().await;
        (self.router, self.folder)
    }

    pub async fn tenant(&self, name: &str, zone: &str) {
        let tenant = Tenant {
            id: TenantId::new(name).unwrap(),
            time_zone: Zone::new(zone).unwrap(),
            week_start: WeekStart::Monday,
        };
        self.store.put_tenant(&tenant, self.clock.now()).await.unwrap();
    }

    pub async fn key(&self, tenant: &str, role: Role) -> String {
        let key = keys::create().unwrap();
        let new = NewKey {
            tenant: TenantId::new(tenant).unwrap(),
            hash: keys::hash(&key),
            role,
            expires_at: None,
            at: self.clock.now(),
        };
        self.store.create_key(&new).await.unwrap().unwrap();
        key.expose().to_owned()
    }

    pub async fn get(&self, path: &str) -> Answer {
        Ask::get(path).send(&self.router).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Ask::new(Method::POST, path).json(body).send(&self.router).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Ask::new(Method::PUT, path).json(body).send(&self.router).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Ask::new(Method::DELETE, path).send(&self.router).await
    }
}

/// A request, from this machine unless it says otherwise.
pub struct Ask {
    request: Request<Body>,
}

impl Ask {
    pub fn new(method: Method, path: &str) -> Self {
        let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
        let request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
        Self { request: request.extension(Peer(peer)).body(Body::empty()).unwrap() }
    }

    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn from(mut self, peer: &str) -> Self {
        self.request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self.header("content-type", content_type)
    }

    pub fn json(self, body: Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub async fn send(self, router: &Router) -> Answer {
        let ends = self.request.uri().query().is_some_and(|query| query.contains("follow=false"));
        let response = router.clone().oneshot(self.request).await.unwrap();
        let (head, body) = response.into_parts();
        // Who watches events without end would wait for it.
        let is_stream = head.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = if is_stream && !ends { Body::empty() } else { body };
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8(bytes.into()).unwrap() }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Makes sure that this is a problem as RFC 9457 has it, and returns its detail.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:aftercall:problem:"), "{problem}");
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

pub fn queue(name: &str) -> QueueId {
    QueueId::new(name).unwrap()
}
