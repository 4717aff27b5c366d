//! Several nodes on one database, and a database that goes away meanwhile.

use std::collections::BTreeMap;

use aftercall_core::stats::WeekStart;
use aftercall_core::stats::calendar::day_of;
use aftercall_core::{OfferState, TenantId};
use aftercall_store::{
    Answered, By, Change, NextMove, Question, Queues, RatingFilter, Replacement, Store, StoreError, Tenant,
    Window, Write, Written, Zone,
};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use sqlx::{Executor as _, Row as _};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::harness::*;
use crate::storm::{event, write_of};

on_both! {
    plain
    whatever_nodes_write_about_the_same_calls_at_once_some_order_explains_it,
    a_call_that_is_rated_and_erased_in_one_go_stays_erased_whoever_else_writes_of_it,
    a_zone_that_changes_under_writes_leaves_no_day_unmarked,
    results_are_exact_while_nodes_write_and_count_at_once,
}

/// Nodes at once: with their batches in flight more than the machine has cores.
const NODES: usize = 4;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(NODES).enable_all().build().unwrap()
}

async fn nodes(home: &Home) -> Vec<Store> {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(home.open().await);
    }
    nodes
}

async fn tenant_of(store: &Store, round: usize) -> TenantId {
    let id: TenantId = format!("t{round}").parse().unwrap();
    let time_zone = Zone::new("UTC").unwrap();
    let tenant = Tenant { id: id.clone(), time_zone, week_start: WeekStart::Monday };
    store.put_tenant(&tenant, at(0)).await.unwrap();
    id
}

/// Every node writes its batches one after another, all nodes at once; what came of each write.
async fn at_once(nodes: &[Store], batches: Vec<Vec<Vec<Write>>>) -> Vec<(Write, Written)> {
    let mut writing = JoinSet::new();
    for (node, batches) in nodes.iter().cloned().zip(batches) {
        writing.spawn(async move {
            let mut all = Vec::new();
            for batch in batches {
                let written = node.write(&batch).await.unwrap();
                all.extend(batch.into_iter().zip(written));
            }
            all
        });
    }
    writing.join_all().await.concat()
}

fn whatever_nodes_write_about_the_same_calls_at_once_some_order_explains_it(kind: Kind) {
    runtime().block_on(async {
        let home = Home::on(kind).await;
        let nodes = nodes(&home).await;
        let mut runner = TestRunner::deterministic();
        for round in 0..40 {
            let tenant = tenant_of(&nodes[0], round).await;
            let mut second = 0;
            let mut batch = |size: usize| -> Vec<Write> {
                let events = (0..size).map(|_| event().new_tree(&mut runner).unwrap().current());
                let timed = events.map(|event| {
                    second += 1;
                    write_of(&event, second, &tenant)
                });
                timed.collect()
            };
            let batches =
                (0..NODES).map(|node| (0..6).map(|n| batch(1 + (node + n) % 4)).collect()).collect();
            let told = at_once(&nodes, batches).await;
            some_order_explains(&home, &nodes[0], &tenant, &told).await;
        }
    });
}

fn a_call_that_is_rated_and_erased_in_one_go_stays_erased_whoever_else_writes_of_it(kind: Kind) {
    runtime().block_on(async {
        let home = Home::on(kind).await;
        let nodes = nodes(&home).await;
        for round in 0..60 {
            let tenant = tenant_of(&nodes[0], round).await;
            let of = |write: Write| match write {
                Write::Rate(mut new) => {
                    new.tenant = tenant.clone();
                    Write::Rate(new)
                }
                Write::Erase(mut erasure) => {
                    erasure.tenant = tenant.clone();
                    Write::Erase(erasure)
                }
                other => other,
            };
            let mut theirs = (*session("c0", "s1")).clone();
            theirs.tenant = tenant.clone();
            let aside = Answered {
                question: "extra".to_owned(),
                main: false,
                state: OfferState::Partial,
                ..answer(&theirs.into(), 3, 2)
            };
            let batches = vec![
                vec![vec![of(post("c0 5", 1)), of(erase("c0", 1))]],
                vec![vec![of(post("c0 4", 2))]],
                vec![vec![Write::Answered(aside)]],
                vec![vec![of(post("c0 5", 3)), of(post("c1 1", 3))], vec![of(erase("c1", 4))]],
            ];
            let told = at_once(&nodes, batches).await;
            some_order_explains(&home, &nodes[0], &tenant, &told).await;
        }
    });
}

