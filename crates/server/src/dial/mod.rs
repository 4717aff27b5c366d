//! `aftercall dial`: a real telephone that calls, waits for the prompt, presses keys and measures.

mod ear;
mod line;
mod memory;
mod mouth;
mod report;
mod script;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::tls;
use aftercall_wire::codec::Codec;
use aftercall_wire::digit::Digit;
use aftercall_wire::rtp::Packet;
use aftercall_wire::sdp::{self, Agreed, Description, Direction, SEED_BYTES, Seed, Srtp};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

pub use report::{Pressed, Report};
pub use script::{Script, Step};

use crate::clock::Clock;
use crate::signalling::{
    Bounds, CallKey, Credentials, Dial, Ending, Event, Listen, Peers, Security, Signalling, SignallingConfig,
    Target, Timers, Transport, local_ip_facing,
};
use ear::{Ear, STILL_ON_ITS_WAY};
use line::Line;
use mouth::Mouth;
use report::ms;

/// A person hears a little of the prompt before the thumb moves.
const REACTION: Duration = Duration::from_millis(300);

/// Between letting go of a key and pressing the next one of the same answer.
const BETWEEN_KEYS: Duration = Duration::from_millis(200);

/// A keepalive (RFC 5626, 3.5.1): who listens takes it, and where nobody does the system says so.
const KEEPALIVE: &[u8] = b"\r\n\r\n";

/// How long the last messages of the call have to go their way.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The largest datagram that is looked at: 60 ms of G.711 are 492 bytes.
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// How keys are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysBy {
    /// Telephone events (RFC 4733).
    Events,
    /// SIP INFO, `application/dtmf-relay`.
    Info,
    /// Tones in the audio, without telephone events.
    Inband,
}

/// A test call to place.
#[derive(Debug)]
pub struct Options {
    /// Whom to call.
    pub target: Target,
    /// What the target says otherwise.
    pub transport: Option<Transport>,
    /// Who must have signed the server's certificate; without it the authorities that browsers trust.
    pub ca: Option<PathBuf>,
    /// What to do once answered.
    pub script: Script,
    /// How keys are sent.
    pub keys_by: KeysBy,
    /// What is offered, best first.
    pub codecs: &'static [Codec],
    /// Offers SRTP, and nothing else.
    pub srtp: bool,
    /// More headers, such as `X-Call-Id`.
    pub headers: Vec<(String, String)>,
    /// The user part of our address.
    pub from_user: String,
    /// What to answer a challenge with.
    pub credentials: Option<Credentials>,
    /// Hang up this long after the last key instead of waiting for the server.
    pub hang_up_after: Option<Duration>,
    /// The longest the whole call may take.
    pub within: Duration,
}

/// Places the call and sees it through.
///
/// # Errors
/// Only where no call could be tried at all; how the call went is in the report.
pub async fn dial(options: Options, clock: Clock) -> Result<Report, String> {
    let transport = options.transport.or(options.target.transport()).unwrap_or(Transport::Udp);
    let host = resolve(&options.target, transport).await?;
    let ip = local_ip_facing(host.ip()).ok_or("there is no way to that address from this machine")?;
    let socket = UdpSocket::bind((ip, 0)).await.map_err(|error| format!("no port for RTP: {error}"))?;
    let port = socket.local_addr().map_err(|error| error.to_string())?.port();
    let (signalling, events) = start(ip, security(transport, options.ca.as_deref())?, &clock).await?;
    let offer = described(ip, port, &options).map_err(|error| format!("no key for SRTP: {error}"))?;
    let call = signalling
        .dial(Dial {
            target: options.target.clone(),
            sdp: Some(sdp::offer(&offer).into_bytes()),
            headers: options.headers.clone(),
            transport: Some(transport),
            from_user: options.from_user.clone(),
            credentials: options.credentials.clone(),
        })
        .map_err(|error| error.to_string())?;
    let probe = match transport {
        Transport::Udp => Some(probe(ip, host).await.map_err(|error| format!("no port for SIP: {error}"))?),
        Transport::Tcp | Transport::Tls => None,
    };
    let report = Report {
        target: options.target.uri().to_owned(),
        transport: transport.to_string(),
        ..Report::default()
    };
    let began = clock.elapsed();
    let phone = Phone {
        call,
        callee: host,
        probe,
        somebody: false,
        signalling,
        events,
        socket,
        clock,
        began,
        answered: None,
        ear: Ear::default(),
        last_key: None,
        next_step: 0,
        hanging_up: false,
        report,
        options,
        offer,
    };
    Ok(phone.see_through().await)
}

