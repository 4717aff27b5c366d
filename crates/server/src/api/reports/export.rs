//! The ratings themselves, as a file of any size.

use std::convert::identity;
use std::sync::Arc;

use aftercall_store::{RatingFilter, Window, Zone};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use jiff::{Span, Timestamp};
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use super::asked::About;
use crate::api::Api;
use crate::api::access::Who;
use crate::api::filter::FilterQuery;
use crate::api::problem::{Kind, Problem};
use crate::api::read::Query;
use crate::export::{Broken, Export, Format, Scope};
use crate::fields::{Fields, text};

/// Exports under way at once, each with at most a page of ratings in memory: with the longest comments 150 MB.
const EXPORTS_MAX: usize = 8;

const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Places for exports. Clones share them.
#[derive(Debug, Clone)]
pub struct Exports(Arc<Semaphore>);

impl Default for Exports {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(EXPORTS_MAX)))
    }
}

/// When, by whose clocks, and in what form.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `Asked`")]
pub struct ExportQuery {
    /// Rated at or after: a date in the time zone of the export, or an instant (RFC 3339).
    #[param(value_type = Option<super::super::openapi::DateOrInstant>, inline, example = "2026-11-01")]
    pub from: Option<String>,
    /// Rated before this instant, or up to the end of this date.
    #[param(value_type = Option<super::super::openapi::DateOrInstant>, inline, example = "2026-11-30")]
    pub to: Option<String>,
    /// The time zone whose clocks the times are shown by, by its IANA name. Default: the tenant's.
    pub tz: Option<String>,
    /// What to make; without it the `Accept` header says, and without that it is CSV.
    #[param(pattern = "^(csv|xlsx)$")]
    pub format: Option<String>,
    /// CSV only: begin with a byte order mark, by which Excel knows that it is UTF-8. Default: false.
    pub bom: Option<bool>,
}

struct Asked {
    about: About,
    is_xlsx: Option<bool>,
    bom: bool,
}

impl Asked {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let is_xlsx = fields.optional("format", |value| match text(value)?.as_str() {
            "csv" => Ok(false),
            "xlsx" => Ok(true),
            _ => Err("must be csv or xlsx".to_owned()),
        });
        let bom = fields.optional("bom", |value| match text(value)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        });
        let about = About::read_but_format(fields);
        Some(Self { about: about?, is_xlsx: is_xlsx?, bom: bom?.is_some_and(identity) })
    }

    /// What was asked for in the query, else by `Accept`, else CSV.
    fn format(&self, headers: &HeaderMap) -> Format {
        let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let names = accepts.flat_map(|value| value.split(',')).map(|range| range.split(';').next());
        let mut known = names.flatten().filter_map(|name| match name.trim() {
            XLSX => Some(true),
            CSV | "text/*" | "*/*" => Some(false),
            _ => None,
        });
        match self.is_xlsx.or_else(|| known.next()) {
            Some(true) => Format::Xlsx,
            _ => Format::Csv { bom: self.bom },
        }
    }
}

/// Every rating, newest first, as CSV or as a workbook of any size.
///
/// It is sent while it is read, page by page: a rating that is there all the while, and whose time does not change, is in
/// it exactly once. If it cannot be finished the transfer is broken off, so that it does not look complete. Texts never
/// become formulas: in CSV those that a spreadsheet would take for one have an apostrophe in front. Beyond 1,048,576
/// rows a workbook has further sheets.
#[utoipa::path(
    get, path = "/cc/reports/csat/export", tag = "reports", operation_id = "exportRatings",
    params(FilterQuery, ExportQuery),
    responses((status = 200, description = "The file",
        content((String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")),
        headers(("Content-Disposition" = String, description = "A name for the file")))),
)]
pub async fn export(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    version: Version,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let asked = query.read(Asked::read)?;
    if version < Version::HTTP_11 {
        let why = "an export comes in chunks, without which nobody could tell whether it is complete: ask by HTTP/1.1 \
                   (nginx: `proxy_http_version 1.1`)";
        return Err(Problem::new(Kind::Unreadable, why));
    }
    let format = asked.format(&headers);
    let subject = asked.about.of(&api, &who).await?;
    let busy = |_| Problem::unavailable(format!("{EXPORTS_MAX} exports are under way: try again"));
    let place = Arc::clone(&api.exports().0).try_acquire_owned().map_err(busy)?;
    let (content_type, ending) = match format {
        Format::Csv { .. } => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Xlsx => (XLSX, "xlsx"),
    };
    let name = format!("attachment; filename=\"{}.{ending}\"", named(&subject.window, &subject.zone));
    let filter = RatingFilter { window: subject.window, ..subject.filter };
    let scope = Scope { tenant: subject.tenant.id, filter, zone: subject.zone };
    let begun = (Export::new(api.store().clone(), scope, format), place);
    let pieces = try_unfold(begun, |(export, place)| async move {
        let next = export.next().await.inspect_err(|error| {
            tracing::error!(%error, "an export is broken off: its client sees that it is not complete");
        })?;
        Ok::<_, Broken>(next.map(|(piece, export)| (Bytes::from(piece), (export, place))))
    });
    let head = [(header::CONTENT_TYPE, content_type), (header::CONTENT_DISPOSITION, name.as_str())];
    Ok((head, Body::from_stream(pieces)).into_response())
}

/// `ratings_2026-11-01_2026-11-30_Europe-Berlin`: the days that are in it, where they are limited.
fn named(window: &Window, zone: &Zone) -> String {
    let day = |at: Timestamp| at.to_zoned(zone.rules().clone()).date().to_string();
    let last = |at: Timestamp| at.saturating_sub(Span::new().nanoseconds(1)).unwrap_or(at);
    let ends = [window.from.map(day), window.to.map(last).map(day)];
    let parts = ["ratings".to_owned()].into_iter().chain(ends.into_iter().flatten());
    let zone = zone.name().replace('/', "-");
    parts.chain([zone]).collect::<Vec<_>>().join("_")
}
