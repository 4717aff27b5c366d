//! Many survey calls at once: what they cost while they are on, and how well they were served.

use std::time::Duration;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::call::Plan;
use crate::clock::Clock;
use crate::generator::{Generator, Line, Pace};
use crate::keys::Keys;
use crate::meter::{Cost, Meter};
use crate::seen::{Heard, Seen};
use crate::syscalls::{Counting, Syscalls};

/// A server that has not taken the first call by then takes none.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// System calls are counted for so long.
const COUNTED: Duration = Duration::from_secs(5);

/// After the last round calls have this long to end: the rating, the confirmation, the thanks, and the 30 s after which a
/// caller gives up waiting for the server's BYE.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whom to call.
    pub line: Line,
    /// The server's process, where its cost is to be measured.
    pub server: Option<u32>,
    /// Calls at once.
    pub calls: usize,
    /// Calls placed, and later released, in a second.
    pub rate: f64,
    /// How long a round is.
    pub round: Duration,
    /// How many rounds.
    pub rounds: usize,
    /// What callers press.
    pub keys: Keys,
    /// How long a caller listens before rating; `None`: until the last round is over.
    pub hold: Option<Duration>,
    /// How often a caller has the question repeated.
    pub stay: Duration,
    /// How long the first caller listens, to learn the prompt.
    pub rehearsal: Duration,
    /// How long all calls are on before anything is measured.
    pub settles: Duration,
    /// Whether to count system calls after the last round.
    pub count_syscalls: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Calls at once, as ordered.
    pub calls: usize,
    /// Calls placed in a second, as ordered.
    pub rate: f64,
    /// How long callers listened before rating, as ordered.
    pub hold_seconds: Option<f64>,
    /// The prompt that was learned.
    pub prompt_seconds: Option<f64>,
    /// Round by round.
    pub rounds: Vec<Round>,
    /// Everything from the first call to the last.
    pub whole: Heard,
    /// The server's memory, where calls are held on.
    pub memory: Option<Memory>,
    /// The server's system calls.
    pub syscalls: Option<Syscalls>,
    /// Calls that had not ended when the generator did.
    pub stuck: usize,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Round {
    /// Answered calls, on average.
    pub calls: f64,
    /// What it cost.
    pub cost: Cost,
    /// What was heard.
    pub heard: Heard,
}

/// The server's memory with and without calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// After one call, and before the others.
    pub idle_kib: u64,
    /// With all calls on.
    pub held_kib: u64,
    /// How many those were.
    pub calls: usize,
}

/// Runs it.
///
/// # Errors
/// When the server does not take a first call, cannot be measured, or we run out of sockets.
pub fn run(order: &Order) -> anyhow::Result<Outcome> {
    let clock = Clock::start();
    let meter = Meter::new(clock, order.server);
    let mut generator = Generator::new(order.line.clone(), clock)?;
    let mut whole = Seen::default();
    let mut outcome = Outcome {
        calls: order.calls,
        rate: order.rate,
        hold_seconds: order.hold.map(|hold| hold.as_secs_f64()),
        ..Outcome::default()
    };
    outcome.prompt_seconds = rehearse(&mut generator, order.rehearsal)?.map(|length| length.as_secs_f64());
    // The rehearsal is not part of what is judged.
    generator.seen = Seen::default();
    let idle_kib = meter.look()?.server_kib();

    fill(&mut generator, order)?;
    let held_kib = meter.look()?.server_kib();
    // Where calls come and go, some of the memory is that of calls before.
    let held_kib = held_kib.filter(|_| order.hold.is_none());
    outcome.memory = idle_kib.zip(held_kib).map(|(idle_kib, held_kib)| {
        let calls = generator.talking();
        Memory { idle_kib, held_kib, calls }
    });
    whole.merge(&std::mem::take(&mut generator.seen));

    for _ in 0..order.rounds {
        let before = meter.look()?;
        generator.run(clock.now() + order.round, |_| false)?;
        let cost = meter.look()?.since(&before);
        let seen = std::mem::take(&mut generator.seen);
        let heard = seen.heard();
        outcome.rounds.push(Round { calls: seen.calls_on(), cost, heard });
        whole.merge(&seen);
    }
    outcome.syscalls = match order.server.filter(|_| order.count_syscalls) {
        Some(server) => Some(count_syscalls(&mut generator, server, &mut whole)?),
        None => None,
    };

    generator.stop_placing();
    generator.release(order.rate);
    let spread = Duration::from_secs_f64(order.calls as f64 / order.rate);
    generator.run(clock.now() + spread + ENDS_WITHIN, |generator| generator.on() == 0)?;
    outcome.stuck = generator.on();
    whole.merge(&generator.seen);
    outcome.whole = whole.heard();
    Ok(outcome)
}

/// One call that presses nothing: it warms the server up and learns the prompt.
fn rehearse(generator: &mut Generator, length: Duration) -> anyhow::Result<Option<Duration>> {
    let now = generator.clock().now();
    generator.learn();
    generator.place_calls(Pace::new(1.0, 1, now), move |_| Plan::Listen { length });
    generator.run(now + ANSWERS_WITHIN, |generator| generator.seen.placed == 1)?;
    generator.stop_placing();
    let answered_or_over = |generator: &Generator| generator.talking() == 1 || generator.on() == 0;
    generator.run(now + ANSWERS_WITHIN, answered_or_over)?;
    if generator.seen.answered == 0 {
        let endings: Vec<String> = generator.seen.heard().endings.into_keys().collect();
        let ending = endings.first().map_or("no answer", String::as_str);
        bail!(
            "the server does not take calls: {ending} (is it at this address, and is the survey's name right?)"
        );
    }
    generator.run(now + length + ENDS_WITHIN, |generator| generator.on() == 0)?;
    Ok(generator.learned())
}

/// Places calls until enough are on, and lets them settle.
fn fill(generator: &mut Generator, order: &Order) -> anyhow::Result<()> {
    let Order { keys, hold, stay, calls, settles, .. } = order.clone();
    let clock = generator.clock();
    let plan = move |caller| Plan::Rate { key: keys.of(caller), hold, stay };
    generator.place_calls(Pace::new(order.rate, calls, clock.now()), plan);
    // Where calls end after a while there may never be enough: as long again is waited.
    let ramp = Duration::from_secs_f64(calls as f64 / order.rate);
    generator.run(clock.now() + 2 * ramp + settles, |generator| generator.talking() >= calls)?;
    generator.run(clock.now() + settles, |_| false)
}

fn count_syscalls(generator: &mut Generator, server: u32, whole: &mut Seen) -> anyhow::Result<Syscalls> {
    let clock = generator.clock();
    let begun = clock.now();
    let counting = match Counting::start(server, COUNTED) {
        Ok(counting) => counting,
        Err(counted_by) => return Ok(Syscalls { counted_by, ..Syscalls::default() }),
    };
    generator.run(begun + COUNTED, |_| false)?;
    let seconds = (clock.now() - begun).as_secs_f64();
    let seen = std::mem::take(&mut generator.seen);
    let packets = seen.packets_sent + seen.streams.packets;
    whole.merge(&seen);
    let counted = counting.finish();
    Ok(match counted {
        Ok((counted_by, total, by_name)) => Syscalls { counted_by, seconds, packets, total, by_name },
        Err(counted_by) => Syscalls { counted_by, ..Syscalls::default() },
    })
}
