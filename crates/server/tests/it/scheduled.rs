//! Reports by schedule, through a real mail server and a real HTTP receiver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use aftercall::clock::Clock;
use aftercall::config::Config;
use aftercall::scheduled::Sender;
use aftercall_core::TenantId;
use aftercall_store::{RunProgress, Store};
use serde_json::{Value, json};

use crate::api::{Server, on_both};
use crate::readers;
use crate::server::{Site, eventually};

/// Messages that a receiver holds until the test looks: a few.
const HELD_MAX: usize = 16;

/// The key `0123456789abcdef01234567`.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

on_both! {
    of_several_nodes_one_sends_each_report_once,
    what_fails_is_tried_again_and_then_sent_once,
    what_was_missed_is_sent_and_what_is_older_than_a_period_is_not,
}

/// A mail server of somebody else.
struct MailServer {
    process: Child,
    port: u16,
    mails: Receiver<Value>,
}

/// A mail that has not come by then comes no more.
const MAIL_WAIT: Duration = Duration::from_secs(60);

impl MailServer {
    fn start(refused: u32) -> Option<Self> {
        let mut script = readers::script("mail_server.py")?;
        script.arg(readers::certificate("localhost.pem")).arg(readers::certificate("localhost.key"));
        let script = script.arg(refused.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = script.spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut port = String::new();
        said.read_line(&mut port).unwrap();
        let (sender, mails) = sync_channel(HELD_MAX);
        std::thread::spawn(move || {
            for line in said.lines() {
                sender.send(serde_json::from_str(&line.unwrap()).unwrap()).unwrap();
            }
        });
        Some(Self { process, port: port.trim().parse().unwrap(), mails })
    }

    /// `[smtp]` that leads here.
    fn table(&self) -> String {
        let ca = readers::certificate("localhost.pem");
        format!(
            "[smtp]\nurl = \"smtp://reports:s3cret%2Fword@localhost:{}?tls=required\"\n\
             from = \"aftercall <reports@example.com>\"\nca = \"{}\"\n",
            self.port,
            ca.display()
        )
    }

    /// The mails it took, once it is stopped.
    fn stop(mut self) -> Vec<Value> {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
        // Its lines end with it.
        self.mails.iter().collect()
    }

    /// The next mail it takes.
    fn next(&self) -> Value {
        self.mails.recv_timeout(MAIL_WAIT).unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.process.kill().ok();
    }
}

/// Whoever gets reports over HTTP: answers with these statuses in turn, then with 204; hands out head and body.
fn receiver(statuses: &'static [u16]) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/reports", listener.local_addr().unwrap());
    let (sender, got) = sync_channel(HELD_MAX);
    std::thread::spawn(move || {
        for (place, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let start = head.len();
                stream.read_line(&mut head).unwrap();
                let line = head[start..].to_ascii_lowercase();
                length = line.strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap());
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let status = statuses.get(place).unwrap_or(&204);
            write!(stream.get_mut(), "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
            sender.send((head, String::from_utf8(body).unwrap())).unwrap();
        }
    });
    (url, got)
}

fn config(text: &str) -> Arc<Config> {
    Arc::new(Config::read(Path::new("aftercall.toml"), text, &|_| None).unwrap_or_else(|why| panic!("{why}")))
}

fn weekly(more: &str) -> String {
    format!("[[report]]\nname = \"weekly\"\nevery = \"week\"\n{more}\n")
}

const TO: &str = "to = [\"The Boss <boss@example.com>\", \"second@example.com\"]";

async fn rated(server: &Server) {
    server.tenant("default", "Europe/Berlin").await;
    for (call, score, agent, queue, at) in [
        ("1", 5, "a1", "sales", "2026-11-09T09:00:00Z"),
        ("2", 4, "a2", "<b>sales</b>", "2026-11-10T09:00:00Z"),
        ("3", 1, "=a3", "sales", "2026-11-15T22:59:59Z"),
        // Already the week after, in Berlin.
        ("4", 5, "a1", "sales", "2026-11-15T23:00:00Z"),
        ("5", 2, "a1", "sales", "2026-11-02T09:00:00Z"),
    ] {
        let body = json!({"score": score, "agent_id": agent, "queue_id": queue, "created_at": at});
        assert_eq!(server.post(&format!("/cc/csat/{call}"), body).await.status, 201);
    }
}

/// What is kept of a report: way, progress, attempts, why.
async fn kept(store: &Store) -> Vec<(String, RunProgress, u32, Option<String>)> {
    let kept = store.runs(&TenantId::default(), "weekly", 100).await.unwrap();
    let shown = kept.into_iter().map(|kept| {
        let name = format!("{} {}", kept.run.period, kept.run.way.word());
        (name, kept.progress, kept.attempts, kept.error)
    });
    shown.collect()
}

async fn of_several_nodes_one_sends_each_report_once(server: Server) {
    let Some(mail_server) = MailServer::start(0) else { return };
    let (url, posted) = receiver(&[]);
    rated(&server).await;
    let config = config(&format!(
        "{}{}",
        mail_server.table(),
        weekly(&format!("{TO}\nurl = \"{url}\"\nsecret = \"{SECRET}\""))
    ));
    let looks = (0..4).map(|_| {
        let sender = Sender::new(Arc::clone(&config), server.store.clone(), server.clock.clone());
        tokio::spawn(async move {
            for _ in 0..3 {
                sender.look().await.unwrap();
            }
        })
    });
    for look in looks.collect::<Vec<_>>() {
        look.await.unwrap();
    }
    let sent = |name: &str| (name.to_owned(), RunProgress::Sent, 1, None);
    assert_eq!(kept(&server.store).await, [sent("2026-11-09 mail"), sent("2026-11-09 post")]);
    let mails = mail_server.stop();
    assert_eq!(mails.len(), 1, "{mails:?}");
    is_the_report(&mails[0], &server).await;
    is_signed_and_says_the_same(posted.try_recv().unwrap(), &server).await;
    assert!(posted.try_recv().is_err(), "it was posted once");
}

async fn is_the_report(mail: &Value, server: &Server) {
    let header = |name: &str| mail["headers"][name].as_str().unwrap_or_default();
    assert_eq!(mail["from"], "reports@example.com");
    assert_eq!(mail["to"], json!(["boss@example.com", "second@example.com"]));
    assert_eq!(
        (&mail["tls"], &mail["user"], &mail["defects"]),
        (&json!(true), &json!("reports"), &json!([]))
    );
    assert_eq!(header("to"), "The Boss <boss@example.com>, second@example.com");
    assert_eq!(
        header("subject"),
        "Customer satisfaction, 9 to 15 November 2026: 66.7 % satisfied of 3 ratings"
    );
    assert_eq!(header("message-id"), "<weekly.2026-11-09.default.mail@example.com>");
    assert_eq!(header("auto-submitted"), "auto-generated");
    assert_eq!(header("date"), "Sun, 22 Nov 2026 08:00:00 +0000");
    let parts = mail["parts"].as_array().unwrap();
    let kinds: Vec<_> =
        parts.iter().map(|part| (part["type"].as_str().unwrap(), part["name"].as_str())).collect();
    assert_eq!(
        kinds,
        [
            ("text/plain", None),
            ("text/html", None),
            ("text/csv", Some("weekly_2026-11-09_queues.csv")),
            ("text/csv", Some("weekly_2026-11-09_agents.csv")),
        ]
    );
    let text = |place: usize| parts[place]["text"].as_str().unwrap().replace("\r\n", "\n");
    for said in [
        "Satisfied:     66.7 % of 3 ratings; 20.8–93.9 %",
        "Mean score:    3.33 of 3 ratings",
        "provisional: 3 ratings. A mean of so few may still go anywhere.",
        "Against 2 to 8 November 2026 (0.0 % satisfied of 1 rating): no difference that chance would not make.",
        "Over the last 13 weeks: too few to say.",
    ] {
        assert!(text(0).contains(said), "{said} is not in\n{}", text(0));
    }
    let page = text(1);
    assert!(page.contains("&lt;b&gt;sales&lt;/b&gt;") && !page.contains("<b>sales"), "{page}");
    for never in ["<script", "<img", "http:", "https:", "url("] {
        assert!(!page.contains(never), "{never}");
    }
    // The files are the API's own.
    let span = "from=2026-11-09&to=2026-11-15&format=csv";
    for (place, path) in [
        (2, format!("/cc/reports/csat?period=week&group_by=queue&{span}")),
        (3, format!("/cc/reports/csat/ranking?{span}")),
    ] {
        assert_eq!(text(place), server.get(&path).await.text.replace("\r\n", "\n"), "{path}");
    }
}

async fn is_signed_and_says_the_same((head, body): (String, String), server: &Server) {
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
    };
    assert!(head.starts_with("POST /reports HTTP/1.1\r\n"), "{head}");
    let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
    assert_eq!((id.as_str(), time.as_str()), ("weekly.2026-11-09.default.post", "1795334400"));
    // As a receiver checks it, with Python's own hmac.
    let check = "import base64, hmac, sys\n\
        key = base64.b64decode(sys.argv[1].removeprefix('whsec_'))\n\
        print('v1,' + base64.b64encode(hmac.digest(key, sys.stdin.buffer.read(), 'sha256')).decode())";
    let mut python = std::process::Command::new("python3");
    let python = python.args(["-c", check, SECRET]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().unwrap();
    python.stdin.take().unwrap().write_all(format!("{id}.{time}.{body}").as_bytes()).unwrap();
    let signature = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(header("webhook-signature"), signature.trim());
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["type"], &body["data"]["period"]), (&json!("report.csat"), &json!("2026-11-09")));
    let span = "from=2026-11-09&to=2026-11-15";
    for (field, path) in [
        ("summary", format!("/cc/reports/csat/distribution?{span}")),
        (
            "comparison",
            format!("/cc/reports/csat/compare?{span}&against_from=2026-11-02&against_to=2026-11-08"),
        ),
        ("by_queue", format!("/cc/reports/csat?period=week&group_by=queue&{span}")),
        ("ranking", format!("/cc/reports/csat/ranking?{span}")),
        ("trend", "/cc/reports/csat/trend?period=week&from=2026-08-17&to=2026-11-15".to_owned()),
        ("alerts", "/cc/reports/csat/alerts?from=2026-10-12&to=2026-11-15&baseline=28".to_owned()),
        ("funnel", format!("/cc/reports/csat/funnel?period=week&{span}")),
    ] {
        assert_eq!(body["data"][field], server.get(&path).await.json(), "{field}");
    }
}

