//! SIP transactions (RFC 3261, section 17, as corrected by RFC 6026): what is sent again, for how long, and when it
//! is over.
//!
//! Four machines, one for each side of an INVITE and of every other request. They read no message: whoever owns them
//! says what came, and sends the bytes they give back. Time is an argument, counted from any fixed moment;
//! [`due`](InviteServer::due) says when to [`tick`](InviteServer::tick) next. A tick that comes late sends once, not
//! once for each time missed.

mod client;
mod server;

use std::sync::Arc;
use std::time::Duration;

pub use client::{InviteClient, OtherClient};
pub use server::{InviteServer, OtherServer};

/// A message as it is sent.
pub type Packet = Arc<[u8]>;

/// How patient the network makes us (RFC 3261, table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// An estimate of the round trip: 500 ms.
    pub t1: Duration,
    /// The longest pause between repeats: 4 s.
    pub t2: Duration,
    /// How long a message may live in the network: 5 s.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let [t1, t2, t4] = [500, 4000, 5000].map(Duration::from_millis);
        Self { t1, t2, t4 }
    }
}

impl Timers {
    /// How long anything is tried at all: timers B, F, H, J, L and M.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }
}

/// Whether what is sent arrives without our doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriage {
    /// UDP: it may be lost, so it is sent again.
    Datagrams,
    /// TCP and TLS: the transport sends it again.
    Stream,
}

/// What a transaction wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Step<N> {
    /// To be sent the transaction's way.
    pub send: Option<Packet>,
    /// For the transaction's user.
    pub news: Option<N>,
}

impl<N> Step<N> {
    const NOTHING: Self = Self { send: None, news: None };

    fn send(packet: &Packet) -> Self {
        Self { send: Some(Arc::clone(packet)), news: None }
    }

    fn news(news: N) -> Self {
        Self { send: None, news: Some(news) }
    }
}

/// What became of a request that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerNews {
    /// Our final response to an INVITE was never acknowledged. After a 2xx the call is up all the same, and is to be
    /// ended by BYE (RFC 3261, 13.3.1.4).
    NoAck,
}

/// What became of a request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientNews {
    /// The response just heard is for the user. Each 2xx to an INVITE is, however often it comes: the user
    /// acknowledges it each time.
    Heard,
    /// Nobody answered (timers B and F): as good as a 408 (RFC 3261, 8.1.3.1).
    TimedOut,
}

/// Sends again: at once after the first pause, then after twice as long each time.
#[derive(Debug, Clone, Copy)]
struct Repeat {
    at: Duration,
    pause: Duration,
}

impl Repeat {
    fn after(pause: Duration, now: Duration) -> Self {
        Self { at: now + pause, pause }
    }
}

/// A packet that waits for something to be heard: until when, and when it is sent again, if we have to.
#[derive(Debug)]
struct Waiting {
    packet: Packet,
    again: Option<Repeat>,
    until: Duration,
}

impl Waiting {
    /// It has just been sent, and is sent again unless the transport does that.
    fn new(packet: Packet, carriage: Carriage, timers: &Timers, now: Duration) -> Self {
        let again = (carriage == Carriage::Datagrams).then(|| Repeat::after(timers.t1, now));
        Self { packet, again, until: now + timers.patience() }
    }

    fn due(&self) -> Duration {
        self.again.map_or(self.until, |repeat| repeat.at.min(self.until))
    }

    /// Sends it again if it is time; then the next time is later, by pauses that grow up to `longest`. `None`: it has
    /// waited long enough.
    fn tick<N>(&mut self, longest: Duration, now: Duration) -> Option<Step<N>> {
        if now >= self.until {
            return None;
        }
        match &mut self.again {
            Some(repeat) if now >= repeat.at => {
                *repeat = Repeat::after((repeat.pause * 2).min(longest), now);
                Some(Step::send(&self.packet))
            }
            _ => Some(Step::NOTHING),
        }
    }
}
