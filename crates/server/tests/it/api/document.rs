//! The document says what the server does.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Ask, Server};

#[tokio::test]
async fn the_document_served_is_the_document_printed_and_each_operation_has_its_own_id() {
    let server = Server::start().await;
    let served = server.get("/openapi.json").await.json();
    assert_eq!(served, serde_json::to_value(aftercall::api::document()).unwrap());
    let mut ids = BTreeSet::new();
    for (_, item) in served["paths"].as_object().unwrap() {
        for operation in ["get", "post", "put", "delete"].iter().filter_map(|method| item.get(method)) {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
        }
    }
    assert_eq!(ids.len(), 26);
}

#[tokio::test]
async fn every_documented_operation_is_there_and_lists_what_any_request_may_be_told() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "delete"] {
            let Some(operation) = item.get(method) else { continue };
            let route = path.replace("{name}", "csat-survey").replace(['{', '}'], "");
            let method = method.to_uppercase().parse::<Method>().unwrap();
            let answer = Ask::new(method.clone(), &route).send(&server.router).await;
            assert_ne!(answer.status, 405, "{method} {route}");
            let mut always = vec!["400", "401", "403", "404", "405", "408", "414", "431", "500", "503"];
            if operation.get("requestBody").is_some() {
                always.extend(["413", "415", "422"]);
            }
            for status in always {
                let content = &operation["responses"][status]["content"];
                assert_eq!(
                    content["application/problem+json"]["schema"]["$ref"], "#/components/schemas/Problem",
                    "{method} {path} {status}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_documented_of_a_rating_is_what_is_read_and_answered() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.json();
    let properties = |name: &str| -> BTreeSet<String> {
        let schema = &document["components"]["schemas"][name];
        schema["properties"].as_object().unwrap_or_else(|| panic!("{name}")).keys().cloned().collect()
    };
    let full = json!({
        "score": 5, "comment": "Great", "agent_id": "a", "queue_id": "q", "created_at": "2026-11-22T07:00:00Z",
        "key": "1", "survey": "csat-survey", "channel": "phone", "language": "en",
    });
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(properties("RatingBody"), keys(&full));
    assert_eq!(properties("RatingForm"), keys(&full));
    assert_eq!(document["components"]["schemas"]["RatingBody"]["additionalProperties"], json!(false));
    let answer = server.post("/cc/csat/x", full).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(properties("RatingView"), keys(&answer.json()));
    assert_eq!(
        properties("Problem"),
        keys(&json!({"type": 0, "title": 0, "status": 0, "detail": 0, "errors": 0, "stored": 0}))
    );
}
