//! The writer: nothing is acknowledged before it is durable, nothing taken is lost.

use std::sync::Arc;
use std::time::Duration;

use aftercall::clock::Clock;
use aftercall::metrics::Metrics;
use aftercall::recordings::Recordings;
use aftercall::writer::{Full, Gather, NotWritten, WRITES_QUEUED_MAX, Writer, WriterTask};
use aftercall_core::{CallId, OfferState, Score, TenantId};
use aftercall_store::{
    About, Actor, Answered, BATCH_MAX, Found, NewRating, Said, Session, SessionId, Store, Write, Written,
};
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use crate::folder::Folder;

struct Writing {
    writer: Writer,
    task: WriterTask,
    store: Store,
    metrics: Arc<Metrics>,
    folder: Folder,
}

async fn writing() -> Writing {
    writing_with(Gather::USUAL).await
}

async fn writing_with(gather: Gather) -> Writing {
    let folder = Folder::new();
    let store = Store::open(&folder.database()).await.unwrap();
    let metrics = Arc::new(Metrics::default());
    let clock = Clock::set_to("2026-11-22T08:00:00Z".parse().unwrap());
    let recordings = Recordings::within(folder.path());
    let (writer, task) =
        Writer::start_gathering(store.clone(), recordings, clock, Arc::clone(&metrics), gather);
    Writing { writer, task, store, metrics, folder }
}

impl Writing {
    /// A connection of somebody else's to the same file.
    async fn other(&self) -> SqliteConnection {
        SqliteConnection::connect(&self.folder.database()).await.unwrap()
    }

    async fn is_kept(&self, call: &str) -> bool {
        let found = self.store.rating(&TenantId::default(), &CallId::new(call).unwrap()).await.unwrap();
        matches!(found, Found::Live(_))
    }
}

