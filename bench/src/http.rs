//! Requests over HTTP/1.1 connections that stay open: how many a second, and how long each takes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::histogram::{Histogram, Spread};
use crate::meter::Meter;

/// Who waits longer than this for an answer has lost it.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The longest answer that is read: a month of 200 queues is a hundredth of it.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What to ask for, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// The server.
    pub target: SocketAddr,
    /// Its process, where its cost is to be measured.
    pub server: Option<u32>,
    /// Connections at once, each with one request on its way at most.
    pub clients: u32,
    /// Requests a second of all together; without it each client asks again as soon as it has its answer.
    pub rate: Option<f64>,
    /// For how long.
    pub during: Duration,
    /// What is asked.
    pub what: What,
}

/// A kind of request.
#[derive(Debug, Clone)]
pub enum What {
    /// Ratings of calls that nobody rated yet, whose names begin with this.
    Rate(String),
    /// This path, again and again.
    Get(String),
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Answers with status 200 or 201.
    pub answered: u64,
    /// Those a second.
    pub per_second: f64,
    /// From when a request was due until its answer was there.
    pub took: Spread,
    /// The server's processor time for each, in milliseconds.
    pub server_ms_each: Option<f64>,
    /// The server's processor, % of a core.
    pub server_percent: Option<f64>,
    /// The generator's own, % of a core.
    pub generator_percent: f64,
    /// Other work on the machine, % of a core.
    pub others_percent: f64,
}

/// Asks.
///
/// # Errors
/// When the server is not there, or answers anything but 200 and 201.
pub fn run(order: &Order) -> anyhow::Result<Outcome> {
    ensure!(order.clients > 0, "--clients must be at least 1");
    let clock = Clock::start();
    let meter = Meter::new(clock, order.server);
    let before = meter.look()?;
    let began = clock.now();
    let taken = thread::scope(|scope| {
        let clients: Vec<_> = (0..order.clients)
            .map(|number| scope.spawn(move || client(order, number, clock, began)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| bail!("a client panicked")))
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    let lasted = clock.now().saturating_sub(began);
    let cost = meter.look()?.since(&before);
    let mut all = Histogram::default();
    taken.iter().for_each(|one| all.merge(one));
    let took = all.spread();
    let server = cost.server.as_ref().map(|usage| usage.total_seconds());
    let per = |seconds: f64| 100.0 * seconds / lasted.as_secs_f64();
    Ok(Outcome {
        answered: took.count,
        per_second: took.count as f64 / lasted.as_secs_f64(),
        took,
        server_ms_each: server.map(|seconds| 1e3 * seconds / took.count.max(1) as f64),
        server_percent: server.map(per),
        generator_percent: per(cost.generator.total_seconds()),
        others_percent: cost.others_percent(),
    })
}

/// One connection's part of it.
fn client(order: &Order, number: u32, clock: Clock, began: Duration) -> anyhow::Result<Histogram> {
    let mut connection = Connection::open(order.target)?;
    let mut taken = Histogram::default();
    let apart = order.rate.map(|rate| Duration::from_secs_f64(f64::from(order.clients) / rate));
    // The clients of a rate begin one after the other, not all at once.
    let first = apart.map_or(began, |apart| began + apart * number / order.clients);
    let end = began + order.during;
    for count in 0_u32.. {
        let due = apart.map_or_else(|| clock.now(), |apart| first + apart * count);
        if due >= end {
            break;
        }
        clock.sleep_until(due);
        connection.ask(&request(order, number, count))?;
        taken.record(clock.now().saturating_sub(due));
    }
    Ok(taken)
}

fn request(order: &Order, number: u32, count: u32) -> String {
    let host = order.target;
    match &order.what {
        What::Get(path) => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        What::Rate(run) => {
            let (agent, score) = (number.wrapping_mul(31).wrapping_add(count) % 500, 1 + count % 5);
            let queue = agent % 20;
            let body = format!(
                "{{\"score\":{score},\"agent_id\":\"agent-{agent}\",\"queue_id\":\"queue-{queue}\",\"comment\":\"Great service\"}}"
            );
            format!(
                "POST /cc/csat/{run}-{number}-{count} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
    }
}

/// A connection that stays open.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(target: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target).with_context(|| format!("connecting to {target}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request and reads its answer to the end.
    fn ask(&mut self, request: &str) -> anyhow::Result<()> {
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line).context("no answer came")?;
        let is_well = [" 200 ", " 201 "].iter().any(|status| line.contains(status));
        let (status, mut length) = (line.trim().to_owned(), None);
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { bail!("no header: {line}") };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse::<u64>()?);
            }
        }
        let length = length.context("an answer has no Content-Length")?;
        ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
        let mut body = Vec::new();
        self.0.by_ref().take(length).read_to_end(&mut body)?;
        ensure!(is_well, "{status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}
