//! The system calls that the standard library does not offer. The only unsafe code of the project.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

/// The longest datagram taken whole: an Ethernet frame's payload. G.711 of 60 ms is 492 bytes;
/// what is longer than this is not ours, and is cut and counted as malformed.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 1500;

/// Datagrams taken by one system call: 160 ms of a 20 ms stream. 8 of 1,500 bytes are 12 KiB, which stay in
/// the first-level cache.
pub(crate) const BATCH: usize = 8;

/// Room for one control message with a time stamp, in eight-byte words: 16 bytes of header, 16 of `timespec`,
/// and as much again in case the kernel adds another.
const CONTROL_WORDS: usize = 8;

/// The niceness of a thread whose packets are due to the millisecond: nine times the share of an ordinary
/// one.
const URGENT: libc::c_int = -10;

/// The monotonic clock, since the machine's start.
pub(crate) fn monotonic() -> Duration {
    read_clock(libc::CLOCK_MONOTONIC)
}

/// The calendar clock, since 1970; only ever compared with the kernel's stamps on datagrams.
pub(crate) fn calendar() -> Duration {
    read_clock(libc::CLOCK_REALTIME)
}

/// Sleeps until the monotonic clock shows `deadline`; returns at once if it has passed.
pub(crate) fn sleep_until(deadline: Duration) {
    let request = libc::timespec {
        tv_sec: libc::time_t::try_from(deadline.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(deadline.subsec_nanos().cast_signed()),
    };
    loop {
        // SAFETY: `request` is a valid timespec that lives through the call; with an absolute deadline the
        // kernel writes no remainder, so the null pointer is allowed.
        let fault = unsafe {
            libc::clock_nanosleep(
                libc::CLOCK_MONOTONIC,
                libc::TIMER_ABSTIME,
                &raw const request,
                ptr::null_mut(),
            )
        };
        if fault != libc::EINTR {
            return;
        }
    }
}

/// What an x86 processor fetches at once.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE_BYTES: usize = 64;

/// Asks that the calling thread go before others that want the same core; says whether the kernel agreed. It
/// does so for root, for `CAP_SYS_NICE`, and where the service's limit allows it (`LimitNICE=-10` of
/// systemd).
pub(crate) fn go_first() -> bool {
    // SAFETY: no pointers are passed. On Linux a "process" of 0 is the calling thread alone.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, URGENT) == 0 }
}

/// Asks the processor to bring something into its caches, and does not wait for it. A thousand legs with what
/// the kernel keeps of their sockets are more than a core's own caches hold: this takes 5 % off a visit.
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(unused_variables, reason = "there it is left to the processor")
)]
pub(crate) fn prefetch<T>(thing: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of::<T>()).step_by(CACHE_LINE_BYTES) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let at = ptr::from_ref(thing).cast::<i8>().wrapping_add(line);
        // SAFETY: a prefetch changes nothing that a program can see, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at) };
    }
}

/// Bytes from the kernel's random generator.
///
/// # Errors
/// When the kernel has none to give: before its pool is filled, or from a sandbox that forbids it.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    const { assert!(N <= 256, "longer requests may be answered in part") }
    let mut bytes = [0; N];
    // SAFETY: the pointer and the length describe `bytes`, which lives through the call.
    let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    if usize::try_from(filled) == Ok(N) { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// Undoes `connect`: datagrams from every address are let in again. The port stays bound if it was asked for
/// by its number; one that the kernel chose would be given up.
///
/// # Errors
/// The kernel's.
pub(crate) fn disconnect(socket: &UdpSocket) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid `sockaddr`; its family is AF_UNSPEC (0) as it stands.
    let nobody: libc::sockaddr = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the pointer and the length describe `nobody`, which lives through the call, and the descriptor
    // is open as long as `socket` is borrowed.
    let answer =
        unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, size_of_u32::<libc::sockaddr>()) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks the kernel to stamp every arriving datagram with the calendar clock.
