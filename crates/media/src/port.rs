//! The even UDP ports that media may use, and a socket on one of them.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use socket2::{Domain, Protocol, Socket, Type};

use crate::sys;

/// What a socket may hold of datagrams not yet taken, in bytes as the kernel counts them (it doubles the
/// number). A 20 ms packet of G.711 counts as 768: 80 of them, 1.6 s of a stream. 5,000 flooded sockets hold
/// 320 MiB.
const SOCKET_BUFFER_BYTES: usize = 32 * 1024;

/// Expedited forwarding (RFC 3246), the class of telephony (RFC 4594, 4.1), in the upper six bits.
const EXPEDITED: u32 = 46 << 2;

/// The ports media may use, both ends included. RTP takes the even ones, RTCP those above (RFC 3550, 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    low: u16,
    high: u16,
}

/// Why a text is not a range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PortRangeFault {
    /// Not two numbers with a hyphen.
    #[error("is not two port numbers with a hyphen between them, such as \"20000-29999\"")]
    Shape,
    /// Zero, or above 65535, or the wrong way round.
    #[error("must run from a lower to a higher port, both 1 to 65535")]
    Order,
    /// One odd port.
    #[error("contains no even port, and RTP needs one for each call")]
    NoEven,
}

impl PortRange {
    /// Takes the ports from `low` to `high`.
    ///
    /// # Errors
    /// When there is no even port between them.
    pub fn new(low: u16, high: u16) -> Result<Self, PortRangeFault> {
        if low == 0 || low > high {
            return Err(PortRangeFault::Order);
        }
        let range = Self { low, high };
        if range.even().next().is_none() { Err(PortRangeFault::NoEven) } else { Ok(range) }
    }

    fn even(self) -> impl Iterator<Item = u16> {
        (self.low..=self.high).filter(|port| port % 2 == 0)
    }
}

impl FromStr for PortRange {
    type Err = PortRangeFault;
    fn from_str(text: &str) -> Result<Self, PortRangeFault> {
        let (low, high) = text.split_once('-').ok_or(PortRangeFault::Shape)?;
        let number = |part: &str| match part.trim().parse::<u32>() {
            Ok(number) => u16::try_from(number).map_err(|_| PortRangeFault::Order),
            Err(_) => Err(PortRangeFault::Shape),
        };
        Self::new(number(low)?, number(high)?)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.low, self.high)
    }
}

/// Every even port of the range is taken, by our calls or by other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no free even port in {0}: refuse the call, and widen the range of RTP ports if that happens again")]
pub struct NoPort(pub PortRange);

/// The ports not in use by us, the longest unused first: a late packet of an ended call then finds nobody.
#[derive(Debug)]
pub(crate) struct Ports {
    bind: IpAddr,
    range: PortRange,
    free: Mutex<VecDeque<u16>>,
}

impl Ports {
    pub(crate) fn new(bind: IpAddr, range: PortRange) -> Self {
        Self { bind, range, free: Mutex::new(range.even().collect()) }
    }

    /// Binds the next port that no other program holds. Tries each free port once at most.
    ///
    /// # Errors
    /// When none is left.
    pub(crate) fn reserve(self: &Arc<Self>) -> Result<Port, NoPort> {
        for _ in 0..self.free() {
            let Some(number) = self.locked().pop_front() else { break };
            match open(SocketAddr::new(self.bind, number)) {
                Ok(socket) => {
                    let above = (number < self.range.high).then(|| SocketAddr::new(self.bind, number + 1));
                    let control = above.and_then(|above| open(above).ok());
                    return Ok(Port { number, socket, control, ports: Arc::clone(self) });
                }
                Err(_) => self.locked().push_back(number),
            }
        }
        Err(NoPort(self.range))
    }

    /// How many ports are not in use by us.
    pub(crate) fn free(&self) -> usize {
        self.locked().len()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, VecDeque<u16>> {
        // A panic elsewhere cannot leave a queue of numbers half changed.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An even port, bound for one leg. Dropping it gives the port back.
#[derive(Debug)]
pub struct Port {
    number: u16,
    socket: UdpSocket,
    /// On the port above, where the range has it and nobody else does.
    control: Option<UdpSocket>,
    ports: Arc<Ports>,
}

impl Port {
    /// The number, for the SDP answer.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        self.ports.bind.is_ipv6()
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// The socket for RTCP, if there is one.
    pub(crate) fn control(&self) -> Option<&UdpSocket> {
        self.control.as_ref()
    }

    /// `peer` as this socket's address family knows it: an IPv6 socket reaches IPv4 by mapped addresses.
    pub(crate) fn reachable(&self, peer: SocketAddr) -> SocketAddr {
        match (self.ports.bind, peer.ip()) {
            (IpAddr::V6(_), IpAddr::V4(v4)) => SocketAddr::new(IpAddr::V6(v4.to_ipv6_mapped()), peer.port()),
            _ => peer,
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // The socket closes a moment later, after this body; `reserve` skips the port if it is that quick,
        // since the number goes to the far end of the queue.
        self.ports.locked().push_back(self.number);
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
        socket.set_tclass_v6(EXPEDITED)?;
    } else {
        socket.set_tos_v4(EXPEDITED)?;
    }
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    sys::stamp_arrivals(&socket)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_refused_with_the_reason() {
        for (text, expected) in [
            ("20000-29999", Ok("20000-29999")),
            (" 20000 - 20001 ", Ok("20000-20001")),
            ("20000-20000", Ok("20000-20000")),
            ("65534-65535", Ok("65534-65535")),
            ("20001-20001", Err(PortRangeFault::NoEven)),
            ("20002-20000", Err(PortRangeFault::Order)),
            ("0-20000", Err(PortRangeFault::Order)),
            ("20000-70000", Err(PortRangeFault::Order)),
            ("20000", Err(PortRangeFault::Shape)),
            ("a-b", Err(PortRangeFault::Shape)),
            ("-5-10", Err(PortRangeFault::Shape)),
            ("", Err(PortRangeFault::Shape)),
        ] {
            let read = text.parse::<PortRange>().map(|range| range.to_string());
            assert_eq!(read.as_deref().map_err(|fault| *fault), expected, "{text:?}");
        }
    }

    #[test]
    fn only_even_ports_are_handed_out() {
        assert_eq!(
            PortRange::new(19_999, 20_005).unwrap().even().collect::<Vec<_>>(),
            [20_000, 20_002, 20_004]
        );
    }
}
