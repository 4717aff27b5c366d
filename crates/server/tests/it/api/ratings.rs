//! One call's rating: what POST, PUT, GET and DELETE make of it.

use std::sync::Arc;
use std::time::Duration;

use aftercall_core::TenantId;
use aftercall_store::{About, Measured, Quality, Session, SessionId, Write};
use axum::http::Method;
use serde_json::{Value, json};

use super::{Answer, Ask, NOW, Server, on_both};

on_both! {
    a_rating_is_created_repeated_filled_in_contradicted_and_gone,
    a_burst_of_ratings_of_one_agent_is_noted_on_them_and_not_refused,
    an_empty_text_says_as_much_as_none,
    the_answer_to_a_new_rating_is_what_is_stored_and_where,
    a_call_that_had_media_is_read_with_how_it_sounded,
    a_contradiction_names_the_stored_rating_but_not_what_it_says,
    put_changes_on_purpose_keeps_what_is_not_named_and_empties_what_is_null,
    forms_are_read_like_json,
    what_is_wrong_with_a_body_is_said_field_by_field_and_nothing_is_kept,
    a_clock_a_few_seconds_ahead_loses_no_rating,
    comments_are_kept_to_the_letter_up_to_four_thousand_characters,
    ids_are_taken_percent_encoded_and_given_back_to_the_letter,
}

/// What a transcript says of an answer: its status, and the pointers of a problem.
fn told(answer: &Answer) -> String {
    let mut told = answer.status.as_u16().to_string();
    if answer.header("content-type") == "application/problem+json" {
        let problem = answer.json();
        for error in problem["errors"].as_array().into_iter().flatten() {
            told.push(' ');
            told.push_str(error["pointer"].as_str().unwrap());
        }
    }
    told
}

async fn a_rating_is_created_repeated_filled_in_contradicted_and_gone(server: Server) {
    for (body, expected) in [
        (json!({"score": 4}), "201"),
        (json!({"score": 4}), "200"),
        (json!({"score": 4, "comment": null}), "200"),
        (json!({"score": 5}), "409 /score"),
        (json!({"score": 4, "agent_id": "a1", "comment": "Great"}), "200"),
        (json!({"score": 4}), "200"),
        (json!({"score": 4, "agent_id": "a2"}), "409 /agent_id"),
        (json!({"score": 1, "agent_id": "a2", "comment": "Bad"}), "409 /score /comment /agent_id"),
        (json!({"score": 4, "queue_id": "q1", "agent_id": "a2"}), "409 /agent_id"),
        (json!({"score": 4, "created_at": "2026-11-22T08:00:00Z"}), "200"),
        (json!({"score": 4, "created_at": "2026-11-22T07:00:00Z"}), "409 /created_at"),
        (
            json!({"score": 4, "key": "2", "survey": "csat-survey", "channel": "phone", "language": "en"}),
            "200",
        ),
        (json!({"score": 4, "key": "1"}), "409 /key"),
    ] {
        let answer = server.post("/cc/csat/call-1", body.clone()).await;
        assert_eq!(told(&answer), expected, "{body}");
    }
    assert_eq!(server.delete("/cc/csat/call-1").await.status, 204);
    assert_eq!(told(&server.post("/cc/csat/call-1", json!({"score": 4})).await), "410");
    assert_eq!(told(&server.put("/cc/csat/call-1", json!({"score": 4})).await), "410");
    assert_eq!(told(&server.get("/cc/csat/call-1").await), "410");
    assert_eq!(server.delete("/cc/csat/call-1").await.status, 204, "erasing twice is erasing once");
    assert_eq!(told(&server.delete("/cc/csat/other").await), "404");
}

async fn a_burst_of_ratings_of_one_agent_is_noted_on_them_and_not_refused(server: Server) {
    let mut noted = Vec::new();
    for number in 0..12 {
        let body = json!({"score": 5, "agent_id": "agent-001"});
        // A repeat is no further rating.
        server.post(&format!("/cc/csat/call-{number}"), body.clone()).await;
        let answer = server.post(&format!("/cc/csat/call-{number}"), body).await;
        noted.push(answer.json()["flags"].as_array().unwrap().contains(&json!("burst")));
    }
    assert_eq!(noted, [vec![false; 10], vec![true; 2]].concat());
    server.clock.advance(Duration::from_secs(60));
    let later = server.post("/cc/csat/later", json!({"score": 5, "agent_id": "agent-001"})).await;
    assert_eq!(later.json()["flags"], json!(["no_call"]));
}