///
/// # Errors
/// The kernel's.
pub(crate) fn stamp_arrivals(socket: &UdpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length describe `on`, which lives through the call, and the descriptor is
    // open as long as `socket` is borrowed.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_u32::<libc::c_int>(),
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A datagram as it lies in the [`Inbox`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagram<'a> {
    /// Its bytes; `None` when it was longer than [`DATAGRAM_BYTES_MAX`].
    pub(crate) bytes: Option<&'a [u8]>,
    /// Who sent it.
    pub(crate) from: Option<SocketAddr>,
    /// When the kernel took it, by the calendar clock.
    pub(crate) stamp: Option<Duration>,
}

/// Buffers for one batch of datagrams, used over and over by one thread.
pub(crate) struct Inbox {
    bytes: Box<[[u8; DATAGRAM_BYTES_MAX]; BATCH]>,
    names: [libc::sockaddr_storage; BATCH],
    controls: [[u64; CONTROL_WORDS]; BATCH],
    headers: [Received; BATCH],
}

/// What the kernel said about one datagram.
#[derive(Clone, Copy, Default)]
struct Received {
    length: usize,
    name_length: libc::socklen_t,
    control_length: usize,
    truncated: bool,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Box::new([[0; DATAGRAM_BYTES_MAX]; BATCH]),
            // SAFETY: all-zero bytes are a valid sockaddr_storage, of family AF_UNSPEC.
            names: [unsafe { MaybeUninit::zeroed().assume_init() }; BATCH],
            controls: [[0; CONTROL_WORDS]; BATCH],
            headers: [Received::default(); BATCH],
        }
    }

    /// Takes up to [`BATCH`] waiting datagrams and says how many; zero when none waits. Never blocks.
    ///
    /// # Errors
    /// The kernel's, for instance that an earlier datagram of ours was refused.
    pub(crate) fn take(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let mut vectors: [libc::iovec; BATCH] = std::array::from_fn(|index| libc::iovec {
            iov_base: self.bytes[index].as_mut_ptr().cast(),
            iov_len: DATAGRAM_BYTES_MAX,
        });
        let mut messages: [libc::mmsghdr; BATCH] = std::array::from_fn(|index| {
            // SAFETY: all-zero bytes are a valid mmsghdr: null pointers with zero lengths.
            let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
            message.msg_hdr.msg_name = (&raw mut self.names[index]).cast();
            message.msg_hdr.msg_namelen = size_of_u32::<libc::sockaddr_storage>();
            message.msg_hdr.msg_iov = &raw mut vectors[index];
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = self.controls[index].as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = size_of::<[u64; CONTROL_WORDS]>();
            message
        });
        // SAFETY: every pointer in `messages` points into `self` or into `vectors`, each with the length of
        // what it points at, and both outlive the call; `messages` holds BATCH headers.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let fault = io::Error::last_os_error();
            return if fault.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(fault) };
        };
        for (received, message) in self.headers.iter_mut().zip(&messages[..count]) {
            *received = Received {
                length: message.msg_len as usize,
                name_length: message.msg_hdr.msg_namelen,
                control_length: message.msg_hdr.msg_controllen,
                truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            };
        }
        Ok(count)
    }

    /// The datagram at `index` of the batch taken last.
    pub(crate) fn get(&self, index: usize) -> Datagram<'_> {
        let received = self.headers[index];
        let bytes = if received.truncated { None } else { self.bytes[index].get(..received.length) };
        Datagram { bytes, from: self.sender(index), stamp: self.stamp(index) }
    }

    fn sender(&self, index: usize) -> Option<SocketAddr> {
        let name = &raw const self.names[index];
        let length = self.headers[index].name_length;
        match libc::c_int::from(self.names[index].ss_family) {
            libc::AF_INET if length >= size_of_u32::<libc::sockaddr_in>() => {
                // SAFETY: the storage is larger than a sockaddr_in and aligned for it, and says that it holds
                // one.
                let v4 = unsafe { name.cast::<libc::sockaddr_in>().read() };
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddr::from((ip, u16::from_be(v4.sin_port))))
            }
            libc::AF_INET6 if length >= size_of_u32::<libc::sockaddr_in6>() => {
                // SAFETY: the storage is larger than a sockaddr_in6 and aligned for it, and says that it
                // holds one.
                let v6 = unsafe { name.cast::<libc::sockaddr_in6>().read() };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                // Without flow label: only addresses and scopes are compared.
                Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    fn stamp(&self, index: usize) -> Option<Duration> {
        let control = &self.controls[index];
        // Read as bytes: the kernel's layout is a cmsghdr, padding to eight bytes, then the timespec.
        let header = size_of::<libc::cmsghdr>().next_multiple_of(size_of::<u64>());
        if self.headers[index].control_length < header + size_of::<libc::timespec>() {
            return None;
        }
        // SAFETY: `control` is aligned to eight bytes and larger than a cmsghdr; all bit patterns are valid.
        let kind: libc::cmsghdr = unsafe { control.as_ptr().cast::<libc::cmsghdr>().read() };
        if (kind.cmsg_level, kind.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
            return None;
        }
        // SAFETY: `control_length` says that a timespec lies behind the header, both within `control`, whose
        // words are aligned as the timespec is; all bit patterns are valid.
        let time = unsafe { control.as_ptr().add(header / size_of::<u64>()).cast::<libc::timespec>().read() };
        let seconds = u64::try_from(time.tv_sec).ok()?;
        let nanos = u32::try_from(time.tv_nsec).ok()?;
        Some(Duration::new(seconds, nanos))
    }
}

fn read_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for a timespec and lives through the call. The two clocks used here
    // exist on every Linux, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned() as u32)
}

