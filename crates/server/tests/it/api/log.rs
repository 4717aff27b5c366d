//! No person in the log.

use std::cell::RefCell;

use aftercall_store::Role;
use axum::http::Method;
use serde_json::json;

use super::{Ask, Server};

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes to the log of its own thread: a test's runtime has one, and other tests have theirs.
struct OfThread;

impl std::io::Write for OfThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_that_names_or_quotes_a_person_is_logged_at_any_level() {
    // Everything at TRACE, ours and what we use. Global, because a subscriber of one thread misses
    // what another thread was the first to log.
    let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| OfThread);
    tracing::subscriber::set_global_default(everything.with_ansi(false).finish()).unwrap();

    let server = Server::start().await;
    let key = server.key("default", Role::Admin).await;
    let full = json!({
        "score": 5, "comment": "marked-comment", "agent_id": "marked-agent", "queue_id": "marked-queue",
    });
    let ask =
        |method: Method, path: &str| Ask::new(method, path).key(&key).header("x-caller", "marked-caller");
    for ask in [
        ask(Method::POST, "/cc/csat/marked-call").json(full.clone()),
        ask(Method::POST, "/cc/csat/marked-call").json(json!({"score": 1, "comment": "marked-comment-2"})),
        ask(Method::POST, "/cc/csat/marked-call").json(json!({"score": 1, "marked-field": "marked-value"})),
        ask(Method::POST, "/cc/csat/marked-call").body("application/json", "{\"marked-broken"),
        ask(Method::POST, "/cc/csat/marked-call")
            .body("application/x-www-form-urlencoded", "marked-form=%ff"),
        ask(Method::PUT, "/cc/csat/marked-call").json(full),
        ask(Method::GET, "/cc/csat/marked-call"),
        ask(Method::GET, "/cc/csat?agent=marked-agent"),
        ask(Method::GET, "/cc/csat/agent/marked-agent?from=marked-from"),
        ask(Method::GET, "/cc/csat/queue/marked-queue"),
        ask(Method::GET, "/marked-nowhere"),
        ask(Method::DELETE, "/cc/csat/marked-call"),
        Ask::get("/cc/csat").key("marked-key").from("198.51.100.77:5000"),
    ] {
        ask.send(&server.router).await;
    }

    let logged = LOG.with_borrow(|log| String::from_utf8(log.clone()).unwrap());
    assert!(logged.contains("route=\"/cc/csat/{call_id}\" status=201"), "the log is there: {logged}");
    for hidden in ["marked", key.as_str(), "198.51.100.77"] {
        let line = logged.lines().find(|line| line.contains(hidden));
        assert_eq!(line, None, "{hidden}");
    }
}
