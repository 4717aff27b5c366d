//! Who is told what happened, and who may watch it.

use aftercall::config::{Config, Http};
use aftercall_core::stats::ChartRule;
use aftercall_store::{Alert, Role, Store};
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Answer, Ask, Server, on_both, queue};

on_both! {
    what_waits_is_listed_page_by_page_and_sent_again_by_request,
    what_happened_in_a_time_is_sent_again_from_the_tenants_midnight_on,
    everybody_watches_what_is_theirs_and_nothing_else,
    whoever_comes_back_goes_on_behind_the_last_event_they_know,
}

/// Before every event.
const BEGINNING: &str = "00000000-0000-0000-0000-000000000000";

/// Somewhere else, where nothing is answered without a key.
const ELSEWHERE: &str = "198.51.100.7:5000";

async fn rate(server: &Server, call: &str, score: u8, agent: &str, queue: &str) {
    let body = json!({"score": score, "agent_id": agent, "queue_id": queue, "comment": "a secret"});
    let answer = server.post(&format!("/cc/csat/{call}"), body).await;
    assert!(answer.status.is_success(), "{}", answer.text);
}

fn texts<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap()).collect()
}

async fn what_waits_is_listed_page_by_page_and_sent_again_by_request(server: Server) {
    for (call, score) in [("c1", 5), ("c2", 1), ("c3", 2)] {
        rate(&server, call, score, "a1", "sales").await;
    }
    let list = server.get("/cc/webhooks").await;
    assert!(!list.text.contains("hidden") && !list.text.contains("whsec"), "{}", list.text);
    assert_eq!(
        list.json()["webhooks"],
        json!([{
            "name": "crm", "host": "crm.example.com", "queues": null, "low_score": 1,
            "events": ["rating.created", "rating.low", "rating.amended", "rating.deleted", "alert.raised"],
            "waiting": 4, "dead": 0, "last_delivered_at": null,
        }])
    );
    let mut path = "/cc/webhooks/crm/deliveries?limit=3&state=waiting".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = server.get(&path).await;
        let json = page.json();
        seen.extend(texts(&json["deliveries"], "type").into_iter().map(str::to_owned));
        let link = page.header("link").to_owned();
        assert_eq!(link.is_empty(), json["next_cursor"].is_null());
        let Some((_, rest)) = link.split_once("/cc/") else { break };
        path = format!("/cc/{}", rest.split('>').next().unwrap());
    }
    assert_eq!(seen, ["rating.created", "rating.low", "rating.created", "rating.created"]);
    assert_eq!(server.get("/cc/webhooks/crm/deliveries?state=dead").await.json()["deliveries"], json!([]));
    let first = server.get("/cc/webhooks/crm/deliveries").await.json()["deliveries"][1].clone();
    assert_eq!(
        (&first["call_id"], &first["attempts"], &first["status"]),
        (&json!("c2"), &json!(0), &Value::Null)
    );
    let id = first["id"].as_str().unwrap();
    assert!(id.ends_with("-low"), "{id}");
    server.clock.advance(std::time::Duration::from_secs(60));
    let retry = |id: &str| format!("/cc/webhooks/crm/deliveries/{id}/retry");
    let answer = Ask::new(Method::POST, &retry(id)).send(&server.router).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json()["due_at"], "2026-11-22T08:01:00.000000Z");
    for (nothing, status) in [(BEGINNING, 404), ("x", 404), ("%FF", 400)] {
        Ask::new(Method::POST, &retry(nothing)).send(&server.router).await.problem(status);
    }
    server.get("/cc/webhooks/other/deliveries").await.problem(404);
    server.get("/cc/webhooks/crm/deliveries?state=lost").await.problem(400);
    server.get("/cc/webhooks/crm/deliveries?cursor=1").await.problem(400);
}