struct Phone {
    call: CallKey,
    callee: SocketAddr,
    probe: Option<UdpSocket>,
    /// Somebody answers there, if only that it rings.
    somebody: bool,
    signalling: Signalling,
    events: mpsc::Receiver<Event>,
    socket: UdpSocket,
    clock: Clock,
    began: Duration,
    answered: Option<Answered>,
    ear: Ear,
    last_key: Option<Duration>,
    next_step: usize,
    hanging_up: bool,
    report: Report,
    options: Options,
    offer: sdp::Local<'static>,
}

struct Answered {
    at: Duration,
    agreed: Agreed,
    mouth: Mouth,
    line: Line,
}

impl Phone {
    async fn see_through(mut self) -> Report {
        let mut frames = tokio::time::interval(Duration::from_millis(sdp::PTIME_MS_DEFAULT.into()));
        let mut datagram = [0; DATAGRAM_BYTES_MAX];
        let ending = loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Event::Ended { ending, .. }) => break Some(ending),
                    Some(Event::Answered { sdp, .. }) => self.on_answer(sdp.as_deref()),
                    Some(_) => self.somebody = true,
                    None => break None,
                },
                () = refused(self.probe.as_ref()), if !self.somebody => break Some(Ending::Unreachable("nobody listens there".to_owned())),
                Ok((length, _)) = self.socket.recv_from(&mut datagram) => self.on_datagram(&datagram[..length]),
                _ = frames.tick() => {
                    self.on_frame().await;
                    if self.clock.elapsed().saturating_sub(self.began) > self.options.within + STILL_ON_ITS_WAY * 8 {
                        break None;
                    }
                }
            }
        };
        let signalling = self.signalling.clone();
        let report = self.conclude(ending);
        // Our answer to the BYE is on its way: a process that ended now would take it along, and the server
        // would ask for it for half a minute.
        signalling.stop(LAST_WORDS).await;
        report
    }

    fn on_answer(&mut self, sdp: Option<&[u8]>) {
        self.somebody = true;
        let now = self.clock.elapsed();
        self.report.set_up_ms = Some(ms(now - self.began));
        let answer = sdp.and_then(|sdp| Description::parse(sdp).ok());
        let agreed = answer.and_then(|answer| sdp::agreed_from_answer(&answer, &self.offer).ok());
        let line = agreed.and_then(|agreed| Some((agreed, Line::new(agreed.srtp.as_ref()).ok()?)));
        let Some((agreed, line)) = line else {
            return self.give_up("the answer's SDP accepts nothing that was offered");
        };
        let events = agreed
            .events
            .map_or_else(String::new, |events| format!(", telephone-event {}", events.send.number()));
        let srtp =
            agreed.srtp.map_or_else(String::new, |keys| format!(", SRTP {}", keys.ours.suite().name()));
        self.report.codec = Some(format!("{}{events}{srtp}", agreed.codec.name()));
        // The call's number and the moment make a source id that no other stream here has.
        let ssrc = u32::try_from(now.as_nanos() & 0xffff_ffff).unwrap_or_default();
        let mouth = Mouth::new(agreed.codec, agreed.send, agreed.events, agreed.ptime_ms, ssrc);
        self.answered = Some(Answered { at: now, agreed, mouth, line });
    }

    fn on_datagram(&mut self, datagram: &[u8]) {
        let now = self.clock.elapsed();
        if let Some(answered) = &mut self.answered
            && let Some(datagram) = answered.line.receive(datagram)
            && let Ok(packet) = Packet::parse(&datagram)
            && packet.header.payload_type == answered.agreed.receive
        {
            self.ear.hear(answered.agreed.codec, packet.payload, now);
        }
    }

    async fn on_frame(&mut self) {
        let now = self.clock.elapsed();
        if now.saturating_sub(self.began) > self.options.within && !self.hanging_up {
            let seconds = self.options.within.as_secs();
            self.give_up(&match self.somebody {
                true => format!("the call was not over after {seconds} s"),
                false => self.nobody(),
            });
        }
        if self.answered.is_none() {
            return;
        }
        self.next(now);
        let Some(answered) = &mut self.answered else { return };
        let packet = answered.mouth.packet();
        if let (Some(remote), Some(packet)) = (answered.agreed.remote, answered.line.send(packet)) {
            // A refused datagram shows in what is heard, or not.
            self.socket.send_to(&packet, remote).await.ok();
        }
    }

    /// Does the script's next step when its time has come.
    fn next(&mut self, now: Duration) {
        match self.options.script.steps().get(self.next_step).copied() {
            Some(Step::HearOut) if self.ear.over(now) => self.next_step += 1,
            Some(Step::Press(digit)) if self.may_press(now) => {
                self.press(digit, now);
                self.next_step += 1;
            }
            Some(_) => {}
            None => self.after_the_script(now),
        }
    }

    /// The first key of an answer waits for a prompt, each other one for the key before it.
    fn may_press(&self, now: Duration) -> bool {
        match self.last_key {
            Some(last) if self.types_on() => now >= last + mouth::PRESS + BETWEEN_KEYS,
            _ => self.ear.speech().is_some_and(|since| now >= since + REACTION),
        }
    }

    /// Whether the key to press next belongs to the same answer as the last one.
    fn types_on(&self) -> bool {
        let before = self.next_step.checked_sub(1).and_then(|step| self.options.script.steps().get(step));
        matches!(before, Some(Step::Press(_)))
    }

    fn after_the_script(&mut self, now: Duration) {
        let since = self.last_key.or(self.ear.first_sound());
        if let (Some(after), Some(since)) = (self.options.hang_up_after, since)
            && now >= since + after
        {
            self.hang_up();
        }
    }

    fn press(&mut self, digit: Digit, now: Duration) {
        let Some(answered) = &mut self.answered else { return };
        match self.options.keys_by {
            KeysBy::Events if !answered.mouth.knows_events() => {
                return self.give_up("the answer has no telephone-event: try --info or --inband");
            }
            KeysBy::Events => answered.mouth.press(digit),
            KeysBy::Inband => answered.mouth.tone(digit),
            KeysBy::Info => {
                let body = format!("Signal={}\r\nDuration={}\r\n", digit.char(), mouth::PRESS.as_millis());
                if let Err(why) = self.signalling.info(self.call, "application/dtmf-relay", body.into_bytes())
                {
                    return self.give_up(&why.to_string());
                }
            }
        }
        self.report.pressed.push(Pressed { key: digit.char(), at_ms: ms(now - answered.at) });
        if self.types_on() {
            self.ear.another_key(digit.char(), now);
        } else {
            self.ear.key(digit.char(), now);
        }
        self.last_key = Some(now);
    }

    fn give_up(&mut self, why: &str) {
        self.report.failure.get_or_insert_with(|| why.to_owned());
        self.hang_up();
    }

    fn hang_up(&mut self) {
        if std::mem::replace(&mut self.hanging_up, true) {
            return;
        }
        let done = match self.answered {
            Some(_) => self.signalling.bye(self.call, None),
            None => self.signalling.cancel(self.call),
        };
        if let Err(why) = done {
            self.report.failure.get_or_insert_with(|| why.to_string());
        }
    }

    fn conclude(mut self, ending: Option<Ending>) -> Report {
        let now = self.clock.elapsed();
        self.report.packets_received = self.ear.packets();
        if let Some(answered) = &self.answered {
            let since = |moment: Duration| ms(moment.saturating_sub(answered.at));
            self.report.first_packet_ms = self.ear.first_packet().map(since);
            self.report.first_sound_ms = self.ear.first_sound().map(since);
            self.report.call_ms = Some(since(now));
            self.report.ended_by = Some(if self.hanging_up { "caller" } else { "server" }.to_owned());
        }
        let failure = self.failure(ending);
        self.report.failure = self.asked_again().or(self.report.failure.take()).or(failure);
        if self.report.failure.is_none()
            && let Some(key) = self.last_key
        {
            self.report.confirmation_ms = self.ear.answer().map(|began| ms(began.saturating_sub(key)));
        }
        self.report
    }

    fn asked_again(&mut self) -> Option<String> {
        let key = self.ear.asked_again_after()?;
        Some(format!("the question was asked again after the key {key}: it was not heard, or is no answer"))
    }

    fn nobody(&self) -> String {
        format!("nobody answered at {}: is the server running, and is this its SIP address?", self.callee)
    }

    fn failure(&self, ending: Option<Ending>) -> Option<String> {
        match ending {
            Some(Ending::Refused { status, reason }) => {
                return Some(format!("the server refused the call: {status} {reason}{}", hint(status)));
            }
            Some(Ending::Unreachable(why)) if self.report.transport == "tls" => {
                return Some(format!(
                    "no TLS with the server: {why}; --ca FILE names who signs its certificate"
                ));
            }
            Some(Ending::Unreachable(_)) => return Some(self.nobody()),
            Some(Ending::TransportClosed) if !self.somebody => return Some(self.nobody()),
            Some(Ending::PeerHungUp | Ending::WeHungUp) => {}
            Some(other) => return Some(format!("the call ended before it was answered ({other:?})")),
            None => return Some("the call did not end".to_owned()),
        }
        if self.ear.first_packet().is_none() {
            return Some("no audio came: look at firewalls and at external_ip".to_owned());
        }
        let undone = self.options.script.steps().len() > self.next_step;
        if undone {
            return Some("the server hung up before every key was pressed".to_owned());
        }
        let unconfirmed = self.options.script.presses() && self.ear.speech().is_none();
        (unconfirmed && !self.hanging_up).then(|| "nothing was heard after the last key".to_owned())
    }
}

