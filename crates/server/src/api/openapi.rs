//! `/openapi.json`: the document, made from the routes' own attributes.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, KnownFormat, OpenApi as Document, Ref, RefOr, ResponseBuilder, Schema, SchemaFormat,
    Server,
};
use utoipa::{Modify, OpenApi as _, PartialSchema, ToSchema};

use super::problem::{self, Kind, Problem, ProblemBody};
use super::read::Query;

/// The document, written once.
static TEXT: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());

/// What any request may be told.
const ALWAYS: [Kind; 10] = [
    Kind::Unreadable,
    Kind::Unauthorized,
    Kind::Forbidden,
    Kind::NotFound,
    Kind::Method,
    Kind::Slow,
    Kind::TooLongAddress,
    Kind::TooLongHeaders,
    Kind::Internal,
    Kind::Unavailable,
];

/// What a request with a body may be told besides.
const WITH_BODY: [Kind; 3] = [Kind::TooLarge, Kind::Format, Kind::Invalid];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "aftercall",
        description = "Ratings given right after a call, and what they add up to. \
            Send a key as `Authorization: Bearer KEY` (`aftercall key create --role ROLE`); \
            without one only this machine itself is answered.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        super::list::list,
        super::csat::rate,
        super::csat::read,
        super::csat::replace,
        super::csat::erase,
        super::results::agent,
        super::results::queue,
        super::reports::series::series,
        super::reports::ranking::ranking,
        super::reports::trend::trend,
        super::reports::compare::compare,
        super::reports::series::distribution,
        super::reports::series::funnel,
        super::reports::trend::alerts,
        super::events::events,
        super::webhooks::list,
        super::webhooks::deliveries,
        super::webhooks::retry,
        super::webhooks::replay,
        super::reports::export::export,
        super::surveys::list,
        super::surveys::read,
        super::health::live,
        super::health::ready,
        super::health::metrics,
        serve,
    ),
    components(schemas(ProblemBody)),
    modifiers(&Everywhere, &Ids, &Keys),
)]
struct Routes;

/// The API's document (OpenAPI 3.1).
#[must_use]
pub fn document() -> Document {
    Routes::openapi()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation", operation_id = "readDocument",
    responses((status = 200, description = "The document", body = Object)),
)]
pub async fn serve(query: Query) -> Result<Response, Problem> {
    query.nothing()?;
    Ok(([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response())
}

/// What holds for every operation.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut Document) {
        for (path, item) in &mut document.paths.paths {
            if path.starts_with("/cc") {
                item.servers = Some(vec![Server::new("/"), Server::new("/api")]);
            }
            for operation in operations(item) {
                let bodies: &[Kind] = if operation.request_body.is_some() { &WITH_BODY } else { &[] };
                for kind in ALWAYS.iter().chain(bodies) {
                    let status = kind.status().as_str().to_owned();
                    let answer = || {
                        let content =
                            ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name())));
                        let answer = ResponseBuilder::new().description(kind.title());
                        answer.content(problem::CONTENT_TYPE, content.build()).build().into()
                    };
                    operation.responses.responses.entry(status).or_insert_with(answer);
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten()
}

/// A date in the tenant's time zone, or an instant (RFC 3339).
pub(super) struct DateOrInstant;

impl PartialSchema for DateOrInstant {
    fn schema() -> RefOr<Schema> {
        let text = |format| {
            let format = SchemaFormat::KnownFormat(format);
            ObjectBuilder::new().schema_type(Type::String).format(Some(format))
        };
        AnyOfBuilder::new().item(text(KnownFormat::Date)).item(text(KnownFormat::DateTime)).into()
    }
}

impl ToSchema for DateOrInstant {}

/// What ids are made of, wherever there is one: no control characters, and not only white space.
struct Ids;

impl Ids {
    const PATTERN: &str =
        r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$";

    fn describe(schema: &mut RefOr<Schema>, pattern: &str) {
        if let RefOr::T(Schema::Object(text)) = schema {
            text.pattern = Some(pattern.to_owned());
            text.max_length = Some(aftercall_core::ids::ID_CHARS_MAX);
        }
    }
}

impl Modify for Ids {
    fn modify(&self, document: &mut Document) {
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter
                    && matches!(
                        parameter.name.as_str(),
                        "call_id" | "agent_id" | "queue_id" | "agent" | "queue"
                    )
                    && let Some(schema) = &mut parameter.schema
                {
                    Self::describe(schema, Self::PATTERN);
                }
            }
        }
        let schemas = document.components.iter_mut().flat_map(|components| &mut components.schemas);
        for (_, schema) in schemas.filter(|(name, _)| matches!(name.as_str(), "RatingBody" | "RatingForm")) {
            // A body may leave one empty.
            let pattern = format!("^$|{}", Self::PATTERN);
            if let RefOr::T(Schema::Object(body)) = schema {
                let ids = body.properties.iter_mut().filter(|(name, _)| name.ends_with("_id"));
                ids.for_each(|(_, schema)| Self::describe(schema, &pattern));
            }
        }
    }
}

/// A key, or none on this machine.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut Document) {
        let key =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("`aftercall key create`"));
        if let Some(components) = &mut document.components {
            components.add_security_scheme("key", SecurityScheme::Http(key.build()));
        }
        let none: [&str; 0] = [];
        document.security = Some(vec![SecurityRequirement::new("key", none), SecurityRequirement::default()]);
    }
}