/// Each call has one history: its revisions follow upon each other, each change begins with the score that the one
/// before left, nothing follows an erasure, and every change that was acknowledged is in it, once.
async fn some_order_explains(home: &Home, store: &Store, tenant: &TenantId, told: &[(Write, Written)]) {
    let log = home.sql("SELECT tenant_id, call_id, revision, op, old_score, new_score FROM cc_csat_log ORDER BY tenant_id, call_id, revision, CASE op WHEN 'conflict' THEN 1 ELSE 0 END").await;
    let mut changes: BTreeMap<String, usize> = BTreeMap::new();
    let mut last: BTreeMap<String, (i64, String, bool)> = BTreeMap::new();
    for line in log.iter().filter(|line| line.starts_with(&format!("{tenant} "))) {
        let [_, call, revision, op, old, new] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let revision: i64 = revision.parse().unwrap();
        let before = last.get(call);
        if op == "conflict" {
            let at = before.unwrap_or_else(|| panic!("{log:#?}"));
            assert_eq!((at.0, at.1.as_str()), (revision, old), "{line} in {log:#?}");
            continue;
        }
        *changes.entry(call.to_owned()).or_default() += 1;
        match before {
            None => assert!(revision == 1 && old == "-" && matches!(op, "created" | "deleted"), "{line}"),
            Some((last, score, erased)) => {
                assert!(!erased && op != "created", "{line} in {log:#?}");
                assert_eq!((revision, old), (last + 1, score.as_str()), "{line} in {log:#?}");
            }
        }
        last.insert(call.to_owned(), (revision, new.to_owned(), op == "deleted"));
    }
    let mut acknowledged: BTreeMap<String, usize> = BTreeMap::new();
    for (write, written) in told {
        let call = match (write, written) {
            (_, Written::New(r) | Written::Filled(r) | Written::Amended(r) | Written::Replaced(r)) => {
                r.call.to_string()
            }
            (Write::Erase(erasure), Written::Erased(_)) => erasure.call.to_string(),
            _ => continue,
        };
        *acknowledged.entry(call).or_default() += 1;
    }
    assert_eq!(changes, acknowledged, "{log:#?}");
    let live = store.ratings(tenant, &RatingFilter::default(), None, 100).await.unwrap();
    let live: BTreeMap<String, (i64, String)> = live
        .iter()
        .map(|r| (r.call.to_string(), (i64::from(r.revision), r.score.get().to_string())))
        .collect();
    let ends = last.iter().filter(|(_, (.., erased))| !erased);
    let ends: BTreeMap<String, (i64, String)> =
        ends.map(|(call, (revision, score, _))| (call.clone(), (*revision, score.clone()))).collect();
    assert_eq!(live, ends, "{log:#?}");
    for (call, _) in last.iter().filter(|(_, (.., erased))| *erased) {
        assert_eq!(store.answers(tenant, &call.parse().unwrap()).await, Ok(vec![]), "{call} in {log:#?}");
    }
}

fn a_zone_that_changes_under_writes_leaves_no_day_unmarked(kind: Kind) {
    runtime().block_on(async {
        let home = Home::on(kind).await;
        let nodes = nodes(&home).await;
        let zones = ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC", "Pacific/Kiritimati"];
        for (round, zone) in zones.into_iter().enumerate() {
            let batch = |node: usize, n: i64| -> Vec<Write> {
                (0..4)
                    .map(|m| {
                        let rated = -86_400 * n - 3_600 * m;
                        post(&format!("r{round}n{node}b{n}m{m} 5 queue=q{node} rated={rated}"), 0)
                    })
                    .collect()
            };
            let batches = (0..NODES).map(|node| (0..8).map(|n| batch(node, n)).collect()).collect();
            let time_zone = Zone::new(zone).unwrap();
            let changed = Tenant { id: tenant(), time_zone, week_start: WeekStart::Monday };
            let (changing, _) = tokio::join!(nodes[0].put_tenant(&changed, at(1)), at_once(&nodes, batches));
            changing.unwrap();
            let marks = home.sql("SELECT queue_id, local_day FROM cc_csat_mark").await;
            let rules = Zone::new(zone).unwrap();
            for rating in nodes[1].ratings(&tenant(), &RatingFilter::default(), None, 1_000).await.unwrap() {
                let mark = format!("{} {}", rating.queue.unwrap(), day_of(rating.created_at, rules.rules()));
                assert!(marks.contains(&mark), "{mark} in round {round}");
            }
        }
    });
}