/// What a refusal mostly means.
fn hint(status: u16) -> &'static str {
    match status {
        401 | 407 => ": give --user and --password",
        403 => ": this address is not among its peers",
        404 => ": there is no such survey",
        488 => ": it found no codec in common, or is of another mind about SRTP (its [sip] srtp, our --srtp)",
        503 => ": it has too much to do, or is shutting down",
        603 => ": surveys are switched off for this queue, or for this call",
        _ => "",
    }
}

/// What TLS needs, where it is spoken.
fn security(transport: Transport, ca: Option<&Path>) -> Result<Security, String> {
    if transport != Transport::Tls {
        return Ok(Security::default());
    }
    let connector = tls::connector(ca, None).map_err(|fault| fault.to_string())?;
    Ok(Security { accepts: None, connects: Some(connector) })
}

async fn start(
    ip: IpAddr,
    tls: Security,
    clock: &Clock,
) -> Result<(Signalling, mpsc::Receiver<Event>), String> {
    let any = SocketAddr::new(ip, 0);
    let listen = vec![
        Listen { transport: Transport::Udp, addr: any },
        Listen { transport: Transport::Tcp, addr: any },
    ];
    let clock = clock.clone();
    let config = SignallingConfig {
        listen,
        tls,
        external_ip: None,
        user_agent: concat!("aftercall-dial/", env!("CARGO_PKG_VERSION")).to_owned(),
        peers: Peers::default(),
        bounds: Bounds::default(),
        timers: Timers::default(),
        clock: Arc::new(move || clock.elapsed()),
    };
    Signalling::start(config).await.map_err(|error| error.to_string())
}

