//! A server that conducts a survey of two seconds, with one fault or none.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aftercall_bench::clock::Clock;
use aftercall_bench::net::{Inbox, bind};
use aftercall_bench::sip::message::{Message, Name, Start};
use aftercall_bench::sip::sdp;
use aftercall_wire::rtp::{HEADER_BYTES, Header, Packet, PayloadType};
use aftercall_wire::telephone_event::Receiver;

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Good,
    /// The first INVITE of each call is lost.
    LosesTheFirstInvite,
    /// Every so manieth call is refused.
    Refuses { every: u32 },
    /// Hangs up after ten packets.
    HangsUpEarly,
    /// Every tenth packet is lost.
    LosesPackets,
    /// The prompt goes on whatever is pressed; a rating ends the call nevertheless.
    TalksOn,
    /// Asks the caller something in the call.
    AsksForOptions,
}

/// A server in a thread of its own; it ends when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(manner: Manner) -> Self {
        let sip = bind((Ipv4Addr::LOCALHOST, 0).into(), 1 << 20).unwrap();
        let address = sip.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let world = World {
            manner,
            sip,
            clock: Clock::start(),
            calls: HashMap::new(),
            seen: HashMap::new(),
            inbox: Inbox::default(),
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || world.run(&stopped));
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

struct World {
    manner: Manner,
    sip: UdpSocket,
    clock: Clock,
    calls: HashMap<String, Call>,
    /// How often each call's INVITE came.
    seen: HashMap<String, u32>,
    inbox: Inbox,
}

struct Call {
    peer: SocketAddr,
    rtp: UdpSocket,
    keys: Receiver,
    sent: u16,
    /// What is said, and how many packets of it have been.
    saying: (Saying, u8),
    /// Ready to be sent.
    bye: String,
    options: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saying {
    Prompt,
    Thanks,
}

/// Another number than the caller offers.
const EVENTS: PayloadType = PayloadType::new(97).unwrap();

const PROMPT_PACKETS: u8 = 100;
const THANKS_PACKETS: u8 = 10;

impl World {
    fn run(mut self, stop: &AtomicBool) {
        for tick in 1.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            self.clock.sleep_until(Duration::from_millis(5 * tick));
            self.hear();
            if tick % 4 == 0 {
                self.turn();
            }
        }
    }

    fn hear(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = self.sip.recv_from(&mut buffer) {
            let message = Message::parse(&buffer[..length]).unwrap();
            let id = message.header(Name::CallId).unwrap().to_owned();
            match message.start {
                Start::Request { method: "INVITE" } => self.invited(id, &message, peer),
                Start::Request { method: "BYE" } => {
                    self.calls.remove(&id);
                    self.sip.send_to(message.answer("200 OK").as_bytes(), peer).unwrap();
                }
                Start::Request { .. } | Start::Response { .. } => {}
            }
        }
    }

    fn invited(&mut self, id: String, invite: &Message<'_>, peer: SocketAddr) {
        let times = self.seen.entry(id.clone()).or_default();
        *times += 1;
        let number = id.rsplit('-').next().and_then(|number| number.parse::<u32>().ok()).unwrap();
        let refused = matches!(self.manner, Manner::Refuses { every } if number % every == every - 1);
        if self.manner == Manner::LosesTheFirstInvite && *times == 1 || self.calls.contains_key(&id) {
            return;
        }
        if refused {
            let refusal =
                invite.answer("503 Service Unavailable").replace("\r\nCall-ID", ";tag=s\r\nCall-ID");
            self.sip.send_to(refusal.as_bytes(), peer).unwrap();
            return;
        }
        let rtp = bind((Ipv4Addr::LOCALHOST, 0).into(), 1 << 16).unwrap();
        let offer = sdp::answer(invite.body).unwrap();
        rtp.connect(offer.remote).unwrap();
        let body = sdp::offer(rtp.local_addr().unwrap(), EVENTS);
        let here = self.sip.local_addr().unwrap();
        let tail = format!(
            "Contact: <sip:survey@{here}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let ok = invite.answer("200 OK").replace("\r\nCall-ID", ";tag=s\r\nCall-ID");
        let ok = ok.replace("Content-Length: 0\r\n\r\n", &tail);
        self.sip.send_to(ok.as_bytes(), peer).unwrap();
        let request = |method: &str, cseq: u32| {
            format!(
                "{method} sip:bench@{peer} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{cseq}{id}\r\n\
                 From: {};tag=s\r\nTo: {}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
                invite.header(Name::To).unwrap(),
                invite.header(Name::From).unwrap(),
            )
        };
        let keys = Receiver::new(EVENTS);
        let (bye, options) = (request("BYE", 2), request("OPTIONS", 1));
        self.calls.insert(id, Call { peer, rtp, keys, sent: 0, saying: (Saying::Prompt, 0), bye, options });
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        let manner = self.manner;
        let (sip, inbox) = (&self.sip, &mut self.inbox);
        self.calls.retain(|_, call| {
            while let Some(datagram) = inbox.take(&call.rtp) {
                let packet = Packet::parse(datagram.bytes).unwrap();
                for digit in call.keys.receive(&packet, now) {
                    call.pressed(digit.char(), manner);
                }
            }
            call.speak(manner);
            if manner == Manner::AsksForOptions && call.sent == 5 {
                sip.send_to(call.options.as_bytes(), call.peer).unwrap();
            }
            let hangs_up = call.saying == (Saying::Thanks, THANKS_PACKETS)
                || (manner == Manner::HangsUpEarly && call.sent == 10);
            if hangs_up {
                sip.send_to(call.bye.as_bytes(), call.peer).unwrap();
            }
            !hangs_up
        });
    }
}

impl Call {
    fn pressed(&mut self, key: char, manner: Manner) {
        match key {
            '*' if manner == Manner::TalksOn => {}
            '*' => self.saying = (Saying::Prompt, 0),
            _ => self.saying = (Saying::Thanks, 0),
        }
    }

    fn speak(&mut self, manner: Manner) {
        let (saying, packets) = &mut self.saying;
        let code = match saying {
            Saying::Prompt if *packets < PROMPT_PACKETS => 10 + *packets,
            Saying::Thanks => 120 + *packets,
            Saying::Prompt => 0xff,
        };
        *packets = packets.saturating_add(1);
        let mut head = [0; HEADER_BYTES];
        let header = Header {
            payload_type: PayloadType::PCMU,
            marker: self.sent == 0,
            sequence: self.sent,
            timestamp: u32::from(self.sent) * 160,
            ssrc: 7,
        };
        header.write(&mut head);
        self.sent += 1;
        if manner == Manner::LosesPackets && self.sent.is_multiple_of(10) {
            return;
        }
        let payload = [code; 160];
        self.rtp.send(&[head.as_slice(), &payload].concat()).ok();
    }
}
