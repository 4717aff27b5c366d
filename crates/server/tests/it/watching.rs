//! Whoever watches events live, over a real connection to the real program.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use aftercall::api::tail::{STRETCH, Tail};
use aftercall_core::{Score, TenantId};
use aftercall_store::{Actor, NewRating, Store, Write};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cluster::Database;
use crate::server::{PROGRAM, Server, Site, eventually};

/// One connection.
struct Watcher {
    reader: BufReader<TcpStream>,
}

/// `(id, "rating.low c1")`
type Seen = (String, String);

impl Watcher {
    fn at(server: &Server, last: Option<&str>, key: Option<&str>) -> Self {
        let address = server.http_address();
        let mut stream = TcpStream::connect(&address).unwrap();
        // A sign of life comes twice as often: a server that says nothing any more has ended it, or never does.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let key = key.map_or(String::new(), |key| format!("Authorization: Bearer {key}\r\n"));
        write!(stream, "GET /cc/events HTTP/1.1\r\nHost: {address}\r\n{last}{key}\r\n").unwrap();
        let mut watcher = Self { reader: BufReader::new(stream) };
        let status = watcher.line().unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        // From the first line of the body on nothing is missed.
        while watcher.line().unwrap() != ": events of aftercall" {}
        watcher
    }

    /// A line of what comes, whatever the chunks; none: the other side has ended it.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.reader.read_line(&mut line).ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; none: the other side has ended it.
    fn next(&mut self) -> Option<Seen> {
        let (mut id, mut event) = (String::new(), String::new());
        loop {
            let line = self.line()?;
            if let Some(value) = line.strip_prefix("id: ") {
                value.clone_into(&mut id);
            } else if let Some(value) = line.strip_prefix("event: ") {
                value.clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data: Value = serde_json::from_str(data).unwrap();
                let call = data["data"]["call_id"].as_str().unwrap();
                return Some((id, format!("{event} {call}")));
            }
        }
    }
}

/// Many callers rate at once, while somebody watches and loses the connection again and again.
#[test]
fn in_a_storm_of_ratings_whoever_comes_back_sees_every_event_exactly_once() {
    const WRITERS: usize = 4;
    const RATINGS: usize = 60;
    let site = Site::new();
    let server = site.start();
    let first = Watcher::at(&server, None, None);
    let is_over = AtomicBool::new(false);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut watcher, mut seen) = (first, Vec::<Seen>::new());
            while seen.len() < WRITERS * RATINGS * 2 {
                // Lost in the middle of whatever comes; sometimes after one event, sometimes after some.
                for _ in 0..=seen.len() % 7 {
                    if seen.len() < WRITERS * RATINGS * 2 {
                        seen.push(watcher.next().unwrap());
                    }
                }
                if !is_over.load(Relaxed) || seen.len().is_multiple_of(5) {
                    watcher = Watcher::at(&server, Some(&seen.last().unwrap().0), None);
                }
            }
            seen
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let server = &server;
                scope.spawn(move || {
                    for number in 0..RATINGS {
                        assert_eq!(server.rate(&format!("w{writer}n{number}"), 1), Some(201));
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        is_over.store(true, Relaxed);
        watching.join().unwrap()
    });
    let ids: Vec<&String> = seen.iter().map(|(id, _)| id).collect();
    assert!(ids.is_sorted(), "in order");
    let lines: BTreeSet<&str> = seen.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!((seen.len(), lines.len()), (WRITERS * RATINGS * 2, WRITERS * RATINGS * 2), "each once");
    server.stop();
}

