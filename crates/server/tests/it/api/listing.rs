//! Ratings page by page.

use std::collections::BTreeSet;

use aftercall::config::Config;
use serde_json::{Value, json};

use super::{Answer, Ask, Server};

async fn rate(server: &Server, call: &str, body: Value) {
    let answer = server.post(&format!("/cc/csat/{call}"), body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

fn calls(answer: &Answer) -> Vec<String> {
    let page = answer.json();
    let ratings = page["ratings"].as_array().unwrap_or_else(|| panic!("{page}"));
    ratings.iter().map(|rating| rating["call_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn filters_choose_and_combine() {
    let server = Server::start().await;
    for (call, body) in [
        ("1", json!({"score": 1, "agent_id": "a/1", "queue_id": "q1", "created_at": "2026-11-01T00:00:00Z"})),
        ("2", json!({"score": 2, "agent_id": "a/1", "queue_id": "q2", "created_at": "2026-11-02T00:00:00Z"})),
        (
            "3",
            json!({"score": 3, "agent_id": "a2", "survey": "csat-survey", "created_at": "2026-11-03T00:00:00Z"}),
        ),
        (
            "4",
            json!({"score": 3, "channel": "web", "language": "zh_Hant", "created_at": "2026-11-04T00:00:00Z"}),
        ),
    ] {
        rate(&server, call, body).await;
    }
    for (query, expected) in [
        ("", &["4", "3", "2", "1"][..]),
        ("?agent=a%2F1", &["2", "1"]),
        ("?agent=a/1&queue=q2", &["2"]),
        ("?queue=q1", &["1"]),
        ("?score=3", &["4", "3"]),
        ("?score=3&channel=web", &["4"]),
        ("?survey=csat-survey", &["3"]),
        ("?language=zh-hant", &["4"]),
        ("?from=2026-11-02&to=2026-11-03", &["3", "2"]),
        ("?to=2026-11-02T00:00:00Z", &["1"]),
        ("?agent=nobody", &[]),
    ] {
        let answer = server.get(&format!("/cc/csat{query}")).await;
        assert_eq!(calls(&answer), expected, "{query}");
        assert_eq!(answer.json()["next_cursor"], Value::Null, "{query}");
        assert_eq!(answer.header("link"), "", "{query}");
    }
}

#[tokio::test]
async fn following_the_links_visits_every_rating_once_even_while_more_come_in() {
    let server = Server::start().await;
    for number in 0..7 {
        // Two of each second: the cursor must tell those of one instant apart.
        let at = format!("2026-11-20T08:00:0{}Z", number / 2);
        rate(&server, &format!("c{number}"), json!({"score": 5, "agent_id": "a b", "created_at": at})).await;
    }
    let mut path = "/api/cc/csat?agent=a%20b&limit=3".to_owned();
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let answer = server.get(&path).await;
        seen.extend(calls(&answer));
        pages += 1;
        rate(&server, &format!("late{pages}"), json!({"score": 5, "agent_id": "a b"})).await;
        let Some(link) = answer.headers.get("link") else { break };
        let link = link.to_str().unwrap();
        path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        let cursor = answer.json()["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(path, format!("/api/cc/csat?agent=a%20b&limit=3&cursor={cursor}"));
    }
    assert_eq!((pages, seen.len()), (3, 7), "{seen:?}");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 7, "{seen:?}");
}

#[tokio::test]
async fn links_begin_with_what_the_operator_or_a_trusted_proxy_says_and_nobody_else() {
    let mut http = Config::built_in().http;
    http.trusted_proxies = vec!["10.0.0.1/32".parse().unwrap()];
    let server = Server::start_with(http.clone()).await;
    let key = server.key("default", aftercall_store::Role::Admin).await;
    for number in 0..2 {
        rate(&server, &format!("c{number}"), json!({"score": 5})).await;
    }
    let forwarded = |peer: &str| {
        let ask = Ask::get("/cc/csat?limit=1").from(peer).key(&key).header("host", "inner:8080");
        ask.header("x-forwarded-host", "csat.example.com").header("x-forwarded-proto", "https")
    };
    for (peer, expected) in
        [("10.0.0.1:4000", "<https://csat.example.com/cc/csat?"), ("10.0.0.2:4000", "</cc/csat?")]
    {
        let answer = forwarded(peer).send(&server.router).await;
        assert!(answer.header("link").starts_with(expected), "{peer}: {}", answer.header("link"));
    }
    http.public_url = Some("https://public.example.com/prefix".to_owned());
    let server = Server::start_with(http).await;
    let created = server.post("/cc/csat/PJSIP%2F1", json!({"score": 5})).await;
    assert_eq!(created.header("location"), "https://public.example.com/prefix/cc/csat/PJSIP%2F1");
}

#[tokio::test]
async fn wrong_filters_are_refused_naming_the_parameter() {
    let server = Server::start().await;
    for (query, detail) in [
        ("agnet=x", "unknown parameter \"agnet\" (did you mean \"agent\"?)"),
        ("agent=", "`agent` is empty"),
        ("score=0", "`score` must be a whole number from 1 to 5"),
        ("score=6", "`score` must be a whole number from 1 to 5"),
        ("limit=0", "`limit` must be a whole number from 1 to 500"),
        ("limit=501", "`limit` must be a whole number from 1 to 500"),
        ("cursor=x", "`cursor` is not a cursor of this server"),
        ("survey=A", "`survey` contains the character 'A', which is not allowed here"),
        ("from=2026-11-02&to=2026-11-01", "`from` must be before `to`"),
    ] {
        assert_eq!(server.get(&format!("/cc/csat?{query}")).await.problem(400), detail, "{query}");
    }
}
