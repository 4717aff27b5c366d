//! What a database does by itself, for the measurements to stand beside: the rows that ratings come to (the rating, its
//! entry in the log, a mark for each queue), of our schema with its indexes, by the largest batch, each durable before the
//! next, and nothing asked or decided:
//! `cargo run --release -p aftercall-store --example bare -- URL SECONDS`, URL as of `[database]`, an empty one.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use aftercall_store::{BATCH_MAX, Place, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

const SQLITE: [&str; 3] = [
    "INSERT INTO cc_csat
        (tenant_id, id, call_id, agent_id, queue_id, score, comment, created_at, revision, flags)
        SELECT 'default', value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 'Great service',
            value ->> 5, 1, '' FROM jsonb_each($1)",
    "INSERT INTO cc_csat_log
        (tenant_id, log_id, call_id, op, revision, arrived_at, rated_at, agent_id, queue_id, new_score, actor)
        SELECT 'default', value ->> 0, value ->> 1, 'created', 1, value ->> 5, value ->> 5, value ->> 2, value ->> 3,
            value ->> 4, 'keyless' FROM jsonb_each($1)",
    "INSERT INTO cc_csat_mark (tenant_id, queue_id, local_day, mark_id)
        SELECT 'default', value ->> 3, substr(MAX(value ->> 5), 1, 10), MAX(value ->> 0) FROM jsonb_each($1) GROUP BY 2",
];

const POSTGRES: [&str; 3] = [
    "INSERT INTO cc_csat
        (tenant_id, id, call_id, agent_id, queue_id, score, comment, created_at, revision, flags)
        SELECT 'default', (value ->> 0)::uuid, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::smallint,
            'Great service', (value ->> 5)::timestamptz, 1, '' FROM jsonb_array_elements($1::jsonb)",
    "INSERT INTO cc_csat_log
        (tenant_id, log_id, call_id, op, revision, arrived_at, rated_at, agent_id, queue_id, new_score, actor)
        SELECT 'default', (value ->> 0)::uuid, value ->> 1, 'created', 1, (value ->> 5)::timestamptz,
            (value ->> 5)::timestamptz, value ->> 2, value ->> 3, (value ->> 4)::smallint, 'keyless'
        FROM jsonb_array_elements($1::jsonb)",
    "INSERT INTO cc_csat_mark (tenant_id, queue_id, local_day, mark_id)
        SELECT 'default', value ->> 3, substr(MAX(value ->> 5), 1, 10), MAX(value ->> 0)::uuid
        FROM jsonb_array_elements($1::jsonb) GROUP BY 2",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("name an empty database: sqlite://FILE or postgres://…")?;
    let during = Duration::from_secs(arguments.next().map_or(Ok(5), |seconds| seconds.parse())?);
    // Its tables and indexes.
    Store::open(&url).await?.close().await;
    let mut rows = 0;
    // tidy allows clock: a measurement by hand, not part of the program
    let start = Instant::now();
    match Place::of(&url)? {
        Place::File(path) => {
            let options = SqliteConnectOptions::new()
                .filename(path)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full);
            let mut connection = SqliteConnection::connect_with(&options).await?;
            while start.elapsed() < during {
                let batch = batch(rows)?;
                let mut transaction = connection.begin().await?;
                for statement in SQLITE {
                    sqlx::query(statement).bind(batch.as_str()).execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                rows += BATCH_MAX;
            }
        }
        Place::Server(_) => {
            let mut connection = PgConnection::connect(&url).await?;
            while start.elapsed() < during {
                let batch = batch(rows)?;
                let mut transaction = connection.begin().await?;
                for statement in POSTGRES {
                    sqlx::query(statement).bind(batch.as_str()).execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                rows += BATCH_MAX;
            }
        }
    }
    println!("{:.0}", rows as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

/// Rows as a JSON array: id, call, agent, queue, score, time.
fn batch(from: usize) -> Result<String, std::fmt::Error> {
    let mut rows = "[".to_owned();
    for n in from..from + BATCH_MAX {
        // A step that shares no factor with the numbers it is spread over reaches all of them.
        let spread = n.wrapping_mul(2_654_435_761);
        let (agent, between) = (spread / 11 % 500, if n == from { "" } else { "," });
        write!(
            rows,
            r#"{between}["0197f3a2-0000-7000-8000-{n:012x}","{spread:016x}@pbx.example.com","agent-{agent}","queue-{}",{},"2026-11-22T08:{:02}:{:02}.{:06}Z"]"#,
            agent % 20,
            1 + spread / 7 % 5,
            n / 600_000 % 60,
            n / 10_000 % 60,
            n % 10_000 * 100,
        )?;
    }
    rows.push(']');
    Ok(rows)
}
