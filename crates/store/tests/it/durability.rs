//! What `write` acknowledged is there, for everyone and whatever happens to us next.

use std::process::Command;

use aftercall_store::{BATCH_MAX, Store, StoreError, Write};

use crate::harness::*;

on_both! {
    what_is_acknowledged_is_seen_by_another_connection_at_once,
    what_a_process_acknowledged_before_it_was_killed_is_all_there,
    a_batch_is_bounded_and_an_empty_one_is_nothing,
    a_write_given_up_halfway_leaves_the_store_working_and_nothing_half_kept,
}

async fn what_is_acknowledged_is_seen_by_another_connection_at_once(home: Home) {
    let store = home.open().await;
    for n in 1..=20 {
        store.write(&[post(&format!("c{n} 5"), n)]).await.unwrap();
        assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat").await, [n.to_string()]);
    }
}

/// Set for the child: the database it writes to.
const CHILD: &str = "AFTERCALL_STORE_TEST_CHILD";

async fn what_a_process_acknowledged_before_it_was_killed_is_all_there(home: Home) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::a_child_writes_and_aborts", "--ignored"])
        .env(CHILD, home.url())
        .output()
        .unwrap();
    assert!(!child.status.success(), "it was to abort");
    let store = home.open().await;
    assert_eq!(home.sql("SELECT COUNT(*), MIN(score), MAX(score) FROM cc_csat").await, ["700 4 4"]);
    assert_eq!(found(&store, "b6n99").await, "b6n99 4 rated=0 flags=no_call r1");
    if let Home::Folder(_) = home {
        assert_eq!(home.sql("PRAGMA integrity_check").await, ["ok"]);
    }
}

/// Not a test by itself: the child of the one above.
#[tokio::test]
#[ignore = "the other test runs it in a process of its own"]
async fn a_child_writes_and_aborts() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let store = Store::open(&url).await.unwrap();
    for batch in 0..7 {
        let writes: Vec<Write> = (0..100).map(|n| post(&format!("b{batch}n{n} 4"), 0)).collect();
        assert_eq!(store.write(&writes).await.unwrap().len(), 100);
    }
    std::process::abort();
}

async fn a_batch_is_bounded_and_an_empty_one_is_nothing(home: Home) {
    let store = home.open().await;
    let writes: Vec<Write> = (0..=BATCH_MAX).map(|n| post(&format!("c{n} 5"), 0)).collect();
    let refused = StoreError::TooMany { what: "writes", given: BATCH_MAX + 1, most: BATCH_MAX };
    assert_eq!(store.write(&writes).await, Err(refused));
    assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat").await, ["0"]);
    assert_eq!(store.write(&[]).await, Ok(vec![]));
    assert_eq!(store.write(&writes[1..]).await.unwrap().len(), BATCH_MAX);
    assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat").await, [BATCH_MAX.to_string()]);
}

async fn a_write_given_up_halfway_leaves_the_store_working_and_nothing_half_kept(home: Home) {
    let store = home.open().await;
    for round in 0..50 {
        let writes: Vec<Write> = (0..20).map(|n| post(&format!("r{round:02}n{n} 5"), 0)).collect();
        let (store, polls) = (store.clone(), round);
        let mut writing = Box::pin(async move { store.write(&writes).await });
        // Polled some times, then dropped: wherever that catches it.
        for _ in 0..polls {
            let done = std::future::poll_fn(|context| {
                std::task::Poll::Ready(writing.as_mut().poll(context).is_ready())
            });
            if done.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(writing);
    }
    store.write(&[post("last 1", 0)]).await.unwrap();
    let halves = "SELECT COUNT(*) FROM cc_csat WHERE call_id LIKE 'r%' GROUP BY substr(call_id, 1, 3) HAVING COUNT(*) <> 20";
    assert_eq!(home.sql(halves).await, Vec::<String>::new());
    assert_eq!(found(&store, "last").await, "last 1 rated=0 flags=no_call r1");
}