/// The time that a request may take is over when somebody who says half of one is told so.
fn until_a_request_would_be_cut_off(server: &Server) {
    let address = server.http_address();
    let mut slow = TcpStream::connect(&address).unwrap();
    let half = format!("POST /cc/csat/slow HTTP/1.1\r\nHost: {address}\r\nContent-Length: 99\r\n\r\n{{");
    slow.write_all(half.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(slow).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[test]
fn a_stream_outlives_the_time_of_a_request_and_ends_when_the_server_stops() {
    let site = Site::new().http("request_seconds = 1");
    let server = site.start();
    let mut watcher = Watcher::at(&server, None, None);
    until_a_request_would_be_cut_off(&server);
    assert_eq!(server.rate("c1", 5), Some(201));
    assert_eq!(watcher.next().unwrap().1, "rating.created c1");
    assert_eq!(server.metric("aftercall_event_streams"), 1);
    server.tell_to_stop();
    assert_eq!(watcher.next(), None);
    server.await_end();
}

#[test]
fn a_supervisor_watches_their_queue_and_never_another_whatever_goes_on_there() {
    let site = Site::new();
    let server = site.start();
    let mut create = Command::new(PROGRAM);
    create.args(["key", "create", "--role", "supervisor", "--queue", "sales", "--config", "aftercall.toml"]);
    let key = create.current_dir(site.folder()).output().unwrap();
    assert!(key.status.success(), "{key:?}");
    let key = String::from_utf8(key.stdout).unwrap();
    let mut watcher = Watcher::at(&server, None, Some(key.trim()));
    std::thread::scope(|scope| {
        for queue in ["sales", "support", "sales.2"] {
            let server = &server;
            scope.spawn(move || {
                for number in 0..40 {
                    assert_eq!(server.rate_in(queue, &format!("{queue}-{number}"), 5), 201);
                }
            });
        }
    });
    assert_eq!(server.rate_in("sales", "the-last", 5), 201);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|call| call != "rating.created the-last") {
        seen.push(watcher.next().unwrap().1);
    }
    let mut expected: Vec<String> = (0..40).map(|number| format!("rating.created sales-{number}")).collect();
    expected.push("rating.created the-last".to_owned());
    assert_eq!(seen, expected);
    server.stop();
}

#[test]
fn who_does_not_read_is_not_kept_in_memory_and_the_others_read_on() {
    let site = Site::new();
    let server = site.start();
    let idle = Watcher::at(&server, None, None);
    let mut watcher = Watcher::at(&server, None, None);
    for number in 0..50 {
        assert_eq!(server.rate(&format!("c{number}"), 5), Some(201));
        assert_eq!(watcher.next().unwrap().1, format!("rating.created c{number}"));
    }
    drop(idle);
    drop(watcher);
    eventually("both to be gone", || (server.metric("aftercall_event_streams") == 0).then_some(()));
    server.stop();
}

fn rated(call: &str, at: Timestamp) -> Write {
    Write::Rate(NewRating {
        tenant: TenantId::default(),
        call: call.parse().unwrap(),
        score: Score::try_from(5).unwrap(),
        comment: None,
        agent: None,
        queue: None,
        created_at: None,
        key: None,
        survey: None,
        channel: None,
        language: None,
        flags: Default::default(),
        within: None,
        actor: Actor::Keyless,
        at,
    })
}

/// Two nodes, of which one keeps what it was given late: its events have earlier ids than what was told already.
#[tokio::test]
async fn what_another_node_brings_to_light_late_is_told_once_and_in_any_case_within_the_stretch() {
    let database = Database::new().await;
    let open = async || Store::open(&database.url).await.unwrap();
    let low = Score::try_from(2).unwrap();
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let before = |seconds: i64| noon - SignedDuration::from_secs(seconds);
    let (here, late) = (open().await, open().await);
    here.write(&[rated("old", before(9))]).await.unwrap();
    let mut tail = Tail::behind(None, here.clone(), TenantId::default(), low).await.unwrap();
    let told = async |tail: &mut Tail, again: bool| {
        let mut calls = Vec::new();
        loop {
            let events = tail.more(again).await.unwrap();
            if events.is_empty() {
                return calls;
            }
            calls.extend(events.iter().map(|event| event.call().unwrap().to_string()));
        }
    };
    assert_eq!(told(&mut tail, true).await, [""; 0], "what there was is not news");
    here.write(&[rated("now", noon)]).await.unwrap();
    assert_eq!(told(&mut tail, false).await, ["now"]);
    late.write(&[rated("late", before(5))]).await.unwrap();
    assert_eq!(told(&mut tail, false).await, [""; 0], "it lies before what was read");
    assert_eq!(told(&mut tail, true).await, ["late"]);
    assert_eq!(told(&mut tail, true).await, [""; 0]);
    // Any number of them, more than a page.
    let another = open().await;
    let many: Vec<Write> = (0..450).map(|n| rated(&format!("n{n}"), before(4))).collect();
    another.write(&many).await.unwrap();
    here.write(&[rated("next", noon)]).await.unwrap();
    let all = told(&mut tail, true).await;
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (451, 451));
    // What is later than that is found in the log, and by webhooks.
    let too_late = open().await;
    too_late.write(&[rated("too-late", noon - STRETCH - SignedDuration::from_secs(1))]).await.unwrap();
    assert_eq!(told(&mut tail, true).await, [""; 0]);
}
