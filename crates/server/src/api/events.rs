//! `/cc/events`: what happens, while it happens (server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aftercall_core::{AgentId, QueueId};
use aftercall_store::{Event, EventId, EventSubject, Role};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};
use utoipa::IntoParams;

use super::access::Who;
use super::problem::{Kind, Problem};
use super::read::Query;
use super::tail::Tail;
use super::{Api, forbidden};
use crate::config::webhook::low_score_default;
use crate::fields::{Fields, parsed, text};
use crate::metrics::Metrics;
use crate::webhooks::payload::{EventView, body};

/// How soon it is looked for what other nodes wrote; what this one writes is told at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks between two signs of life: fifteen seconds, half of what proxies wait at least.
const LOOKS_BETWEEN_SIGNS: u32 = 15;

/// Parts of an answer that wait for the connection to take them: who does not read is not read for.
const PARTS_AHEAD: usize = 1;

/// What a client is told first: how soon to come back when the connection breaks.
const HELLO: &str = "retry: 1000\n: events of aftercall\n\n";

/// A sign of life.
const SIGN: &str = ":\n\n";

/// Who may watch at once, and until when.
#[derive(Debug, Clone)]
pub struct Live {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Live {
    /// So many at once, until `stop`.
    #[must_use]
    pub fn new(streams_max: usize, stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(streams_max)), stop }
    }
}

/// Where to begin, and when to end.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// The last event that is known, if not in the header: it goes on behind it. `00000000-0000-0000-0000-000000000000`
    /// is before every event. Default: from now on.
    #[param(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-low)?$")]
    pub last_event_id: Option<String>,
    /// Whether to wait for more: `false` ends with what there is. Default: true.
    pub follow: Option<bool>,
}

struct Asked {
    last: Option<EventId>,
    follows: bool,
}

impl Asked {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let last = fields.optional("last_event_id", parsed::<EventId>);
        let follows = fields.optional("follow", follow);
        Some(Self { last: last?, follows: follows?.unwrap_or(true) })
    }
}

fn follow(value: &Value) -> Result<bool, String> {
    text(value)?.parse().map_err(|_| "must be true or false".to_owned())
}

/// What somebody may see.
#[derive(Debug, Clone)]
enum Reach {
    All,
    Queues(Vec<QueueId>),
    Agent(AgentId),
}

impl Reach {
    fn of(who: &Who) -> Option<Self> {
        match &who.role {
            Role::Ingest => None,
            Role::Agent(own) => Some(Self::Agent(own.clone())),
            Role::Supervisor(own) => Some(Self::Queues(own.clone())),
            Role::Viewer | Role::Admin => Some(Self::All),
        }
    }

    fn holds(&self, event: &Event) -> bool {
        match (self, &event.about) {
            (Self::All, _) => true,
            (Self::Queues(own), _) => event.queue().is_some_and(|queue| own.contains(queue)),
            (Self::Agent(own), EventSubject::Rating(rated)) => rated.agent.as_ref() == Some(own),
            (Self::Agent(_), EventSubject::Alert(_)) => false,
        }
    }
}

/// Watch what happens to ratings, and alerts (server-sent events).
///
/// Each event has an `id`, its type as `event`, and JSON as `data`: the same as a webhook is sent. A supervisor sees their
/// queues, an agent their own ratings. `Last-Event-ID` goes on behind that event: nothing is left out. Where several nodes
/// share a database, those of the last 15 seconds before it may come again.
#[utoipa::path(
    get, path = "/cc/events", tag = "events", operation_id = "watchEvents",
    params(EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that is known; browsers send it by themselves")),
    responses((status = 200, description = "The events, as long as the connection lasts", body = String, content_type = "text/event-stream")),
)]
pub async fn events(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let asked = query.read(Asked::read)?;
    let reach = Reach::of(&who).ok_or_else(forbidden)?;
    let last = last_known(&headers)?.or(asked.last);
    let live = api.live();
    let place = Arc::clone(&live.places).try_acquire_owned().map_err(|_| {
        Problem::unavailable("as many as may already watch: `[http] max_event_streams`; try again later")
    })?;
    let low = low_score_default().ok_or_else(|| Problem::new(Kind::Internal, "no score is low"))?;
    // What is written from here on wakes it.
    let written = api.writer().changes();
    let tail = Tail::behind(last, api.store().clone(), who.tenant, low).await?;
    let (sender, parts) = Channel::<Bytes, Infallible>::new(PARTS_AHEAD);
    let metrics = Arc::clone(&api.0.metrics);
    // Ends with the server, or when the connection lets go of the answer.
    let end = live.stop.child_token();
    let held = end.clone().drop_guard();
    let parts = parts.map_frame(move |frame| {
        let _: &DropGuard = &held;
        frame
    });
    let stream = Stream { tail, reach, sender, _place: place, metrics };
    tokio::spawn(stream.run(asked.follows, written, end));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Or nginx keeps it until there is more of it.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(([kind, unbuffered], Body::new(parts)).into_response())
}

/// What a client says that it knows. An empty one says nothing (HTML, 9.2.4).
fn last_known(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let Some(header) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let known = header.to_str().ok().and_then(|text| text.parse().ok());
    known.map(Some).ok_or_else(|| {
        Problem::new(Kind::Unreadable, "`Last-Event-ID` is not the id of an event of this server")
    })
}

struct Stream {
    tail: Tail,
    reach: Reach,
    sender: Sender<Bytes, Infallible>,
    _place: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

/// The connection is gone, or nothing can be told any more: the client comes back by itself.
struct Ended;

impl Stream {
    async fn run(mut self, follows: bool, written: watch::Receiver<u64>, end: CancellationToken) {
        self.metrics.http.event_streams.add(1);
        let metrics = Arc::clone(&self.metrics);
        tokio::select! {
            () = end.cancelled() => {}
            _ = self.tell(follows, written) => {}
        }
        metrics.http.event_streams.add(-1);
    }

    async fn tell(&mut self, follows: bool, mut written: watch::Receiver<u64>) -> Result<(), Ended> {
        self.say(HELLO.to_owned()).await?;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut quiet = 0;
        let mut again = true;
        loop {
            let has_told = self.tell_more(again).await?;
            if !follows {
                return Ok(());
            }
            quiet = if has_told { 0 } else { quiet + u32::from(again) };
            if quiet >= LOOKS_BETWEEN_SIGNS {
                self.say(SIGN.to_owned()).await?;
                quiet = 0;
            }
            again = tokio::select! {
                _ = looks.tick() => true,
                Ok(()) = written.changed() => false,
            };
        }
    }

    /// Tells everything that was not told yet; whether there was anything.
    async fn tell_more(&mut self, again: bool) -> Result<bool, Ended> {
        let mut has_told = false;
        loop {
            let events = self.tail.more(again).await.map_err(|error| {
                tracing::warn!(%error, "who watches events is sent away: the database cannot be read");
                Ended
            })?;
            if events.is_empty() {
                return Ok(has_told);
            }
            let seen = events.iter().filter(|event| self.reach.holds(event));
            let told: String = seen.map(frame).collect();
            if !told.is_empty() {
                self.say(told).await?;
                has_told = true;
            }
        }
    }

    async fn say(&mut self, text: String) -> Result<(), Ended> {
        self.sender.send_data(Bytes::from(text)).await.map_err(|_| Ended)
    }
}

/// An event on the wire. JSON has no line ends of its own.
fn frame(event: &Event) -> String {
    let view = EventView::from(event);
    format!("id: {}\nevent: {}\ndata: {}\n\n", view.id, view.kind, body(&view))
}
