//! What is moved from one database into another is the same there, whatever happens on the way.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use aftercall_core::TenantId;
use aftercall_core::stats::ChartRule;
use aftercall_store::transfer::{ColumnKind, Progress, TABLES, Table, Verified, plan, transfer};
use aftercall_store::{Alert, Run, Store, StoreError, Way};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::harness::*;
use crate::results::{raged, step};

on_both! {
    plain
    whatever_was_written_is_the_same_elsewhere_and_back_again_wherever_the_move_was_stopped,
}

/// Later than everything that is written here, so that every month is over.
fn now() -> jiff::Timestamp {
    at(100 * 86_400)
}

async fn moved(from: &Home, to: &Home) -> Result<Vec<Verified>, StoreError> {
    transfer(&from.url(), &to.url(), &now, &mut |_| {}).await
}

/// Every table that is moved, as any SQL tool prints it, in the order of its keys. What PostgreSQL prints otherwise
/// is asked for as SQLite keeps it.
async fn contents(home: &Home) -> BTreeMap<&'static str, Vec<String>> {
    let mut all = BTreeMap::new();
    let mut tool = home.tool().await;
    for table in Table::moved() {
        let cell = |column: &aftercall_store::transfer::Column| match (home, column.kind) {
            (Home::Server(_), ColumnKind::Moment) => {
                format!("to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')", column.name)
            }
            (Home::Server(_), ColumnKind::Bytes) => format!("upper(encode({}, 'hex'))", column.name),
            (Home::Folder(_), ColumnKind::Bytes) => format!("hex({})", column.name),
            _ => column.name.to_owned(),
        };
        let cells: Vec<String> = table.columns.iter().map(cell).collect();
        let keys: Vec<&str> = ["tenant_id"].into_iter().chain(table.key.iter().copied()).collect();
        let statement = format!(
            "SELECT tenant_id, {} FROM {} ORDER BY {}",
            cells.join(", "),
            table.name,
            keys.join(", ")
        );
        let rows = tool.plain(&statement).await;
        all.insert(table.name, rows.into_iter().map(|row| format!("{row:?}")).collect());
    }
    all
}

#[tokio::test]
async fn every_table_and_column_of_both_databases_is_described() {
    let described: BTreeMap<String, Vec<String>> =
        TABLES.iter().map(|table| (table.name.to_owned(), description(table))).collect();
    for home in [Home::new(), Home::on_postgres().await] {
        home.open().await.close().await;
        let mut tool = home.tool().await;
        let columns = match home {
            Home::Folder(_) => tool.plain(
                "SELECT t.name, c.name, c.type, c.pk FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
                 WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%' ORDER BY t.name, c.cid",
            ),
            Home::Server(_) => tool.plain(
                "SELECT c.relname, a.attname, format_type(a.atttypid, NULL),
                        COALESCE(array_position(i.indkey::int2[], a.attnum) + 1, 0)
                 FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
                 LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
                 AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'cc_schema'
                 ORDER BY c.relname, a.attnum",
            ),
        };
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in columns.await {
            let [table, column, kind, place] = row.map_cells();
            let described = TABLES.iter().find(|described| described.name == table);
            let described = described.and_then(|table| table.columns.iter().find(|it| it.name == column));
            // What a kind is called there; of one that is not described, what the database says.
            let kind = described.map(|it| it.kind).filter(|it| names(*it).contains(&kind.as_str()));
            found.entry(table).or_default().push(format!("{column} {kind:?} {place}"));
        }
        for lines in found.values_mut() {
            // Where the tenant stands among the columns does not matter: it is named in every statement.
            lines.retain(|line| !line.starts_with("tenant_id "));
        }
        assert_eq!(found, described, "crates/store/src/transfer/tables.rs describes another schema");
    }
}

fn description(table: &Table) -> Vec<String> {
    let place = |name: &str| table.key.iter().position(|key| *key == name).map_or(0, |place| place + 2);
    table.columns.iter().map(|it| format!("{} {:?} {}", it.name, Some(it.kind), place(it.name))).collect()
}

/// What SQLite and PostgreSQL call a kind.
fn names(kind: ColumnKind) -> [&'static str; 2] {
    match kind {
        ColumnKind::Text => ["TEXT", "text"],
        ColumnKind::Id => ["TEXT", "uuid"],
        ColumnKind::Moment => ["TEXT", "timestamp with time zone"],
        ColumnKind::Small => ["INTEGER", "smallint"],
        ColumnKind::Whole => ["INTEGER", "bigint"],
        ColumnKind::Bytes => ["BLOB", "bytea"],
    }
}

