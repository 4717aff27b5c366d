//! Pours ratings into a fresh database and tells how fast they became durable, then how fast a
//! queue and an agent are read: `cargo run --release -p aftercall-store --example pour -- FILE|URL [ROWS]`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aftercall_core::stats::calendar::last_days;
use aftercall_core::{QueueId, Score, TenantId};
use aftercall_store::{
    Actor, BATCH_MAX, By, Comment, NewRating, Question, Queues, RatedAt, RatingFilter, Store, Subject,
    Window, Write,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Ratings come in order over two years, from calls of random ids, for 200 queues and 5,000 agents.
const QUEUES: usize = 200;
const AGENTS: usize = 5_000;
const TWO_YEARS_SECONDS: usize = 2 * 365 * 24 * 60 * 60;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let place =
        arguments.next().ok_or("name a file that is not there yet, or an empty database: postgres://…")?;
    let url = if place.contains("://") { place } else { format!("sqlite://{place}") };
    let rows: usize = arguments.next().map_or(Ok(200_000), |rows| rows.parse())?;
    let now: Timestamp = "2026-11-22T08:00:00Z".parse()?;
    let store = Store::open(&url).await?;
    let (mut start, all) = (0, rows + 18_000);
    for (batch, count) in [(1, 2_000), (16, 16_000), (BATCH_MAX, rows)] {
        let taken = pour(&store, now, start..start + count, all, batch).await?;
        let rate = count as f64 / taken.as_secs_f64();
        println!("{count} ratings by {batch} a batch: {rate:.0} a second, {:.1} us each", 1e6 / rate);
        start += count;
    }
    read(&store, now).await?;
    store.close().await;
    Ok(())
}

async fn pour(
    store: &Store,
    now: Timestamp,
    rows: std::ops::Range<usize>,
    all: usize,
    batch: usize,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let writes = rows.map(|n| rating(now, n, all)).collect::<Result<Vec<_>, _>>()?;
    // tidy allows clock: a measurement by hand, not part of the program
    let start = Instant::now();
    for some in writes.chunks(batch) {
        store.write(some).await?;
    }
    Ok(start.elapsed())
}

fn rating(now: Timestamp, n: usize, all: usize) -> Result<Write, Box<dyn std::error::Error>> {
    // A step that shares no factor with the numbers it is spread over reaches all of them.
    let spread = n.wrapping_mul(2_654_435_761);
    let ago = SignedDuration::from_secs(i64::try_from(TWO_YEARS_SECONDS - n * TWO_YEARS_SECONDS / all)?);
    Ok(Write::Rate(NewRating {
        tenant: TenantId::default(),
        call: format!("{spread:016x}@pbx.example.com").parse()?,
        score: Score::ALL[spread / 7 % 5],
        comment: Some(Comment::new("Great service")?),
        agent: Some(format!("agent-{}", spread / 11 % AGENTS).parse()?),
        queue: Some(format!("queue-{}", spread / 13 % QUEUES).parse()?),
        created_at: Some(RatedAt::new(now - ago, now)?),
        key: None,
        survey: None,
        channel: None,
        language: None,
        flags: BTreeSet::new(),
        within: None,
        actor: Actor::Keyless,
        at: now,
    }))
}

async fn read(store: &Store, now: Timestamp) -> Result<(), Box<dyn std::error::Error>> {
    let tenant = TenantId::default();
    let (queue, agent) = ("queue-7".parse::<QueueId>()?, Subject::Agent("agent-7".parse()?));
    let trend: Vec<_> = last_days(now, 90, &TimeZone::UTC).into_iter().map(|day| day.span).collect();
    let month = Window { from: trend.get(60).map(|day| day.start), to: None };
    let whole = Subject::Queue("queue-7".parse()?);
    time("agent, 90-day trend", async || store.tallies(&tenant, &agent, &trend).await.map(drop)).await?;
    time("queue, 90-day trend", async || store.tallies(&tenant, &whole, &trend).await.map(drop)).await?;
    time("queue, whole tally", async || store.tally(&tenant, &whole, &Window::default()).await.map(drop))
        .await?;
    let ranking = |window| Question {
        queues: Queues::Only(vec![queue.clone()]),
        windows: Vec::new(),
        by: By::Nothing,
        agents: Some(window),
    };
    let (month, all) = (ranking(month), ranking(Window::default()));
    time("queue, 30-day ranking", async || store.results(&tenant, &month).await.map(drop)).await?;
    time("queue, whole ranking", async || store.results(&tenant, &all).await.map(drop)).await?;
    let filter = RatingFilter { queues: Some(vec![queue.clone()]), ..RatingFilter::default() };
    time("queue, newest 50", async || store.ratings(&tenant, &filter, None, 50).await.map(drop)).await?;
    Ok(())
}

/// Prints the median of 31 runs.
async fn time<E>(what: &str, run: impl AsyncFn() -> Result<(), E>) -> Result<(), E> {
    let mut taken = Vec::new();
    for _ in 0..31 {
        // tidy allows clock: a measurement by hand, not part of the program
        let start = Instant::now();
        run().await?;
        taken.push(start.elapsed());
    }
    taken.sort();
    println!("{what}: {:.2} ms", taken[15].as_secs_f64() * 1e3);
    Ok(())
}