async fn what_happened_in_a_time_is_sent_again_from_the_tenants_midnight_on(server: Server) {
    server.tenant("default", "Asia/Shanghai").await;
    rate(&server, "c1", 5, "a1", "sales").await;
    server.clock.advance(std::time::Duration::from_secs(9 * 3_600));
    // It is the next day there by now.
    rate(&server, "c2", 1, "a1", "sales").await;
    rate(&server, "c3", 5, "a1", "sales").await;
    server.delete("/cc/csat/c3").await;
    let replay = async |query: &str| {
        let path = format!("/cc/webhooks/crm/replay{query}");
        Ask::new(Method::POST, &path).send(&server.router).await
    };
    for (query, events) in [
        ("?from=2026-11-22", 4),
        ("?from=2026-11-23", 3),
        ("?from=2026-11-22&to=2026-11-22", 1),
        ("?from=2026-11-24", 0),
        ("?from=2026-11-22T17:00:00Z", 3),
    ] {
        let answer = replay(query).await;
        assert_eq!(answer.status, 202, "{query}: {}", answer.text);
        assert_eq!(answer.json(), json!({"events": events, "next_from": null}), "{query}");
    }
    let left = server.get("/cc/webhooks/crm/deliveries").await.json();
    assert_eq!(
        texts(&left["deliveries"], "type"),
        ["rating.deleted", "rating.low", "rating.created", "rating.created"]
    );
    replay("").await.problem(400);
    replay("?from=2026-11-23&to=2026-11-22").await.problem(400);
    replay("?since=2026-11-23").await.problem(400);
}

#[tokio::test]
async fn nobody_but_an_admin_learns_what_is_sent_to_whom() {
    let server = Server::start().await;
    rate(&server, "c1", 1, "a1", "sales").await;
    let roles = [
        Role::Ingest,
        Role::Agent("a1".parse().unwrap()),
        Role::Viewer,
        Role::Supervisor(vec![queue("sales")]),
    ];
    for role in roles {
        let key = server.key("default", role).await;
        for (method, path) in [
            (Method::GET, "/cc/webhooks".to_owned()),
            (Method::GET, "/cc/webhooks/crm/deliveries".to_owned()),
            (Method::POST, format!("/cc/webhooks/crm/deliveries/{BEGINNING}/retry")),
            (Method::POST, "/cc/webhooks/crm/replay?from=2026-11-01".to_owned()),
        ] {
            Ask::new(method, &path).from(ELSEWHERE).key(&key).send(&server.router).await.problem(403);
        }
    }
    server.tenant("other", "UTC").await;
    let key = server.key("other", Role::Admin).await;
    let as_other = async |path: &str| Ask::get(path).from(ELSEWHERE).key(&key).send(&server.router).await;
    assert_eq!(as_other("/cc/webhooks").await.json(), json!({"webhooks": []}));
    as_other("/cc/webhooks/crm/deliveries").await.problem(404);
}

/// The events of an answer: `rating.low c1`.
fn watched(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    let mut frames = answer.text.split_terminator("\n\n");
    assert_eq!(frames.next(), Some("retry: 1000\n: events of aftercall"));
    let line = |frame: &str| {
        let field = |name: &str| {
            frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap().to_owned()
        };
        let data: Value = serde_json::from_str(&field("data")).unwrap();
        assert_eq!((&data["id"], &data["type"]), (&json!(field("id")), &json!(field("event"))));
        let about = [&data["data"]["call_id"], &data["data"]["rule"]].into_iter().find_map(Value::as_str);
        format!("{} {}", field("event"), about.unwrap())
    };
    frames.map(line).collect()
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect()
}