fn rate(call: &str) -> Write {
    let at = "2026-11-22T08:00:00Z".parse().unwrap();
    Write::Rate(NewRating {
        tenant: TenantId::default(),
        call: CallId::new(call).unwrap(),
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

/// What a caller pressed.
fn answer(call: &str) -> Write {
    let session = Session {
        tenant: TenantId::default(),
        call: CallId::new(call).unwrap(),
        id: SessionId::new("s1").unwrap(),
        about: About::default(),
    };
    Write::Answered(Answered {
        session: Arc::new(session),
        question: "rating".to_owned(),
        key: None,
        score: Score::try_from(5).ok(),
        value: Said::new("very_satisfied"),
        main: true,
        state: OfferState::Completed,
        amends: false,
        flags: Default::default(),
        at: "2026-11-22T08:00:00Z".parse().unwrap(),
    })
}

#[tokio::test]
async fn what_is_acknowledged_can_be_read_and_repeats_are_results() {
    let writing = writing().await;
    assert!(matches!(writing.writer.ask(rate("a")).await, Ok(Written::New(_))));
    assert!(writing.is_kept("a").await);
    assert!(matches!(writing.writer.ask(rate("a")).await, Ok(Written::Same(_))));
}

#[tokio::test]
async fn what_has_queued_becomes_one_batch_and_stopping_writes_all_of_it() {
    let writing = writing().await;
    let mut handover = writing.writer.handover();
    // Nothing awaits here, so the task has not run yet: all of it queues.
    for number in 0..300 {
        handover.hand_over(rate(&format!("c{number}")));
    }
    assert!(!handover.is_keeping());
    assert_eq!(writing.metrics.writer.queued.get(), 300);
    writing.task.drain().await;
    assert_eq!((writing.metrics.writer.batches.get(), writing.metrics.writer.committed.get()), (1, 300));
    assert_eq!(writing.metrics.writer.queued.get(), 0);
    let found = writing.store.rating(&TenantId::default(), &CallId::new("c299").unwrap()).await.unwrap();
    assert!(matches!(found, Found::Live(_)));
    assert_eq!(writing.writer.ask(rate("late")).await, Err(NotWritten::NotTaken(Full::Stopped)));
}

#[tokio::test]
async fn what_nobody_waits_for_gathers_until_somebody_does_or_a_batch_is_full() {
    let forever = Duration::from_secs(1_000_000);
    let gather = Gather { marks: forever, answers: Duration::ZERO, apart: Duration::ZERO };
    let Writing { writer, task, metrics, folder, .. } = writing_with(gather).await;
    let mut handover = writer.handover();
    handover.hand_over(rate("a"));
    while metrics.writer.queued.get() > 0 {
        tokio::task::yield_now().await;
    }
    handover.hand_over(rate("b"));
    assert_eq!(metrics.writer.batches.get(), 0, "taken, and gathered");
    assert!(matches!(writer.ask(rate("c")).await, Ok(Written::New(_))));
    assert_eq!((metrics.writer.batches.get(), metrics.writer.committed.get()), (1, 3));
    for number in 0..BATCH_MAX {
        handover.hand_over(rate(&format!("full{number}")));
    }
    while metrics.writer.batches.get() < 2 {
        tokio::task::yield_now().await;
    }
    // An answer takes what was gathered with it.
    handover.hand_over(rate("mark"));
    while metrics.writer.queued.get() > 0 {
        tokio::task::yield_now().await;
    }
    handover.hand_over(answer("spoken"));
    while metrics.writer.batches.get() < 3 {
        tokio::task::yield_now().await;
    }
    handover.hand_over(rate("last"));
    task.drain().await;
    assert_eq!(metrics.writer.committed.get(), 3 + BATCH_MAX as u64 + 2 + 1);
    drop(folder);
}

#[tokio::test]
async fn the_first_answer_is_kept_at_once_and_those_that_follow_close_behind_share_a_commit() {
    let forever = Duration::from_secs(1_000_000);
    let gather = Gather { marks: forever, answers: Duration::ZERO, apart: forever };
    let Writing { writer, task, metrics, folder, .. } = writing_with(gather).await;
    let mut handover = writer.handover();
    handover.hand_over(answer("first"));
    while metrics.writer.batches.get() < 1 {
        tokio::task::yield_now().await;
    }
    handover.hand_over(answer("second"));
    while metrics.writer.queued.get() > 0 {
        tokio::task::yield_now().await;
    }
    handover.hand_over(answer("third"));
    assert_eq!(metrics.writer.batches.get(), 1, "too soon for a commit of their own");
    // Who asks still waits for nobody.
    assert!(matches!(writer.ask(rate("asked")).await, Ok(Written::New(_))));
    assert_eq!((metrics.writer.batches.get(), metrics.writer.committed.get()), (2, 4));
    task.drain().await;
    drop(folder);
}

#[tokio::test]
async fn a_full_queue_refuses_who_can_ask_again_and_keeps_what_a_door_hands_over() {
    let writing = writing().await;
    let mut handover = writing.writer.handover();
    for number in 0..WRITES_QUEUED_MAX + 3 {
        handover.hand_over(rate(&format!("c{number}")));
    }
    assert!(handover.is_keeping());
    assert_eq!(writing.writer.ask(rate("asked")).await, Err(NotWritten::NotTaken(Full::Busy)));
    handover.settle().await.unwrap();
    assert!(!handover.is_keeping());
    let last = format!("c{}", WRITES_QUEUED_MAX + 2);
    assert!(
        matches!(writing.writer.ask(rate(&last)).await, Ok(Written::Same(_))),
        "in order, behind all others"
    );
    assert_eq!(writing.metrics.writer.lost.get(), 0);
    drop(handover);
}

#[tokio::test]
async fn a_database_that_is_locked_is_waited_for_and_nothing_is_lost() {
    let writing = writing().await;
    let mut other = writing.other().await;
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let asked = tokio::spawn({
        let writer = writing.writer.clone();
        async move { writer.ask(rate("a")).await }
    });
    while writing.metrics.writer.retries.get() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!writing.writer.is_well());
    assert!(!asked.is_finished(), "nothing is acknowledged");
    other.execute("COMMIT").await.unwrap();
    assert!(matches!(asked.await.unwrap(), Ok(Written::New(_))));
    assert!(writing.writer.is_well());
    assert!(writing.is_kept("a").await);
}

#[tokio::test]
async fn one_write_that_the_database_refuses_does_not_hold_up_the_others() {
    let writing = writing().await;
    let mut other = writing.other().await;
    let poison = "CREATE TRIGGER poison BEFORE INSERT ON cc_csat WHEN NEW.call_id IN ('p1', 'p2') \
                  BEGIN SELECT RAISE(ABORT, 'poisoned'); END";
    other.execute(poison).await.unwrap();
    let calls = ["a", "b", "p1", "c", "d", "e", "p2", "f"];
    let asked = calls.map(|call| {
        tokio::spawn({
            let writer = writing.writer.clone();
            async move { writer.ask(rate(call)).await }
        })
    });
    for (call, asked) in calls.into_iter().zip(asked) {
        let written = asked.await.unwrap();
        match call {
            "p1" | "p2" => assert_eq!(written, Err(NotWritten::Refused), "{call}"),
            _ => assert!(matches!(written, Ok(Written::New(_))), "{call}: {written:?}"),
        }
    }
    assert_eq!(writing.metrics.writer.refused.get(), 2);
    assert!(writing.writer.is_well());
    assert!(!writing.is_kept("p1").await);
}

#[tokio::test]
async fn a_write_refused_alone_waits_for_another_to_show_whose_fault_it_is() {
    let writing = writing().await;
    let mut other = writing.other().await;
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON cc_csat BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute(broken).await.unwrap();
    let asked = tokio::spawn({
        let writer = writing.writer.clone();
        async move { writer.ask(rate("a")).await }
    });
    while writing.metrics.writer.retries.get() < 5 {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished(), "it may be the database that is broken");
    other.execute("DROP TRIGGER broken").await.unwrap();
    assert!(matches!(asked.await.unwrap(), Ok(Written::New(_))));
}

#[tokio::test]
async fn what_cannot_be_written_when_the_server_stops_is_counted() {
    let writing = writing().await;
    let mut other = writing.other().await;
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON cc_csat BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute(broken).await.unwrap();
    writing.writer.tell(rate("a")).await.unwrap();
    writing.task.drain().await;
    assert_eq!(writing.metrics.writer.lost.get(), 1);
}
