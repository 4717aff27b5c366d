//! `/cc/webhooks`: who is told, what became of it, and once more.

use aftercall_store::{Deliveries, Delivery, DeliveryState, EventId, WebhookName};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::access::{Ask, Who};
use super::auth::Address;
use super::list::{limit, next_link};
use super::problem::{Kind, Problem};
use super::read::{Id, Query};
use super::view::instant;
use super::window::Asked;
use super::{Api, forbidden};
use crate::config::Webhook;
use crate::fields::{Fields, parsed, text};

/// Deliveries on a page, unless the request says otherwise.
const LIMIT_DEFAULT: u16 = 100;

/// The most events that one request looks at to send them again, in pages: some seconds of writing.
const PAGES_REPLAYED_MAX: usize = 20;

/// Someone who is told. Its secret and its address, which may hold one, are not shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookView {
    /// Its name.
    #[schema(example = "crm")]
    pub name: String,
    /// Where it is: the host only.
    #[schema(example = "crm.example.com")]
    pub host: String,
    /// Which events it is told of.
    pub events: Vec<&'static str>,
    /// Of which queues; null: of all, and of none.
    pub queues: Option<Vec<String>>,
    /// Up to which score a rating is low.
    pub low_score: u8,
    /// Events that are to be sent, for the first time or again.
    pub waiting: u64,
    /// Events that were given up.
    pub dead: u64,
    /// When the newest of those that were delivered was.
    #[schema(format = DateTime)]
    pub last_delivered_at: Option<String>,
}

impl WebhookView {
    fn of(webhook: &Webhook, counts: &Deliveries) -> Self {
        let to = &webhook.subscription;
        let queues = to.queues.as_ref();
        Self {
            name: to.webhook.to_string(),
            host: crate::post::host(webhook.url.expose()).to_owned(),
            events: to.kinds.iter().map(|kind| kind.word()).collect(),
            queues: queues.map(|queues| queues.iter().map(ToString::to_string).collect()),
            low_score: to.low_score.get(),
            waiting: counts.waiting,
            dead: counts.dead,
            last_delivered_at: counts.last_delivered_at.map(instant),
        }
    }
}

/// Who is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookList {
    /// In the order of the configuration.
    pub webhooks: Vec<WebhookView>,
}

/// An event on its way to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// The event: the `webhook-id` of every attempt.
    pub id: String,
    /// What kind of event.
    #[serde(rename = "type")]
    #[schema(example = "rating.low")]
    pub kind: &'static str,
    /// The call it is about, if any.
    pub call_id: Option<String>,
    /// `waiting`, `delivered` or `dead`.
    #[schema(example = "waiting")]
    pub state: &'static str,
    /// How often it was sent.
    pub attempts: u32,
    /// When it happened.
    #[schema(format = DateTime)]
    pub event_at: String,
    /// When it is sent next; null where it is not.
    #[schema(format = DateTime)]
    pub due_at: Option<String>,
    /// When it was delivered or given up.
    #[schema(format = DateTime)]
    pub settled_at: Option<String>,
    /// What the other side answered last.
    pub status: Option<u16>,
    /// Why that was no success.
    pub reason: Option<String>,
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        let waits = delivery.state == DeliveryState::Waiting;
        Self {
            id: delivery.event.to_string(),
            kind: delivery.kind.word(),
            call_id: delivery.call.as_ref().map(ToString::to_string),
            state: delivery.state.word(),
            attempts: delivery.attempts,
            event_at: instant(delivery.event.instant()),
            due_at: waits.then(|| instant(delivery.due_at)),
            settled_at: delivery.settled_at.map(instant),
            status: delivery.status,
            reason: delivery.reason.clone(),
        }
    }
}

/// A page of deliveries, the newest event first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPage {
    /// They.
    pub deliveries: Vec<DeliveryView>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// What is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replay {
    /// How many events.
    pub events: usize,
    /// Where to go on, as `from` of another request; null: that was all.
    #[schema(format = DateTime)]
    pub next_from: Option<String>,
}

/// Which deliveries.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `Said`")]
pub struct DeliveriesQuery {
    /// Only what became of it so.
    #[param(pattern = "^(waiting|delivered|dead)$")]
    pub state: Option<String>,
    /// Where an earlier page ended: its `next_cursor`.
    #[param(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-low)?$")]
    pub cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
}

/// When what is sent again happened.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `Asked`")]
pub struct ReplayQuery {
    /// At or after: a date in the tenant's time zone, or an instant (RFC 3339).
    #[param(value_type = super::openapi::DateOrInstant, inline, example = "2026-11-01")]
    pub from: String,
    /// Before this instant, or up to the end of this date. Default: now.
    #[param(value_type = Option<super::openapi::DateOrInstant>, inline, example = "2026-11-30")]
    pub to: Option<String>,
}

/// A query that has been read.
struct Said {
    state: Option<DeliveryState>,
    before: Option<EventId>,
    limit: u16,
}

impl Said {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let state = fields.optional("state", |value| {
            let word = text(value)?;
            let known = DeliveryState::ALL.into_iter().find(|state| state.word() == word);
            known.ok_or_else(|| "must be waiting, delivered or dead".to_owned())
        });
        let before = fields.optional("cursor", parsed::<EventId>);
        let limit = fields.optional("limit", limit);
        Some(Self { state: state?, before: before?, limit: limit?.unwrap_or(LIMIT_DEFAULT) })
    }
}

