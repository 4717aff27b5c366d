//! Webhooks: carried out of a real database to a real receiver.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aftercall::clock::Clock;
use aftercall::config::{Config, Webhook};
use aftercall::metrics::Metrics;
use aftercall::webhooks::Courier;
use aftercall_core::{CallId, Score, TenantId};
use aftercall_store::{Actor, Comment, DeliveryState, NewRating, Store, Write};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cluster::Database;
use crate::folder::Folder;
use crate::receiver::Receiver;
use crate::server::{Site, eventually};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A `[[webhook]]` of this receiver.
fn table(receiver: &Receiver, more: &str) -> String {
    format!("[[webhook]]\nname = \"crm\"\nurl = \"{}\"\nsecret = \"{SECRET}\"\n{more}\n", receiver.url())
}

fn webhook(receiver: &Receiver, more: &str) -> Webhook {
    let config = Config::read(Path::new("aftercall.toml"), &table(receiver, more), &|_| None).unwrap();
    config.webhooks.into_iter().next().unwrap()
}

fn rate(call: &str, score: u8, clock: &Clock) -> Write {
    Write::Rate(NewRating {
        tenant: TenantId::default(),
        call: CallId::new(call).unwrap(),
        score: Score::try_from(score).unwrap(),
        comment: Some(Comment::new("a secret").unwrap()),
        agent: Some("a1".parse().unwrap()),
        queue: Some("sales".parse().unwrap()),
        created_at: None,
        key: None,
        survey: None,
        channel: None,
        language: None,
        flags: Default::default(),
        within: None,
        actor: Actor::Keyless,
        at: clock.now(),
    })
}

/// A node: its database, its clock, and who carries.
struct Node {
    store: Store,
    clock: Clock,
    metrics: Arc<Metrics>,
    courier: Courier,
    stop: CancellationToken,
}

impl Node {
    async fn on(url: &str, clock: &Clock, webhook: &Webhook) -> Self {
        let store = Store::open(url).await.unwrap().telling(vec![webhook.subscription.clone()]);
        let metrics = Arc::new(Metrics::default());
        let courier = Courier::new(store.clone(), clock.clone(), Arc::clone(&metrics), webhook.clone());
        Self { store, clock: clock.clone(), metrics, courier, stop: CancellationToken::new() }
    }

    async fn rate(&self, call: &str, score: u8) {
        self.store.write(&[rate(call, score, &self.clock)]).await.unwrap();
    }

    async fn round(&self) -> usize {
        self.courier.round(&self.stop).await.unwrap()
    }

    /// The deliveries, the oldest event first: `dead rating.low 1x 500`.
    async fn deliveries(&self, webhook: &Webhook) -> Vec<String> {
        let to = &webhook.subscription;
        let page = self.store.deliveries(&to.tenant, &to.webhook, None, None, 99).await.unwrap();
        let line = |d: &aftercall_store::Delivery| {
            let status = d.status.map_or("-".to_owned(), |status| status.to_string());
            format!("{} {} {}x {status}", d.state.word(), d.kind.word(), d.attempts)
        };
        page.iter().rev().map(line).collect()
    }
}

fn clock() -> Clock {
    Clock::set_to("2026-11-22T08:00:00Z".parse().unwrap())
}

