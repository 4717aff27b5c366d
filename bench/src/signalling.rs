//! Short calls, more and more in a second: what one costs, and how many the server takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::Plan;
use crate::clock::Clock;
use crate::generator::{Generator, Line, Pace};
use crate::keys::Keys;
use crate::meter::{Cost, Meter};
use crate::seen::Heard;

/// The most calls not yet over: beyond it the server has long lost, and more would only wait.
const CALLS_MAX: usize = 4000;

/// After the last call of a step so much time for the slowest to end.
const ENDS_WITHIN: Duration = Duration::from_secs(45);

/// More than this share of calls not taken or gone wrong, and the rate is too high.
const WRONG_SHARE_MAX: f64 = 0.01;

/// What to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whom to call.
    pub line: Line,
    /// The server's process, where its cost is to be measured.
    pub server: Option<u32>,
    /// Calls a second, at first.
    pub rate: f64,
    /// How many times as many in the next step.
    pub factor: f64,
    /// Not more than this.
    pub rate_max: f64,
    /// How long calls are placed at one rate.
    pub step: Duration,
    /// What callers press.
    pub keys: Keys,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Step by step.
    pub steps: Vec<Step>,
    /// The last rate at which at most 1 % of calls went wrong; zero when there was none.
    pub highest_rate: f64,
    /// Whether a higher rate was tried and was too high.
    pub found_the_limit: bool,
}

/// One rate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Step {
    /// Calls a second, as ordered.
    pub rate: f64,
    /// From the first INVITE to the last call's end.
    pub cost: Cost,
    /// What was heard.
    pub heard: Heard,
    /// Calls that had not ended when the step did.
    pub stuck: usize,
}

impl Step {
    /// The share of calls that did not go as they should: refused, not answered in time, or not ended.
    #[must_use]
    pub fn wrong_share(&self) -> f64 {
        (self.heard.wrong_endings + self.stuck as u64) as f64 / (self.heard.placed as f64).max(1.0)
    }
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached or measured, or we run out of sockets.
pub fn run(order: &Order) -> anyhow::Result<Outcome> {
    let clock = Clock::start();
    let meter = Meter::new(clock, order.server);
    let mut generator = Generator::new(order.line.clone(), clock)?;
    let mut outcome = Outcome::default();
    let mut rate = order.rate;
    while rate <= order.rate_max && !outcome.found_the_limit {
        let step = step(&mut generator, &meter, order, rate)?;
        if step.wrong_share() > WRONG_SHARE_MAX {
            outcome.found_the_limit = true;
        } else {
            outcome.highest_rate = rate;
        }
        outcome.steps.push(step);
        rate *= order.factor;
    }
    Ok(outcome)
}

fn step(generator: &mut Generator, meter: &Meter, order: &Order, rate: f64) -> anyhow::Result<Step> {
    let clock = generator.clock();
    let keys = order.keys.clone();
    let before = meter.look()?;
    let plan = move |caller| Plan::RateAndLeave { key: keys.of(caller) };
    generator.place_calls(Pace::new(rate, CALLS_MAX, clock.now()), plan);
    generator.run(clock.now() + order.step, |_| false)?;
    generator.stop_placing();
    generator.run(clock.now() + ENDS_WITHIN, |generator| generator.on() == 0)?;
    let cost = meter.look()?.since(&before);
    let heard = std::mem::take(&mut generator.seen).heard();
    Ok(Step { rate, cost, heard, stuck: generator.on() })
}