async fn an_empty_text_says_as_much_as_none(server: Server) {
    // As a PBX fills in a variable that it does not have.
    let empty = json!({"score": 5, "comment": "", "agent_id": "", "queue_id": ""});
    let rated = server.post("/cc/csat/call-1", empty).await;
    assert_eq!(rated.status.as_u16(), 201, "{}", rated.json());
    for field in ["comment", "agent_id", "queue_id"] {
        assert_eq!(rated.json()[field], json!(null), "{field}");
    }
    let filled = server.post("/cc/csat/call-1", json!({"score": 5, "comment": "Great"})).await;
    assert_eq!((filled.status.as_u16(), &filled.json()["comment"]), (200, &json!("Great")));
    let cleared = server.put("/cc/csat/call-1", json!({"score": 5, "comment": ""})).await;
    assert_eq!((cleared.status.as_u16(), &cleared.json()["comment"]), (200, &json!(null)));
}

async fn the_answer_to_a_new_rating_is_what_is_stored_and_where(server: Server) {
    let body =
        json!({"score": 5, "comment": "Great service", "agent_id": "agent-001", "queue_id": "sales-queue"});
    let answer = server.post("/api/cc/csat/call-1", body).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), "/api/cc/csat/call-1");
    let mut rating = answer.json();
    let id = rating["id"].take();
    assert_eq!(id.as_str().unwrap().len(), 36);
    let expected = json!({
        "id": null, "call_id": "call-1", "agent_id": "agent-001", "queue_id": "sales-queue", "score": 5,
        "comment": "Great service", "created_at": "2026-11-22T08:00:00.000000Z",
        "key": null, "survey": null, "survey_version": null, "channel": null, "language": null,
        "revision": 1, "flags": ["no_call"],
    });
    assert_eq!(rating, expected);
    for path in ["/cc/csat/call-1", "/api/cc/csat/call-1"] {
        let mut read = server.get(path).await.json();
        assert_eq!(read["id"].take(), id, "{path}");
        assert_eq!(read, with_quality(&expected, Value::Null), "{path}");
    }
}

/// A rating as it is read: with how its call sounded.
fn with_quality(rating: &Value, quality: Value) -> Value {
    let mut rating = rating.clone();
    rating["quality"] = quality;
    rating
}

async fn a_call_that_had_media_is_read_with_how_it_sounded(server: Server) {
    server.post("/cc/csat/call-1", json!({"score": 5})).await;
    let session = Arc::new(Session {
        tenant: TenantId::default(),
        call: "call-1".parse().unwrap(),
        id: SessionId::new("s1").unwrap(),
        about: About::default(),
    });
    let quality = Quality {
        packets_expected: 500,
        packets_received: 490,
        packets_lost: 10,
        packets_late: 2,
        packets_duplicate: 1,
        jitter_mean_us: 1_250,
        jitter_max_us: 9_000,
        peer_packets_lost: Some(3),
        peer_jitter_us: Some(4_500),
        round_trip_us: Some(31_000),
        mos_hundredths: 423,
    };
    let at = server.clock.now();
    server.store.write(&[Write::Measured(Measured { session, quality, at })]).await.unwrap();
    let expected = json!({
        "packets_expected": 500, "packets_received": 490, "packets_lost": 10, "packets_late": 2,
        "packets_duplicate": 1, "jitter_mean_ms": 1.25, "jitter_max_ms": 9.0, "peer_packets_lost": 3,
        "peer_jitter_ms": 4.5, "round_trip_ms": 31.0, "mos": 4.23,
    });
    assert_eq!(server.get("/cc/csat/call-1").await.json()["quality"], expected);
}

async fn a_contradiction_names_the_stored_rating_but_not_what_it_says(server: Server) {
    let first = server.post("/cc/csat/call-1", json!({"score": 5, "comment": "secret"})).await.json();
    let answer = server.post("/cc/csat/call-1", json!({"score": 1})).await;
    answer.problem(409);
    let expected = json!({
        "id": first["id"], "call_id": "call-1", "created_at": "2026-11-22T08:00:00.000000Z", "revision": 1,
    });
    assert_eq!(answer.json()["stored"], expected);
    assert!(!answer.text.contains("secret"));
}

