//! Sockets: never waiting, and with the kernel's word on when each datagram came.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

/// The longest datagram read; a SIP message over UDP is at most 65,535 bytes, and ours come to a thousand.
const DATAGRAM_BYTES_MAX: usize = 8192;

/// Room for one control message with a time stamp: 16 bytes of header, 16 of `timespec`, twice that to be safe.
const CONTROL_BYTES: usize = 64;

/// Opens a UDP socket that never blocks, with a receive buffer of this many bytes as far as the system allows, and
/// time stamps on what arrives.
///
/// # Errors
/// The system's: mostly that the port is in use.
pub fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(buffer_bytes)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A buffer for one datagram, used over and over.
pub struct Inbox {
    bytes: Box<[u8; DATAGRAM_BYTES_MAX]>,
    control: [u8; CONTROL_BYTES],
}

/// A datagram in the [`Inbox`].
#[derive(Debug)]
pub struct Datagram<'a> {
    /// What it says.
    pub bytes: &'a [u8],
    /// When the kernel took it, by the calendar clock.
    pub stamp: Option<Duration>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { bytes: Box::new([0; DATAGRAM_BYTES_MAX]), control: [0; CONTROL_BYTES] }
    }
}

impl Inbox {
    /// Takes a waiting datagram; `None` when none waits.
    pub fn take(&mut self, socket: &UdpSocket) -> Option<Datagram<'_>> {
        loop {
            match self.receive(socket) {
                Ok((length, stamp)) => return Some(Datagram { bytes: self.bytes.get(..length)?, stamp }),
                // The other side has closed its port: told once for each datagram refused, and no news to us.
                Err(Errno::ECONNREFUSED | Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    fn receive(&mut self, socket: &UdpSocket) -> nix::Result<(usize, Option<Duration>)> {
        let mut slices = [IoSliceMut::new(&mut self.bytes[..])];
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut self.control), flags)?;
        let stamp = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
            _ => None,
        });
        Ok((received.bytes, stamp))
    }
}

/// Even ports for RTP, taken in turn, so that one is not used again at once.
#[derive(Debug)]
pub struct Ports {
    ip: IpAddr,
    free: VecDeque<u16>,
}

/// The receive buffer of one call's socket: 64 KiB hold two seconds of packets, with the kernel's overhead.
const CALL_BUFFER_BYTES: usize = 64 * 1024;

impl Ports {
    /// The even ports of `range` (`30000-39999`) at this address.
    ///
    /// # Errors
    /// When `range` is no range of ports above 1023, or has no even one.
    pub fn new(ip: IpAddr, range: &str) -> anyhow::Result<Self> {
        let ends =
            range.split_once('-').and_then(|(a, b)| Some((a.parse::<u16>().ok()?, b.parse::<u16>().ok()?)));
        let (first, last) = ends.with_context(|| format!("`{range}` is not a range such as 30000-39999"))?;
        let free: VecDeque<u16> = (first.max(1024)..=last).filter(|port| port % 2 == 0).collect();
        if free.is_empty() {
            bail!("`{range}` has no even port above 1023");
        }
        Ok(Self { ip, free })
    }

    /// How many are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Opens a socket on the next port that no other program has.
    ///
    /// # Errors
    /// When none is left, or the system has no more descriptors.
    pub fn open(&mut self) -> anyhow::Result<UdpSocket> {
        for _ in 0..self.free.len() {
            let Some(port) = self.free.pop_front() else { break };
            match bind(SocketAddr::new(self.ip, port), CALL_BUFFER_BYTES) {
                Ok(socket) => return Ok(socket),
                Err(fault) if fault.kind() == io::ErrorKind::AddrInUse => self.free.push_back(port),
                Err(fault) => {
                    self.free.push_front(port);
                    return Err(fault).context("opening a port for RTP (is `ulimit -n` high enough?)");
                }
            }
        }
        bail!("every port for RTP is in use: give a wider range with --ports");
    }

    /// Closes a socket and gives its port back.
    pub fn close(&mut self, socket: UdpSocket) {
        if let Ok(address) = socket.local_addr() {
            self.free.push_back(address.port());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_datagram_is_read_with_the_moment_it_came() {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (one, other) = (bind(here, 4096).unwrap(), bind(here, 4096).unwrap());
        one.connect(other.local_addr().unwrap()).unwrap();
        let mut inbox = Inbox::default();
        assert!(inbox.take(&other).is_none());
        one.send(b"first").unwrap();
        one.send(b"second").unwrap();
        let (bytes, early) =
            inbox.take(&other).map(|datagram| (datagram.bytes.to_vec(), datagram.stamp)).unwrap();
        let late = inbox.take(&other).and_then(|datagram| datagram.stamp);
        assert_eq!(bytes, b"first");
        assert!(early.is_some() && early <= late, "{early:?} {late:?}");
        assert!(inbox.take(&other).is_none());
    }

    #[test]
    fn a_peer_that_closed_its_port_is_no_end_of_reading() {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (one, gone) = (bind(here, 4096).unwrap(), bind(here, 4096).unwrap());
        one.connect(gone.local_addr().unwrap()).unwrap();
        drop(gone);
        one.send(b"to nobody").unwrap();
        assert!(Inbox::default().take(&one).is_none());
    }

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn number(socket: &UdpSocket) -> u16 {
        socket.local_addr().unwrap().port()
    }

    /// An odd port with two even ones after it that no other program has.
    fn free_range() -> u16 {
        let is_free = |port: u16| UdpSocket::bind((HERE, port)).is_ok();
        (10_001..20_000).step_by(6).find(|port| is_free(port + 1) && is_free(port + 3)).unwrap()
    }

    #[test]
    fn ports_are_even_taken_in_turn_and_given_back() {
        let odd = free_range();
        let mut ports = Ports::new(HERE, &format!("{odd}-{}", odd + 4)).unwrap();
        assert_eq!(ports.free(), 2);
        let first = ports.open().unwrap();
        let second = ports.open().unwrap();
        assert_eq!([number(&first), number(&second)], [odd + 1, odd + 3]);
        assert!(ports.open().is_err());
        ports.close(second);
        assert_eq!(number(&ports.open().unwrap()), odd + 3);
    }

    #[test]
    fn an_occupied_port_is_passed_over() {
        let odd = free_range();
        let _other = UdpSocket::bind((HERE, odd + 1)).unwrap();
        let mut ports = Ports::new(HERE, &format!("{odd}-{}", odd + 4)).unwrap();
        assert_eq!(number(&ports.open().unwrap()), odd + 3);
    }

    #[test]
    fn what_is_no_range_with_an_even_port_is_refused() {
        for range in ["41101", "41101-41101", "9-5", "a-b", "1-1000"] {
            assert!(Ports::new(HERE, range).is_err(), "{range}");
        }
    }
}
