//! Every route with no key, each role, and another tenant's key.

use aftercall::config::Config;
use aftercall_core::AgentId;
use aftercall_store::Role;
use axum::http::Method;
use serde_json::json;
use std::time::Duration;

use super::{Ask, Server, queue};

/// Who asks, in the order of the table's columns.
const WHO: [&str; 8] =
    ["nobody", "ingest", "agent", "viewer", "supervisor", "admin", "other tenant", "this machine"];

/// Method, route, body, and the status for each of `WHO`.
///
/// `mine` was rated for agent `a1` in queue `q1`, `theirs` for `a2` in `q2`. The agent's key is `a1`'s,
/// the supervisor's is for `q1`.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str, [u16; 8])] = &[
    //                                                        -   ing agt vwr sup adm oth local
    ("GET", "/cc/csat/mine", "",                            [401, 403, 200, 200, 200, 200, 404, 200]),
    ("GET", "/cc/csat/theirs", "",                          [401, 403, 404, 200, 404, 200, 404, 200]),
    ("GET", "/cc/csat/never", "",                           [401, 403, 404, 404, 404, 404, 404, 404]),
    ("GET", "/cc/csat/erased", "",                          [401, 403, 404, 410, 404, 410, 404, 410]),
    ("POST", "/cc/csat/mine", r#"{"score": 5, "queue_id": "q1"}"#,
                                                            [401, 200, 403, 403, 200, 200, 201, 200]),
    ("POST", "/cc/csat/theirs", r#"{"score": 5, "queue_id": "q2"}"#,
                                                            [401, 200, 403, 403, 403, 200, 201, 200]),
    ("POST", "/cc/csat/theirs", r#"{"score": 5}"#,          [401, 200, 403, 403, 403, 200, 200, 200]),
    ("PUT", "/cc/csat/mine", r#"{"score": 5}"#,             [401, 403, 403, 403, 200, 200, 200, 200]),
    ("PUT", "/cc/csat/mine", r#"{"score": 5, "queue_id": "q2"}"#,
                                                            [401, 403, 403, 403, 403, 200, 200, 200]),
    ("PUT", "/cc/csat/mine", r#"{"score": 5, "queue_id": "q1"}"#,
                                                            [401, 403, 403, 403, 404, 200, 200, 200]),
    ("PUT", "/cc/csat/theirs", r#"{"score": 5}"#,           [401, 403, 403, 403, 404, 200, 200, 200]),
    ("PUT", "/cc/csat/never", r#"{"score": 5}"#,            [401, 403, 403, 403, 404, 404, 404, 404]),
    ("GET", "/cc/csat", "",                                 [401, 403, 200, 200, 200, 200, 200, 200]),
    ("GET", "/cc/csat?agent=a1", "",                        [401, 403, 200, 200, 200, 200, 200, 200]),
    ("GET", "/cc/csat?agent=a2", "",                        [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/cc/csat?queue=q2", "",                        [401, 403, 200, 200, 403, 200, 200, 200]),
    ("GET", "/cc/csat/agent/a1", "",                        [401, 403, 200, 200, 200, 200, 200, 200]),
    ("GET", "/cc/csat/agent/a2", "",                        [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/cc/csat/queue/q1", "",                        [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/cc/csat/queue/q2", "",                        [401, 403, 403, 200, 403, 200, 200, 200]),
    ("GET", "/cc/reports/csat", "",                         [401, 403, 200, 200, 200, 200, 200, 200]),
    ("GET", "/cc/reports/csat?agent=a2", "",                [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/cc/reports/csat?queue=q2", "",                [401, 403, 200, 200, 403, 200, 200, 200]),
    ("GET", "/cc/reports/csat/ranking", "",                 [401, 403, 200, 200, 200, 200, 200, 200]),
    ("GET", "/cc/reports/csat/trend", "",                   [401, 403, 200, 200, 200, 200, 200, 200]),
    ("GET", "/cc/reports/csat/alerts?queue=q2", "",         [401, 403, 200, 200, 403, 200, 200, 200]),
    ("GET", "/cc/reports/csat/compare", "",                 [401, 403, 200, 200, 200, 200, 200, 200]),
    ("GET", "/cc/reports/csat/distribution?agent=a2", "",   [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/cc/reports/csat/funnel", "",                  [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/cc/reports/csat/funnel?queue=q2", "",         [401, 403, 403, 200, 403, 200, 200, 200]),
    ("GET", "/cc/surveys", "",                              [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/cc/surveys/csat-survey", "",                  [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/healthz", "",                                 [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/readyz", "",                                  [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/openapi.json", "",                            [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/metrics", "",                                 [401, 403, 403, 200, 403, 200, 403, 200]),
    ("GET", "/nowhere", "",                                 [401, 404, 404, 404, 404, 404, 404, 404]),
    ("PATCH", "/cc/csat/mine", "",                          [401, 405, 405, 405, 405, 405, 405, 405]),
    ("DELETE", "/cc/csat/never", "",                        [401, 403, 403, 403, 404, 404, 404, 404]),
    ("DELETE", "/cc/csat/erased", "",                       [401, 403, 403, 403, 204, 204, 404, 204]),
    ("DELETE", "/cc/csat/theirs", "",                       [401, 403, 403, 403, 404, 204, 204, 204]),
];

async fn a_server() -> (Server, Vec<Option<String>>) {
    let server = Server::start().await;
    server.tenant("other", "UTC").await;
    for (call, agent, of) in [("mine", "a1", "q1"), ("theirs", "a2", "q2"), ("erased", "a1", "q1")] {
        let body = json!({"score": 5, "agent_id": agent, "queue_id": of});
        assert_eq!(server.post(&format!("/cc/csat/{call}"), body).await.status, 201);
    }
    assert_eq!(server.delete("/cc/csat/erased").await.status, 204);
    let mut keys = vec![None];
    for role in [
        Role::Ingest,
        Role::Agent(AgentId::new("a1").unwrap()),
        Role::Viewer,
        Role::Supervisor(vec![queue("q1"), queue("q9")]),
        Role::Admin,
    ] {
        keys.push(Some(server.key("default", role).await));
    }
    keys.push(Some(server.key("other", Role::Admin).await));
    keys.push(None);
    (server, keys)
}

#[tokio::test]
async fn every_route_answers_everyone_as_the_table_says() {
    for mount in ["", "/api"] {
        let (server, keys) = a_server().await;
        for (method, route, body, expected) in TABLE {
            let mount = if route.starts_with("/cc") { mount } else { "" };
            for (column, (who, key)) in WHO.iter().zip(&keys).enumerate() {
                let peer = if *who == "this machine" { "127.0.0.1:5000" } else { "198.51.100.7:5000" };
                let mut ask =
                    Ask::new(method.parse::<Method>().unwrap(), &format!("{mount}{route}")).from(peer);
                if let Some(key) = key {
                    ask = ask.key(key);
                }
                if !body.is_empty() {
                    ask = ask.body("application/json", *body);
                }
                let answer = ask.send(&server.router).await;
                let status = answer.status.as_u16();
                assert_eq!(status, expected[column], "{method} {mount}{route} as {who}: {}", answer.text);
                if status >= 400 {
                    answer.problem(status);
                }
                let warned = answer.header("warning").starts_with("199 aftercall");
                assert_eq!(warned, *who == "this machine", "{method} {route} as {who}");
            }
        }
    }
}

#[tokio::test]
async fn lists_and_results_hold_only_what_the_key_opens() {
    let (server, keys) = a_server().await;
    assert_eq!(
        server.post("/cc/csat/mixed", json!({"score": 1, "agent_id": "a1", "queue_id": "q2"})).await.status,
        201
    );
    for (who, list, of_a1) in [
        ("agent", &["mixed", "mine"][..], 2),
        ("viewer", &["mixed", "theirs", "mine"], 2),
        ("supervisor", &["mine"], 1),
        ("admin", &["mixed", "theirs", "mine"], 2),
        ("other tenant", &[], 0),
    ] {
        let column = WHO.iter().position(|name| *name == who).unwrap();
        let key = keys[column].as_deref().unwrap();
        let get = |path: &str| Ask::get(path).from("198.51.100.7:5000").key(key);
        let page = get("/cc/csat").send(&server.router).await.json();
        let calls: Vec<&str> = page["ratings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rating| rating["call_id"].as_str().unwrap())
            .collect();
        assert_eq!(calls, list, "{who}");
        let agent = get("/cc/csat/agent/a1?days=1").send(&server.router).await.json();
        assert_eq!(agent["rating_count"], of_a1, "{who}");
        assert_eq!(agent["trend"]["points"][0]["rating_count"], of_a1, "{who}");
    }
}

/// A key with this role, and what it says when it asks.
async fn asks_with(server: &Server, role: Role) -> impl Fn(Ask) -> Ask {
    let key = server.key("default", role).await;
    move |ask| ask.from("198.51.100.7:5000").key(&key)
}

#[tokio::test]
async fn a_supervisor_gets_no_hold_of_a_rating_outside_their_queues() {
    let server = Server::start().await;
    let body = json!({"score": 4, "comment": "secret"});
    assert_eq!(server.post("/cc/csat/nobodys", body).await.status, 201);
    let supervisor = asks_with(&server, Role::Supervisor(vec![queue("q1")])).await;
    for score in 1..=5 {
        let guess = json!({"score": score, "queue_id": "q1"});
        let answer =
            supervisor(Ask::new(Method::POST, "/cc/csat/nobodys").json(guess)).send(&server.router).await;
        assert_eq!(answer.status, 403, "{score}");
    }
    let erased = supervisor(Ask::new(Method::DELETE, "/cc/csat/nobodys")).send(&server.router).await;
    assert_eq!(erased.status, 404);
    let rating = server.get("/cc/csat/nobodys").await.json();
    assert_eq!((&rating["queue_id"], &rating["revision"]), (&json!(null), &json!(1)));
    // Of their own, erasing twice is erasing once.
    assert_eq!(server.post("/cc/csat/own", json!({"score": 4, "queue_id": "q1"})).await.status, 201);
    for _ in 0..2 {
        let erased = supervisor(Ask::new(Method::DELETE, "/cc/csat/own")).send(&server.router).await;
        assert_eq!(erased.status, 204);
    }
}

#[tokio::test]
async fn who_may_only_give_ratings_cannot_learn_a_comment_by_guessing_its_score() {
    let server = Server::start().await;
    let body = json!({"score": 4, "comment": "secret"});
    assert_eq!(server.post("/cc/csat/c1", body.clone()).await.status, 201);
    let ingest = asks_with(&server, Role::Ingest).await;
    let guess =
        ingest(Ask::new(Method::POST, "/cc/csat/c1").json(json!({"score": 4}))).send(&server.router).await;
    assert_eq!((guess.status.as_u16(), &guess.json()["comment"]), (200, &json!(null)));
    // Who has sent it is shown what is stored.
    let again = ingest(Ask::new(Method::POST, "/cc/csat/c1").json(body)).send(&server.router).await;
    assert_eq!((again.status.as_u16(), &again.json()["comment"]), (200, &json!("secret")));
}

#[tokio::test]
async fn a_key_works_until_it_expires_or_is_revoked_and_its_use_is_noted() {
    let server = Server::start().await;
    let (key, store) = (aftercall::keys::create().unwrap(), &server.store);
    let new = aftercall_store::NewKey {
        tenant: Default::default(),
        hash: aftercall::keys::hash(&key),
        role: Role::Viewer,
        expires_at: Some("2026-11-22T09:00:00Z".parse().unwrap()),
        at: server.clock.now(),
    };
    let id = store.create_key(&new).await.unwrap().unwrap().id;
    let ask = || Ask::get("/cc/csat").from("198.51.100.7:5000").key(key.expose());
    assert_eq!(ask().send(&server.router).await.status, 200);
    server.clock.advance(Duration::from_secs(3599));
    assert_eq!(ask().send(&server.router).await.status, 200);
    server.clock.advance(Duration::from_secs(1));
    let refused = ask().send(&server.router).await;
    assert!(refused.problem(401).starts_with("this key is not known, or it has expired or been revoked"));
    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"aftercall\", error=\"invalid_token\"");

    let used = loop {
        let keys = store.keys(&Default::default()).await.unwrap();
        if let Some(used) = keys[0].last_used_at {
            break used;
        }
        tokio::task::yield_now().await;
    };
    assert!(used >= new.at);
    let fresh = server.key("default", Role::Viewer).await;
    let ask = || Ask::get("/cc/csat").from("198.51.100.7:5000").key(&fresh);
    assert_eq!(ask().send(&server.router).await.status, 200);
    for key in store.keys(&Default::default()).await.unwrap() {
        store.revoke_key(&Default::default(), key.id, server.clock.now()).await.unwrap();
    }
    assert_eq!(ask().send(&server.router).await.status, 401);
    assert_eq!(store.keys(&Default::default()).await.unwrap()[0].id, id);
}

#[tokio::test]
async fn a_wrong_key_is_refused_even_on_this_machine() {
    let server = Server::start().await;
    for authorization in ["Bearer nonsense", "Bearer", "Basic YTpi", "aftercall_1234"] {
        let answer = Ask::get("/cc/csat").header("authorization", authorization).send(&server.router).await;
        answer.problem(401);
    }
}

#[tokio::test]
async fn what_a_proxy_passes_on_is_never_this_machine() {
    let mut http = Config::built_in().http;
    http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let trusting = Server::start_with(http).await;
    let said = Ask::get("/cc/csat").send(&trusting.router).await.problem(401);
    assert!(said.contains("aftercall key create"), "{said}");
    let server = Server::start().await;
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("host", "csat.example.com"),
        ("origin", "https://evil.example"),
    ] {
        let answer = Ask::get("/cc/csat").header(name, value).send(&server.router).await;
        answer.problem(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"aftercall\"", "{name}");
    }
}
