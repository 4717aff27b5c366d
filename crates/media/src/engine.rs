//! The engine's door: from any thread, without waiting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use std::{io, thread};

use crate::agreed::Agreed;
use crate::clip::Clip;
use crate::event::{Event, LegId, OnKey, PlayId};
use crate::leg::Pauses;
use crate::port::{NoPort, Port, PortRange, Ports};
use crate::record::RecordOrder;
use crate::secure::{BadKeys, Secure};
use crate::speaker::Beginning;
use crate::sys;
use crate::thread::{Board, COMMANDS_MAX, Command, Given, LEGS_MAX, Sink, Worker};
use crate::workshop::Workshop;
use aftercall_wire::sdp::Keys;

/// The most clips of one [`LegHandle::play`]: "you rated", a number and its label, in a few languages.
pub const CLIPS_MAX: usize = 64;

/// The most threads of one engine: more than any machine has cores for.
pub const THREADS_MAX: usize = 64;

/// The tone before a recording, in hertz: as answering machines have it.
const BEEP_HERTZ: u32 = 1000;

/// How long it lasts.
const BEEP_LENGTH: Duration = Duration::from_millis(250);

/// How an engine is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The address of our side; `0.0.0.0` is every IPv4 address, `::` every address of both families.
    pub bind: IpAddr,
    /// The ports media may use.
    pub ports: PortRange,
    /// How many threads share the legs, 1 to [`THREADS_MAX`]. One carries some 3,000 legs of 20 ms.
    pub threads: usize,
    /// How long a peer who may send may be silent before that is told.
    pub rtp_silence_after: Duration,
    /// Where telephone events were agreed on, how long none may come before keys are listened for in the
    /// audio, too. Where they were not, keys are listened for from the beginning.
    pub inband_after: Duration,
}

impl Config {
    /// One thread on every IPv4 address, half a minute of silence, and ten seconds without telephone events.
    #[must_use]
    pub fn new(ports: PortRange) -> Self {
        let bind = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let (rtp_silence_after, inband_after) = (Duration::from_secs(30), Duration::from_secs(10));
        Self { bind, ports, threads: 1, rtp_silence_after, inband_after }
    }
}

/// Why a command was not taken. Nothing of it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The thread's queue is full, or it has all the legs it can carry.
    #[error("the media engine is busy: refuse the call, or try again in a moment")]
    Busy,
    /// The thread is gone.
    #[error("the media engine has stopped: end the call")]
    Stopped,
    /// More clips than [`CLIPS_MAX`].
    #[error("more than {CLIPS_MAX} clips at once: join some of them into one recording")]
    TooManyClips,
    /// The socket is for IPv4 and the peer's address is not.
    #[error(
        "the peer's media address is IPv6, and RTP is bound to an IPv4 address: bind it to \"::\" for both"
    )]
    WrongFamily,
    /// The two legs are on different threads.
    #[error("the legs are on different threads: open the second beside the first to relay between them")]
    Apart,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers (getrandom): look at the sandbox it runs in")]
    NoRandom,
    /// The keys for SRTP are not for one suite.
    #[error(transparent)]
    Keys(#[from] BadKeys),
}

/// A look at the engine, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Threads at work. One less than configured has come upon a fault of ours: restart the process.
    pub threads: usize,
    /// Of these, how many the kernel lets go before other work on the machine (root, `CAP_SYS_NICE`, or
    /// systemd's `LimitNICE=-10`). The others may be late when the machine is busy.
    pub threads_first: usize,
    /// Legs now, those included whose last events nobody has taken yet.
    pub legs: usize,
    /// Even ports not in use by us.
    pub ports_free: usize,
    /// How often a thread has gone to work. It stands still while there are no legs.
    pub ticks: u64,
    /// Milliseconds left out because the machine stood still for longer than the wheel makes up for.
    pub skipped_ms: u64,
    /// Datagrams taken.
    pub packets_in: u64,
    /// Datagrams sent.
    pub packets_out: u64,
}

/// The RTP engine. Clone it freely; its threads end when the last clone and the last [`LegHandle`] are gone.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ports: Arc<Ports>,
    workers: Vec<Hand>,
    legs_named: AtomicU64,
}

/// How to reach one thread.
#[derive(Debug, Clone)]
struct Hand {
    commands: SyncSender<Command>,
    board: Arc<Board>,
}

