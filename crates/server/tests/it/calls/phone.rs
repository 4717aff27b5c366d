//! A telephone written by hand: SIP over UDP as text, RTP, RTCP and SRTP packet by packet. For what no telephone that can
//! be bought does on purpose: an ACK that is lost, a packet that is forged.

use std::net::UdpSocket;

use aftercall_media::Secure;
use aftercall_wire::Codec;
use aftercall_wire::rtp::{HEADER_BYTES, Header, Packet, PayloadType};
use aftercall_wire::sdp::{
    self, Agreed, Description, Direction, Local, SEED_BYTES, Seed, Srtp, agreed_from_answer,
};

use super::tones::{Sound, recognise};
use crate::server::Server;
use crate::signalling::harness::PATIENCE;

/// Packets that make a press of a key.
pub(crate) const PRESS_PACKETS: u16 = 12;

/// The telephone, in a call.
pub(crate) struct Phone {
    sip: UdpSocket,
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    call: String,
    /// The server's.
    tag: String,
    seq: u32,
    pub(crate) agreed: Agreed,
    pub(crate) secure: Option<Secure>,
    pub(crate) heard: Vec<Sound>,
}

impl Phone {
    /// Calls, with SRTP under a key made of `seed` where there is one, and is answered. The ACK is not sent yet.
    pub(crate) fn call(server: &Server, call: &str, seed: Option<u8>) -> Self {
        let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
        sip.connect(server.udp).unwrap();
        sip.set_read_timeout(Some(PATIENCE)).unwrap();
        let (rtp, rtcp) = neighbours();
        let offer = offer(&rtp, seed);
        send(&sip, &request("INVITE", call, "", 1, &sdp::offer(&offer)));
        let answer = answer(&sip, 1);
        let (_, tag) = header(&answer, "To").split_once(";tag=").expect("a tag");
        let tag = tag.to_owned();
        let (agreed, secure) = agree(&answer, &offer);
        Self { sip, rtp, rtcp, call: call.to_owned(), tag, seq: 1, agreed, secure, heard: Vec::new() }
    }

    pub(crate) fn acknowledge(&self) {
        send(&self.sip, &request("ACK", &self.call, &self.tag, self.seq, ""));
    }

    /// Offers anew, under another key, and acknowledges.
    pub(crate) fn offers_anew(&mut self, seed: u8) {
        self.seq += 1;
        let offer = offer(&self.rtp, Some(seed));
        send(&self.sip, &request("INVITE", &self.call, &self.tag, self.seq, &sdp::offer(&offer)));
        let answer = answer(&self.sip, self.seq);
        self.acknowledge();
        (self.agreed, self.secure) = agree(&answer, &offer);
    }

    pub(crate) fn hang_up(mut self) {
        self.seq += 1;
        send(&self.sip, &request("BYE", &self.call, &self.tag, self.seq, ""));
        answer(&self.sip, self.seq);
    }