async fn put_changes_on_purpose_keeps_what_is_not_named_and_empties_what_is_null(server: Server) {
    assert_eq!(told(&server.put("/cc/csat/call-1", json!({"score": 4})).await), "404");
    server
        .post("/cc/csat/call-1", json!({"score": 5, "comment": "Great", "agent_id": "a1", "queue_id": "q1"}))
        .await;
    for (body, expected) in [
        (json!({"score": 2}), json!([2, "Great", "a1", "q1", 2])),
        (json!({"score": 2}), json!([2, "Great", "a1", "q1", 2])),
        (json!({"score": 3, "comment": null, "agent_id": "a2"}), json!([3, null, "a2", "q1", 3])),
        (json!({"score": 3, "queue_id": null}), json!([3, null, "a2", null, 4])),
    ] {
        let answer = server.put("/cc/csat/call-1", body.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let now = answer.json();
        let short = json!([now["score"], now["comment"], now["agent_id"], now["queue_id"], now["revision"]]);
        assert_eq!(short, expected, "{body}");
        assert_eq!(server.get("/cc/csat/call-1").await.json(), with_quality(&now, Value::Null));
    }
    let agent = server.get("/cc/csat/agent/a2").await.json();
    assert_eq!((&agent["rating_count"], &agent["average_score"]), (&json!(1), &json!(3.0)));
    assert_eq!(server.get("/cc/csat/agent/a1").await.json()["rating_count"], 0);
}

async fn forms_are_read_like_json(server: Server) {
    let post = |body: &'static str| {
        Ask::new(Method::POST, "/cc/csat/call-1")
            .body("application/x-www-form-urlencoded; charset=utf-8", body)
    };
    let answer =
        post("score=5&comment=Sehr+gut%21+%E5%A5%BD&agent_id=agent-001&queue_id=").send(&server.router).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let rating = answer.json();
    assert_eq!(rating["comment"], "Sehr gut! 好");
    assert_eq!((&rating["agent_id"], &rating["queue_id"]), (&json!("agent-001"), &Value::Null));
    for (body, expected) in [
        ("score=5", "200"),
        ("score=5.5", "422 /score"),
        ("score=five", "422 /score"),
        ("score=", "422 /score"),
        ("score=5&score=1", "400"),
        ("score=5&comment=%ff", "400"),
    ] {
        assert_eq!(told(&post(body).send(&server.router).await), expected, "{body}");
    }
    let json_as_form = post(r#"{"score": 5}"#).send(&server.router).await;
    assert_eq!(
        json_as_form.problem(422),
        "this is JSON sent as a form: say `Content-Type: application/json`"
    );
}

/// Fields that are wrong, and the pointers and words that say so.
const WRONG: &[(&str, u16, &str)] = &[
    (r#"{}"#, 422, r#"/score: field `score` is missing"#),
    (r#"{"score": null}"#, 422, "/score: field `score` is missing"),
    (r#"{"score": 0}"#, 422, "/score: `score` must be a whole number from 1 to 5"),
    (r#"{"score": 6}"#, 422, "/score: `score` must be a whole number from 1 to 5"),
    (r#"{"score": 4.5}"#, 422, "/score: `score` must be a whole number from 1 to 5"),
    (r#"{"score": "5"}"#, 422, "/score: `score` must be a whole number, not text"),
    (r#"{"score": 5, "coment": "x"}"#, 422, r#"/coment: unknown field "coment" (did you mean "comment"?)"#),
    (r#"{"score": 5, "comment": 7}"#, 422, "/comment: `comment` must be text, not a number"),
    (
        r#"{"score": 5, "comment": "a\u0000b"}"#,
        422,
        "/comment: `comment` contains U+0000, which a database cannot keep",
    ),
    (r#"{"score": 5, "agent_id": " "}"#, 422, "/agent_id: `agent_id` is empty"),
    (
        r#"{"score": 5, "agent_id": "a\tb"}"#,
        422,
        "/agent_id: `agent_id` contains the character '\\t', which is not allowed here",
    ),
    (r#"{"score": 5, "key": "12"}"#, 422, "/key: `key` must be one key of a telephone: 0-9, *, # or A-D"),
    (
        r#"{"score": 5, "survey": "No Such"}"#,
        422,
        "/survey: `survey` contains the character 'N', which is not allowed here",
    ),
    (
        r#"{"score": 5, "created_at": "2026-11-22"}"#,
        422,
        "/created_at: `created_at` must be an instant in RFC 3339, such as 2026-11-22T08:00:00Z",
    ),
    (
        r#"{"score": 5, "created_at": "2026-11-22T08:00:06Z"}"#,
        422,
        "/created_at: `created_at` is in the future",
    ),
    (
        r#"{"score": 5, "created_at": "1969-12-31T23:59:59Z"}"#,
        422,
        "/created_at: `created_at` is before 1970",
    ),
    (
        r#"{"score": 9, "key": "x", "x": 1}"#,
        422,
        "/score: `score` must be a whole number from 1 to 5|/key: `key` must be one key of a telephone: 0-9, *, # or A-D|/x: unknown field \"x\"",
    ),
    (r#"[1]"#, 422, ""),
    (r#"5"#, 422, ""),
    (r#""#, 400, ""),
    (r#"{"score": 5"#, 400, ""),
    (r#"{"score": 5} x"#, 400, ""),
    (r#"{"score": 5, "score": 1}"#, 400, ""),
    (r#"{"score": 5, "comment": "\ud800"}"#, 400, ""),
];

async fn what_is_wrong_with_a_body_is_said_field_by_field_and_nothing_is_kept(server: Server) {
    for (body, status, expected) in WRONG {
        for method in [Method::POST, Method::PUT] {
            let ask = Ask::new(method, "/cc/csat/call-1").body("application/json", *body);
            let answer = ask.send(&server.router).await;
            answer.problem(*status);
            let problem = answer.json();
            let errors = problem["errors"].as_array().cloned().unwrap_or_default();
            let word = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
            let errors: Vec<String> = errors
                .iter()
                .map(|error| format!("{}: {}", word(error, "pointer"), word(error, "detail")))
                .collect();
            assert_eq!(errors.join("|"), *expected, "{body}");
        }
    }
    assert_eq!(server.get("/cc/csat").await.json()["ratings"], json!([]));
}

async fn a_clock_a_few_seconds_ahead_loses_no_rating(server: Server) {
    let answer =
        server.post("/cc/csat/call-1", json!({"score": 5, "created_at": "2026-11-22T16:00:05+08:00"})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["created_at"], "2026-11-22T08:00:05.000000Z");
    assert_eq!(server.clock.now(), NOW.parse().unwrap());
}

async fn comments_are_kept_to_the_letter_up_to_four_thousand_characters(server: Server) {
    let longest = "评".repeat(3_999) + "👍";
    for (call, comment) in [("a", longest.as_str()), ("b", "line\nline\ttab \u{7f} \u{202e}"), ("c", "  ")] {
        let path = format!("/cc/csat/{call}");
        assert_eq!(server.post(&path, json!({"score": 5, "comment": comment})).await.status, 201, "{call}");
        assert_eq!(server.get(&path).await.json()["comment"], comment, "{call}");
    }
    let long = server.post("/cc/csat/e", json!({"score": 5, "comment": "评".repeat(4_001)})).await;
    assert_eq!(long.problem(422), "`comment` is longer than 4000 characters");
}

async fn ids_are_taken_percent_encoded_and_given_back_to_the_letter(server: Server) {
    for (encoded, plain) in [
        ("PJSIP%2Fagent1001", "PJSIP/agent1001"),
        ("%E5%AE%A2%E6%9C%8D", "客服"),
        ("a%20b", "a b"),
        ("c+d", "c+d"),
        ("a%2Bb", "a+b"),
        ("100%25", "100%"),
        ("%2E%2E", ".."),
        ("a%3Fb%23c", "a?b#c"),
        ("agent", "agent"),
        ("queue", "queue"),
        ("agent%2Fx", "agent/x"),
        ("1795334400.42", "1795334400.42"),
        ("a%26b%3Dc%3Bd", "a&b=c;d"),
    ] {
        let path = format!("/cc/csat/{encoded}");
        let answer = server.post(&path, json!({"score": 5, "agent_id": plain, "queue_id": plain})).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["call_id"]), (201, &json!(plain)), "{encoded}");
        assert_eq!(answer.header("location"), path, "{encoded}");
        assert_eq!(server.get(&path).await.json()["call_id"], plain, "{encoded}");
        let agent = server.get(&format!("/cc/csat/agent/{encoded}")).await.json();
        assert_eq!((&agent["agent_id"], &agent["rating_count"]), (&json!(plain), &json!(1)), "{encoded}");
        let queue = server.get(&format!("/cc/csat/queue/{encoded}")).await.json();
        assert_eq!(
            (&queue["queue_id"], &queue["ranking"][0]["agent_id"]),
            (&json!(plain), &json!(plain)),
            "{encoded}"
        );
    }
    for (path, expected) in [
        ("/cc/csat/%ff", "the id in the path is not UTF-8 once decoded"),
        ("/cc/csat/%C3%28", "the id in the path is not UTF-8 once decoded"),
        ("/cc/csat/a%00b", "the id in the path contains the character '\\0', which is not allowed here"),
        ("/cc/csat/%20", "the id in the path is empty"),
        ("/cc/csat/agent/%ff", "the id in the path is not UTF-8 once decoded"),
    ] {
        assert_eq!(server.get(path).await.problem(400), expected, "{path}");
    }
    let long = format!("/cc/csat/{}", "x".repeat(257));
    assert_eq!(server.get(&long).await.problem(400), "the id in the path is longer than 256 characters");
}
