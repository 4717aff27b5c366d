//! `/cc/csat/{call_id}`: one call's rating.

use aftercall_core::CallId;
use aftercall_store::{Change, Erasure, Found, NewRating, RatedAt, Rating, Replacement, Write, Written};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::access::{Ask, Who};
use super::auth::Address;
use super::problem::{Kind, Problem, ProblemBody};
use super::read::{Body, Id, Query};
use super::view::{QualityView, RatedCall, RatingView};
use super::{Api, forbidden};
use crate::fields::Given;
use crate::posted::Posted;
use crate::unusual::Rated;

/// A rating, as `POST` and `PUT` take it. Fields that are not here are refused: a name mistyped
/// would be a comment lost.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is documented; what is read is `Posted`")]
pub struct RatingBody {
    /// 1 (worst) to 5 (best).
    #[schema(minimum = 1, maximum = 5, example = 5)]
    pub score: u8,
    /// What the caller wrote: any text but U+0000.
    #[schema(max_length = 4000, pattern = "^[^\\u0000]*$", example = "Great service")]
    pub comment: Option<String>,
    /// The agent who spoke with the caller; empty: nobody known.
    #[schema(example = "agent-001")]
    pub agent_id: Option<String>,
    /// The queue through which the call came.
    #[schema(example = "sales-queue")]
    pub queue_id: Option<String>,
    /// When the caller rated: RFC 3339, not in the future, not before 1970; default: now.
    #[schema(format = DateTime)]
    pub created_at: Option<String>,
    /// What the caller pressed: one key of a telephone. Not the score.
    #[schema(pattern = "^[0-9*#A-Da-d]$")]
    pub key: Option<String>,
    /// The survey that asked.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")]
    pub survey: Option<String>,
    /// How the caller was asked: `phone`, `web`, `sms`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")]
    pub channel: Option<String>,
    /// The language the caller was asked in (BCP 47).
    #[schema(min_length = 1, max_length = 35, pattern = "^[A-Za-z0-9_-]+$")]
    pub language: Option<String>,
}

/// The same as a form sends it: what is empty is null.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is documented; what is read is `Posted`")]
pub struct RatingForm {
    /// 1 (worst) to 5 (best).
    #[schema(minimum = 1, maximum = 5, example = 5)]
    pub score: u8,
    /// What the caller wrote: any text but U+0000.
    #[schema(nullable = false, max_length = 4000, pattern = "^[^\\u0000]*$")]
    pub comment: Option<String>,
    /// The agent who spoke with the caller.
    #[schema(nullable = false)]
    pub agent_id: Option<String>,
    /// The queue through which the call came.
    #[schema(nullable = false)]
    pub queue_id: Option<String>,
    /// When the caller rated: RFC 3339, not in the future, not before 1970; default: now.
    #[schema(nullable = false)]
    pub created_at: Option<String>,
    /// What the caller pressed: one key of a telephone. Not the score.
    #[schema(nullable = false, pattern = "^[0-9*#A-Da-d]?$")]
    pub key: Option<String>,
    /// The survey that asked.
    #[schema(nullable = false, max_length = 64, pattern = "^[a-z0-9._-]*$")]
    pub survey: Option<String>,
    /// How the caller was asked: `phone`, `web`, `sms`.
    #[schema(nullable = false, max_length = 64, pattern = "^[a-z0-9._-]*$")]
    pub channel: Option<String>,
    /// The language the caller was asked in (BCP 47).
    #[schema(nullable = false, max_length = 35, pattern = "^[A-Za-z0-9_-]*$")]
    pub language: Option<String>,
}

