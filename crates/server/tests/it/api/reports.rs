//! Reports, pinned on a few ratings whose numbers can be checked by hand, and held against each other.

use std::time::Duration;

use aftercall_store::Role;
use serde_json::{Value, json};

use super::{Ask, Server, queue};

/// Call, score, agent, queue, survey, when: three weeks of two agents in two queues, and one rating of nobody.
const RATINGS: [(&str, u8, &str, &str, &str, &str); 9] = [
    ("1", 5, "a1", "sales", "short", "2026-11-02T09:00:00Z"),
    ("2", 4, "a1", "sales", "short", "2026-11-03T09:00:00Z"),
    ("3", 2, "a2", "sales", "short", "2026-11-03T22:30:00Z"),
    ("4", 5, "a1", "support", "long", "2026-11-09T10:00:00Z"),
    ("5", 1, "a2", "support", "long", "2026-11-10T10:00:00Z"),
    ("6", 3, "a2", "sales", "short", "2026-11-16T10:00:00Z"),
    ("7", 4, "a1", "sales", "short", "2026-11-21T23:59:59Z"),
    ("8", 5, "a2", "support", "long", "2026-11-22T07:00:00Z"),
    ("9", 3, "", "", "", "2026-11-20T12:00:00Z"),
];

async fn server() -> Server {
    let server = Server::start().await;
    for (call, score, agent, queue, survey, at) in RATINGS {
        let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
        let body = json!({
            "score": score, "agent_id": given(agent), "queue_id": given(queue), "survey": given(survey),
            "created_at": at,
        });
        let answer = server.post(&format!("/cc/csat/{call}"), body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    server
}

/// The lines of a report, each as the values of these fields.
async fn lines(server: &Server, path: &str, fields: &[&str]) -> Vec<String> {
    let report = server.get(path).await;
    assert_eq!(report.status, 200, "{path}: {}", report.text);
    let shown = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = report.json()["rows"].as_array().unwrap().clone();
    rows.iter()
        .map(|row| fields.iter().map(|name| shown(&row[*name])).collect::<Vec<_>>().join(" "))
        .collect()
}

const COUNTS: [&str; 3] = ["date", "rating_count", "average_score"];

#[tokio::test]
async fn every_period_has_a_line_whether_anybody_rated_or_not() {
    let server = server().await;
    for counted in [false, true] {
        // By week, which begins on Monday.
        assert_eq!(
            lines(&server, "/cc/reports/csat?period=week&from=2026-10-26&to=2026-11-22", &COUNTS).await,
            ["2026-10-26 0 -", "2026-11-02 3 3.6666666666666665", "2026-11-09 2 3.0", "2026-11-16 4 3.75"]
        );
        assert_eq!(
            lines(
                &server,
                "/cc/reports/csat?period=month&from=2026-10-01",
                &["date", "rating_count", "partial"]
            )
            .await,
            ["2026-10-01 0 false", "2026-11-01 9 true"]
        );
        // In another zone 22:30 UTC is the day after.
        let days = "/cc/reports/csat?from=2026-11-03&to=2026-11-04";
        assert_eq!(lines(&server, days, &COUNTS).await, ["2026-11-03 2 3.0", "2026-11-04 0 -"]);
        let elsewhere = format!("{days}&tz=Asia/Kathmandu");
        assert_eq!(lines(&server, &elsewhere, &COUNTS).await, ["2026-11-03 1 4.0", "2026-11-04 1 2.0"]);
        assert_eq!(server.get("/cc/reports/csat").await.json()["rows"].as_array().unwrap().len(), 30);
        let hours = "/cc/reports/csat?period=hour&from=2026-11-22T06:00:00Z&to=2026-11-22T08:00:00Z";
        assert_eq!(
            lines(&server, hours, &["start", "rating_count"]).await,
            ["2026-11-22T06:00:00.000000Z 0", "2026-11-22T07:00:00.000000Z 1",]
        );
        if !counted {
            // The same once everything is counted.
            while !server.store.catch_up(&Default::default(), server.clock.now()).await.unwrap().is_idle() {}
        }
    }
}

#[tokio::test]
async fn groups_have_lines_of_their_own_and_pages_lose_none() {
    let server = server().await;
    let month = "/cc/reports/csat?period=month&from=2026-11-01";
    let fields = ["group", "rating_count", "average_score"];
    for (group, expected) in [
        ("queue", vec!["- 1 3.0", "sales 5 3.6", "support 3 3.6666666666666665"]),
        ("agent", vec!["- 1 3.0", "a1 4 4.5", "a2 4 2.75"]),
        ("survey", vec!["- 1 3.0", "long 3 3.6666666666666665", "short 5 3.6"]),
        ("none", vec!["- 9 3.5555555555555554"]),
    ] {
        assert_eq!(lines(&server, &format!("{month}&group_by={group}"), &fields).await, expected, "{group}");
    }
    for (filter, expected) in [
        ("agent=a1", "4"),
        ("queue=sales", "5"),
        ("survey=long", "3"),
        ("score=5", "3"),
        ("queue=sales&agent=a2", "2"),
        ("channel=web", "0"),
    ] {
        assert_eq!(
            lines(&server, &format!("{month}&{filter}"), &["rating_count"]).await,
            [expected],
            "{filter}"
        );
    }
    let whole = lines(
        &server,
        "/cc/reports/csat?group_by=queue&period=week&from=2026-11-02",
        &["date", "group", "rating_count"],
    )
    .await;
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/cc/reports/csat?group_by=queue&period=week&from=2026-11-02&limit=2{cursor}");
        paged.extend(lines(&server, &path, &["date", "group", "rating_count"]).await);
        match server.get(&path).await.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((paged.len(), paged), (whole.len(), whole));
}

#[tokio::test]
async fn agents_are_ranked_by_the_method_asked_for() {
    let server = server().await;
    let fields = ["rank", "agent_id", "score", "trust", "against_rest"];
    for (method, expected) in [
        ("mean", ["1 a1 4.5", "2 a2 2.75"]),
        ("csat", ["1 a1 100.0", "2 a2 25.0"]),
        ("bayes", ["1 a1 3.875", "2 a2 3.375"]),
    ] {
        let rows = lines(&server, &format!("/cc/reports/csat/ranking?method={method}"), &fields[..3]).await;
        assert_eq!(rows, expected, "{method}");
    }
    assert_eq!(
        lines(&server, "/cc/reports/csat/ranking", &["rank", "agent_id", "trust", "against_rest"]).await,
        [
            "1 a1 provisional: 4 ratings rated as the others, as far as chance lets us see",
            "2 a2 provisional: 4 ratings rated as the others, as far as chance lets us see",
        ]
    );
    // As if both had worked both queues alike: sales 5, support 3.
    let adjusted = lines(&server, "/cc/reports/csat/ranking?method=adjusted", &["agent_id", "score"]).await;
    assert_eq!(
        adjusted,
        [
            format!("a1 {}", (5.0 * (13.0 / 3.0) + 3.0 * 5.0) / 8.0),
            format!("a2 {}", (5.0 * 2.5 + 3.0 * 3.0) / 8.0)
        ]
    );
    let sales =
        lines(&server, "/cc/reports/csat/ranking?queue=sales&method=mean", &["agent_id", "rating_count"])
            .await;
    assert_eq!(sales, ["a1 3", "a2 2"]);
    let why = server.get("/cc/reports/csat/ranking?method=adjusted&score=5").await.problem(400);
    assert!(why.contains("method=adjusted compares queues"), "{why}");
    let why = server.get("/cc/reports/csat/ranking?method=best").await.problem(400);
    assert!(why.contains("must be one of mean, csat, wilson, bayes, credibility, adjusted"), "{why}");
}

#[tokio::test]
async fn a_trend_a_comparison_and_a_chart_say_what_they_come_to_in_words() {
    let server = Server::start().await;
    // Eleven weeks in which scores rise from 2 to 4, five ratings a week.
    for week in 0..11_u8 {
        for n in 0..5_u8 {
            let score = 2 + (week + n) / 6;
            let at = format!("2026-{:02}-{:02}T10:00:00Z", 9 + (week * 7 + n) / 28, 1 + (week * 7 + n) % 28);
            let body = json!({"score": score.min(5), "queue_id": "q", "created_at": at});
            assert_eq!(server.post(&format!("/cc/csat/{week}-{n}"), body).await.status, 201);
        }
    }
    let trend = server.get("/cc/reports/csat/trend?period=week&from=2026-09-01&to=2026-11-21").await.json();
    assert!(trend["verdict"].as_str().unwrap().starts_with("rising, about 0."), "{trend}");
    assert!(trend["slope"].as_f64().unwrap() > 0.1 && trend["p"].as_f64().unwrap() < 0.01, "{trend}");
    assert!(
        trend["rows"][0]["line"].as_f64().unwrap() < trend["rows"][9]["line"].as_f64().unwrap(),
        "{trend}"
    );
    let few = server.get("/cc/reports/csat/trend?period=month&from=2026-10-01").await.json();
    assert_eq!((&few["verdict"], &few["slope"]), (&json!("too few to say"), &Value::Null));

    let compared = server.get("/cc/reports/csat/compare?from=2026-11-01&to=2026-11-21").await.json();
    assert_eq!(compared["rows"][1]["from"], "2026-10-11T00:00:00.000000Z", "as many days before");
    assert_eq!(compared["rows"][1]["to"], "2026-11-01T00:00:00.000000Z");
    let difference = compared["mean_difference"].as_f64().unwrap();
    assert!((difference - 0.4).abs() < 1e-12, "{compared}");
    let against = "/cc/reports/csat/compare?from=2026-11-01&against_from=2026-09-01&against_to=2026-09-30";
    let compared = server.get(against).await.json();
    assert!(
        compared["verdict"].as_str().unwrap().ends_with("percentage points higher, beyond chance"),
        "{compared}"
    );
    assert!(
        server
            .get("/cc/reports/csat/compare?from=2026-11-01&against_from=2026-11-02")
            .await
            .problem(400)
            .contains("begin before they end")
    );

    let alerts = server.get("/cc/reports/csat/alerts?period=week&from=2026-09-01&baseline=4").await.json();
    assert!(alerts["shift_up"].is_string() && alerts["shift_down"].is_null(), "{alerts}");
    assert_eq!(alerts["verdict"], "shifted up: small steps have added up");
    let none = server.get("/cc/reports/csat/alerts?period=week&from=2026-09-01&baseline=40").await.json();
    assert_eq!((&none["verdict"], &none["mean_limits"]), (&json!("too few to say"), &Value::Null));
}

#[tokio::test]
async fn a_distribution_has_intervals_that_hold_at_once() {
    let server = server().await;
    let report = server.get("/cc/reports/csat/distribution").await.json();
    assert_eq!(report["rows"].as_array().unwrap().len(), 5);
    assert_eq!(report["rows"][4]["rating_count"], 3);
    let interval = &report["rows"][4]["interval"];
    assert!(
        interval[0].as_f64().unwrap() < 100.0 / 3.0 && interval[1].as_f64().unwrap() > 100.0 / 3.0,
        "{report}"
    );
    assert_eq!(
        (&report["median_score"], &report["verdict"]),
        (&json!(4.0), &json!("provisional: 9 ratings"))
    );
    let empty = server.get("/cc/reports/csat/distribution?queue=nobody").await.json();
    assert_eq!((&empty["mean_interval"], &empty["rows"][0]["percent"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_report_is_csv_for_who_wants_it_and_is_not_sent_twice() {
    let server = server().await;
    server
        .post("/cc/csat/f", json!({"score": 5, "queue_id": "=1+1", "created_at": "2026-11-22T07:30:00Z"}))
        .await;
    let path = "/cc/reports/csat?period=month&from=2026-11-01&group_by=queue&format=csv";
    let csv = server.get(path).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let lines: Vec<&str> = csv.text.split("\r\n").collect();
    assert!(lines[0].starts_with("date,start,end,partial,group,rating_count,average_score,"), "{}", csv.text);
    assert!(lines[2].contains(",\"'=1+1\",1,5.0,"), "{}", csv.text);
    assert!(lines[1].ends_with(",UTC"), "{}", csv.text);
    let (tag, cache) = (csv.header("etag").to_owned(), csv.header("cache-control").to_owned());
    assert_eq!(cache, "private, no-cache");
    let again = Ask::get(path).header("if-none-match", &tag).send(&server.router).await;
    assert_eq!((again.status.as_u16(), again.text.as_str(), again.header("etag")), (304, "", tag.as_str()));
    let json =
        Ask::get("/cc/reports/csat?period=month").header("accept", "text/csv").send(&server.router).await;
    assert!(json.text.starts_with("date,"), "{}", json.text);
    // One more rating, and the tag is another.
    server.post("/cc/csat/g", json!({"score": 1, "queue_id": "sales"})).await;
    let changed = Ask::get(path).header("if-none-match", &tag).send(&server.router).await;
    assert_eq!(changed.status.as_u16(), 200);
}

#[tokio::test]
async fn what_would_be_counted_for_too_long_is_refused_with_a_way_out() {
    let server = server().await;
    for path in [
        "/cc/reports/csat?group_by=agent&from=2026-01-01",
        "/cc/reports/csat/distribution?survey=short",
        "/cc/reports/csat/ranking?channel=phone",
    ] {
        let why = server.get(path).await.problem(400);
        assert!(why.contains("name a `queue` or an `agent`, or at most 92 days"), "{path}: {why}");
        let narrowed =
            if path.contains('?') { format!("{path}&queue=sales") } else { format!("{path}?queue=sales") };
        assert_eq!(server.get(&narrowed).await.status, 200, "{narrowed}");
    }
    let why = server.get("/cc/reports/csat?period=hour&from=2020-01-01").await.problem(400);
    assert!(why.contains("more than 3660 buckets"), "{why}");
    // Of before 1970 there is nothing, and the calendar of other ages is nobody's concern.
    let compared = server.get("/cc/reports/csat/compare?from=1971-01-01").await.json();
    assert_eq!(compared["rows"][1]["from"], "1970-01-01T00:00:00.000000Z");
    assert!(
        server
            .get("/cc/reports/csat?to=1969-01-01")
            .await
            .problem(400)
            .contains("nothing was rated before 1970")
    );
    for (query, fault) in [
        ("period=quarter", "must be hour, day, week or month"),
        ("group_by=call", "must be none, queue, agent, survey or channel"),
        ("tz=Mars", "is not the name of an IANA time zone"),
        ("format=xml", "must be json or csv"),
        ("limit=0", "must be a whole number from 1 to 10000"),
        ("cursor=x", "is not a cursor of this report"),
        ("as_of=yesterday", "must be a date (2026-11-22) or an instant"),
        ("frm=2026-11-01", "did you mean"),
    ] {
        let why = server.get(&format!("/cc/reports/csat?{query}")).await;
        assert!(why.problem(400).contains(fault) || why.text.contains(fault), "{query}: {}", why.text);
    }
}

#[tokio::test]
async fn a_supervisor_sees_their_queues_and_an_agent_only_their_own_ratings() {
    let server = server().await;
    let supervisor = server.key("default", Role::Supervisor(vec![queue("sales")])).await;
    let agent = server.key("default", Role::Agent("a1".parse().unwrap())).await;
    for (key, count, agents) in [(supervisor, 5, vec!["a1", "a2"]), (agent, 4, vec!["a1"])] {
        let ask = async |path: &str| {
            let answer =
                Ask::get(path).header("authorization", &format!("Bearer {key}")).send(&server.router).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.json()
        };
        let month = ask("/cc/reports/csat?period=month&from=2026-11-01").await;
        assert_eq!(month["rows"][0]["rating_count"], count, "{month}");
        let ranking = ask("/cc/reports/csat/ranking?from=2026-11-01").await;
        let named: Vec<&str> =
            ranking["rows"].as_array().unwrap().iter().map(|row| row["agent_id"].as_str().unwrap()).collect();
        assert_eq!(named, agents, "{ranking}");
    }
}

#[tokio::test]
async fn a_report_says_again_what_it_said_before_ratings_came_late_and_were_changed_and_erased() {
    let server = server().await;
    let paths = [
        "/cc/reports/csat?period=week&from=2026-11-02&group_by=queue&to=2026-11-23",
        "/cc/reports/csat?period=month&from=2026-11-01&group_by=agent&score=5",
        "/cc/reports/csat/ranking?from=2026-11-01&method=adjusted",
        "/cc/reports/csat/ranking?from=2026-11-01&queue=sales",
        "/cc/reports/csat/distribution?from=2026-11-01&agent=a2",
        "/cc/reports/csat/compare?from=2026-11-16&to=2026-11-22",
        "/cc/reports/csat/trend?period=week&from=2026-10-05&to=2026-11-22",
        "/cc/reports/csat/alerts?period=day&from=2026-11-02&to=2026-11-22",
    ];
    let said = async || {
        let mut all = Vec::new();
        for path in paths {
            all.push(server.get(path).await.text);
        }
        all
    };
    let (mut then, mut reports) = (vec![server.clock.now()], vec![said().await]);
    for change in [
        (
            "POST",
            "/cc/csat/late",
            json!({"score": 1, "agent_id": "a3", "queue_id": "sales", "created_at": "2026-11-04T10:00:00Z"}),
        ),
        (
            "PUT",
            "/cc/csat/1",
            json!({"score": 1, "queue_id": "support", "created_at": "2026-11-17T09:00:00Z"}),
        ),
        ("DELETE", "/cc/csat/3", Value::Null),
        ("PUT", "/cc/csat/6", json!({"score": 5, "agent_id": null})),
        ("DELETE", "/cc/csat/late", Value::Null),
    ] {
        server.clock.advance(Duration::from_secs(60));
        let (method, path, body) = change;
        let done = match method {
            "POST" => server.post(path, body).await,
            "PUT" => server.put(path, body).await,
            _ => server.delete(path).await,
        };
        assert!(done.status.is_success(), "{method} {path}: {}", done.text);
        then.push(server.clock.now());
        reports.push(said().await);
        for (then, reports) in then.iter().zip(&reports) {
            for (path, expected) in paths.iter().zip(reports) {
                let again = server.get(&format!("{path}&as_of={then}")).await;
                assert_eq!((again.status.as_u16(), &again.text), (200, expected), "{path} as of {then}");
            }
        }
    }
    // Each change changed something that is reported, or this test says nothing.
    assert!(reports.windows(2).all(|pair| pair[0] != pair[1]));
    // A date is all of it; of what comes there is no report yet.
    let path = "/cc/reports/csat?period=month&from=2026-11-01";
    for (as_of, count) in
        [("2026-11-22", 8), ("2026-11-21", 0), ("2031-01-01", 8), ("2026-11-22T08:00:00Z", 9)]
    {
        let report = server.get(&format!("{path}&as_of={as_of}")).await.json();
        assert_eq!(report["rows"][0]["rating_count"], count, "{as_of}: {report}");
    }
    let why = server.get("/cc/reports/csat/funnel?as_of=2026-11-22").await.problem(400);
    assert!(why.contains("a funnel takes no `as_of`"), "{why}");
    let why = server.get("/cc/reports/csat/ranking?as_of=2026-11-22").await.problem(400);
    assert!(why.contains("or at most 732 days"), "{why}");
}
