//! A report's answer: JSON, or the same rows as CSV; with a tag by which it need not be sent twice.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::api::problem::{Kind, Problem};
use crate::export::csv::{line, quoted};
use crate::fields::{Fields, text};

/// Bytes of a tag: enough that no two answers of a report share one.
const TAG_BYTES: usize = 12;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// Comma-separated values (RFC 4180).
    Csv,
}

impl Format {
    /// `format=json` or `format=csv`.
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Option<Self>> {
        fields.optional("format", |value| match text(value)?.as_str() {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err("must be json or csv".to_owned()),
        })
    }

    /// What was asked for in the query, else by `Accept`, else JSON.
    pub fn of(asked: Option<Self>, headers: &HeaderMap) -> Self {
        let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let names = accepts
            .flat_map(|value| value.split(','))
            .map(|range| range.split(';').next().unwrap_or_default());
        let mut known = names.filter_map(|name| match name.trim() {
            "text/csv" => Some(Self::Csv),
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            _ => None,
        });
        asked.or_else(|| known.next()).unwrap_or(Self::Json)
    }
}

/// A column of CSV: its name, and where a row's JSON has it.
pub type Column = (&'static str, &'static str);

/// Answers with a report, or that it is what the client has already.
///
/// # Errors
/// When it cannot be written, which would be a fault of ours.
pub fn answer<R: Serialize>(
    format: Format,
    headers: &HeaderMap,
    report: &R,
    columns: &[Column],
) -> Result<Response, Problem> {
    let fault = |_| Problem::new(Kind::Internal, "the report could not be written");
    let (content_type, body) = match format {
        Format::Json => ("application/json", serde_json::to_string(report).map_err(fault)?),
        Format::Csv => {
            let report = serde_json::to_value(report).map_err(fault)?;
            ("text/csv; charset=utf-8; header=present", csv(&report, columns))
        }
    };
    let digest = Sha256::digest(body.as_bytes());
    let digits: String = digest[..TAG_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{digits}\"");
    let has_it = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let has_it = has_it
        .flat_map(|value| value.split(','))
        .any(|known| matches!(known.trim().trim_start_matches("W/"), known if known == tag || known == "*"));
    let mut response = match has_it {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
    };
    let answered = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answered.insert(header::ETAG, tag);
    }
    // For the one who asked, and asked again each time whether it still holds.
    answered.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answered.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    Ok(response)
}

/// The rows of a report as CSV, with a header. The time zone is a column of its own in every row.
pub fn csv(report: &Value, columns: &[Column]) -> String {
    let zone = report["time_zone"].as_str().unwrap_or("UTC");
    let mut out = String::new();
    let names = columns.iter().map(|(name, _)| (*name).to_owned());
    line(&mut out, names.chain(["time_zone".to_owned()]));
    for row in report["rows"].as_array().into_iter().flatten() {
        let cells = columns.iter().map(|(_, place)| row.pointer(place).map(cell).unwrap_or_default());
        line(&mut out, cells.chain([quoted(zone)]));
    }
    out
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_become_csv_that_no_spreadsheet_runs() {
        let report = json!({"time_zone": "Europe/Berlin", "rows": [
            {"name": "plain", "n": 3, "ends": [1.5, null]},
            {"name": "=HYPERLINK(\"http://x\")", "n": -1, "ends": null},
            {"name": "a,b \"c\"\nd", "n": null},
            {"name": "@x", "n": 0.25},
        ]});
        let columns = [("agent", "/name"), ("count", "/n"), ("low", "/ends/0"), ("high", "/ends/1")];
        assert_eq!(
            csv(&report, &columns),
            "agent,count,low,high,time_zone\r\n\
             plain,3,1.5,,Europe/Berlin\r\n\
             \"'=HYPERLINK(\"\"http://x\"\")\",-1,,,Europe/Berlin\r\n\
             \"a,b \"\"c\"\"\nd\",,,,Europe/Berlin\r\n\
             \"'@x\",0.25,,,Europe/Berlin\r\n"
        );
    }

    #[test]
    fn the_format_is_asked_for_by_the_query_or_by_accept() {
        for (asked, accept, expected) in [
            (None, "", Format::Json),
            (None, "*/*", Format::Json),
            (None, "text/csv", Format::Csv),
            (None, "text/html, text/csv;q=0.9, */*;q=0.8", Format::Csv),
            (None, "application/json, text/csv", Format::Json),
            (Some(Format::Csv), "application/json", Format::Csv),
            (Some(Format::Json), "text/csv", Format::Json),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(Format::of(asked, &headers), expected, "{asked:?} {accept}");
        }
    }
}
