//! `/cc/csat`: ratings, page by page.

use std::fmt::Write as _;

use aftercall_store::{RatingCursor, RatingFilter};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::Value;
use utoipa::IntoParams;

use super::access::Who;
use super::auth::Address;
use super::filter::{self, FilterQuery};
use super::problem::Problem;
use super::read::Query;
use super::view::{RatingPage, RatingView};
use super::window::{Asked, When};
use super::{Api, forbidden};
use crate::fields::{Fields, parsed, text};

/// Ratings on a page, unless the request says otherwise.
const LIMIT_DEFAULT: u16 = 100;

/// The most on a page: of ratings with the longest comments under 9 MB.
const LIMIT_MAX: u16 = 500;

/// When, and which page.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `Said`")]
pub struct ListQuery {
    /// Rated at or after: a date in the tenant's time zone, or an instant (RFC 3339).
    #[param(value_type = Option<super::openapi::DateOrInstant>, inline, example = "2026-11-01")]
    pub from: Option<String>,
    /// Rated before this instant, or up to the end of this date.
    #[param(value_type = Option<super::openapi::DateOrInstant>, inline, example = "2026-11-30")]
    pub to: Option<String>,
    /// Where an earlier page ended: its `next_cursor`.
    #[param(pattern = "^[0-9]{1,16}_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
}

/// A query that has been read.
struct Said {
    filter: RatingFilter,
    from: Option<When>,
    to: Option<When>,
    cursor: Option<RatingCursor>,
    limit: u16,
}

impl Said {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let filter = filter::read(fields);
        let cursor = fields.optional("cursor", parsed::<RatingCursor>);
        let limit = fields.optional("limit", limit);
        let (from, to) = Asked::read_ends(fields)?;
        Some(Self { filter: filter?, from, to, cursor: cursor?, limit: limit?.unwrap_or(LIMIT_DEFAULT) })
    }
}

/// List ratings, newest first.
///
/// The `Link` header (`rel="next"`) has the next page's address. Pages stay right while ratings come in.
#[utoipa::path(
    get, path = "/cc/csat", tag = "ratings", operation_id = "listRatings",
    params(FilterQuery, ListQuery),
    responses((status = 200, description = "A page", body = RatingPage,
        headers(("Link" = String, description = "The next page (RFC 8288), if there is one")))),
)]
pub async fn list(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Extension(address): Extension<Address>,
    query: Query,
) -> Result<Response, Problem> {
    let said = query.read(Said::read)?;
    let zone = api.tenant(&who.tenant).await?.time_zone;
    let mut filter = said.filter;
    filter.window = Asked { days: None, from: said.from, to: said.to }.window(&zone)?;
    let filter = who.list(filter).ok_or_else(forbidden)?;
    // One more than asked for tells whether there is a next page.
    let mut ratings = api.store().ratings(&who.tenant, &filter, said.cursor.as_ref(), said.limit + 1).await?;
    let more = ratings.len() > usize::from(said.limit);
    ratings.truncate(said.limit.into());
    let next_cursor = ratings.last().filter(|_| more).map(|last| RatingCursor::from(last).to_string());
    let ratings = ratings.iter().map(RatingView::from).collect();
    let page = RatingPage { ratings, next_cursor: next_cursor.clone() };
    let mut response = Json(page).into_response();
    if let Some(cursor) = next_cursor
        && let Ok(link) = HeaderValue::from_str(&next_link(&address, &cursor))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The same query, from another place on. It is repeated as it came, which is valid in an address.
pub(super) fn next_link(address: &Address, cursor: &str) -> String {
    let mut link = format!("<{}?", address.here());
    for pair in address.query().split('&').filter(|pair| !pair.is_empty()) {
        // Nobody encodes the letters of `cursor`; and if, the answer would be that it comes twice.
        if pair.split('=').next() != Some("cursor") {
            link.push_str(pair);
            link.push('&');
        }
    }
    // Writing to a `String` cannot fail.
    if write!(link, "cursor={cursor}>; rel=\"next\"").is_err() {
        link.clear();
    }
    link
}

pub(super) fn limit(value: &Value) -> Result<u16, String> {
    let number = text(value)?.parse::<u16>().ok().filter(|number| (1..=LIMIT_MAX).contains(number));
    number.ok_or_else(|| format!("must be a whole number from 1 to {LIMIT_MAX}"))
}