trait MapCells {
    fn map_cells(self) -> [String; 4];
}

impl MapCells for Vec<Option<String>> {
    fn map_cells(self) -> [String; 4] {
        let cells: Vec<String> = self.into_iter().map(Option::unwrap).collect();
        cells.try_into().unwrap()
    }
}

#[tokio::test]
async fn what_is_moved_to_a_server_and_back_is_the_same_byte_by_byte() {
    let (first, middle, last) = (Home::new(), Home::on_postgres().await, Home::new());
    fill(&first).await;
    let before = contents(&first).await;
    let there = moved(&first, &middle).await.unwrap();
    assert_eq!(contents(&middle).await, before);
    let back = moved(&middle, &last).await.unwrap();
    assert_eq!(contents(&last).await, before);
    assert_eq!(there, back);
    // The source is as it was.
    assert_eq!(contents(&first).await, before);
    // Nothing was left out of the story.
    for (table, rows) in &before {
        assert!(rows.len() > 1, "{table}");
    }
    for home in [&middle, &last] {
        let store = home.open().await;
        assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat_mark").await, ["0"]);
        let odd = store.rating(&tenant(), &ODD.parse().unwrap()).await.unwrap();
        let aftercall_store::Found::Live(odd) = odd else { panic!("{odd:?}") };
        assert_eq!(odd.comment.unwrap().expose(), comment());
        store.write(&[post("afterwards 5", 0)]).await.unwrap();
        store.close().await;
    }
}

/// A call id, and what a caller's text may hold.
const ODD: &str = "ä'\"; DROP TABLE 谢谢 🙂@pbx";

fn comment() -> String {
    let odd = "{}[]\\\\ \"'$1 ?1 %s\u{1}\u{7f}\u{85}\u{202e}\u{feff}\u{ffff}\u{10ffff}🙂👩‍👩‍👧谢谢\r\n\t";
    let long = "🙂".repeat(aftercall_store::COMMENT_CHARS_MAX - odd.chars().count());
    format!("{odd}{long}")
}