/// List the webhooks of the configuration, and how many events wait for each.
#[utoipa::path(
    get, path = "/cc/webhooks", tag = "events", operation_id = "listWebhooks",
    responses((status = 200, description = "They", body = WebhookList)),
)]
pub async fn list(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    query: Query,
) -> Result<Json<WebhookList>, Problem> {
    query.nothing()?;
    allowed(&who)?;
    let mut webhooks = Vec::new();
    for webhook in api.webhooks().iter().filter(|webhook| webhook.subscription.tenant == who.tenant) {
        let counts = api.store().delivered(&who.tenant, &webhook.subscription.webhook).await?;
        webhooks.push(WebhookView::of(webhook, &counts));
    }
    Ok(Json(WebhookList { webhooks }))
}

/// List what became of a webhook's events, the newest first.
///
/// Those with the state `dead` were given up: they wait for somebody to send them again.
#[utoipa::path(
    get, path = "/cc/webhooks/{webhook}/deliveries", tag = "events", operation_id = "listDeliveries",
    params(("webhook" = String, Path, description = "Its name"), DeliveriesQuery),
    responses((status = 200, description = "A page", body = DeliveryPage,
        headers(("Link" = String, description = "The next page (RFC 8288), if there is one")))),
)]
pub async fn deliveries(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Extension(address): Extension<Address>,
    Id(name): Id<WebhookName>,
    query: Query,
) -> Result<Response, Problem> {
    let said = query.read(Said::read)?;
    let webhook = found(&api, &who, &name)?.subscription.webhook.clone();
    // One more than asked for tells whether there is a next page.
    let (state, most) = (said.state, said.limit + 1);
    let mut page = api.store().deliveries(&who.tenant, &webhook, state, said.before, most).await?;
    let more = page.len() > usize::from(said.limit);
    page.truncate(said.limit.into());
    let next_cursor = page.last().filter(|_| more).map(|last| last.event.to_string());
    let deliveries = page.iter().map(DeliveryView::from).collect();
    let mut response = Json(DeliveryPage { deliveries, next_cursor: next_cursor.clone() }).into_response();
    if let Some(cursor) = next_cursor
        && let Ok(link) = HeaderValue::from_str(&next_link(&address, &cursor))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Send one event again, now, whatever became of it.
#[utoipa::path(
    post, path = "/cc/webhooks/{webhook}/deliveries/{event}/retry", tag = "events", operation_id = "retryDelivery",
    params(("webhook" = String, Path, description = "Its name"), ("event" = String, Path, description = "The event")),
    responses((status = 202, description = "It is being sent", body = DeliveryView)),
)]
pub async fn retry(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Query,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    query.nothing()?;
    let nothing = || Problem::new(Kind::NotFound, "this webhook has no such event");
    // The only thing that can go wrong with two texts is their encoding.
    let Path((name, event)) =
        path.map_err(|_| Problem::new(Kind::Unreadable, "the path is not UTF-8 once decoded"))?;
    let name: WebhookName = name.parse().map_err(|_| unknown())?;
    let webhook = &found(&api, &who, &name)?.subscription.webhook;
    let event: EventId = event.parse().map_err(|_| nothing())?;
    let retried = api.store().retry(&who.tenant, webhook, event, api.clock().now()).await?;
    let delivery = retried.ok_or_else(nothing)?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::from(&delivery))))
}

/// Send again what happened in a time, also what was delivered, under the same ids.
///
/// Also what happened before there was this webhook; of calls that were erased only that they were.
#[utoipa::path(
    post, path = "/cc/webhooks/{webhook}/replay", tag = "events", operation_id = "replayEvents",
    params(("webhook" = String, Path, description = "Its name"), ReplayQuery),
    responses((status = 202, description = "They are being sent", body = Replay)),
)]
pub async fn replay(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Id(name): Id<WebhookName>,
    query: Query,
) -> Result<(StatusCode, Json<Replay>), Problem> {
    let (from, to) = query.read(Asked::read_ends)?;
    let webhook = found(&api, &who, &name)?;
    let zone = api.tenant(&who.tenant).await?.time_zone;
    let window = Asked { days: None, from, to }.window(&zone)?;
    let begin = window.from.ok_or_else(|| {
        Problem::new(Kind::Unreadable, "`from` says since when what happened is to be sent again")
    })?;
    let now = api.clock().now();
    let (mut from, mut events) = (EventId::at(begin), 0);
    for _ in 0..PAGES_REPLAYED_MAX {
        let page = api.store().replay(&webhook.subscription, from, window.to, now).await?;
        events += page.events;
        match page.next {
            Some(next) => from = next,
            None => return Ok((StatusCode::ACCEPTED, Json(Replay { events, next_from: None }))),
        }
    }
    let next_from = Some(instant(from.instant()));
    Ok((StatusCode::ACCEPTED, Json(Replay { events, next_from })))
}

fn allowed(who: &Who) -> Result<(), Problem> {
    if who.may(Ask::Webhooks) { Ok(()) } else { Err(forbidden()) }
}

/// A webhook of one's own tenant.
fn found<'a>(api: &'a Api, who: &Who, name: &WebhookName) -> Result<&'a Webhook, Problem> {
    allowed(who)?;
    let is_it = |webhook: &&Webhook| {
        webhook.subscription.tenant == who.tenant && webhook.subscription.webhook == *name
    };
    api.webhooks().iter().find(is_it).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "there is no webhook of this name: `[[webhook]]` in aftercall.toml makes one",
    )
}