async fn everybody_watches_what_is_theirs_and_nothing_else(server: Server) {
    rate(&server, "c1", 1, "a1", "sales").await;
    rate(&server, "c2", 5, "a2", "sales").await;
    rate(&server, "c3", 5, "a1", "support").await;
    server.put("/cc/csat/c3", json!({"score": 2})).await;
    server.delete("/cc/csat/c2").await;
    let alert = |queue: Option<&str>| Alert {
        queue: queue.map(super::queue),
        day: "2026-11-21".parse().unwrap(),
        rule: ChartRule::Mean,
        rating_count: 3,
        value: 1.5,
        centre: 4.0,
        limits: Some([3.0, 5.0]),
    };
    let alerts = [alert(None), alert(Some("support"))];
    let (tenant, day) = (Default::default(), "2026-11-21".parse().unwrap());
    server.store.raise(&tenant, day, &alerts, server.clock.now()).await.unwrap().unwrap();
    let path = format!("/cc/events?follow=false&last_event_id={BEGINNING}");
    let watch = async |role: Role| {
        let key = server.key("default", role).await;
        Ask::get(&path).from(ELSEWHERE).key(&key).send(&server.router).await
    };
    let sales = ["rating.created c1", "rating.low c1", "rating.deleted c2"];
    let support = ["rating.created c3", "rating.amended c3", "rating.low c3"];
    let (created, rest) =
        (["rating.created c3"], ["rating.amended c3", "rating.low c3", "rating.deleted c2"]);
    let all = [&sales[..2], &created, &rest, &["alert.raised mean", "alert.raised mean"]].concat();
    assert_eq!(watched(&watch(Role::Admin).await), all);
    assert_eq!(watched(&watch(Role::Viewer).await), all);
    assert_eq!(watched(&watch(Role::Supervisor(vec![queue("sales")])).await), sales);
    let of_support = watched(&watch(Role::Supervisor(vec![queue("support")])).await);
    assert_eq!(of_support, [&support[..], &["alert.raised mean"]].concat());
    assert_eq!(watched(&watch(Role::Supervisor(vec![queue("other")])).await), [""; 0]);
    let of_agent = watched(&watch(Role::Agent("a1".parse().unwrap())).await);
    assert_eq!(of_agent, [&sales[..2], &support].concat());
    watch(Role::Ingest).await.problem(403);
    server.tenant("other", "UTC").await;
    let key = server.key("other", Role::Admin).await;
    assert_eq!(watched(&Ask::get(&path).from(ELSEWHERE).key(&key).send(&server.router).await), [""; 0]);
    // Another queue's rating is nobody's business, whatever is said of it.
    let text = watch(Role::Supervisor(vec![queue("sales")])).await.text;
    assert!(!text.contains("support") && !text.contains("\"c3\""), "{text}");
}

async fn whoever_comes_back_goes_on_behind_the_last_event_they_know(server: Server) {
    for call in 0..7 {
        rate(&server, &format!("c{call}"), 1 + call % 5, "a1", "sales").await;
    }
    let whole = server.get(&format!("/cc/events?follow=false&last_event_id={BEGINNING}")).await;
    let (events, ids) = (watched(&whole), ids(&whole));
    assert_eq!(events.len(), 7 + 4);
    for (place, id) in ids.iter().enumerate() {
        let by_header = Ask::get("/cc/events?follow=false").header("last-event-id", id);
        // The header is what the browser knows; the query what the page said at first.
        let by_both = Ask::get(&format!("/cc/events?follow=false&last_event_id={BEGINNING}"))
            .header("last-event-id", id);
        let by_query = Ask::get(&format!("/cc/events?follow=false&last_event_id={id}"));
        for ask in [by_header, by_both, by_query] {
            let rest = watched(&ask.send(&server.router).await);
            let expected = &events[place + 1..];
            // Of several nodes another may have written something with an earlier id meanwhile.
            let is_shared = matches!(server.store, Store::Postgres(_));
            assert!(
                if is_shared { rest.ends_with(expected) } else { rest == expected },
                "behind {id}: {rest:?}"
            );
            assert!(!rest.contains(&events[place]), "{id}: {rest:?}");
        }
    }
    assert_eq!(watched(&server.get("/cc/events?follow=false").await), [""; 0], "from now on");
    let empty = Ask::get("/cc/events?follow=false").header("last-event-id", "");
    assert_eq!(watched(&empty.send(&server.router).await), [""; 0]);
    for wrong in ["1", "019aa9e1", &ids[0].to_uppercase(), "é"] {
        let asked = Ask::get("/cc/events?follow=false").header("last-event-id", wrong);
        asked.send(&server.router).await.problem(400);
    }
    server.get("/cc/events?last_event_id=x").await.problem(400);
    server.get("/cc/events?follow=maybe").await.problem(400);
    server.get("/cc/events?queue=sales").await.problem(400);
}

#[tokio::test]
async fn no_more_may_watch_at_once_than_configured_and_whoever_leaves_makes_room() {
    let http = Http { max_event_streams: 2, ..Config::built_in().http };
    let server = Server::start_with(http).await;
    let watch = async || {
        let ask = Request::builder().uri("/cc/events").header("host", "localhost:8080");
        let peer = aftercall::api::auth::Peer("127.0.0.1:50000".parse().unwrap());
        let ask = ask.extension(peer).body(Body::empty()).unwrap();
        server.router.clone().oneshot(ask).await.unwrap()
    };
    let (first, second) = (watch().await, watch().await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    let third = server.get("/cc/events").await;
    assert!(third.problem(503).contains("max_event_streams"), "{}", third.text);
    assert_eq!(third.header("retry-after"), "1");
    drop(first);
    while watch().await.status() != 200 {
        tokio::task::yield_now().await;
    }
    drop(second);
}
