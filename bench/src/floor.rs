//! What the kernel alone takes for the same packets: two processes that take and send one 20 ms packet for each call and
//! packet time, and do nothing else. One connected socket a call, since that is what telephones need of a server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use crate::clock::Clock;
use crate::meter::{Cost, Meter};
use crate::rtp::talk::PACKET_BYTES;
use crate::wheel::{TURN_MS, ticks_due};

/// Before anything is measured both sides run for so long.
const SETTLES: Duration = Duration::from_secs(2);

/// One side: a socket a call, in the slots of a turn.
pub struct Side {
    clock: Clock,
    slots: Vec<Vec<Line>>,
    tick: u64,
    buffer: [u8; 2048],
    packets: Packets,
}

/// One call's socket, and whether the last visit came before its packet.
struct Line {
    socket: UdpSocket,
    owed: bool,
}

/// Packets taken and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Packets {
    /// Taken.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Calls at once.
    pub calls: usize,
    /// Round by round.
    pub rounds: Vec<Round>,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Round {
    /// By the answering side, in the place of the server, and by the driving one.
    pub cost: Cost,
    /// As the driving side counts them.
    pub packets: Packets,
}

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Calls at once.
    pub calls: usize,
    /// The first of the ports of the answering side; the driving side has those right behind.
    pub port: u16,
    /// How long a round is.
    pub round: Duration,
    /// How many rounds.
    pub rounds: usize,
    /// The answering side's process.
    pub peer: u32,
}

impl Side {
    /// Opens one side's sockets: `calls` ports from `local` on, connected to as many from `remote` on.
    ///
    /// # Errors
    /// When a port is in use, or the system has no more descriptors.
    pub fn new(calls: usize, local: u16, remote: u16) -> anyhow::Result<Self> {
        let mut slots: Vec<Vec<Line>> = std::iter::repeat_with(Vec::new).take(TURN_MS as usize).collect();
        for number in 0..calls {
            let offset = u16::try_from(number)?;
            let port = |first: u16| first.checked_add(offset).context("there are not so many ports");
            let socket = open(port(local)?, port(remote)?)
                .with_context(|| format!("opening port {} (is `ulimit -n` high enough?)", local + offset))?;
            slots[number % TURN_MS as usize].push(Line { socket, owed: false });
        }
        let clock = Clock::start();
        Ok(Self { clock, slots, tick: 0, buffer: [0; 2048], packets: Packets::default() })
    }

    /// Keeps taking and sending for so long.
    pub fn run(&mut self, length: Duration) {
        let until = self.clock.now() + length;
        while self.clock.now() < until {
            self.clock.sleep_until(Duration::from_millis(self.tick + 1));
            let (ticks, _) = ticks_due(self.tick, self.clock.now().as_millis() as u64);
            self.tick = *ticks.end();
            for tick in ticks {
                self.turn(tick);
            }
        }
    }

    fn turn(&mut self, tick: u64) {
        const PACKET: [u8; PACKET_BYTES] = [0; PACKET_BYTES];
        for line in &mut self.slots[(tick % TURN_MS) as usize] {
            // One packet came since the last visit; asking whether there is another would cost a call to the kernel.
            let expected = 1 + u64::from(line.owed);
            let came =
                (0..expected).take_while(|_| line.socket.recv(&mut self.buffer).is_ok()).count() as u64;
            self.packets.received += came;
            // What does not come with the next one either is lost.
            line.owed = came < expected && !line.owed;
            self.packets.sent += u64::from(line.socket.send(&PACKET).is_ok());
        }
    }
}

/// The answering side, for at most this long.
///
/// # Errors
/// When a port is in use, or the system has no more descriptors.
pub fn answer(calls: usize, port: u16, length: Duration) -> anyhow::Result<()> {
    Side::new(calls, port, beyond(port, calls)?)?.run(length);
    Ok(())
}

/// The driving side, which also measures the other.
///
/// # Errors
/// When a port is in use, the system has no more descriptors, or the other side is gone or silent.
pub fn drive(order: &Order) -> anyhow::Result<Outcome> {
    let mut side = Side::new(order.calls, beyond(order.port, order.calls)?, order.port)?;
    let meter = Meter::new(side.clock, Some(order.peer));
    side.run(SETTLES);
    let mut outcome = Outcome { calls: order.calls, ..Outcome::default() };
    for _ in 0..order.rounds {
        side.packets = Packets::default();
        let before = meter.look()?;
        side.run(order.round);
        let cost = meter.look()?.since(&before);
        ensure!(
            side.packets.received > 0,
            "the answering side sends nothing: is it there, with the same --calls and --port?"
        );
        outcome.rounds.push(Round { cost, packets: side.packets });
    }
    Ok(outcome)
}

fn beyond(port: u16, calls: usize) -> anyhow::Result<u16> {
    let calls = u16::try_from(calls).ok();
    calls.and_then(|calls| port.checked_add(calls)).context("there are not so many ports")
}

/// Plain sockets: no stamps, nothing that would cost.
fn open(local: u16, remote: u16) -> io::Result<UdpSocket> {
    let here = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&here(local).into())?;
    socket.connect(&here(remote).into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_take_what_the_other_sends() {
        let (mut one, mut other) =
            (Side::new(25, 42_000, 42_100).unwrap(), Side::new(25, 42_100, 42_000).unwrap());
        for tick in 1..=100 {
            one.turn(tick);
            other.turn(tick);
        }
        let sent = 25 * 5;
        assert_eq!([one.packets.sent, other.packets.sent], [sent, sent]);
        // The other side of each pair comes second, so its last packets are not taken yet.
        assert_eq!([one.packets.received, other.packets.received], [sent - 25, sent]);
    }

    #[test]
    fn more_calls_than_ports_are_refused() {
        assert!(Side::new(100, 65_500, 1024).is_err());
        assert!(beyond(60_000, 10_000).is_err());
    }
}
