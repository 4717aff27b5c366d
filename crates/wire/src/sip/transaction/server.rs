//! Requests that come in (RFC 3261, section 17.2; RFC 6026, section 7.1).

use std::time::Duration;

use super::{Carriage, Packet, ServerNews, Step, Timers, Waiting};

/// An INVITE that came in.
///
/// Its 2xx is repeated here, too, though RFC 3261 leaves that to the user: over streams as over datagrams, for the ACK
/// goes from end to end (section 13.3.1.4).
#[derive(Debug)]
pub struct InviteServer {
    timers: Timers,
    carriage: Carriage,
    state: Invited,
}

#[derive(Debug)]
enum Invited {
    /// No final response yet.
    Proceeding {
        last: Option<Packet>,
    },
    /// A 2xx went out; repeats of the INVITE are absorbed until nobody can send one any more.
    Accepted(Waiting),
    /// A refusal went out.
    Completed(Waiting),
    /// The refusal's ACK came; its repeats are absorbed.
    Confirmed {
        until: Duration,
    },
    Over,
}

impl InviteServer {
    /// One that has just come. The user answers it with 100 at once, or with something better.
    #[must_use]
    pub const fn new(timers: Timers, carriage: Carriage) -> Self {
        Self { timers, carriage, state: Invited::Proceeding { last: None } }
    }

    /// Sends a response. After a final one nothing is sent: the first stands.
    pub fn respond(&mut self, status: u16, packet: Packet, now: Duration) -> Step<ServerNews> {
        let Invited::Proceeding { last } = &mut self.state else { return Step::NOTHING };
        let step = Step::send(&packet);
        match status {
            ..200 => *last = Some(packet),
            200..300 => {
                let waiting = Waiting::new(packet, Carriage::Datagrams, &self.timers, now);
                self.state = Invited::Accepted(waiting);
            }
            300.. => {
                let waiting = Waiting::new(packet, self.carriage, &self.timers, now);
                self.state = Invited::Completed(waiting);
            }
        }
        step
    }

    /// The same INVITE came again: what we last said was lost.
    pub fn repeated(&self) -> Step<ServerNews> {
        match &self.state {
            Invited::Proceeding { last: Some(response) } => Step::send(response),
            Invited::Completed(waiting) => Step::send(&waiting.packet),
            // Nothing was said yet; or the 2xx is repeated anyway (RFC 6026, 7.1); or the ACK is here already.
            Invited::Proceeding { last: None }
            | Invited::Accepted(_)
            | Invited::Confirmed { .. }
            | Invited::Over => Step::NOTHING,
        }
    }

    /// The ACK came: the refusal's belongs to this transaction, the 2xx's has none, and the user brings it. Or the user
    /// waits for none any more, since the peer has hung up.
    pub fn acknowledged(&mut self, now: Duration) {
        match &mut self.state {
            Invited::Accepted(waiting) => {
                waiting.again = None;
                // It is never sent again, and half a minute is long for a thousand calls a second.
                waiting.packet = Packet::default();
            }
            Invited::Completed(_) => {
                self.state = match self.carriage {
                    Carriage::Datagrams => Invited::Confirmed { until: now + self.timers.t4 },
                    Carriage::Stream => Invited::Over,
                };
            }
            Invited::Proceeding { .. } | Invited::Confirmed { .. } | Invited::Over => {}
        }
    }

    /// When to tick next; `None` while that depends on others.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match self.state {
            Invited::Accepted(ref waiting) | Invited::Completed(ref waiting) => Some(waiting.due()),
            Invited::Confirmed { until } => Some(until),
            Invited::Proceeding { .. } | Invited::Over => None,
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) -> Step<ServerNews> {
        let (waiting, unheard) = match &mut self.state {
            Invited::Accepted(waiting) => {
                let unheard = waiting.again.is_some();
                (waiting, unheard)
            }
            Invited::Completed(waiting) => (waiting, true),
            Invited::Confirmed { until } => {
                if now >= *until {
                    self.state = Invited::Over;
                }
                return Step::NOTHING;
            }
            Invited::Proceeding { .. } | Invited::Over => return Step::NOTHING,
        };
        waiting.tick(self.timers.t2, now).unwrap_or_else(|| {
            self.state = Invited::Over;
            if unheard { Step::news(ServerNews::NoAck) } else { Step::NOTHING }
        })
    }

    /// Whether a 2xx went out.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        matches!(self.state, Invited::Accepted(_))
    }

    /// Whether no final response went out yet, so that a CANCEL means something (RFC 3261, 9.2).
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        matches!(self.state, Invited::Proceeding { .. })
    }

    /// Whether it can be forgotten.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, Invited::Over)
    }
}

/// Any other request that came in, but ACK, which has no transaction.
#[derive(Debug)]
pub struct OtherServer {
    timers: Timers,
    carriage: Carriage,
    state: Asked,
}

#[derive(Debug)]
enum Asked {
    /// No final response yet.
    Trying {
        last: Option<Packet>,
    },
    /// Answered; repeats get the answer again.
    Completed {
        response: Packet,
        until: Duration,
    },
    Over,
}

impl OtherServer {
    /// One that has just come.
    #[must_use]
    pub const fn new(timers: Timers, carriage: Carriage) -> Self {
        Self { timers, carriage, state: Asked::Trying { last: None } }
    }

    /// Sends a response. After a final one nothing is sent: the first stands.
    pub fn respond(&mut self, status: u16, packet: Packet, now: Duration) -> Step<ServerNews> {
        let Asked::Trying { last } = &mut self.state else { return Step::NOTHING };
        let step = Step::send(&packet);
        match (status, self.carriage) {
            (..200, _) => *last = Some(packet),
            (200.., Carriage::Datagrams) => {
                self.state = Asked::Completed { response: packet, until: now + self.timers.patience() };
            }
            (200.., Carriage::Stream) => self.state = Asked::Over,
        }
        step
    }

    /// The same request came again: what we last said was lost.
    pub fn repeated(&self) -> Step<ServerNews> {
        match &self.state {
            Asked::Trying { last: Some(response) } | Asked::Completed { response, .. } => {
                Step::send(response)
            }
            Asked::Trying { last: None } | Asked::Over => Step::NOTHING,
        }
    }

    /// When to tick next; `None` while that depends on others.
    #[must_use]
    pub const fn due(&self) -> Option<Duration> {
        match self.state {
            Asked::Completed { until, .. } => Some(until),
            Asked::Trying { .. } | Asked::Over => None,
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) {
        if self.due().is_some_and(|due| now >= due) {
            self.state = Asked::Over;
        }
    }

    /// Whether it can be forgotten.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, Asked::Over)
    }
}