fn results_are_exact_while_nodes_write_and_count_at_once(kind: Kind) {
    runtime().block_on(async {
        let home = Home::on(kind).await;
        let nodes = nodes(&home).await;
        let later = at(90 * 86_400);
        let whole = Window::default();
        let question =
            Question { queues: Queues::All, windows: vec![whole], by: By::Queue, agents: Some(whole) };
        for round in 0..4 {
            // Twice the same calls, the second time with another score and in another queue: they move.
            let batch = |node: usize, n: i64| -> Vec<Write> {
                let of = |m: i64| (format!("r{round}n{node}c{}", n % 6 * 8 + m), 86_400 * 9 * m);
                let write = |m: i64| {
                    let (call, ago) = of(m);
                    let text = format!("{call} {} agent=a{m} queue=q{} rated=-{ago}", 1 + n / 6, n / 6);
                    if n < 6 { post(&text, 0) } else { moved(&text, 0) }
                };
                (0..8).map(write).collect()
            };
            let batches = (0..2).map(|node| (0..12).map(|n| batch(node, n)).collect()).collect();
            let counting = |node: &Store| {
                let node = node.clone();
                async move {
                    for _ in 0..20 {
                        node.catch_up(&tenant(), later).await.unwrap();
                    }
                }
            };
            let reading = async {
                for _ in 0..20 {
                    let [kept, counted] = nodes[1].verified(&tenant(), &question).await.unwrap();
                    assert_eq!(kept, counted);
                }
            };
            let (two, three) = (tokio::spawn(counting(&nodes[2])), tokio::spawn(counting(&nodes[3])));
            tokio::join!(at_once(&nodes[..2], batches), reading);
            two.await.unwrap();
            three.await.unwrap();
            while !nodes[0].catch_up(&tenant(), later).await.unwrap().is_idle() {}
            assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat_mark").await, ["0"]);
            let [kept, counted] = nodes[0].verified(&tenant(), &question).await.unwrap();
            assert_eq!(kept, counted);
            let all: u64 = kept.figures.iter().map(|of| of.figures.tally.count()).sum();
            assert_eq!(all, (round + 1) * 2 * 6 * 8);
        }
    });
}

/// The rating that a `post` of this text would make, put in the place of the one that is there.
fn moved(text: &str, second: i64) -> Write {
    let new = rating(text, second);
    Write::Replace(Replacement {
        tenant: new.tenant,
        call: new.call,
        score: new.score,
        comment: Change::Keep,
        agent: Change::Keep,
        queue: new.queue.map_or(Change::Clear, Change::Set),
        created_at: new.created_at,
        key: Change::Keep,
        survey: Change::Keep,
        channel: Change::Keep,
        language: Change::Keep,
        actor: new.actor,
        at: new.at,
    })
}

#[tokio::test]
async fn connections_killed_under_a_stream_of_writes_lose_and_double_nothing() {
    let home = Home::on_postgres().await;
    let store = home.open().await;
    let mut assassin = home.connect_postgres().await;
    let mut killed = 0;
    for batch in 0..150 {
        let calls: Vec<String> = (0..4).map(|n| format!("b{batch}n{n}")).collect();
        let mut writes: Vec<Write> = calls.iter().map(|call| post(&format!("{call} 5"), batch)).collect();
        // A voice of the call before is told to whoever erases it, also where the first answer got lost.
        let voice = Answered {
            question: "voice".to_owned(),
            main: false,
            ..answer(&session(&format!("e{batch}"), "s1"), 2, batch)
        };
        writes.push(Write::Answered(voice));
        if batch > 0 {
            writes.push(erase(&format!("e{}", batch - 1), batch));
        }
        let kill = async {
            let killing = assassin.fetch_one("SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'aftercall' AND datname = current_database()");
            killed += killing.await.unwrap().get::<i64, _>(0);
        };
        let (written, ()) = tokio::join!(store.write(&writes), kill);
        let written = written.unwrap();
        assert!(written[..4].iter().all(|w| matches!(w, Written::New(_) | Written::Same(_))), "{written:?}");
        if batch > 0 {
            assert_eq!(told(&written[5]), "Erased label 2");
        }
        // A read finds its way, too.
        assert_ne!(found(&store, &calls[0]).await, "Never");
    }
    assert!(killed > 20, "{killed}");
    assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat").await, ["600"]);
    let log = "SELECT op, COUNT(*), COUNT(DISTINCT call_id) FROM cc_csat_log GROUP BY op ORDER BY op";
    assert_eq!(home.sql(log).await, ["created 600 600", "deleted 149 149"]);
}

#[tokio::test]
async fn what_was_acknowledged_before_the_server_lost_its_power_is_there_when_it_is_back() {
    let cluster = Cluster::start();
    let store = Store::open(&cluster.database().await).await.unwrap();
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for batch in 0.. {
                let writes: Vec<Write> = (0..20).map(|n| post(&format!("b{batch}n{n} 4"), 0)).collect();
                if let Err(error) = store.write(&writes).await {
                    return (batch, error);
                }
            }
            unreachable!("it stops when the server does")
        }
    });
    while found(&store, "b5n0").await == "Never" {
        tokio::task::yield_now().await;
    }
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.stop();
        cluster
    });
    let cluster = cluster.await.unwrap();
    let (batches, error) = writing.await.unwrap();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.next_move(), NextMove::Retry);
    assert!(matches!(store.ready().await, Err(StoreError::Unreachable { .. })));
    cluster.start_again();
    store.ready().await.unwrap();
    for batch in 0..batches {
        for n in 0..20 {
            assert_eq!(
                found(&store, &format!("b{batch}n{n}")).await,
                format!("b{batch}n{n} 4 rated=0 flags=no_call r1")
            );
        }
    }
    store.write(&[post("after 5", 0)]).await.unwrap();
}
