//! What a survey does beside asking: it tells another system, branches on what that says, hands the caller on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use super::caller::Caller;
use super::surveys;
use crate::server::Site;

const BRANCHES: &str = r#"
[[step]]
id = "unless-ok"
type = "branch"
[[step.when]]
variable = "other"
is = "ok"
goto = "thanks"
[[step.when]]
variable = "other"
is = "vip"
goto = "vip"

[[step]]
id = "sorry"
type = "end"
say = "goodbye"

[[step]]
id = "thanks"
type = "end"
say = "thank_you"

[[step]]
id = "vip"
type = "end"
say = "leave_comment"
"#;

/// The question, then `other`, and what is said tells what came of it.
fn asks_and(other: &str) -> String {
    let survey = surveys::csat();
    let (question, _) = survey.split_once("[[step]]\nid = \"confirmation\"").unwrap();
    format!("{question}\n[[step]]\nid = \"other\"\n{other}\n{BRANCHES}")
}

/// Hears one request, answers it with this status line and body, and returns the body that came.
fn hears_one(listener: &TcpListener, status: &str, body: &str) -> Value {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut heard = vec![0; length];
    reader.read_exact(&mut heard).unwrap();
    let close = "Connection: close";
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{close}\r\n\r\n{body}", body.len()).unwrap();
    serde_json::from_slice(&heard).unwrap()
}

#[test]
fn a_webhook_is_told_who_said_what_and_its_word_leads_the_caller_on() {
    let crm = TcpListener::bind("127.0.0.1:0").unwrap();
    let step = format!("type = \"webhook\"\nurl = \"http://{}/low\"", crm.local_addr().unwrap());
    let site = surveys::site().survey("asks-crm", &asks_and(&step));
    let server = site.start();
    for (call, key, status, answer, heard) in [
        ("vip", "2", "200 OK", r#"{"outcome": "vip"}"#, "please_rate leave_comment"),
        ("ok", "5", "204 No Content", "", "please_rate thank_you"),
        ("refused", "1", "500 Internal Server Error", "no", "please_rate goodbye"),
    ] {
        let told = thread::scope(|scope| {
            let told = scope.spawn(|| hears_one(&crm, status, answer));
            let said = Caller::new(&server, call, "asks-crm", "caller_stays").call(&format!("p {key}"));
            assert_eq!(said, heard, "{call}");
            told.join().unwrap()
        });
        let labels = ["very_satisfied", "satisfied", "neutral", "dissatisfied", "very_dissatisfied"];
        let number: usize = key.parse().unwrap();
        let expected = json!({
            "call_id": call, "session_id": server.session(call), "queue_id": "sales", "agent_id": "agent1001", "survey": "asks-crm",
            "step": "other", "language": "en",
            "answers": {"rating": {"key": key, "score": 6 - number, "value": labels[number - 1]}},
        });
        assert_eq!(told, expected, "{call}");
        assert_eq!(server.record(call), format!("{} completed", 6 - number));
    }
    drop(crm);
    // Nobody listens there any more: the caller does not notice.
    let said = Caller::new(&server, "gone", "asks-crm", "caller_stays").call("p 3");
    assert_eq!(said, "please_rate goodbye");
    assert_eq!(server.record("gone"), "3 completed");
    server.stop();
}

#[test]
fn a_webhook_that_never_answers_keeps_the_caller_no_longer_than_it_may() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let step = |ms: u32| asks_and(&format!("type = \"webhook\"\nurl = \"{url}\"\ntimeout_ms = {ms}"));
    let site = surveys::site().survey("briefly", &step(500)).survey("at-length", &step(4_000));
    let server = site.start();
    let said = Caller::new(&server, "patient", "briefly", "caller_stays").call("p 2");
    assert_eq!(said, "please_rate goodbye");
    // One who says something and hangs up meanwhile has answered all the same.
    let said = Caller::new(&server, "impatient", "at-length", "caller_hangs_up").call("p 4 v x");
    assert_eq!(said, "please_rate");
    assert_eq!([server.record("patient"), server.record("impatient")], ["4 completed", "2 completed"]);
    server.stop();
}

fn transfers(target: &str) -> Site {
    surveys::site().survey("hands-on", &asks_and(&format!("type = \"transfer\"\ntarget = \"{target}\"")))
}

#[test]
fn a_caller_is_handed_on_and_where_that_fails_the_survey_goes_on() {
    let site = transfers("2000");
    let server = site.start();
    for (call, answer, progress, heard) in [
        ("taken", "202 Accepted", "200 OK", "please_rate thank_you"),
        ("busy", "202 Accepted", "486 Busy Here", "please_rate goodbye"),
    ] {
        let caller = Caller::new(&server, call, "hands-on", "caller_is_handed_on");
        let caller = caller.scenario(|sipp| sipp.with("ANSWER", answer).with("PROGRESS", progress));
        assert_eq!(caller.call("p 3"), heard, "{call}");
        assert_eq!(server.record(call), "3 completed");
    }
    // News that says nothing, and that it is the last.
    let caller = Caller::new(&server, "untold", "hands-on", "caller_is_handed_on");
    let caller = caller.scenario(|sipp| sipp.with("ANSWER", "202 Accepted").with("PROGRESS", "100 Trying"));
    assert_eq!(caller.call("p 3"), "please_rate goodbye");
    // Taken back instead of told about.
    let caller = Caller::new(&server, "taken-back", "hands-on", "caller_is_taken_back");
    assert_eq!(caller.call("p 3"), "please_rate");
    assert_eq!([server.record("untold"), server.record("taken-back")], ["3 completed", "3 completed"]);
    let caller = Caller::new(&server, "refused", "hands-on", "caller_is_not_handed_on");
    assert_eq!(caller.call("p 3"), "please_rate goodbye");
    assert_eq!(server.record("refused"), "3 completed");
    server.stop();
}
