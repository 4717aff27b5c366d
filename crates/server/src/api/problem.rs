//! What a request that does not succeed is told: RFC 9457, always.

use aftercall_core::survey::fault::Fault;
use aftercall_store::{NextMove, Rating, StoreError};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::writer::{Full, NotWritten};

/// The content type of every answer that is not a success.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// How many seconds a client waits before it asks again, when the server is busy.
const RETRY_AFTER: &str = "1";

/// What can go wrong, each with its status and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is not one that can be read.
    Unreadable,
    /// There is no key, or none that works.
    Unauthorized,
    /// The key does not open this.
    Forbidden,
    /// There is nothing here.
    NotFound,
    /// Not with this method.
    Method,
    /// The body did not arrive in time.
    Slow,
    /// The stored rating says otherwise.
    Contradiction,
    /// It was there and has been erased.
    Erased,
    /// The body is too long.
    TooLarge,
    /// The address is too long.
    TooLongAddress,
    /// The body is in a format nobody here reads.
    Format,
    /// The body can be read, but not what it says.
    Invalid,
    /// The headers are too long.
    TooLongHeaders,
    /// Our fault.
    Internal,
    /// Not now.
    Unavailable,
}

impl Kind {
    /// The status it is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Contradiction => StatusCode::CONFLICT,
            Self::Erased => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooLongAddress => StatusCode::URI_TOO_LONG,
            Self::Format => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLongHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Unreadable => "The request cannot be read",
            Self::Unauthorized => "A key is needed",
            Self::Forbidden => "This key does not open this",
            Self::NotFound => "There is nothing here",
            Self::Method => "Not with this method",
            Self::Slow => "The request took too long to arrive",
            Self::Contradiction => "The call has another rating",
            Self::Erased => "The rating was erased",
            Self::TooLarge => "The body is too long",
            Self::TooLongAddress => "The address is too long",
            Self::Format => "The body's format is not known here",
            Self::Invalid => "Something in the body is not right",
            Self::TooLongHeaders => "The headers are too long",
            Self::Internal => "Something is wrong with the server",
            Self::Unavailable => "Not now",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Method => "method",
            Self::Slow => "slow",
            Self::Contradiction => "contradiction",
            Self::Erased => "erased",
            Self::TooLarge => "too-large",
            Self::TooLongAddress => "too-long-address",
            Self::Format => "format",
            Self::Invalid => "invalid",
            Self::TooLongHeaders => "too-long-headers",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A problem (RFC 9457), in a box: most answers are none.
#[derive(Debug, Clone)]
pub struct Problem(Box<ProblemBody>);

/// A problem (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// What kind of problem, for programs: `urn:aftercall:problem:` and a word.
    #[serde(rename = "type")]
    #[schema(example = "urn:aftercall:problem:invalid")]
    name: String,
    /// The same for people.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time, and what to do.
    detail: String,
    /// What is at fault, where single fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The rating that is stored, where it is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<Stored>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
    #[serde(skip)]
    kind: Kind,
}

/// A field at fault.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    /// A field of the body (JSON pointer, RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/score")]
    pointer: Option<String>,
    /// A parameter of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "days")]
    parameter: Option<String>,
    /// What is wrong with it.
    detail: String,
}

/// The rating that is in the way, without what it says.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Stored {
    /// Its id.
    id: String,
    /// The call.
    call_id: String,
    /// When the caller rated.
    created_at: String,
    /// How often it was written.
    revision: u32,
}

impl Problem {
    /// A problem, and what to do about it.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemBody {
            name: format!("urn:aftercall:problem:{}", kind.word()),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            stored: None,
            headers: Vec::new(),
            kind,
        }))
    }

    /// With a header beside it.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.0.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// What happened, and what to do.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Fields of a body that are at fault.
    #[must_use]
    pub fn in_body(faults: &[Fault]) -> Self {
        let mut problem = Self::new(Kind::Invalid, told(faults));
        problem.0.errors = faults
            .iter()
            .map(|fault| FieldError {
                pointer: Some(fault.pointer.to_string()),
                parameter: None,
                detail: fault.message.clone(),
            })
            .collect();
        problem
    }

    /// Parameters of a query that are at fault.
    #[must_use]
    pub fn in_query(faults: &[Fault]) -> Self {
        let mut problem = Self::new(Kind::Unreadable, told(faults));
        problem.0.errors = faults
            .iter()
            .map(|fault| FieldError {
                pointer: None,
                parameter: Some(fault.pointer.to_string().trim_start_matches('/').to_owned()),
                detail: fault.message.clone(),
            })
            .collect();
        problem
    }

    /// A rating that another contradicts; `fields` are those in which they differ.
    #[must_use]
    pub fn contradiction(stored: &Rating, fields: &[&str]) -> Self {
        let mut problem = Self::new(
            Kind::Contradiction,
            "this call was rated before, and that rating says otherwise; PUT changes it on purpose",
        );
        problem.0.errors = fields
            .iter()
            .map(|field| FieldError {
                pointer: Some(format!("/{field}")),
                parameter: None,
                detail: format!("`{field}` is not what is stored"),
            })
            .collect();
        problem.0.stored = Some(Stored {
            id: stored.id.to_string(),
            call_id: stored.call.to_string(),
            created_at: super::view::instant(stored.created_at),
            revision: stored.revision,
        });
        problem
    }

    /// Not now; a little later.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, detail).with_header(header::RETRY_AFTER, RETRY_AFTER)
    }
}

fn told(faults: &[Fault]) -> String {
    let told: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    told.join("; ")
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the database could not be read");
        match error.next_move() {
            NextMove::Retry | NextMove::MakeSpace => {
                Self::unavailable("the database does not answer: try again")
            }
            NextMove::GiveUp => {
                Self::new(Kind::Internal, "the database cannot be read: the server's log says why")
            }
        }
    }
}

impl From<NotWritten> for Problem {
    fn from(not: NotWritten) -> Self {
        match not {
            NotWritten::NotTaken(Full::Busy) => Self::unavailable("too much is being written: try again"),
            NotWritten::NotTaken(Full::Stopped) => {
                Self::unavailable("the server is shutting down: try again")
            }
            NotWritten::Refused => {
                Self::new(Kind::Internal, "the database refused this: the server's log says why")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A problem is made of texts and numbers only: it can always be written.
        let body = serde_json::to_string(&self.0).unwrap_or_default();
        let mut response = (self.0.kind.status(), body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        for (name, value) in self.0.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
