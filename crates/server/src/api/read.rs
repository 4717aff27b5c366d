//! Reading requests: ids in paths, queries, bodies. What cannot be read is a [`Problem`], never a
//! framework's plain text.

use std::error::Error as _;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value};

use super::problem::{Kind, Problem};
use super::{Api, pairs};
use crate::fields::Fields;

/// What bodies may be written in.
const ACCEPTED: &str = "application/json, application/x-www-form-urlencoded";

/// Fields that a form writes as digits.
const NUMBERS: [&str; 1] = ["score"];

/// The one parameter of a path, percent-decoded: an id, exactly as given.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<T: FromStr<Err: Display>> FromRequestParts<Api> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        // The only thing that can go wrong with one text parameter is its encoding.
        let Path(text) =
            path.map_err(|_| Problem::new(Kind::Unreadable, "the id in the path is not UTF-8 once decoded"))?;
        let id = text
            .parse()
            .map_err(|why: T::Err| Problem::new(Kind::Unreadable, format!("the id in the path {why}")))?;
        Ok(Self(id))
    }
}

/// The query of a request.
#[derive(Debug)]
pub struct Query(Value);

impl FromRequestParts<Api> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = pairs::read(query.as_bytes());
        pairs
            .map(Self)
            .map_err(|why| Problem::new(Kind::Unreadable, format!("the query cannot be read: {why}")))
    }
}

impl Query {
    /// Reads its parameters.
    ///
    /// # Errors
    /// When any of them is wrong or unknown.
    pub fn read<T>(&self, read: impl FnOnce(&mut Fields<'_, '_>) -> Option<T>) -> Result<T, Problem> {
        Fields::read(&self.0, "parameter", read).map_err(|faults| Problem::in_query(&faults))
    }

    /// For what takes no parameters.
    ///
    /// # Errors
    /// When there are any.
    pub fn nothing(&self) -> Result<(), Problem> {
        self.read(|_| Some(()))
    }
}

/// Whether a body is still on its way: tells a slow client from a slow server.
#[derive(Debug, Clone, Default)]
pub struct Arriving(Arc<AtomicBool>);

impl Arriving {
    /// Whether it is.
    #[must_use]
    pub fn now(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The body of a request: an object, in JSON or form-encoded.
#[derive(Debug)]
pub struct Body {
    object: Value,
    is_form: bool,
}

impl FromRequest<Api> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let is_form = is_form(request.headers())?;
        let longest = api.http().max_body_bytes;
        let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if announced
            .and_then(|length| length.parse::<u64>().ok())
            .is_some_and(|length| length > longest as u64)
        {
            return Err(too_long(longest));
        }
        let arriving = request.extensions().get::<Arriving>().cloned().unwrap_or_default();
        arriving.0.store(true, Relaxed);
        let bytes = to_bytes(request.into_body(), longest).await;
        arriving.0.store(false, Relaxed);
        let bytes = bytes.map_err(|error| unread(&error, longest))?;
        let object = if is_form { form(&bytes)? } else { json(&bytes)? };
        Ok(Self { object, is_form })
    }
}

impl Body {
    /// Reads its fields.
    ///
    /// # Errors
    /// When any of them is wrong or unknown.
    pub fn read<T>(&self, read: impl FnOnce(&mut Fields<'_, '_>) -> Option<T>) -> Result<T, Problem> {
        Fields::read(&self.object, "field", read).map_err(|faults| {
            let looks_like_json = self.is_form
                && self
                    .object
                    .as_object()
                    .is_some_and(|object| object.keys().any(|key| key.starts_with('{')));
            if looks_like_json {
                return Problem::new(
                    Kind::Invalid,
                    "this is JSON sent as a form: say `Content-Type: application/json`",
                );
            }
            Problem::in_body(&faults)
        })
    }
}

fn is_form(headers: &HeaderMap) -> Result<bool, Problem> {
    let format = |detail: &str| Err(Problem::new(Kind::Format, detail).with_header(header::ACCEPT, ACCEPTED));
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return format("compressed bodies are not read here: send it as it is");
    }
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(false) };
    let media_type = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    match media_type.trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(false),
        "application/x-www-form-urlencoded" => Ok(true),
        _ => format("a body is application/json or application/x-www-form-urlencoded"),
    }
}

fn too_long(longest: usize) -> Problem {
    Problem::new(Kind::TooLarge, format!("a body has at most {longest} bytes"))
        .with_header(header::CONNECTION, "close")
}

fn unread(error: &axum::Error, longest: usize) -> Problem {
    if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
        return too_long(longest);
    }
    Problem::new(Kind::Unreadable, "the body did not arrive whole")
}

fn form(bytes: &Bytes) -> Result<Value, Problem> {
    let mut object = pairs::read(bytes)
        .map_err(|why| Problem::new(Kind::Unreadable, format!("the form cannot be read: {why}")))?;
    // A field that is left empty is there all the same: it says nothing, on purpose.
    for value in object.as_object_mut().into_iter().flat_map(|object| object.values_mut()) {
        if value.as_str() == Some("") {
            *value = Value::Null;
        }
    }
    for name in NUMBERS {
        if let Some(value) = object.get_mut(name)
            && let Some(number) = value.as_str().and_then(|text| text.parse::<i64>().ok())
        {
            *value = Value::from(number);
        }
    }
    Ok(object)
}

fn json(bytes: &Bytes) -> Result<Value, Problem> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Problem::new(Kind::Unreadable, "the body is not UTF-8"))?;
    match serde_json::from_str::<Object>(text) {
        Ok(Object(object)) => Ok(Value::Object(object)),
        Err(error) if error.is_data() && error.to_string().starts_with("invalid type") => {
            Err(Problem::new(Kind::Invalid, "the body must be a JSON object, such as {\"score\": 5}"))
        }
        Err(error) => {
            Err(Problem::new(Kind::Unreadable, format!("the body cannot be read as JSON: {error}")))
        }
    }
}

/// A JSON object in which no name comes twice: of two scores, which one is meant?
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if object.contains_key(&name) {
                        return Err(serde::de::Error::custom(format!("\"{name}\" comes twice")));
                    }
                    object.insert(name, value);
                }
                Ok(Object(object))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