async fn what_fails_is_tried_again_and_then_sent_once(server: Server) {
    let Some(mail_server) = MailServer::start(2) else { return };
    let (url, posted) = receiver(&[503]);
    rated(&server).await;
    let ways = format!("{TO}\nurl = \"{url}\"\nsecret = \"{SECRET}\"");
    let config = config(&format!("{}{}", mail_server.table(), weekly(&ways)));
    let sender = Sender::new(config, server.store.clone(), server.clock.clone());
    let expect = async |mail: (RunProgress, u32, Option<&str>), post: (RunProgress, u32, Option<&str>)| {
        sender.look().await.unwrap();
        let row = |way: &str, (progress, attempts, why): (RunProgress, u32, Option<&str>)| {
            (format!("2026-11-09 {way}"), progress, attempts, why.map(str::to_owned))
        };
        assert_eq!(kept(&server.store).await, [row("mail", mail), row("post", post)]);
    };
    // What the server said names a person, and is not kept.
    let busy = Some("the mail server answered 451");
    let (waiting, sent) = (RunProgress::Waiting, RunProgress::Sent);
    expect((waiting, 1, busy), (waiting, 1, Some("the URL answered 503"))).await;
    expect((waiting, 1, busy), (waiting, 1, Some("the URL answered 503"))).await;
    server.clock.advance(Duration::from_secs(30));
    expect((waiting, 2, busy), (sent, 2, None)).await;
    server.clock.advance(Duration::from_secs(119));
    expect((waiting, 2, busy), (sent, 2, None)).await;
    server.clock.advance(Duration::from_secs(1));
    expect((sent, 3, None), (sent, 2, None)).await;
    expect((sent, 3, None), (sent, 2, None)).await;
    assert_eq!(mail_server.stop().len(), 1);
    // The same report has the same id, however often it is posted.
    let ids =
        posted.try_iter().map(|(head, _)| head.contains("webhook-id: weekly.2026-11-09.default.post\r\n"));
    assert_eq!(ids.collect::<Vec<_>>(), [true, true]);
}

