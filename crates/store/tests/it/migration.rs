//! Databases of every earlier version are taken up to the present one, with all that is in them.

use std::fmt::Write as _;
use std::path::PathBuf;

use aftercall_core::OfferState;
use aftercall_core::stats::{ChartRule, WeekStart};
use aftercall_store::{
    Alert, By, EventId, EventKind, KeyHash, KeyUse, NewKey, Question, Queues, RatingFilter, Results, Revoked,
    Role, Run, RunOutcome, Store, Subject, Subscription, Tenant, Way, Window, Zone,
};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::harness::*;

fn snapshot(version: i64) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/schema-v{version}.sql"))
}

const SCHEMA: &str = "SELECT type, name, sql FROM sqlite_schema ORDER BY name";

#[tokio::test]
async fn a_database_of_every_version_comes_up_to_the_present_one_with_all_its_rows() {
    let fresh = Home::new();
    fresh.open().await.close().await;
    let schema = fresh.sql(SCHEMA).await;
    let present: i64 = fresh.sql("PRAGMA user_version").await[0].parse().unwrap();
    for version in 1..=present {
        let dump = std::fs::read_to_string(snapshot(version));
        let dump =
            dump.unwrap_or_else(|why| panic!("schema-v{version}.sql: {why}; see tests/vectors/README.md"));
        let home = Home::new();
        let mut old = home.connect_new().await;
        old.execute(AssertSqlSafe(dump)).await.unwrap();
        old.close().await.unwrap();
        let store = home.open().await;
        all_is_there(&store).await;
        assert_eq!(home.sql(SCHEMA).await, schema, "from version {version}");
        assert_eq!(home.sql("PRAGMA user_version").await, [present.to_string()]);
        assert_eq!(home.sql("PRAGMA integrity_check").await, ["ok"]);
        // Once more, now that there is nothing to do.
        store.close().await;
        all_is_there(&home.open().await).await;
    }
}

#[tokio::test]
#[ignore = "writes a file into the repository: see tests/vectors/README.md"]
async fn a_snapshot_of_the_present_schema_is_written() {
    let home = Home::new();
    let store = home.open().await;
    fill(&store).await;
    all_is_there(&store).await;
    store.close().await;
    let mut connection = home.connect().await;
    let (version, dump) = dump(&mut connection).await;
    connection.close().await.unwrap();
    assert!(!snapshot(version).exists(), "a file that is there is never written again");
    std::fs::write(snapshot(version), dump).unwrap();
}

/// Writes something into every table.
pub(crate) async fn fill(store: &Store) {
    let berlin = Tenant {
        id: "acme".parse().unwrap(),
        time_zone: Zone::new("Europe/Berlin").unwrap(),
        week_start: WeekStart::Sunday,
    };
    store.create_tenant(&berlin, at(0)).await.unwrap();
    let roles = [Role::Supervisor(vec!["q1".parse().unwrap()]), Role::Agent("a1".parse().unwrap())];
    for (role, seed) in roles.into_iter().zip(1..) {
        let new = NewKey {
            tenant: berlin.id.clone(),
            hash: KeyHash([seed; 32]),
            role,
            expires_at: Some(at(3_600)),
            at: at(seed.into()),
        };
        let made = store.create_key(&new).await.unwrap().unwrap();
        let used = KeyUse { tenant: berlin.id.clone(), key: made.id, at: at(5) };
        store.keys_used(&[used]).await.unwrap();
        if seed == 2 {
            assert_eq!(store.revoke_key(&berlin.id, made.id, at(6)).await, Ok(Revoked::Now));
        }
    }
    let s1 = session("c1", "s1");
    store
        .write(&[
            offered(&s1, 0),
            started(&s1, 1),
            answered(&s1, 1, 2),
            amended(&s1, 4, 3),
            ended(&s1, OfferState::Completed, None, 4),
            measured(&s1, 500, Some(7), 4),
            suppressed(&session("c2", "s2"), "busy", 5),
            post("c3 5 comment=gut'\"; agent=a2 queue=q1 rated=1 key=# survey=s channel=web language=de", 6),
            post("c4 1", 7),
            erase("c4", 8),
            answered(&session("c1", "s9"), 1, 9),
        ])
        .await
        .unwrap();
    // Some of it counted, two months later so that the month is over, and some not.
    let later = at(60 * 86_400);
    while !store.catch_up(&super::harness::tenant(), later).await.unwrap().is_idle() {}
    store.write(&[post("c5 2 queue=q2 rated=-86400", 10)]).await.unwrap();
    // Some of it is to be sent to a webhook, and a day was unusual.
    store.replay(&webhook(), EventId::FIRST, None, at(11)).await.unwrap();
    let alert = Alert {
        queue: Some("q1".parse().unwrap()),
        day: "2026-11-21".parse().unwrap(),
        rule: ChartRule::Mean,
        rating_count: 7,
        value: 1.25,
        centre: 4.1,
        limits: Some([3.2, 5.0]),
    };
    store.raise(&super::harness::tenant(), alert.day, std::slice::from_ref(&alert), at(12)).await.unwrap();
    assert_eq!(store.claim_run(&run(), at(13), at(613)).await, Ok(Some(1)));
    let outcome = RunOutcome::Again(at(300), "the mail server did not answer in time".to_owned());
    assert_eq!(store.settle_run(&run(), 1, &outcome, at(14)).await, Ok(true));
}

fn run() -> Run {
    Run {
        tenant: super::harness::tenant(),
        report: "weekly".to_owned(),
        period: "2026-11-16".to_owned(),
        way: Way::Mail,
    }
}