/// A socket that hears from the system whether nobody listens there: an INVITE that is refused, and one that is
/// lost, look the same to whom it was sent by.
async fn probe(ip: IpAddr, callee: SocketAddr) -> std::io::Result<UdpSocket> {
    let probe = UdpSocket::bind((ip, 0)).await?;
    probe.connect(callee).await?;
    // Where it cannot be sent, neither can the INVITE.
    probe.send(KEEPALIVE).await.ok();
    Ok(probe)
}

/// Returns once it is known that nobody listens.
async fn refused(probe: Option<&UdpSocket>) {
    let Some(probe) = probe else { return std::future::pending().await };
    let mut pong = [0; KEEPALIVE.len()];
    while !matches!(probe.recv(&mut pong).await, Err(error) if error.kind() == ErrorKind::ConnectionRefused) {
    }
}

async fn resolve(target: &Target, transport: Transport) -> Result<SocketAddr, String> {
    let address = (target.host(), target.port_over(transport));
    let found = tokio::net::lookup_host(address).await;
    let mut found = found.map_err(|error| format!("the host of that address is not known: {error}"))?;
    found.next().ok_or_else(|| "the host of that address has no address".to_owned())
}

/// What the phone offers. One that sends tones has no telephone events: with them agreed on, tones wait.
fn described(address: IpAddr, port: u16, options: &Options) -> Result<sdp::Local<'static>, getrandom::Error> {
    let mut random = [0; SEED_BYTES];
    getrandom::fill(&mut random)?;
    Ok(sdp::Local {
        address,
        port,
        session_id: u64::from(port),
        version: 1,
        codecs: options.codecs,
        events: options.keys_by != KeysBy::Inband,
        ptime_ms: sdp::PTIME_MS_DEFAULT,
        direction: Direction::SendRecv,
        srtp: if options.srtp { Srtp::Required(Seed::new(random)) } else { Srtp::Off },
    })
}
