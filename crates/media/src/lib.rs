//! The RTP engine of aftercall: a few threads that play prompts to thousands of callers and hear their keys.
//!
//! A call has one leg or more, each with a port and a socket of its own ([`Engine::reserve_port`],
//! [`Engine::open`]). A thread visits each of its legs every 20 ms: it takes all datagrams that came, tells
//! the keys among them, and sends the packet that is due: two system calls for each leg and visit. Between
//! visits it sleeps until somebody is due; without legs it sleeps for good. Prompts are read and encoded once
//! ([`Clip`]) and shared by all.
//!
//! Every five seconds or so a leg also tells its peer by RTCP how the two streams arrive, and hears the same; what
//! comes of it is told when the leg closes ([`Quality`]).
//!
//! What is decided on a leg is decided without sockets and clocks, so that tests can say what time it is.
//! Commands go in over a bounded queue, events come out through a function that may say "not now"
//! ([`Engine::start`]). Linux only.

#![warn(missing_docs)]

mod agreed;
mod clip;
mod engine;
mod event;
mod inband;
mod latch;
mod leg;
mod port;
mod quality;
mod reception;
mod record;
mod reporter;
mod resample;
mod secure;
mod slab;
mod speaker;
mod sys;
mod thread;
mod voice;
mod wheel;
mod wide;
mod workshop;

pub use aftercall_wire::codec::Codec;
pub use aftercall_wire::sdp::{Direction, Keys, Rtcp};
pub use agreed::{Agreed, Ptime};
pub use clip::{CLIP_MAX, Clip, ClipError, ClipFault};
pub use engine::{CLIPS_MAX, Config, Engine, LegHandle, Load, Refused, THREADS_MAX};
pub use event::{Event, Happened, KeyBy, LegId, OnKey, PlayId, Stats};
pub use inband::SAME_PRESS_WITHIN;
pub use leg::{EVENTS_WAITING_MAX, KEYS_WAITING_MAX};
pub use port::{NoPort, Port, PortRange, PortRangeFault};
pub use quality::{PeerView, Quality, mean_opinion, transmission_rating};
pub use reception::Arrived;
pub use record::{RECORDING_MAX, RecordEnd, RecordOrder, Recording};
pub use secure::{BadKeys, NotOpened, Secure};
pub use voice::{Decoder, Encoder, G722_SILENCE, OPUS_SILENCE, SAMPLES_MAX};
