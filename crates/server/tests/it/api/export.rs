//! Ratings as a file, through the router and through the listener.

use std::collections::BTreeSet;

use aftercall_core::{AgentId, CallId, Key, Score, TenantId};
use aftercall_store::{Actor, Comment, Flag, NewRating, RatedAt, Rating, RatingFilter, Role, Store, Write};
use axum::body::Body;
use axum::http::{Method, Version};
use calamine::{Data, Reader as _, Xlsx};
use http_body_util::BodyExt as _;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tower::ServiceExt as _;

use super::{Answer, Ask, Server, on_both, queue};

const EXPORT: &str = "/cc/reports/csat/export";

on_both! {
    every_rating_is_in_the_file_once_and_as_the_store_has_it,
    a_slow_client_holds_nothing_open_and_misses_nothing_that_stays,
}

/// So many ratings, some of each instant, with everything that a rating may have.
pub(crate) async fn pour(store: &Store, count: u32) {
    let writes: Vec<Write> = (0..count).map(|number| Write::Rate(rating(number))).collect();
    for batch in writes.chunks(aftercall_store::BATCH_MAX) {
        store.write(batch).await.unwrap();
    }
}

fn rating(number: u32) -> NewRating {
    let given =
        |every: u32, text: &str| (!number.is_multiple_of(every)).then(|| format!("{text}{}", number % 7));
    let rated = format!("2026-10-{:02}T{:02}:00:00.00000{}Z", 1 + number % 30, number % 24, number % 10);
    NewRating {
        tenant: TenantId::default(),
        call: CallId::new(format!("+49 call {number}")).unwrap(),
        score: Score::try_from(1 + (number % 5) as u8).unwrap(),
        comment: given(3, "=SUM(\"a\",\n1) ").map(|text| Comment::new(text + &"é".repeat(200)).unwrap()),
        agent: given(5, "agent, ").map(|text| text.parse().unwrap()),
        queue: given(4, "queue\u{202e}").map(|text| text.parse().unwrap()),
        created_at: Some(
            RatedAt::new(rated.parse().unwrap(), "2026-11-22T00:00:00Z".parse().unwrap()).unwrap(),
        ),
        key: char::from_digit(number % 10, 10).and_then(|key| Key::try_from(key).ok()),
        survey: given(6, "survey-").map(|text| text.parse().unwrap()),
        channel: given(3, "web").map(|text| text.parse().unwrap()),
        language: given(3, "").map(|_| "pt-BR".parse().unwrap()),
        flags: if number.is_multiple_of(9) {
            BTreeSet::from([Flag::Burst, Flag::SameCaller])
        } else {
            BTreeSet::new()
        },
        within: None,
        actor: Actor::Import,
        at: "2026-11-22T08:00:00Z".parse().unwrap(),
    }
}

/// Every rating as the store lists it, newest first.
pub(crate) async fn listed(store: &Store) -> Vec<Rating> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.ratings(&TenantId::default(), &RatingFilter::default(), after.as_ref(), 1_000).await;
        let page = page.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.into());
        all.extend(page);
    }
}

/// A rating as a line of CSV read back: an apostrophe stands before what a spreadsheet would take for a formula.
pub(crate) fn line(rating: &Rating) -> Vec<String> {
    let guarded = |text: String| if text.starts_with(['=', '+']) { format!("'{text}") } else { text };
    let shown = |what: Option<String>| guarded(what.unwrap_or_default());
    let berlin = rating.created_at.in_tz("Europe/Berlin").unwrap();
    vec![
        shown(Some(rating.call.to_string())),
        rating.score.get().to_string(),
        shown(rating.key.map(|key| key.to_string())),
        shown(rating.agent.as_ref().map(AgentId::to_string)),
        shown(rating.queue.as_ref().map(ToString::to_string)),
        shown(rating.survey.as_ref().map(ToString::to_string)),
        shown(rating.survey_version.map(|version| version.to_string())),
        shown(rating.channel.as_ref().map(|channel| channel.as_str().to_owned())),
        shown(rating.language.as_ref().map(ToString::to_string)),
        shown(rating.comment.as_ref().map(|comment| comment.expose().to_owned())),
        format!(
            "{}.{:06}{}",
            berlin.strftime("%FT%T"),
            berlin.subsec_nanosecond() / 1_000,
            berlin.strftime("%:z")
        ),
        format!("{:.6}", rating.created_at),
        rating.flags.iter().map(|flag| flag.word()).collect::<Vec<_>>().join(" "),
        rating.revision.to_string(),
        rating.id.to_string(),
    ]
}

