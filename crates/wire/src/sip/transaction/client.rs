//! Requests that go out (RFC 3261, section 17.1; RFC 6026, section 7.2).

use std::time::Duration;

use super::{Carriage, ClientNews, Packet, Step, Timers, Waiting};

/// An INVITE that goes out.
#[derive(Debug)]
pub struct InviteClient {
    timers: Timers,
    carriage: Carriage,
    state: Inviting,
}

#[derive(Debug)]
enum Inviting {
    /// Nothing was heard.
    Calling(Waiting),
    /// It is being worked on: the user decides how long to wait.
    Proceeding,
    /// A 2xx came; others may follow, from other branches or because our ACK was lost.
    Accepted {
        until: Duration,
    },
    /// A refusal came and was acknowledged; its repeats are, too.
    Completed {
        ack: Packet,
        until: Duration,
    },
    Over,
}

impl InviteClient {
    /// Sends it.
    pub fn new(
        request: Packet,
        timers: Timers,
        carriage: Carriage,
        now: Duration,
    ) -> (Self, Step<ClientNews>) {
        let step = Step::send(&request);
        let state = Inviting::Calling(Waiting::new(request, carriage, &timers, now));
        (Self { timers, carriage, state }, step)
    }

    /// A response came. `ack` makes the ACK of a refusal, which is part of this transaction (section 17.1.1.3).
    pub fn heard(&mut self, status: u16, ack: impl FnOnce() -> Packet, now: Duration) -> Step<ClientNews> {
        match (&self.state, status) {
            (Inviting::Calling(_) | Inviting::Proceeding, ..200) => {
                self.state = Inviting::Proceeding;
                Step::news(ClientNews::Heard)
            }
            (Inviting::Calling(_) | Inviting::Proceeding, 200..300) => {
                self.state = Inviting::Accepted { until: now + self.timers.patience() };
                Step::news(ClientNews::Heard)
            }
            (Inviting::Accepted { .. }, 200..300) => Step::news(ClientNews::Heard),
            (Inviting::Calling(_) | Inviting::Proceeding, 300..) => {
                let ack = ack();
                let step = Step { news: Some(ClientNews::Heard), ..Step::send(&ack) };
                self.state = match self.carriage {
                    // Timer D: as long as the peer may repeat itself.
                    Carriage::Datagrams => Inviting::Completed { ack, until: now + self.timers.patience() },
                    Carriage::Stream => Inviting::Over,
                };
                step
            }
            (Inviting::Completed { ack, .. }, 300..) => Step::send(ack),
            (Inviting::Accepted { .. } | Inviting::Completed { .. } | Inviting::Over, _) => Step::NOTHING,
        }
    }

    /// When to tick next; `None` while that depends on others.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match self.state {
            Inviting::Calling(ref waiting) => Some(waiting.due()),
            Inviting::Accepted { until } | Inviting::Completed { until, .. } => Some(until),
            Inviting::Proceeding | Inviting::Over => None,
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) -> Step<ClientNews> {
        let step = match &mut self.state {
            // Timer A doubles without a limit (section 17.1.1.2).
            Inviting::Calling(waiting) => {
                waiting.tick(self.timers.patience(), now).ok_or(Step::news(ClientNews::TimedOut))
            }
            Inviting::Accepted { until } | Inviting::Completed { until, .. } if now >= *until => {
                Err(Step::NOTHING)
            }
            _ => Ok(Step::NOTHING),
        };
        step.unwrap_or_else(|last| {
            self.state = Inviting::Over;
            last
        })
    }

    /// Whether a CANCEL may be sent: something was heard, and nothing final (section 9.1).
    #[must_use]
    pub const fn may_be_cancelled(&self) -> bool {
        matches!(self.state, Inviting::Proceeding)
    }

    /// Whether it can be forgotten.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, Inviting::Over)
    }
}

/// Any other request that goes out, but ACK, which has no answer.
#[derive(Debug)]
pub struct OtherClient {
    timers: Timers,
    carriage: Carriage,
    state: Asking,
}

#[derive(Debug)]
enum Asking {
    /// Nothing final was heard.
    Trying(Waiting),
    /// The answer came; its repeats are absorbed.
    Completed {
        until: Duration,
    },
    Over,
}

impl OtherClient {
    /// Sends it.
    pub fn new(
        request: Packet,
        timers: Timers,
        carriage: Carriage,
        now: Duration,
    ) -> (Self, Step<ClientNews>) {
        let step = Step::send(&request);
        let state = Asking::Trying(Waiting::new(request, carriage, &timers, now));
        (Self { timers, carriage, state }, step)
    }

    /// A response came.
    pub fn heard(&mut self, status: u16, now: Duration) -> Step<ClientNews> {
        let Asking::Trying(waiting) = &mut self.state else { return Step::NOTHING };
        if status >= 200 {
            self.state = match self.carriage {
                Carriage::Datagrams => Asking::Completed { until: now + self.timers.t4 },
                Carriage::Stream => Asking::Over,
            };
        } else if let Some(again) = &mut waiting.again {
            // It arrived: from the next repeat on, pauses are the longest (section 17.1.2.2).
            again.pause = self.timers.t2;
        }
        Step::news(ClientNews::Heard)
    }

    /// When to tick next; `None` when it is over.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match self.state {
            Asking::Trying(ref waiting) => Some(waiting.due()),
            Asking::Completed { until } => Some(until),
            Asking::Over => None,
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) -> Step<ClientNews> {
        let step = match &mut self.state {
            Asking::Trying(waiting) => {
                waiting.tick(self.timers.t2, now).ok_or(Step::news(ClientNews::TimedOut))
            }
            Asking::Completed { until } if now >= *until => Err(Step::NOTHING),
            _ => Ok(Step::NOTHING),
        };
        step.unwrap_or_else(|last| {
            self.state = Asking::Over;
            last
        })
    }

    /// Whether it can be forgotten.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, Asking::Over)
    }
}