/// Something in every column of every table, and nothing in each that may hold nothing; two tenants, some of it counted.
async fn fill(home: &Home) {
    let store = home.open().await;
    crate::migration::fill(&store).await;
    let mut odd = rating(&format!("{} 3 agent=a1 rated=-1", "odd"), 20);
    odd.call = ODD.parse().unwrap();
    odd.comment = Some(comment().parse().unwrap());
    store.write(&[aftercall_store::Write::Rate(odd)]).await.unwrap();
    let alert = Alert {
        queue: None,
        day: "2026-11-20".parse().unwrap(),
        rule: ChartRule::ShiftDown,
        rating_count: 0,
        value: 4.1,
        centre: 4.1,
        limits: None,
    };
    store.raise(&tenant(), alert.day, std::slice::from_ref(&alert), at(21)).await.unwrap();
    let run = Run { tenant: tenant(), report: "r".into(), period: "2026-10".into(), way: Way::Post };
    assert_eq!(store.claim_run(&run, at(22), at(23)).await, Ok(Some(1)));
    let s1 = session("m1", "s1");
    store
        .write(&[
            offered(&s1, 30),
            answered(&s1, 2, 30),
            measured(&s1, 400, None, 31),
            post("c6 4 agent=a1 queue=q1 rated=-8640000", 32),
            post("c6 2", 33),
            post("C6 1 comment=", 34),
        ])
        .await
        .unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_move_between_two_of_a_kind_is_the_same_too() {
    for (from, to) in [(Home::new(), Home::new()), (Home::on_postgres().await, Home::on_postgres().await)] {
        fill(&from).await;
        moved(&from, &to).await.unwrap();
        assert_eq!(contents(&to).await, contents(&from).await);
    }
}

/// Many rows, made by the database itself.
async fn fill_many(home: &Home, rows: usize) {
    let store = home.open().await;
    for batch in 0..rows.div_ceil(aftercall_store::BATCH_MAX) {
        let of = |n: usize| {
            let n = batch * aftercall_store::BATCH_MAX + n;
            post(&format!("c{n} {} agent=a{} queue=q{} rated=-{}", n % 5 + 1, n % 7, n % 3, n * 3_000), 0)
        };
        store.write(&(0..aftercall_store::BATCH_MAX).map(of).collect::<Vec<_>>()).await.unwrap();
    }
    store.close().await;
}

/// Moves until this is told, then lets go of it in the middle, as a kill does.
async fn moved_until(from: &Home, to: &Home, stop: impl Fn(Progress) -> bool + Sync) {
    assert!(!moved_while(from, to, |progress| !stop(progress)).await, "it was not stopped");
}

/// Moves for as long as it is told to go on; whether it came to its end.
async fn moved_while(from: &Home, to: &Home, goes_on: impl Fn(Progress) -> bool + Sync) -> bool {
    let told = AtomicUsize::new(0);
    let (from, to) = (from.url(), to.url());
    let mut tell = |progress| _ = told.fetch_add(usize::from(!goes_on(progress)), Ordering::Relaxed);
    let mut moving = pin!(transfer(&from, &to, &now, &mut tell));
    std::future::poll_fn(|context| match moving.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(done.map(|_| true).unwrap()),
        Poll::Pending if told.load(Ordering::Relaxed) > 0 => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[tokio::test]
async fn stopped_after_any_batch_the_same_move_goes_on_and_ends_in_the_same() {
    let source = Home::new();
    fill(&source).await;
    fill_many(&source, 5_000).await;
    for to in [Home::on_postgres().await, Home::new()] {
        // Each time so many batches further, then in the middle of counting, then in the middle of comparing.
        for batches in [1, 1, 2, 3, 2] {
            let arrived = AtomicUsize::new(0);
            moved_until(&source, &to, |_| arrived.fetch_add(1, Ordering::Relaxed) + 1 == batches).await;
            let refused = Store::open(&to.url()).await.unwrap_err();
            assert!(matches!(refused, StoreError::HalfMoved { .. }), "{refused:?}");
            let told = refused.to_string();
            let path = source.path().canonicalize().unwrap();
            assert!(
                told.contains(&format!("run `aftercall migrate-store` from {} to here", path.display())),
                "{told}"
            );
        }
        moved_until(&source, &to, |progress| matches!(progress, Progress::Counted(_))).await;
        moved_until(&source, &to, |progress| matches!(progress, Progress::Compared(_))).await;
        assert!(plan(&source.url(), &to.url()).await.unwrap().goes_on);
        moved(&source, &to).await.unwrap();
        assert_eq!(contents(&to).await, contents(&source).await);
        to.open().await.close().await;
        let left = "SELECT COUNT(*) FROM cc_csat_mark";
        assert_eq!(to.sql(left).await, ["0"]);
    }
}

#[tokio::test]
async fn a_row_that_was_altered_after_it_arrived_is_found_and_named() {
    let source = Home::new();
    fill(&source).await;
    let table = [
        (
            "UPDATE cc_csat SET score = 1 WHERE call_id = 'c3'",
            "table cc_csat, tenant \"default\": the row of call_id \"c3\" differs in score",
        ),
        (
            "UPDATE cc_csat SET comment = NULL WHERE call_id = 'C6'",
            "the row of call_id \"C6\" differs in comment",
        ),
        (
            "DELETE FROM cc_csat_answers WHERE call_id = 'c1'",
            "table cc_csat_answers, tenant \"default\": the row of call_id \"c1\", question \"rating\" is missing",
        ),
        (
            "INSERT INTO cc_csat_offers (tenant_id, call_id, session_id, state, offered_at)
             SELECT tenant_id, 'zz', session_id, state, offered_at FROM cc_csat_offers WHERE call_id = 'c1'",
            "table cc_csat_offers, tenant \"default\": the row of call_id \"zz\" is too many",
        ),
        (
            "UPDATE cc_tenants SET week_start = 'monday' WHERE tenant_id = 'acme'",
            "table cc_tenants, tenant \"acme\": its row differs in week_start",
        ),
        ("UPDATE cc_csat_log SET actor = 'x' WHERE op = 'deleted'", "differs in actor"),
        (
            "DELETE FROM cc_keys WHERE role = 'supervisor'",
            "table cc_keys, tenant \"acme\": the row of key_id ",
        ),
        ("UPDATE cc_csat_month SET n4 = n4 + 1", "tenant \"default\": the figures of queue \""),
        (
            "UPDATE cc_csat_agent_month SET n5 = n5 + 1 WHERE agent_id = 'a2'",
            "tenant \"default\": the figures of agent \"a2\" in queue \"q1\" are others",
        ),
        (
            "INSERT INTO cc_tenants (tenant_id, time_zone, week_start, created_at)
             SELECT 'more', time_zone, week_start, created_at FROM cc_tenants WHERE tenant_id = 'acme'",
            "it has the tenants acme, default, more, and not acme, default",
        ),
    ];
    for (number, (alter, expected)) in table.into_iter().enumerate() {
        let to = if number % 2 == 0 { Home::new() } else { Home::on_postgres().await };
        // Everything has arrived and is counted when the first row is compared.
        moved_until(&source, &to, |progress| matches!(progress, Progress::Compared(_))).await;
        to.run(alter).await;
        let told = moved(&source, &to).await.expect_err(alter);
        assert!(matches!(told, StoreError::Differs { .. }), "{alter}: {told:?}");
        assert!(told.to_string().contains(expected), "{alter}: {told}");
        // And nobody serves it.
        assert!(matches!(Store::open(&to.url()).await, Err(StoreError::HalfMoved { .. })));
    }
}

#[tokio::test]
async fn a_destination_that_holds_anything_is_refused_and_left_as_it_is() {
    let source = Home::new();
    fill(&source).await;
    for to in [Home::new(), Home::on_postgres().await] {
        let store = to.open().await;
        store.write(&[post("mine 5", 0)]).await.unwrap();
        store.close().await;
        let before = contents(&to).await;
        for refused in [moved(&source, &to).await.map(drop), plan(&source.url(), &to.url()).await.map(drop)] {
            let told = refused.unwrap_err().to_string();
            let expected = "it is not empty: 1 rows of tenant \"default\" in cc_csat, 1 rows of tenant \"default\" in cc_csat_log, \
                1 rows of tenant \"default\" in cc_csat_mark; name an empty database, or a new one, in --to";
            assert!(told.ends_with(expected), "{told}");
        }
        assert_eq!(contents(&to).await, before);
        to.open().await.close().await;
    }
}

#[tokio::test]
async fn a_database_that_is_being_served_is_moved_neither_from_nor_into() {
    for (one, other) in [(Home::new(), Home::on_postgres().await), (Home::on_postgres().await, Home::new())] {
        let served = one.open().await;
        served.write(&[post("c1 5", 0)]).await.unwrap();
        for (from, to) in [(&one, &other), (&other, &one)] {
            other.open().await.close().await;
            let told = moved(from, to).await.unwrap_err();
            let is_told = match one {
                Home::Folder(_) => matches!(told, StoreError::Locked { .. }),
                Home::Server(_) => {
                    told.to_string().contains("a server of aftercall works on it; stop every server")
                }
            };
            assert!(is_told, "{told}");
        }
        assert_eq!(found(&served, "c1").await, "c1 5 rated=0 flags=no_call r1");
        served.close().await;
        moved(&one, &other).await.unwrap();
    }
}

#[tokio::test]
async fn another_move_into_the_same_place_is_refused() {
    let (source, other, to) = (Home::new(), Home::new(), Home::on_postgres().await);
    fill(&source).await;
    fill(&other).await;
    moved_until(&source, &to, |_| true).await;
    let told = moved(&other, &to).await.unwrap_err().to_string();
    assert!(
        told.contains(&format!("{} is being moved into it", source.path().canonicalize().unwrap().display())),
        "{told}"
    );
    let told = moved(&to, &Home::new()).await.unwrap_err();
    assert!(matches!(told, StoreError::HalfMoved { .. }), "{told}");
    moved(&source, &to).await.unwrap();
}

#[tokio::test]
async fn two_who_move_the_same_at_once_do_not_mix() {
    let (source, to) = (Home::on_postgres().await, Home::on_postgres().await);
    fill(&source).await;
    fill_many(&source, 5_000).await;
    let (one, other) = tokio::join!(moved(&source, &to), moved(&source, &to));
    // Whoever was second may have been told that rows changed, or that there is nothing left to do.
    if one.is_err() && other.is_err() {
        moved(&source, &to).await.unwrap();
    }
    assert_eq!(contents(&to).await, contents(&source).await);
    to.open().await.close().await;
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_not_moved_and_nothing_is_made_of_it() {
    let (none, to) = (Home::new(), Home::new());
    let told = moved(&none, &to).await.unwrap_err().to_string();
    assert!(told.contains("there is no database of aftercall there"), "{told}");
    assert!(!none.path().exists() && !to.path().exists());
    let empty = Home::on_postgres().await;
    let told = moved(&empty, &to).await.unwrap_err().to_string();
    assert!(told.contains("there is no database of aftercall there"), "{told}");
    assert!(!to.path().exists());
    let told = moved(&to, &to).await.unwrap_err().to_string();
    assert!(told.contains("it is what is to be moved; name another database in --to"), "{told}");
    to.open().await.close().await;
    to.run("PRAGMA user_version = 3").await;
    let told = moved(&to, &none).await.unwrap_err().to_string();
    assert!(told.contains("it has schema version 3, an earlier one"), "{told}");
    let told = moved(&empty, &to).await.unwrap_err().to_string();
    assert!(!told.is_empty());
}

#[tokio::test]
async fn a_value_that_would_not_come_back_as_it_is_stops_the_move_and_is_named() {
    let table = [
        (
            "UPDATE cc_csat SET created_at = '2026-11-22T08:00:00Z' WHERE call_id = 'c3'",
            "table cc_csat, the row behind call_id \"c1\": a value of column created_at is none of ours",
        ),
        (
            "UPDATE cc_csat SET id = upper(id) WHERE call_id = 'C6'",
            "table cc_csat, its first row: a value of column id is none of ours",
        ),
        (
            "UPDATE cc_csat SET comment = 'a' || char(0) WHERE call_id = 'c3'",
            "PostgreSQL keeps no U+0000: table cc_csat, tenant \"default\", call_id \"c3\"",
        ),
    ];
    for (spoil, expected) in table {
        let (source, to) = (Home::new(), Home::on_postgres().await);
        fill(&source).await;
        source.run(spoil).await;
        let told = moved(&source, &to).await.unwrap_err().to_string();
        assert!(told.contains(expected), "{spoil}: {told}");
    }
}

#[tokio::test]
async fn rows_of_a_tenant_that_nobody_knows_are_moved_too() {
    let (source, to) = (Home::new(), Home::on_postgres().await);
    fill(&source).await;
    source.run("INSERT INTO cc_csat_quality SELECT 'ghost', call_id, session_id, packets_expected, packets_received, packets_lost, packets_late, packets_duplicate, jitter_mean_us, jitter_max_us, peer_packets_lost, peer_jitter_us, round_trip_us, mos_hundredths FROM cc_csat_quality").await;
    moved(&source, &to).await.unwrap();
    assert_eq!(contents(&to).await, contents(&source).await);
    assert_eq!(to.sql("SELECT COUNT(*) FROM cc_csat_quality WHERE tenant_id = 'ghost'").await, ["2"]);
}

#[tokio::test]
async fn a_plan_tells_what_would_be_moved_and_makes_nothing() {
    let (source, to) = (Home::new(), Home::new());
    fill(&source).await;
    let told = plan(&source.url(), &to.url()).await.unwrap();
    assert!(!to.path().exists() && !told.goes_on);
    let of = |table: &str| {
        told.stock.iter().filter(|of| of.table == table).map(|of| (of.rows, of.moved)).sum_pairs()
    };
    assert_eq!((of("cc_tenants"), of("cc_csat_queue_day")), ((2, 0), (0, 0)));
    let counted: u64 = source.sql("SELECT COUNT(*) FROM cc_csat").await[0].parse().unwrap();
    assert_eq!(of("cc_csat"), (counted, 0));
    let id: TenantId = tenant();
    assert!(told.stock.iter().any(|of| of.tenant == id.as_str()));
}

fn whatever_was_written_is_the_same_elsewhere_and_back_again_wherever_the_move_was_stopped(kind: Kind) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 6;
    }
    let stories = prop::collection::vec(prop::collection::vec(step(), 1..40), 2);
    let outcome = TestRunner::new(config).run(&(stories, 1..20_usize), |(stories, stop)| {
        runtime.block_on(async {
            let (one, other) = (Home::on(kind).await, Home::on(kind.other()).await);
            for (tenant, steps) in ["default", "north"].into_iter().zip(&stories) {
                raged(&one, tenant, steps).await;
            }
            let before = contents(&one).await;
            // Stopped when that much has been told, if ever, then called again.
            let told = AtomicUsize::new(0);
            let goes_on = |_| told.fetch_add(1, Ordering::Relaxed) + 1 < stop;
            if !moved_while(&one, &other, goes_on).await {
                moved(&one, &other).await.unwrap();
            }
            assert_eq!(contents(&other).await, before);
            let back = Home::on(kind).await;
            moved(&other, &back).await.unwrap();
            assert_eq!(contents(&back).await, before);
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

trait SumPairs {
    fn sum_pairs(self) -> (u64, u64);
}

impl<I: Iterator<Item = (u64, u64)>> SumPairs for I {
    fn sum_pairs(self) -> (u64, u64) {
        self.fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }
}