fn read_csv(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

async fn every_rating_is_in_the_file_once_and_as_the_store_has_it(server: Server) {
    // Exactly a page first.
    pour(&server.store, 500).await;
    assert_eq!(read_csv(&server.get(EXPORT).await.text).len(), 501);
    pour(&server.store, 1_200).await;
    let expected: Vec<_> = listed(&server.store).await.iter().map(line).collect();
    assert_eq!(expected.len(), 1_200);
    let answer = server.get(&format!("{EXPORT}?tz=Europe/Berlin")).await;
    let read = read_csv(&answer.text);
    assert_eq!(read[0][10], "rated_at (Europe/Berlin)");
    assert_eq!(read[1..], expected);
    for (score, queue) in [("1", "queue\u{202e}1"), ("2", "queue\u{202e}2")] {
        let queue_encoded = queue.replace('\u{202e}', "%E2%80%AE");
        let some =
            server.get(&format!("{EXPORT}?tz=Europe/Berlin&score={score}&queue={queue_encoded}")).await;
        let of_it = expected.iter().filter(|row| row[1] == score && row[4] == queue);
        assert_eq!(read_csv(&some.text)[1..], of_it.cloned().collect::<Vec<_>>());
    }
    let book = bytes(&server, &format!("{EXPORT}?tz=Europe/Berlin&format=xlsx")).await;
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(book)).unwrap();
    let range = book.worksheet_range("ratings").unwrap();
    assert_eq!(range.height(), 1_201);
    for (row, rating) in range.rows().skip(1).zip(listed(&server.store).await) {
        let text = |text: Option<&str>| text.map_or(Data::Empty, |text| Data::String(text.to_owned()));
        assert_eq!(row[0], text(Some(rating.call.as_str())));
        assert_eq!(row[1], Data::Float(rating.score.get().into()));
        assert_eq!(row[9], text(rating.comment.as_ref().map(Comment::expose)));
        assert_eq!(row[14], text(Some(&rating.id.to_string())));
        assert!(matches!(row[10], Data::DateTime(_)) && matches!(row[11], Data::DateTime(_)), "{row:?}");
    }
}

async fn bytes(server: &Server, path: &str) -> Vec<u8> {
    let answer = server.router.clone().oneshot(Ask::get(path).request).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.into_body().collect().await.unwrap().to_bytes().into()
}

async fn piece(body: &mut Body) -> Option<Vec<u8>> {
    let frame = body.frame().await?.unwrap();
    Some(frame.into_data().unwrap().into())
}

async fn a_slow_client_holds_nothing_open_and_misses_nothing_that_stays(server: Server) {
    pour(&server.store, 1_200).await;
    let before = listed(&server.store).await;
    let answer = server.router.clone().oneshot(Ask::get(EXPORT).request).await.unwrap();
    let mut body = answer.into_body();
    let head = piece(&mut body).await.unwrap();
    assert!(head.starts_with(b"call_id,score") && head.iter().filter(|byte| **byte == b'\n').count() == 1);
    let mut text = piece(&mut body).await.unwrap();
    // It takes its time: nobody waits for it.
    if let Some(database) = &server.database {
        let mut admin = sqlx::PgConnection::connect(&database.url).await.unwrap();
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND pid <> pg_backend_pid() AND state <> 'idle'";
        let busy: i64 = sqlx::query_scalar(busy).fetch_one(&mut admin).await.unwrap();
        assert_eq!(busy, 0, "a transaction is open");
    } else {
        let path = server.folder.database().replace("sqlite://", "");
        let mut file = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut file).await.unwrap();
        assert_eq!(checkpoint.get::<i64, _>(0), 0, "somebody reads an old snapshot");
    }
    // Meanwhile ratings come and go and change, before and behind where it is.
    let (first, last) = (&before[0], &before[1_199]);
    let put =
        |call: &CallId| format!("/cc/csat/{}", call.to_string().replace('+', "%2B").replace(' ', "%20"));
    assert_eq!(server.delete(&put(&first.call)).await.status, 204);
    assert_eq!(server.delete(&put(&last.call)).await.status, 204);
    assert_eq!(server.put(&put(&before[1_000].call), json!({"score": 3})).await.status, 200);
    assert_eq!(server.post("/cc/csat/new", json!({"score": 1})).await.status, 201);
    while let Some(piece) = piece(&mut body).await {
        text.extend(piece);
    }
    let read = read_csv(std::str::from_utf8(&text).unwrap());
    let calls: Vec<&str> = read.iter().map(|row| row[0].trim_start_matches('\'')).collect();
    let expected: Vec<&str> = before[..1_199].iter().map(|rating| rating.call.as_str()).collect();
    assert_eq!(calls, expected, "what was erased behind is gone, what stayed is there once");
    assert_eq!(read[1_000][1], "3", "and is as it was when it was read");
}

