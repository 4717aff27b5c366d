//! What ratings add up to: the documented reads, pinned.

use serde_json::json;

use super::Server;

async fn rate(server: &Server, call: &str, score: u8, agent: &str, queue: &str, at: &str) {
    let body = json!({"score": score, "agent_id": agent, "queue_id": queue, "created_at": at});
    let answer = server.post(&format!("/cc/csat/{call}"), body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

async fn a_few_ratings(server: &Server) {
    for (call, score, agent, at) in [
        ("1", 3, "agent-001", "2026-11-01T00:00:00Z"),
        ("2", 4, "agent-001", "2026-11-20T23:59:59.999999Z"),
        ("3", 5, "agent-001", "2026-11-21T00:00:00Z"),
        ("4", 5, "agent-001", "2026-11-22T07:59:59Z"),
        ("5", 1, "agent-002", "2026-11-21T12:00:00Z"),
    ] {
        rate(server, call, score, agent, "sales-queue", at).await;
    }
}

#[tokio::test]
async fn an_agents_results_have_the_documented_shape() {
    let server = Server::start().await;
    a_few_ratings(&server).await;
    assert_eq!(
        server.get("/cc/csat/agent/agent-001?days=3").await.json(),
        json!({
            "agent_id": "agent-001",
            "average_score": 4.25, "rating_count": 4,
            "distribution": {"1": 0, "2": 0, "3": 1, "4": 1, "5": 2},
            "csat_percent": 75.0, "csat_interval": [30.064184258240186, 95.44127391902994],
            "trend": {"days": 3, "time_zone": "UTC", "verdict": "too few to say", "periods_rated": 3, "slope": null, "slope_interval": null, "p": null, "points": [
                {"date": "2026-11-20", "rating_count": 1, "average_score": 4.0, "partial": false},
                {"date": "2026-11-21", "rating_count": 1, "average_score": 5.0, "partial": false},
                {"date": "2026-11-22", "rating_count": 1, "average_score": 5.0, "partial": true},
            ]},
        })
    );
}

#[tokio::test]
async fn a_queues_results_have_the_documented_shape() {
    let server = Server::start().await;
    a_few_ratings(&server).await;
    let mut results = server.get("/api/cc/csat/queue/sales-queue?days=1").await.json();
    let interval = results["csat_interval"].take();
    assert!(
        (interval[0].as_f64().unwrap() - 23.07).abs() < 0.01
            && (interval[1].as_f64().unwrap() - 88.24).abs() < 0.01
    );
    assert_eq!(
        results,
        json!({
            "queue_id": "sales-queue",
            "average_score": 3.6, "rating_count": 5,
            "distribution": {"1": 1, "2": 0, "3": 1, "4": 1, "5": 2},
            "csat_percent": 60.0, "csat_interval": null,
            "trend": {"days": 1, "time_zone": "UTC", "verdict": "too few to say", "periods_rated": 1, "slope": null, "slope_interval": null, "p": null, "points": [
                {"date": "2026-11-22", "rating_count": 1, "average_score": 5.0, "partial": true},
            ]},
            "ranking": [
                {"rank": 1, "agent_id": "agent-001", "average_score": 4.25, "rating_count": 4,
                 "adjusted_score": results["ranking"][0]["adjusted_score"]},
                {"rank": 2, "agent_id": "agent-002", "average_score": 1.0, "rating_count": 1,
                 "adjusted_score": results["ranking"][1]["adjusted_score"]},
            ],
        })
    );
    let adjusted = |place: usize| results["ranking"][place]["adjusted_score"].as_f64().unwrap();
    assert!(4.25 > adjusted(0) && adjusted(0) > adjusted(1) && adjusted(1) > 1.0, "{results}");
}

#[tokio::test]
async fn who_nobody_rated_has_a_count_of_nought_and_no_average() {
    let server = Server::start().await;
    let nobody = json!({
        "average_score": null, "rating_count": 0,
        "distribution": {"1": 0, "2": 0, "3": 0, "4": 0, "5": 0},
        "csat_percent": null, "csat_interval": null,
        "trend": {"days": 1, "time_zone": "UTC", "verdict": "too few to say", "periods_rated": 0, "slope": null, "slope_interval": null, "p": null, "points": [
            {"date": "2026-11-22", "rating_count": 0, "average_score": null, "partial": true},
        ]},
    });
    let mut agent = nobody.clone();
    agent["agent_id"] = json!("nobody");
    assert_eq!(server.get("/cc/csat/agent/nobody?days=1").await.json(), agent);
    let mut queue = nobody;
    queue["queue_id"] = json!("nobody");
    queue["ranking"] = json!([]);
    assert_eq!(server.get("/cc/csat/queue/nobody?days=1").await.json(), queue);
    let default = server.get("/cc/csat/agent/nobody").await.json();
    assert_eq!(
        (&default["trend"]["days"], default["trend"]["points"].as_array().unwrap().len()),
        (&json!(30), 30)
    );
}

#[tokio::test]
async fn from_and_to_restrict_the_whole_answer_and_days_the_trend_alone() {
    let server = Server::start().await;
    a_few_ratings(&server).await;
    for (query, count, points) in [
        ("", 4, 30),
        ("?days=1", 4, 1),
        ("?from=2026-11-20", 3, 3),
        ("?from=2026-11-21T00:00:00Z", 2, 2),
        ("?to=2026-11-20", 2, 30),
        ("?to=2026-11-21T00:00:00Z&days=2", 2, 2),
        ("?from=2026-11-20&to=2026-11-20", 1, 1),
        ("?from=2026-11-20T23:59:59.999999Z&to=2026-11-21T00:00:00%2B00:00", 1, 1),
        ("?from=2026-11-01&to=2026-11-22&days=5", 4, 5),
        ("?from=2027-01-01", 0, 0),
    ] {
        let results = server.get(&format!("/cc/csat/agent/agent-001{query}")).await.json();
        let found =
            (results["rating_count"].as_u64().unwrap(), results["trend"]["points"].as_array().unwrap().len());
        assert_eq!(found, (count, points), "{query}");
        assert_eq!(results["trend"]["days"], points, "{query}");
    }
    let queue = server.get("/cc/csat/queue/sales-queue?from=2026-11-21&to=2026-11-21").await.json();
    let places = queue["ranking"].as_array().unwrap();
    let counts: Vec<u64> = places.iter().map(|place| place["rating_count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 1], "the ranking is restricted too");
}

#[tokio::test]
async fn days_are_those_of_the_tenants_zone() {
    let server = Server::start().await;
    server.tenant("default", "Asia/Shanghai").await;
    rate(&server, "1", 5, "a", "q", "2026-11-20T15:59:59Z").await;
    rate(&server, "2", 1, "a", "q", "2026-11-20T16:00:00Z").await;
    let results = server.get("/cc/csat/agent/a?days=3").await.json();
    assert_eq!(
        results["trend"],
        json!({"days": 3, "time_zone": "Asia/Shanghai", "verdict": "too few to say", "periods_rated": 2, "slope": null, "slope_interval": null, "p": null, "points": [
            {"date": "2026-11-20", "rating_count": 1, "average_score": 5.0, "partial": false},
            {"date": "2026-11-21", "rating_count": 1, "average_score": 1.0, "partial": false},
            {"date": "2026-11-22", "rating_count": 0, "average_score": null, "partial": true},
        ]})
    );
}

#[tokio::test]
async fn queries_that_cannot_be_are_refused_naming_the_parameter() {
    let server = Server::start().await;
    for (query, parameter, detail) in [
        ("days=0", "days", "`days` must be a whole number from 1 to 3660"),
        ("days=3661", "days", "`days` must be a whole number from 1 to 3660"),
        ("days=x", "days", "`days` must be a whole number from 1 to 3660"),
        ("day=1", "day", "unknown parameter \"day\" (did you mean \"days\"?)"),
        (
            "from=yesterday",
            "from",
            "`from` must be a date (2026-11-22) or an instant in RFC 3339 (2026-11-22T08:00:00Z)",
        ),
    ] {
        for path in ["agent", "queue"] {
            let answer = server.get(&format!("/cc/csat/{path}/x?{query}")).await;
            assert_eq!(answer.problem(400), detail, "{query}");
            assert_eq!(
                answer.json()["errors"],
                json!([{"parameter": parameter, "detail": detail}]),
                "{query}"
            );
        }
    }
    for (query, detail) in [
        ("days=1&days=2", "the query cannot be read: \"days\" comes twice"),
        ("days=%ff", "the query cannot be read: not UTF-8 once decoded"),
        ("from=2026-11-22&to=2026-11-21", "`from` must be before `to`"),
    ] {
        assert_eq!(server.get(&format!("/cc/csat/agent/x?{query}")).await.problem(400), detail, "{query}");
    }
}

#[tokio::test]
async fn surveys_are_listed_and_read() {
    let server = Server::start().await;
    let list = server.get("/cc/surveys").await.json();
    assert_eq!(list["surveys"].as_array().unwrap().len(), 1);
    let card = &list["surveys"][0];
    assert_eq!(
        (&card["name"], &card["version"], &card["main_question"]),
        (&json!("csat-survey"), &json!(1), &json!("rating"))
    );
    assert!(card["languages"].as_array().unwrap().contains(&json!("zh")), "{card}");
    let survey = server.get("/api/cc/surveys/csat-survey").await.json();
    assert_eq!(
        (&survey["name"], &survey["definition"]["step"][0]["kind"]),
        (&json!("csat-survey"), &json!("rating"))
    );
    assert_eq!(survey["definition"]["step"][0]["keys"]["1"]["score"], 5);
    assert_eq!(server.get("/cc/surveys/other").await.problem(404), "there is no survey of this name");
    server.get("/cc/surveys/No%20Such").await.problem(400);
}

#[tokio::test]
async fn the_trend_says_where_scores_go_as_the_report_does() {
    let server = Server::start().await;
    for (day, score) in (9..=20).zip([1, 1, 2, 2, 3, 2, 3, 4, 4, 5, 4, 5]) {
        rate(&server, &format!("c{day}"), score, "a", "q", &format!("2026-11-{day:02}T08:00:00Z")).await;
    }
    let report = server.get("/cc/reports/csat/trend?agent=a&from=2026-11-01&to=2026-11-22").await.json();
    assert_eq!(report["verdict"], "rising, about 11.8 points a month, beyond chance");
    for path in ["/cc/csat/agent/a?days=22", "/cc/csat/queue/q?days=22"] {
        let trend = &server.get(path).await.json()["trend"];
        for name in ["verdict", "periods_rated", "slope", "slope_interval", "p"] {
            assert_eq!(trend[name], report[name], "{path} {name}");
        }
    }
}
