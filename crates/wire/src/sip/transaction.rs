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

    /// `None` where the transport sends again by itself.
    fn over(carriage: Carriage, timers: &Timers, now: Duration) -> Option<Self> {
        (carriage == Carriage::Datagrams).then(|| Self::after(timers.t1, now))
    }

    /// Sends the packet if it is time; then the next time is later. Pauses grow up to `longest`.
    fn send<N>(again: &mut Option<Self>, packet: &Packet, longest: Duration, now: Duration) -> Step<N> {
        match again {
            Some(repeat) if now >= repeat.at => {
                *repeat = Self::after((repeat.pause * 2).min(longest), now);
                Step::send(packet)
            }
            _ => Step::NOTHING,
        }
    }
}

fn earlier(again: Option<Repeat>, until: Duration) -> Option<Duration> {
    Some(again.map_or(until, |repeat| repeat.at.min(until)))
}