const fn size_of_u32<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ip: &str) -> (UdpSocket, UdpSocket) {
        let (a, b) = (UdpSocket::bind((ip, 0)).unwrap(), UdpSocket::bind((ip, 0)).unwrap());
        a.connect(b.local_addr().unwrap()).unwrap();
        stamp_arrivals(&b).unwrap();
        (a, b)
    }

    #[test]
    fn datagrams_come_whole_with_their_sender_and_the_time_they_came() {
        for ip in ["127.0.0.1", "::1"] {
            if UdpSocket::bind((ip, 0)).is_err() {
                eprintln!("{ip} is not on this machine");
                continue;
            }
            let (a, b) = pair(ip);
            let mut inbox = Inbox::new();
            assert_eq!(inbox.take(&b).unwrap(), 0, "an empty socket does not block");
            let before = calendar();
            for datagram in
                [&b"one"[..], b"", &[7; DATAGRAM_BYTES_MAX], &[7; DATAGRAM_BYTES_MAX + 1], b"last"]
            {
                a.send(datagram).unwrap();
            }
            assert_eq!(inbox.take(&b).unwrap(), 5);
            let got: Vec<_> = (0..5).map(|index| inbox.get(index)).collect();
            let bytes: Vec<_> = got.iter().map(|datagram| datagram.bytes).collect();
            assert_eq!(
                bytes,
                [Some(&b"one"[..]), Some(b""), Some(&[7; DATAGRAM_BYTES_MAX]), None, Some(b"last")]
            );
            assert!(got.iter().all(|datagram| datagram.from == a.local_addr().ok()));
            let stamps: Vec<_> = got.iter().map(|datagram| datagram.stamp.unwrap()).collect();
            assert!(stamps.is_sorted() && stamps[0] >= before && stamps[4] <= calendar());
        }
    }

    #[test]
    fn one_batch_is_taken_at_a_time() {
        let (a, b) = pair("127.0.0.1");
        for number in 0..=BATCH as u8 {
            a.send(&[number]).unwrap();
        }
        let mut inbox = Inbox::new();
        assert_eq!(inbox.take(&b).unwrap(), BATCH);
        assert_eq!(inbox.take(&b).unwrap(), 1);
        assert_eq!(inbox.get(0).bytes, Some(&[BATCH as u8][..]));
    }

    #[test]
    fn a_disconnected_socket_hears_everybody_again_on_the_same_port() {
        let [a, b, stranger] = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let address = b.local_addr().unwrap();
        drop(b);
        let b = UdpSocket::bind(address).unwrap();
        b.connect(a.local_addr().unwrap()).unwrap();
        stranger.send_to(b"dropped by the kernel", address).unwrap();
        disconnect(&b).unwrap();
        stranger.send_to(b"heard", address).unwrap();
        let mut inbox = Inbox::new();
        assert_eq!(inbox.take(&b).unwrap(), 1);
        assert_eq!(
            (inbox.get(0).bytes, inbox.get(0).from),
            (Some(&b"heard"[..]), stranger.local_addr().ok())
        );
        assert_eq!(b.local_addr().unwrap(), address);
    }

    #[test]
    fn random_bytes_differ_and_the_clock_does_not_go_back() {
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
        let before = monotonic();
        sleep_until(before);
        sleep_until(before + Duration::from_millis(1));
        assert!(monotonic() >= before + Duration::from_millis(1));
    }
}