/// Rate a call.
///
/// The same again answers 200 with what is stored; what was not known before is filled in.
#[utoipa::path(
    post, path = "/cc/csat/{call_id}", tag = "ratings", operation_id = "rate",
    params(("call_id" = String, Path, description = "The call, percent-encoded")),
    request_body(description = "The rating", content(
        (RatingBody = "application/json"), (RatingForm = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 201, description = "Rated", body = RatingView, headers(("Location" = String, description = "Where the rating is"))),
        (status = 200, description = "It was rated so before", body = RatingView),
        (status = 409, description = "It has another rating", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "Its rating was erased", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn rate(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Extension(address): Extension<Address>,
    Id(call): Id<CallId>,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    query.nothing()?;
    let at = api.clock().now();
    let said = body.read(|fields| Posted::read(fields, at))?;
    let (reads, within) = (who.reads_ratings(), who.within());
    let mut rating = NewRating { within, ..said.rating(who.tenant.clone(), call, who.actor, at) };
    if !who.may(Ask::Rate(rating.queue.as_ref())) {
        return Err(forbidden());
    }
    let source = api.unusual().source(who.actor);
    let rated = Rated {
        tenant: &rating.tenant,
        call: &rating.call,
        agent: rating.agent.as_ref(),
        source,
        caller: None,
    };
    rating.flags = api.unusual().rated(&rated, api.clock().elapsed());
    match api.writer().ask(Write::Rate(rating.clone())).await? {
        Written::New(stored) => {
            let mut response = (StatusCode::CREATED, Json(RatingView::from(&*stored))).into_response();
            // A path of ours is percent-encoded: it is always a header's value.
            if let Ok(location) = HeaderValue::from_str(&address.here()) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
        Written::Same(mut stored) | Written::Filled(mut stored) => {
            // Who may only give ratings does not learn what a caller wrote by guessing the score.
            if !reads && rating.comment.is_none() {
                stored.comment = None;
            }
            Ok(Json(RatingView::from(&*stored)).into_response())
        }
        Written::OutOfReach => Err(forbidden()),
        Written::Contradicts(stored) => Err(Problem::contradiction(&stored, &differences(&rating, &stored))),
        other => Err(unusual(&other)),
    }
}

/// Read a call's rating, and how the call sounded.
#[utoipa::path(
    get, path = "/cc/csat/{call_id}", tag = "ratings", operation_id = "readRating",
    params(("call_id" = String, Path, description = "The call, percent-encoded")),
    responses(
        (status = 200, description = "Its rating", body = RatedCall),
        (status = 410, description = "Its rating was erased", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn read(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Id(call): Id<CallId>,
    query: Query,
) -> Result<Json<RatedCall>, Problem> {
    query.nothing()?;
    let rating = seen(&api, &who, &call).await?;
    let quality = api.store().quality(&who.tenant, &call).await?;
    Ok(Json(RatedCall { rating: RatingView::from(&rating), quality: quality.map(QualityView::from) }))
}

/// Change a call's rating on purpose.
///
/// Fields that are not given stay, null empties them. The old score stays in the log.
#[utoipa::path(
    put, path = "/cc/csat/{call_id}", tag = "ratings", operation_id = "replaceRating",
    params(("call_id" = String, Path, description = "The call, percent-encoded")),
    request_body(description = "The rating", content(
        (RatingBody = "application/json"), (RatingForm = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "Its rating now", body = RatingView),
        (status = 410, description = "Its rating was erased", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn replace(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Id(call): Id<CallId>,
    query: Query,
    body: Body,
) -> Result<Json<RatingView>, Problem> {
    query.nothing()?;
    let at = api.clock().now();
    let said = body.read(|fields| Posted::read(fields, at))?;
    changeable(&api, &who, &call).await?;
    // Nobody moves a rating to where they could not change it.
    let keeps = matches!(said.queue, Given::Absent);
    if !keeps && !who.may(Ask::MoveTo(said.queue.as_ref())) {
        return Err(forbidden());
    }
    let replacement = Replacement {
        tenant: who.tenant,
        call,
        score: said.score,
        comment: change(said.comment),
        agent: change(said.agent),
        queue: change(said.queue),
        created_at: said.created_at,
        key: change(said.key),
        survey: change(said.survey),
        channel: change(said.channel),
        language: change(said.language),
        actor: who.actor,
        at,
    };
    match api.writer().ask(Write::Replace(replacement)).await? {
        Written::Replaced(rating) | Written::Same(rating) => Ok(Json(RatingView::from(&*rating))),
        other => Err(unusual(&other)),
    }
}

/// Erase a call's rating and every answer given in it.
///
/// Comment, voice and caller are gone for good; the statistics follow. Erasing twice is erasing once.
#[utoipa::path(
    delete, path = "/cc/csat/{call_id}", tag = "ratings", operation_id = "eraseRating",
    params(("call_id" = String, Path, description = "The call, percent-encoded")),
    responses((status = 204, description = "It is gone")),
)]
pub async fn erase(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Id(call): Id<CallId>,
    query: Query,
) -> Result<StatusCode, Problem> {
    query.nothing()?;
    if !who.changes_ratings() {
        return Err(forbidden());
    }
    let (within, at) = (who.within(), api.clock().now());
    let erasure = Erasure { tenant: who.tenant, call, within, actor: who.actor, at };
    match api.writer().ask(Write::Erase(erasure)).await? {
        Written::Erased(_) | Written::Gone => Ok(StatusCode::NO_CONTENT),
        other => Err(unusual(&other)),
    }
}

/// A rating that this one may see.
async fn seen(api: &Api, who: &Who, call: &CallId) -> Result<Rating, Problem> {
    if !who.reads_ratings() {
        return Err(forbidden());
    }
    match api.store().rating(&who.tenant, call).await? {
        Found::Live(rating) if who.may(Ask::Read(&rating)) => Ok(*rating),
        // What a key does not open it does not learn about either: not even that it was there.
        Found::Erased if who.sees_all() => Err(unusual(&Written::Gone)),
        Found::Live(_) | Found::Erased | Found::Never => Err(unusual(&Written::Absent)),
    }
}

/// Makes sure that there is a rating and this one may change it: a supervisor changes what they see.
async fn changeable(api: &Api, who: &Who, call: &CallId) -> Result<(), Problem> {
    if !who.changes_ratings() {
        return Err(forbidden());
    }
    seen(api, who, call).await.map(drop)
}

fn unusual(written: &Written) -> Problem {
    match written {
        Written::Gone => Problem::new(Kind::Erased, "the rating of this call was erased"),
        Written::Absent => Problem::new(Kind::NotFound, "this call has no rating that this key opens"),
        Written::UnknownTenant => {
            Problem::new(Kind::NotFound, "the tenant of this key is not there any more")
        }
        _ => {
            tracing::error!("the database answered something that was not asked");
            Problem::new(Kind::Internal, "the server's log says why")
        }
    }
}

/// The fields in which a rating is not what is stored.
fn differences(given: &NewRating, stored: &Rating) -> Vec<&'static str> {
    fn differs<T: PartialEq>(given: Option<&T>, stored: Option<&T>) -> bool {
        matches!((given, stored), (Some(given), Some(stored)) if given != stored)
    }
    let created_at = given.created_at.map(RatedAt::get);
    [
        ("score", given.score != stored.score),
        ("comment", differs(given.comment.as_ref(), stored.comment.as_ref())),
        ("agent_id", differs(given.agent.as_ref(), stored.agent.as_ref())),
        ("queue_id", differs(given.queue.as_ref(), stored.queue.as_ref())),
        ("created_at", differs(created_at.as_ref(), Some(&stored.created_at))),
        ("key", differs(given.key.as_ref(), stored.key.as_ref())),
        ("survey", differs(given.survey.as_ref(), stored.survey.as_ref())),
        ("channel", differs(given.channel.as_ref(), stored.channel.as_ref())),
        ("language", differs(given.language.as_ref(), stored.language.as_ref())),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

fn change<T>(given: Given<T>) -> Change<T> {
    match given {
        Given::Absent => Change::Keep,
        Given::Null => Change::Clear,
        Given::Value(value) => Change::Set(value),
    }
}
