//! What does not succeed: always a problem (RFC 9457), never a framework's words.

use std::time::Duration;

use aftercall::config::Config;
use axum::body::{Body, Bytes};
use axum::http::Method;
use serde_json::json;

use super::{Ask, Server};

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_and_allow_lists_the_methods() {
    let server = Server::start().await;
    for path in [
        "/",
        "/cc",
        "/cc/",
        "/cc/csat/",
        "/cc/csat/agent/",
        "/cc/csat/a/b/c",
        "/api",
        "/api/healthz",
        "//cc/csat",
    ] {
        server.get(path).await.problem(404);
    }
    for (method, path, allow) in [
        ("POST", "/cc/csat", "GET,HEAD"),
        ("PATCH", "/cc/csat/x", "GET,HEAD,POST,PUT,DELETE"),
        ("DELETE", "/api/cc/csat/agent/x", "GET,HEAD"),
        ("BREW", "/healthz", "GET,HEAD"),
    ] {
        let answer = Ask::new(method.parse().unwrap(), path).send(&server.router).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    let options = Ask::new(Method::OPTIONS, "/cc/csat/x").send(&server.router).await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET,HEAD,POST,PUT,DELETE"));
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let server = Server::start().await;
    server.post("/cc/csat/x", json!({"score": 5})).await;
    for (path, status) in [("/cc/csat/x", 200), ("/cc/csat/y", 404)] {
        let (get, head) = (server.get(path).await, Ask::new(Method::HEAD, path).send(&server.router).await);
        assert_eq!((head.status.as_u16(), head.text.as_str()), (status, ""));
        for name in ["content-type", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn bodies_in_other_formats_are_refused_naming_those_that_are_read() {
    let server = Server::start().await;
    for content_type in
        ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "application/json2"]
    {
        let ask = Ask::new(Method::POST, "/cc/csat/x").body(content_type, r#"{"score": 5}"#);
        let answer = ask.send(&server.router).await;
        answer.problem(415);
        assert_eq!(answer.header("accept"), "application/json, application/x-www-form-urlencoded");
    }
    let compressed =
        Ask::new(Method::POST, "/cc/csat/x").json(json!({"score": 5})).header("content-encoding", "gzip");
    assert!(compressed.send(&server.router).await.problem(415).contains("compressed"));
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        let ask = Ask::new(Method::POST, "/cc/csat/x").body(content_type, r#"{"score": 5}"#);
        assert!(ask.send(&server.router).await.status.is_success(), "{content_type}");
    }
    let mut unnamed = Ask::new(Method::POST, "/cc/csat/x").body("text/plain", r#"{"score": 5}"#);
    unnamed.request.headers_mut().remove("content-type");
    assert_eq!(unnamed.send(&server.router).await.status, 200, "without a type it is JSON");
}

#[tokio::test]
async fn bodies_and_headers_have_their_limits() {
    let mut http = Config::built_in().http;
    http.max_body_bytes = 2_000;
    http.max_header_bytes = 1_500;
    let server = Server::start_with(http).await;
    let body = |bytes: usize| json!({"score": 5, "comment": "x".repeat(bytes - 24)}).to_string();
    assert_eq!(body(2_000).len(), 2_000);
    let post = |bytes: usize| Ask::new(Method::POST, "/cc/csat/x").body("application/json", body(bytes));
    assert_eq!(post(2_000).send(&server.router).await.status, 201);
    assert_eq!(post(2_001).send(&server.router).await.problem(413), "a body has at most 2000 bytes");
    let announced =
        Ask::new(Method::POST, "/cc/csat/x").body("application/json", "{}").header("content-length", "2001");
    announced.send(&server.router).await.problem(413);

    Ask::get("/healthz").header("x-long", &"x".repeat(1_600)).send(&server.router).await.problem(431);
    Ask::get(&format!("/healthz?{}", "x".repeat(1_600))).send(&server.router).await.problem(414);
    let fits = Ask::get("/healthz").header("x-long", &"x".repeat(1_400)).send(&server.router).await;
    assert_eq!(fits.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_a_408() {
    let mut http = Config::built_in().http;
    http.request_timeout = Duration::from_millis(50);
    let server = Server::start_with(http).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    sender.send(Ok(Bytes::from_static(b"{\"sco"))).await.unwrap();
    let never_ending = Body::new(Trickle(receiver));
    let answer = Ask::new(Method::POST, "/cc/csat/x")
        .body("application/json", never_ending)
        .send(&server.router)
        .await;
    assert_eq!(answer.problem(408), "the body did not arrive in time");
    assert_eq!(answer.header("connection"), "close");
    drop(sender);
}

#[tokio::test]
async fn a_server_that_is_shutting_down_asks_to_come_again() {
    let server = Server::start().await;
    assert_eq!(server.get("/readyz").await.json(), json!({"status": "ready"}));
    let store = server.store.clone();
    let (router, _folder) = server.stop_writing().await;
    let answer = Ask::new(Method::POST, "/cc/csat/x").json(json!({"score": 5})).send(&router).await;
    assert_eq!(answer.problem(503), "the server is shutting down: try again");
    assert_eq!(answer.header("retry-after"), "1");
    store.close().await;
    Ask::get("/readyz").send(&router).await.problem(503);
    Ask::get("/cc/csat").send(&router).await.problem(500);
    assert_eq!(Ask::get("/healthz").send(&router).await.status, 200);
}

/// A body whose parts come when the test says.
struct Trickle(tokio::sync::mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl hyper::body::Body for Trickle {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| part.map(hyper::body::Frame::data)))
    }
}