fn webhook() -> Subscription {
    Subscription {
        tenant: super::harness::tenant(),
        webhook: "crm".parse().unwrap(),
        kinds: EventKind::ALL.into(),
        queues: None,
        low_score: score(2),
    }
}

/// What is told of it; of what a version before there were events wrote, too, but for the alert.
async fn all_is_told(store: &Store) {
    let tenant = super::harness::tenant();
    let told = store.events(&tenant, EventId::FIRST, None, score(2), 99).await.unwrap().events;
    let mut kinds: Vec<&str> = told.iter().map(|event| event.kind.word()).collect();
    let waits = store.delivered(&tenant, &webhook().webhook).await.unwrap().waiting;
    let is_raised = kinds.pop_if(|last| *last == "alert.raised").is_some();
    assert_eq!(store.last_alert_day(&tenant).await.unwrap().is_some(), is_raised);
    let always = ["rating.created", "rating.low", "rating.amended", "rating.created", "rating.deleted"];
    assert!(kinds.starts_with(&always), "{kinds:?}");
    assert_eq!(waits, if is_raised { kinds.len() as u64 } else { 0 });
}

/// Reads what [`fill`] wrote, through every door the store has.
async fn all_is_there(store: &Store) {
    let acme = "acme".parse().unwrap();
    let tenant = store.tenant(&acme).await.unwrap().unwrap();
    assert_eq!((tenant.time_zone.name(), tenant.week_start), ("Europe/Berlin", WeekStart::Sunday));
    assert_eq!(store.tenants().await.unwrap().len(), 2);
    let keys = store.keys(&acme).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.role.word()).collect::<Vec<_>>(), ["supervisor", "agent"]);
    assert_eq!((keys[0].last_used_at, keys[1].revoked_at), (Some(at(5)), Some(at(6))));
    assert_eq!(store.key_by_hash(&KeyHash([1; 32])).await.unwrap().as_ref(), Some(&keys[0]));
    assert_eq!(
        found(store, "c1").await,
        "c1 4 agent=a1 queue=q1 rated=2 key=2 survey=csat-survey version=3 channel=phone language=zh session=s1 question=rating r2"
    );
    assert_eq!(
        found(store, "c3").await,
        "c3 5 comment=gut'\"; agent=a2 queue=q1 rated=1 key=# survey=s channel=web language=de flags=no_call r1"
    );
    assert_eq!(found(store, "c4").await, "Erased");
    assert_eq!(funnel(store, "c1").await, "completed - s1 0 1 2 4");
    assert_eq!(funnel(store, "c2").await, "suppressed busy s2 5 - - -");
    // Of calls that ended before there was a place for it nothing is known.
    let quality = store.quality(&super::harness::tenant(), &"c1".parse().unwrap()).await.unwrap();
    assert!(quality.is_none_or(|quality| (quality.packets_expected, quality.mos_hundredths) == (500, 435)));
    assert_eq!(store.answers(&super::harness::tenant(), &"c1".parse().unwrap()).await.unwrap().len(), 1);
    let all = store.ratings(&super::harness::tenant(), &RatingFilter::default(), None, 10).await.unwrap();
    let calls: Vec<_> = all.iter().map(|rating| rating.call.as_str()).collect();
    assert!(calls == ["c1", "c3"] || calls == ["c1", "c3", "c5"], "{calls:?}");
    let queue = Subject::Queue("q1".parse().unwrap());
    let tally = store.tally(&super::harness::tenant(), &queue, &Window::default()).await.unwrap();
    assert_eq!(tally.counts(), [0, 0, 0, 1, 1]);
    all_is_told(store).await;
    // Results are exact before anything is counted, and after.
    for _ in 0..2 {
        let whole = Window::default();
        let question =
            Question { queues: Queues::All, windows: vec![whole], by: By::Queue, agents: Some(whole) };
        let Results { figures, agents } = store.results(&super::harness::tenant(), &question).await.unwrap();
        let q1 = figures.iter().find(|of| of.queue == Some(Some("q1".parse().unwrap()))).unwrap().figures;
        assert_eq!((q1.tally, q1.funnel.completed, q1.funnel.suppressed), (tally, 1, 1));
        assert_eq!(agents.iter().map(|of| of.agent.as_str()).collect::<Vec<_>>(), ["a1", "a2"]);
        while !store.catch_up(&super::harness::tenant(), at(70 * 86_400)).await.unwrap().is_idle() {}
    }
}

/// The database as SQL that makes it again, with its version.
async fn dump(connection: &mut SqliteConnection) -> (i64, String) {
    let mut text = String::new();
    let mut version = 0;
    for pragma in ["application_id", "user_version"] {
        let row =
            sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}"))).fetch_one(&mut *connection).await.unwrap();
        version = row.get(0);
        writeln!(text, "PRAGMA {pragma} = {version};").unwrap();
    }
    let parts = sqlx::query(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name",
    );
    for part in parts.fetch_all(&mut *connection).await.unwrap() {
        let (kind, name): (String, String) = (part.get(0), part.get(1));
        writeln!(text, "{};", part.get::<String, _>(2)).unwrap();
        if kind == "table" {
            let columns = sqlx::query(
                "SELECT group_concat(format('quote(\"%w\")', name), ' || '', '' || ') FROM pragma_table_info(?1)",
            );
            let row = columns.bind(&name).fetch_one(&mut *connection).await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(format!("SELECT {} FROM {name}", row.get::<String, _>(0))));
            for row in rows.fetch_all(&mut *connection).await.unwrap() {
                writeln!(text, "INSERT INTO {name} VALUES ({});", row.get::<String, _>(0)).unwrap();
            }
        }
    }
    (version, text)
}