#[tokio::test]
async fn whoever_may_list_ratings_may_have_them_as_a_file_and_only_those() {
    let server = Server::start().await;
    for (call, agent, queue) in [("1", "a1", "q1"), ("2", "a2", "q1"), ("3", "a1", "q2")] {
        let body =
            json!({"score": 5, "agent_id": agent, "queue_id": queue, "comment": format!("said {call}")});
        assert_eq!(server.post(&format!("/cc/csat/{call}"), body).await.status, 201);
    }
    server.tenant("other", "UTC").await;
    for (tenant, role, query, expected) in [
        ("default", Role::Admin, "", Ok("3 2 1")),
        ("default", Role::Viewer, "", Ok("3 2 1")),
        ("default", Role::Viewer, "?agent=a1&queue=q1", Ok("1")),
        ("default", Role::Supervisor(vec![queue("q1")]), "", Ok("2 1")),
        ("default", Role::Supervisor(vec![queue("q1")]), "?queue=q2", Err(403)),
        ("default", Role::Agent("a1".parse().unwrap()), "", Ok("3 1")),
        ("default", Role::Agent("a1".parse().unwrap()), "?agent=a2", Err(403)),
        ("default", Role::Ingest, "", Err(403)),
        ("other", Role::Admin, "", Ok("")),
    ] {
        let key = server.key(tenant, role.clone()).await;
        let answer = Ask::get(&format!("{EXPORT}{query}")).key(&key).send(&server.router).await;
        match expected {
            Ok(calls) => {
                let read: Vec<String> =
                    read_csv(&answer.text)[1..].iter().map(|row| row[0].clone()).collect();
                assert_eq!(read.join(" "), calls, "{role:?} {query}");
            }
            Err(status) => drop(answer.problem(status)),
        }
    }
}

#[tokio::test]
async fn the_form_is_asked_for_by_the_query_or_by_accept_and_the_file_has_a_name() {
    let server = Server::start().await;
    const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    const CSV: &str = "text/csv; charset=utf-8; header=present";
    for (query, accept, content_type, name) in [
        ("", "", CSV, "ratings_UTC.csv"),
        ("", "*/*", CSV, "ratings_UTC.csv"),
        ("", "application/json", CSV, "ratings_UTC.csv"),
        ("", XLSX, XLSX, "ratings_UTC.xlsx"),
        ("?format=csv", XLSX, CSV, "ratings_UTC.csv"),
        ("?format=xlsx", "text/csv", XLSX, "ratings_UTC.xlsx"),
        ("?from=2026-11-01&to=2026-11-30", "", CSV, "ratings_2026-11-01_2026-11-30_UTC.csv"),
        (
            "?to=2026-11-30T22:30:00Z&tz=America/Argentina/Ushuaia",
            "",
            CSV,
            "ratings_2026-11-30_America-Argentina-Ushuaia.csv",
        ),
    ] {
        let ask = Ask::get(&format!("{EXPORT}{query}")).header("accept", accept);
        let answer = server.router.clone().oneshot(ask.request).await.unwrap();
        let header = |name| answer.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), content_type, "{query} {accept}");
        assert_eq!(header("content-disposition"), format!("attachment; filename=\"{name}\""));
        assert_eq!(header("cache-control"), "no-store");
    }
    let marked = server.get(&format!("{EXPORT}?bom=true")).await.text;
    assert!(marked.starts_with("\u{feff}call_id,"), "{marked}");
    let head = Ask::new(Method::HEAD, EXPORT).send(&server.router).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn what_cannot_be_exported_is_told_so() {
    let server = Server::start().await;
    for (query, detail) in [
        ("format=json", "`format` must be csv or xlsx"),
        ("bom=yes", "`bom` must be true or false"),
        ("group_by=agent", "unknown parameter \"group_by\""),
        ("from=2026-11-02&to=2026-11-01", "`from` must be before `to`"),
        ("to=1969-01-01", "nothing was rated before 1970"),
        ("tz=Europe/Atlantis", "\"Europe/Atlantis\" is not the name of an IANA time zone"),
    ] {
        let said = server.get(&format!("{EXPORT}?{query}")).await.problem(400);
        assert!(said.contains(detail), "{query}: {said}");
    }
    let mut old = Ask::get(EXPORT);
    *old.request.version_mut() = Version::HTTP_10;
    let said = old.send(&server.router).await.problem(400);
    assert!(said.contains("ask by HTTP/1.1"), "{said}");
}

#[tokio::test]
async fn so_many_exports_are_under_way_at_once_and_who_goes_away_makes_room() {
    let server = Server::start().await;
    let begin = async || server.router.clone().oneshot(Ask::get(EXPORT).request).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(begin().await);
    }
    let answer: Answer = Ask::get(EXPORT).send(&server.router).await;
    assert_eq!(answer.problem(503), "8 exports are under way: try again");
    assert_eq!(answer.header("retry-after"), "1");
    open.pop();
    assert_eq!(Ask::get(EXPORT).send(&server.router).await.status, 200);
    assert_eq!(Ask::get(EXPORT).send(&server.router).await.status, 200, "one that has ended makes room");
}

#[tokio::test]
async fn an_export_whose_store_fails_does_not_look_complete() {
    let server = Server::start().await;
    pour(&server.store, 600).await;
    let mut bodies = Vec::new();
    for format in ["csv", "xlsx"] {
        let ask = Ask::get(&format!("{EXPORT}?format={format}"));
        let mut body = server.router.clone().oneshot(ask.request).await.unwrap().into_body();
        piece(&mut body).await.unwrap();
        piece(&mut body).await.unwrap();
        bodies.push(body);
    }
    server.store.close().await;
    for mut body in bodies {
        assert!(body.frame().await.unwrap().is_err(), "an end would be one that the client believes");
    }
}