async fn what_was_missed_is_sent_and_what_is_older_than_a_period_is_not(server: Server) {
    let (url, posted) = receiver(&[]);
    rated(&server).await;
    let config = config(&weekly(&format!("url = \"{url}\"\nsecret = \"{SECRET}\"")));
    let sent_at = async |now: &str| {
        let clock = Clock::set_to(now.parse().unwrap());
        Sender::new(Arc::clone(&config), server.store.clone(), clock).look().await.unwrap();
        let bodies = posted.try_iter().map(|(_, body)| serde_json::from_str::<Value>(&body).unwrap());
        bodies.map(|body| body["data"]["period"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Sunday: the week before last ended six days ago, and nobody was there to send it.
    assert_eq!(sent_at("2026-11-22T08:00:00Z").await, ["2026-11-09"]);
    // Monday before six in Berlin, and at six.
    assert!(sent_at("2026-11-23T04:59:59Z").await.is_empty());
    assert_eq!(sent_at("2026-11-23T05:00:00Z").await, ["2026-11-16"]);
    // Three weeks later the one before last is too old.
    assert_eq!(sent_at("2026-12-15T05:00:00Z").await, ["2026-12-07"]);
    // A clock that goes back sends nothing again.
    assert!(sent_at("2026-11-24T05:00:00Z").await.is_empty());
}

#[tokio::test]
async fn a_mail_server_that_is_not_to_be_trusted_or_does_not_know_us_gets_nothing() {
    let Some(mail_server) = MailServer::start(0) else { return };
    let server = Server::start().await;
    rated(&server).await;
    let table = mail_server.table();
    for (table, why) in [
        (table.replace("s3cret", "wrong"), "the mail server answered 535"),
        (
            table.lines().filter(|line| !line.starts_with("ca")).map(|line| format!("{line}\n")).collect(),
            "no secure connection to the mail server: is its certificate one that `[smtp] ca` or browsers trust?",
        ),
        (
            table.replace("localhost.pem", "callers-ca.pem"),
            "no secure connection to the mail server: is its certificate one that `[smtp] ca` or browsers trust?",
        ),
        (
            table.replace(&format!(":{}", mail_server.port), ":1"),
            "the mail server could not be reached, or did not let us in",
        ),
    ] {
        let config = config(&format!("{table}{}", weekly(TO)));
        let sender = Sender::new(Arc::clone(&config), server.store.clone(), server.clock.clone());
        let tenant = server.store.tenant(&TenantId::default()).await.unwrap().unwrap();
        let period = config.reports[0].schedule.due(server.clock.now(), &tenant).period;
        let sent = sender.send(&config.reports[0], &tenant, &period, aftercall_store::Way::Mail).await;
        assert_eq!(sent, Err(why.to_owned()));
    }
    assert!(mail_server.stop().is_empty());
}

#[test]
fn the_program_sends_what_is_due_and_its_commands_show_send_and_list() {
    let Some(mail_server) = MailServer::start(0) else { return };
    let daily = format!(
        "{}[[report]]\nname = \"daily\"\nevery = \"day\"\nat = \"00:00\"\n{TO}\n",
        mail_server.table()
    );
    let site = Site::new().tables(&daily);
    let server = site.start();
    let mail = mail_server.next();
    let id = mail["headers"]["message-id"].as_str().unwrap();
    assert!(id.starts_with("<daily.20"), "{id}");
    let run = |line: &str| {
        let mut program = std::process::Command::new(crate::server::PROGRAM);
        let done =
            program.args(line.split(' ')).args(["--config", "aftercall.toml"]).current_dir(site.folder());
        let done = done.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    };
    eventually("it to be kept", || run("report list").1.contains(" sent at 20").then_some(()));
    let (code, list, err) = run("report list");
    assert_eq!((code, err.as_str()), (0, ""), "{list}");
    assert!(list.starts_with("daily: every day; 20") && list.contains(" 00:00 (UTC)\n  mail: 20"), "{list}");
    assert!(list.ends_with(", 1 attempt\n"), "{list}");
    let sent = run("report send daily --period 2026-10-31");
    assert_eq!(sent, (0, "daily 2026-10-31: sent by mail\n".to_owned(), String::new()));
    let subject = mail_server.next()["headers"]["subject"].clone();
    assert_eq!(subject, "Customer satisfaction, Saturday, 31 October 2026: no ratings");
    let (code, page, _) = run("report preview daily --period 2026-10-31");
    assert!(code == 0 && page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    assert_eq!(
        run("report preview daily --period 2026-10-31 --out page.html"),
        (0, String::new(), String::new())
    );
    assert_eq!(std::fs::read_to_string(site.folder().join("page.html")).unwrap(), page);
    for (line, told) in [
        ("report send dayly", "there is no report \"dayly\": `aftercall report list`\n"),
        ("report send daily --period soon", "--period: \"soon\" is not a day, such as 2026-10-31\n"),
    ] {
        assert_eq!(run(line), (1, String::new(), told.to_owned()));
    }
    server.stop();
    assert!(mail_server.stop().is_empty());
}