    /// Whether the server has hung up by now; it is told that this is well.
    fn is_hung_up(&self) -> bool {
        self.sip.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        let read = self.sip.recv(&mut bytes);
        self.sip.set_nonblocking(false).unwrap();
        let Ok(length) = read else { return false };
        let message = std::str::from_utf8(&bytes[..length]).unwrap();
        if !message.starts_with("BYE ") {
            return false;
        }
        let lines = ["Via", "From", "To", "Call-ID", "CSeq"]
            .map(|name| format!("{name}: {}\r\n", header(message, name)));
        send(&self.sip, &format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", lines.concat()));
        true
    }

    /// The next RTP of the server, as it came.
    pub(crate) fn datagram(&self) -> Vec<u8> {
        let mut bytes = [0; 2048];
        let (length, from) = self.rtp.recv_from(&mut bytes).unwrap();
        assert_eq!(Some(from), self.agreed.remote);
        bytes[..length].to_vec()
    }

    /// Hears a datagram.
    pub(crate) fn hear(&mut self, datagram: &[u8]) {
        let clear = match &mut self.secure {
            Some(secure) => secure.open(datagram).expect("what the server sends").as_ref().to_vec(),
            None => datagram.to_vec(),
        };
        self.heard.push(recognise(Codec::Pcmu, Packet::parse(&clear).unwrap().payload));
    }

    /// Hears the next packet.
    pub(crate) fn listen(&mut self) {
        let datagram = self.datagram();
        self.hear(&datagram);
    }

    /// Presses a key, packet by packet; each is sent as it is returned.
    pub(crate) fn press(&mut self, key: u8) -> Vec<Vec<u8>> {
        let packets = (0..PRESS_PACKETS).map(|at| self.seal(&press(key, at, 1, 4)));
        let packets: Vec<_> = packets.collect();
        packets.iter().for_each(|packet| self.send(packet));
        packets
    }

    /// A packet as it travels.
    pub(crate) fn seal(&mut self, clear: &[u8]) -> Vec<u8> {
        match &mut self.secure {
            Some(secure) => secure.seal(clear).unwrap().as_ref().to_vec(),
            None => clear.to_vec(),
        }
    }

    pub(crate) fn send(&self, datagram: &[u8]) {
        self.rtp.send_to(datagram, self.agreed.remote.unwrap()).unwrap();
    }

    /// Listens until the server hangs up. Returns the prompts that were heard in the whole call.
    pub(crate) fn stay(mut self) -> String {
        while !self.is_hung_up() {
            // What the server sends last may be its BYE.
            let mut bytes = [0; 2048];
            self.rtp.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
            if let Ok((length, _)) = self.rtp.recv_from(&mut bytes) {
                self.hear(&bytes[..length]);
            }
        }
        self.prompts()
    }

    /// The prompts that were heard so far.
    pub(crate) fn prompts(&self) -> String {
        let mut said: Vec<&str> = Vec::new();
        for sound in &self.heard {
            if let Sound::Prompt(name) = sound
                && said.last() != Some(name)
            {
                said.push(name);
            }
        }
        said.join(" ")
    }
}

/// A packet of a press of this key, which the first packet begins and the last three end (RFC 4733).
pub(crate) fn press(key: u8, at: u16, first: u16, ssrc: u32) -> Vec<u8> {
    let header = Header {
        payload_type: PayloadType::new(101).unwrap(),
        marker: at == 0,
        sequence: first + at,
        timestamp: 50_000 + u32::from(first),
        ssrc,
    };
    let mut head = [0; HEADER_BYTES];
    header.write(&mut head);
    let last = PRESS_PACKETS - 3;
    let end = if at >= last { 0x80 } else { 0 };
    let [high, low] = (160 * (at.min(last) + 1)).to_be_bytes();
    [&head[..], &[key, end | 10, high, low]].concat()
}

/// Two sockets on end, the lower one's port even.
fn neighbours() -> (UdpSocket, UdpSocket) {
    let pair = || {
        let lower = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = lower.local_addr().unwrap().port();
        let upper = UdpSocket::bind(("127.0.0.1", port.checked_add(1)?)).ok()?;
        lower.set_read_timeout(Some(PATIENCE)).unwrap();
        upper.set_read_timeout(Some(PATIENCE)).unwrap();
        port.is_multiple_of(2).then_some((lower, upper))
    };
    (0..1000).find_map(|_| pair()).expect("two free ports")
}

fn offer(rtp: &UdpSocket, seed: Option<u8>) -> Local<'static> {
    let address = rtp.local_addr().unwrap();
    Local {
        address: address.ip(),
        port: address.port(),
        session_id: 1,
        version: seed.map_or(1, u64::from),
        codecs: &[Codec::Pcmu],
        events: true,
        ptime_ms: 20,
        direction: Direction::SendRecv,
        srtp: seed.map_or(Srtp::Off, |seed| Srtp::Required(Seed::new([seed; SEED_BYTES]))),
    }
}

fn agree(answer: &str, offer: &Local<'_>) -> (Agreed, Option<Secure>) {
    let (_, sdp) = answer.split_once("\r\n\r\n").expect("an SDP");
    let agreed = agreed_from_answer(&Description::parse(sdp.as_bytes()).unwrap(), offer).unwrap();
    (agreed, agreed.srtp.map(|keys| Secure::new(&keys).unwrap()))
}

fn request(method: &str, call: &str, tag: &str, seq: u32, body: &str) -> String {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:csat-survey@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP ME;branch=z9hG4bK{call}{method}{seq};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:caller@h>;tag=c\r\nTo: <sip:csat-survey@h>{tag}\r\nCall-ID: sip-{call}\r\n\
         CSeq: {seq} {method}\r\nContact: <sip:caller@ME>\r\nX-Call-Id: {call}\r\n{content}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn send(sip: &UdpSocket, message: &str) {
    let me = sip.local_addr().unwrap().to_string();
    sip.send(message.replace("ME", &me).as_bytes()).unwrap();
}

/// The final answer to the request of this number.
fn answer(sip: &UdpSocket, seq: u32) -> String {
    loop {
        let mut bytes = [0; 4096];
        let length = sip.recv(&mut bytes).unwrap();
        let message = std::str::from_utf8(&bytes[..length]).unwrap();
        let ours = message.starts_with("SIP/2.0 ") && header(message, "CSeq").starts_with(&format!("{seq} "));
        if ours && !message.starts_with("SIP/2.0 1") {
            assert!(message.starts_with("SIP/2.0 200"), "{message}");
            return message.to_owned();
        }
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {message}"))
}