impl Engine {
    /// Starts the threads. `sink` takes the events: it must not block, and gives an event back when there is
    /// no room for it now; the engine then keeps it and tries again within 20 ms. When nobody listens any
    /// more it takes them and does nothing.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        config: Config,
        sink: impl Fn(Event) -> Result<(), Event> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let sink: Sink = Arc::new(sink);
        let beep = Arc::new(Clip::tone(BEEP_HERTZ, BEEP_LENGTH));
        let pauses = Pauses::new(config.rtp_silence_after, config.inband_after);
        let workshop = Workshop::start()?;
        let start = |number: usize| {
            let (commands, queue) = sync_channel(COMMANDS_MAX);
            let board = Arc::new(Board::default());
            let worker = Worker::new(Given {
                commands: queue,
                sink: Arc::clone(&sink),
                board: Arc::clone(&board),
                pauses,
                beep: Arc::clone(&beep),
                workshop: workshop.clone(),
            });
            thread::Builder::new().name(format!("rtp-{number}")).spawn(move || worker.run())?;
            Ok(Hand { commands, board })
        };
        let workers = (0..config.threads.clamp(1, THREADS_MAX)).map(start).collect::<io::Result<Vec<_>>>()?;
        let ports = Arc::new(Ports::new(config.bind, config.ports));
        Ok(Self { shared: Arc::new(Shared { ports, workers, legs_named: AtomicU64::new(0) }) })
    }

    /// Binds an even port, before the SDP that names it is written. Dropping it gives it back.
    ///
    /// # Errors
    /// When every port of the range is taken.
    pub fn reserve_port(&self) -> Result<Port, NoPort> {
        self.shared.ports.reserve()
    }

    /// Opens a leg on a port: from now on it sends silence, where that may be, and hears. The thread with the
    /// fewest legs takes it.
    ///
    /// # Errors
    /// The port is given back then.
    pub fn open(&self, port: Port, agreed: Agreed) -> Result<LegHandle, Refused> {
        self.open_secure(port, agreed, None)
    }

    /// Opens a leg that speaks and hears SRTP, where there are keys.
    ///
    /// # Errors
    /// The port is given back then.
    pub fn open_secure(&self, port: Port, agreed: Agreed, keys: Option<&Keys>) -> Result<LegHandle, Refused> {
        let legs = |hand: &&Hand| hand.board.legs.load(Ordering::Relaxed);
        let hand = self.shared.workers.iter().min_by_key(legs).ok_or(Refused::Stopped)?;
        self.open_on(hand, port, agreed, keys)
    }

    /// Opens a leg on the thread of another, so that the two can be relayed.
    ///
    /// # Errors
    /// The port is given back then.
    pub fn open_beside(&self, other: &LegHandle, port: Port, agreed: Agreed) -> Result<LegHandle, Refused> {
        self.open_on(&other.hand, port, agreed, None)
    }

    /// How much there is to do.
    #[must_use]
    pub fn load(&self) -> Load {
        let empty = Load { ports_free: self.shared.ports.free(), ..Load::default() };
        self.shared.workers.iter().fold(empty, |sum, Hand { board, .. }| Load {
            threads: sum.threads + usize::from(board.at_work.load(Ordering::Relaxed)),
            threads_first: sum.threads_first + usize::from(board.goes_first.load(Ordering::Relaxed)),
            legs: sum.legs + board.legs.load(Ordering::Relaxed),
            ticks: sum.ticks + board.ticks.load(Ordering::Relaxed),
            skipped_ms: sum.skipped_ms + board.skipped_ms.load(Ordering::Relaxed),
            packets_in: sum.packets_in + board.packets_in.load(Ordering::Relaxed),
            packets_out: sum.packets_out + board.packets_out.load(Ordering::Relaxed),
            ..sum
        })
    }

    fn open_on(
        &self,
        hand: &Hand,
        port: Port,
        agreed: Agreed,
        keys: Option<&Keys>,
    ) -> Result<LegHandle, Refused> {
        let ipv6 = port.is_ipv6();
        if !reaches(ipv6, &agreed) {
            return Err(Refused::WrongFamily);
        }
        let (beginning, secure) = (beginning()?, secure(keys)?);
        if hand.board.legs.fetch_add(1, Ordering::Relaxed) >= LEGS_MAX {
            hand.board.legs.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Busy);
        }
        let leg = LegId(self.shared.legs_named.fetch_add(1, Ordering::Relaxed));
        if let Err(refused) = hand.order(Command::Open { leg, port, agreed, secure, beginning }) {
            hand.board.legs.fetch_sub(1, Ordering::Relaxed);
            return Err(refused);
        }
        Ok(LegHandle { id: leg, hand: hand.clone(), ipv6 })
    }
}