/// Another program's opinion of a signature: Python's own HMAC.
fn verified_by_python(secret: &str, told: &crate::receiver::Told) -> bool {
    const VERIFY: &str = "import base64, hmac, sys
secret, id, at, signatures, body = sys.argv[1:]
key = base64.b64decode(secret.removeprefix('whsec_'))
expected = base64.b64encode(hmac.digest(key, f'{id}.{at}.{body}'.encode(), 'sha256')).decode()
sys.exit(0 if any(hmac.compare_digest('v1,' + expected, one) for one in signatures.split()) else 1)";
    let arguments = [secret, &told.id, &told.at, &told.signature, &told.body];
    Command::new("python3").args(["-c", VERIFY]).args(arguments).status().unwrap().success()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_comes_again_under_the_same_id_with_the_same_words_until_it_is() {
    let (folder, receiver, clock) = (Folder::new(), Receiver::start(), clock());
    let webhook = webhook(&receiver, "events = [\"rating.created\"]");
    let node = Node::on(&folder.database(), &clock, &webhook).await;
    receiver.answer(&["500 No", "404 No", "302 Elsewhere\r\nLocation: http://127.0.0.1:1/", "200 Yes"]);
    node.rate("c1", 5).await;
    for (seconds, attempt) in [(0, 1), (6, 2), (36, 3), (144, 4)] {
        clock.advance(std::time::Duration::from_secs(seconds));
        assert_eq!(node.round().await, 1, "attempt {attempt}");
        assert_eq!(node.round().await, 0, "not before its time");
        assert_eq!(receiver.told().len(), attempt);
    }
    clock.advance(std::time::Duration::from_secs(400_000));
    assert_eq!(node.round().await, 0, "it was taken");
    assert_eq!(node.deliveries(&webhook).await, ["delivered rating.created 4x 200"]);
    let told = receiver.told();
    assert!(told.iter().all(|one| one.id == told[0].id && one.body == told[0].body), "{told:?}");
    assert!(told[0].at < told[3].at && told[0].signature != told[3].signature, "{told:?}");
    let event = told[0].json();
    assert_eq!(
        event["data"],
        json!({"call_id": "c1", "agent_id": "a1", "queue_id": "sales", "score": 5, "previous_score": null,
               "revision": 1, "created_at": "2026-11-22T08:00:00.000000Z", "survey": null})
    );
    assert_eq!(
        (&event["type"], &event["timestamp"]),
        (&json!("rating.created"), &event["data"]["created_at"])
    );
    assert!(!told[0].body.contains("secret"), "{}", told[0].body);
    let counted = &node.metrics.webhooks;
    assert_eq!((counted.delivered.get(), counted.failed.get(), counted.dead.get()), (1, 3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_who_has_a_secret_can_verify_the_signature_and_nobody_else() {
    let (folder, receiver, clock) = (Folder::new(), Receiver::start(), clock());
    let both = format!("secret = [\"{NEW_SECRET}\", \"{SECRET}\"]");
    let table =
        table(&receiver, "events = [\"rating.low\"]").replace(&format!("secret = \"{SECRET}\""), &both);
    let config = Config::read(Path::new("aftercall.toml"), &table, &|_| None).unwrap();
    assert!(!format!("{config:?}").contains("MfKQ") && !format!("{config:?}").contains("hidden"));
    let node = Node::on(&folder.database(), &clock, &config.webhooks[0]).await;
    node.rate("c1", 1).await;
    node.round().await;
    let told = receiver.told().remove(0);
    assert_eq!(told.line(), "rating.low c1");
    assert!(verified_by_python(SECRET, &told) && verified_by_python(NEW_SECRET, &told), "{told:?}");
    assert!(!verified_by_python("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &told));
    let mut forged = told.clone();
    forged.body = forged.body.replace("\"score\":1", "\"score\":5");
    assert!(forged.body != told.body && !verified_by_python(SECRET, &forged));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_gets_no_more_and_one_that_is_busy_is_left_alone_as_it_asks() {
    let (folder, receiver, clock) = (Folder::new(), Receiver::start(), clock());
    let webhook = webhook(&receiver, "events = [\"rating.created\"]");
    let node = Node::on(&folder.database(), &clock, &webhook).await;
    receiver.answer(&["410 Gone"]);
    node.rate("c1", 5).await;
    node.round().await;
    assert_eq!(node.deliveries(&webhook).await, ["dead rating.created 1x 410"]);
    receiver.answer(&["429 Busy\r\nRetry-After: 900"]);
    node.rate("c2", 5).await;
    node.round().await;
    clock.advance(std::time::Duration::from_secs(899));
    assert_eq!(node.round().await, 0);
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(node.round().await, 1);
    assert_eq!(receiver.lines(), ["rating.created c1", "rating.created c2", "rating.created c2"]);
    // Somebody looks after the receiver, and sends the dead one again.
    let to = &webhook.subscription;
    let dead =
        node.store.deliveries(&to.tenant, &to.webhook, Some(DeliveryState::Dead), None, 9).await.unwrap();
    node.store.retry(&to.tenant, &to.webhook, dead[0].event, clock.now()).await.unwrap().unwrap();
    assert_eq!(node.round().await, 1);
    assert_eq!(receiver.lines().last().unwrap(), "rating.created c1");
    assert_eq!(receiver.told()[0].id, receiver.told()[3].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_for_three_days_is_a_dead_letter() {
    let (folder, clock) = (Folder::new(), clock());
    // A port where nobody listens.
    let nobody = Receiver::on(TcpListener::bind("127.0.0.1:0").unwrap());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let source = table(&nobody, "").replace(nobody.url().as_str(), &format!("http://{address}/"));
    let config = Config::read(Path::new("aftercall.toml"), &source, &|_| None).unwrap();
    let webhook = config.webhooks.into_iter().next().unwrap();
    let node = Node::on(&folder.database(), &clock, &webhook).await;
    node.rate("c1", 5).await;
    let began = clock.now();
    let mut attempts = 0;
    while node.deliveries(&webhook).await[0].starts_with("waiting") {
        attempts += node.round().await;
        clock.advance(std::time::Duration::from_secs(600));
    }
    assert_eq!(attempts, 11);
    let days = began.duration_until(clock.now()).as_hours();
    assert!((48..96).contains(&days), "{days} hours");
    assert_eq!(node.deliveries(&webhook).await, ["dead rating.created 11x -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_on_one_database_deliver_everything_and_nothing_twice() {
    let (database, receiver, clock) = (Database::new().await, Receiver::start(), clock());
    let webhook = webhook(&receiver, "");
    let nodes =
        [Node::on(&database.url, &clock, &webhook).await, Node::on(&database.url, &clock, &webhook).await];
    for number in 0..60 {
        nodes[number % 2].rate(&format!("c{number}"), 1).await;
    }
    let carry = async |node: &Node| while node.round().await > 0 {};
    tokio::join!(carry(&nodes[0]), carry(&nodes[1]));
    // Who found nothing because the other had claimed it is done before it.
    tokio::join!(carry(&nodes[0]), carry(&nodes[1]));
    let mut lines = receiver.lines();
    lines.sort();
    let mut expected: Vec<String> =
        (0..60).flat_map(|n| [format!("rating.created c{n}"), format!("rating.low c{n}")]).collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_answer_holds_up_nobody_else() {
    let (folder, clock) = (Folder::new(), clock());
    let (deaf, well) = (Receiver::start(), Receiver::start());
    deaf.go_deaf();
    let slow = webhook(&deaf, "timeout_seconds = 60");
    let mut quick = webhook(&well, "");
    quick.subscription.webhook = "quick".parse().unwrap();
    let subscriptions = vec![slow.subscription.clone(), quick.subscription.clone()];
    let store = Store::open(&folder.database()).await.unwrap().telling(subscriptions);
    let stop = CancellationToken::new();
    for webhook in [slow, quick] {
        let courier = Courier::new(store.clone(), clock.clone(), Arc::default(), webhook);
        let (_, written) = tokio::sync::watch::channel(0);
        tokio::spawn(courier.run(written, stop.clone()));
    }
    for number in 0..40 {
        store.write(&[rate(&format!("c{number}"), 5, &clock)]).await.unwrap();
    }
    let watched = tokio::task::spawn_blocking(move || {
        eventually("all of it at the quick one", || (well.told().len() == 40).then_some(()));
        let held =
            eventually("some of it at the deaf one", || Some(deaf.told().len()).filter(|held| *held > 0));
        assert!(held <= 4, "{held} at once");
    });
    watched.await.unwrap();
    stop.cancel();
}

/// Blocking, as whoever watches a real program is.
#[test]
fn an_event_of_a_server_that_dies_before_it_is_sent_is_sent_by_the_next_one() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let table = format!(
        "[[webhook]]\nname = \"crm\"\nurl = \"http://{address}/hooks?token=hidden\"\nsecret = \"{SECRET}\"\ntimeout_seconds = 1\n"
    );
    let site = Site::new().tables(&table);
    let server = site.start();
    for number in 0..10 {
        assert_eq!(server.rate(&format!("c{number}"), 1), Some(201));
    }
    // Nobody has been there to be told.
    server.kill();
    let receiver = Receiver::on(TcpListener::bind(address).unwrap());
    let server = site.start();
    eventually("every event", || (receiver.told().len() >= 20).then_some(()));
    let mut lines = receiver.lines();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 20, "{lines:?}");
    let listed = eventually("all of it to be known as delivered", || {
        Some(server.json("/cc/webhooks")["webhooks"][0].take()).filter(|listed| listed["waiting"] == 0)
    });
    assert_eq!((&listed["dead"], &listed["host"]), (&json!(0), &json!(address.to_string())));
    assert!(server.metric("aftercall_webhook_attempts_total{outcome=\"delivered\"}") >= 20);
    server.stop();
}

#[test]
fn a_rating_is_told_as_soon_as_it_is_kept() {
    let receiver = Receiver::start();
    let site = Site::new().tables(&table(&receiver, ""));
    let server = site.start();
    assert_eq!(server.rate("c1", 5), Some(201));
    eventually("the event", || (receiver.lines() == ["rating.created c1"]).then_some(()));
    assert_eq!(server.erase("c1"), 204);
    eventually("the erasure", || (receiver.told().len() == 2).then_some(()));
    let told = receiver.told().remove(1);
    assert_eq!(told.json()["type"], "rating.deleted");
    assert_eq!(told.json()["data"], json!({"call_id": "c1", "revision": 2}));
    assert!(verified_by_python(SECRET, &told));
    server.stop();
}

#[test]
fn a_ping_shows_what_comes_back_and_a_list_what_waits() {
    let receiver = Receiver::start();
    let folder = Folder::new();
    std::fs::write(folder.path().join("aftercall.toml"), table(&receiver, "")).unwrap();
    let run = |arguments: &[&str]| {
        let mut program = Command::new(crate::server::PROGRAM);
        program.args(arguments).args(["--config", "aftercall.toml"]).current_dir(folder.path());
        let done = program.output().unwrap();
        let said = [done.stdout, done.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        (done.status.code().unwrap(), said)
    };
    let (code, said) = run(&["webhook", "test", "crm"]);
    assert!(code == 0 && said.starts_with("answered 204 in "), "{code} {said}");
    let told = receiver.told().remove(0);
    assert_eq!(told.json()["type"], "ping");
    assert!(verified_by_python(SECRET, &told));
    receiver.answer(&["401 Who are you"]);
    let (code, said) = run(&["webhook", "test", "crm"]);
    assert!(code == 1 && said.starts_with("answered 401 in "), "{code} {said}");
    let (code, said) = run(&["webhook", "test", "other"]);
    assert_eq!(
        (code, said.as_str()),
        (2, "other: there is no webhook of this name: `aftercall webhook list`\n")
    );
    let (code, said) = run(&["webhook", "list"]);
    assert!(code == 0 && said.starts_with("crm  default  127.0.0.1:"), "{code} {said}");
    assert!(said.contains("waiting 0  dead 0  delivered never") && !said.contains("hidden"), "{said}");
}