/// A leg, held by whoever leads its call. Dropping it closes the leg within 20 ms and frees its port; that
/// needs no room in any queue and cannot fail.
#[derive(Debug)]
pub struct LegHandle {
    id: LegId,
    hand: Hand,
    ipv6: bool,
}

impl LegHandle {
    /// The id in its events.
    #[must_use]
    pub fn id(&self) -> LegId {
        self.id
    }

    /// Plays the clips one after another without a gap, instead of what is playing. While the leg may not
    /// send, the prompt waits. [`Happened::Played`](crate::Happened::Played) tells when its last packet was
    /// sent; or [`Happened::Key`](crate::Happened::Key) that a key cut it, where `on_key` says so.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn play(&self, play: PlayId, clips: Vec<Arc<Clip>>, on_key: OnKey) -> Result<(), Refused> {
        if clips.len() > CLIPS_MAX {
            return Err(Refused::TooManyClips);
        }
        self.hand.order(Command::Play { leg: self.id, play, clips, on_key })
    }

    /// Plays nothing more; silence goes on.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn stop(&self) -> Result<(), Refused> {
        self.hand.order(Command::Stop { leg: self.id })
    }

    /// Takes what a new offer and answer agreed. Without a remote address the one known stays.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn update(&self, agreed: Agreed) -> Result<(), Refused> {
        if !reaches(self.ipv6, &agreed) {
            return Err(Refused::WrongFamily);
        }
        self.hand.order(Command::Update { leg: self.id, agreed })
    }

    /// Speaks and hears SRTP with these keys from now on; without, plain RTP. Those that the leg has already change
    /// nothing.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn secure(&self, keys: Option<&Keys>) -> Result<(), Refused> {
        self.hand.order(Command::Secure { leg: self.id, secure: secure(keys)? })
    }

    /// Records the caller until a pause, the longest time, or [`record_stop`](Self::record_stop). The beep,
    /// if one is wanted, replaces what is playing; cut by another command to play or stop, the recording
    /// begins at once. [`Happened::Recorded`](crate::Happened::Recorded) brings the recording, when the leg
    /// is closed too.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn record_start(&self, order: RecordOrder) -> Result<(), Refused> {
        self.hand.order(Command::Record { leg: self.id, order })
    }

    /// Ends the recording, if there is one.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn record_stop(&self) -> Result<(), Refused> {
        self.hand.order(Command::StopRecording { leg: self.id })
    }

    /// Keys come another way, by SIP INFO: from now on they are not listened for in the audio.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn ignore_tones(&self) -> Result<(), Refused> {
        self.hand.order(Command::IgnoreTones { leg: self.id })
    }

    /// Sends what each of the two hears to the other, audio and keys, in the codec that it has there; G.722 and
    /// Opus only to a leg that has the same. Keys are told as ever, and a prompt played on one of them goes before what it would be sent.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn relay(&self, other: &Self) -> Result<(), Refused> {
        if !Arc::ptr_eq(&self.hand.board, &other.hand.board) {
            return Err(Refused::Apart);
        }
        self.hand.order(Command::Relay { legs: [self.id, other.id] })
    }

    /// Ends the relaying of this leg and its partner: both send silence again.
    ///
    /// # Errors
    /// Nothing changes then.
    pub fn unrelay(&self) -> Result<(), Refused> {
        self.hand.order(Command::Part { leg: self.id })
    }

    /// Closes the leg, as dropping it does.
    pub fn close(self) {}
}

impl Drop for LegHandle {
    fn drop(&mut self) {
        self.hand.board.close(self.id);
    }
}

impl Hand {
    fn order(&self, command: Command) -> Result<(), Refused> {
        self.commands.try_send(command).map_err(|fault| match fault {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Stopped,
        })
    }
}

fn reaches(ipv6: bool, agreed: &Agreed) -> bool {
    ipv6 || agreed.remote.is_none_or(|remote: SocketAddr| remote.is_ipv4())
}

fn secure(keys: Option<&Keys>) -> Result<Option<Box<Secure>>, Refused> {
    Ok(keys.map(Secure::new).transpose()?.map(Box::new))
}

fn beginning() -> Result<Beginning, Refused> {
    let [s0, s1, s2, s3, t0, t1, t2, t3, n0, n1] = sys::random::<10>().map_err(|_| Refused::NoRandom)?;
    Ok(Beginning {
        ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        // In the lower half: whoever loses the first packets of SRTP must not lose count of the turns (RFC 3711, 3.3.1).
        sequence: u16::from_be_bytes([n0 & 0x7f, n1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
    })
}
