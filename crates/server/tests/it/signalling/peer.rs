//! A SIP peer written by hand: sends exactly these bytes, and reads what comes.

use std::collections::HashSet;
use std::net::SocketAddr;

use aftercall::signalling::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::harness::{Agent, PATIENCE};

/// The peer.
pub(crate) struct Peer {
    way: Way,
    me: SocketAddr,
    fences: u32,
    seen: HashSet<String>,
}

enum Way {
    Udp(UdpSocket, SocketAddr),
    Tcp(TcpStream, Vec<u8>),
}

impl Peer {
    pub(crate) async fn udp(agent: &Agent) -> Self {
        Self::udp_to(agent.address(Transport::Udp)).await
    }

    pub(crate) async fn udp_to(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let me = socket.local_addr().unwrap();
        Self { way: Way::Udp(socket, to), me, fences: 0, seen: HashSet::new() }
    }

    pub(crate) async fn tcp(agent: &Agent) -> Self {
        let stream = TcpStream::connect(agent.address(Transport::Tcp)).await.unwrap();
        Self::over(stream)
    }

    /// Over a connection that there is.
    pub(crate) fn over(stream: TcpStream) -> Self {
        let me = stream.local_addr().unwrap();
        Self { way: Way::Tcp(stream, Vec::new()), me, fences: 0, seen: HashSet::new() }
    }

    pub(crate) async fn by(transport: Transport, agent: &Agent) -> Self {
        match transport {
            Transport::Udp => Self::udp(agent).await,
            Transport::Tcp | Transport::Tls => Self::tcp(agent).await,
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.me
    }

    /// Sends a message: its lines end in CRLF then, `{me}` is our address, `{via}` how it travels, and
    /// Content-Length is added.
    pub(crate) async fn send(&mut self, message: &str) {
        let via = if matches!(self.way, Way::Udp(..)) { "UDP" } else { "TCP" };
        let message = message.replace("{me}", &self.me.to_string()).replace("{via}", via);
        let (head, body) = message.split_once("\n\n").unwrap_or((message.trim_end(), ""));
        let (head, body) = (head.replace('\n', "\r\n"), body.replace('\n', "\r\n"));
        let bytes = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.send_bytes(bytes.as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        match &mut self.way {
            Way::Udp(socket, to) => {
                socket.send_to(bytes, *to).await.unwrap();
            }
            Way::Tcp(stream, _) => stream.write_all(bytes).await.unwrap(),
        }
    }

    /// The next message that did not come before; empty when the connection is closed.
    pub(crate) async fn receive(&mut self) -> String {
        loop {
            let message = self.receive_again().await;
            if message.is_empty() || self.seen.insert(message.clone()) {
                return message;
            }
        }
    }

    /// The next message, be it a repetition.
    pub(crate) async fn receive_again(&mut self) -> String {
        let read = async {
            match &mut self.way {
                Way::Udp(socket, _) => {
                    let mut buffer = vec![0; 65_535];
                    let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
                    String::from_utf8(buffer[..length].to_vec()).unwrap()
                }
                Way::Tcp(stream, buffer) => from_stream(stream, buffer).await,
            }
        };
        timeout(PATIENCE, read).await.expect("no message came")
    }

    /// The next message that starts like this and did not come before; others are skipped.
    pub(crate) async fn until(&mut self, start: &str) -> String {
        loop {
            let message = self.receive().await;
            assert!(!message.is_empty(), "the connection closed before {start}");
            if message.starts_with(start) {
                return message;
            }
        }
    }

    /// What was sent so far gets no answer: the answer to a question asked after it comes first.
    pub(crate) async fn assert_silence(&mut self) {
        self.fences += 1;
        let name = format!("fence{}", self.fences);
        self.send(&request("OPTIONS", &name, "")).await;
        let message = self.receive().await;
        assert_eq!(
            header(&message, "Call-ID"),
            Some(format!("{name}@test").as_str()),
            "expected nothing, got\n{message}"
        );
    }

    /// Closes the connection.
    pub(crate) fn close(self) {}
}

async fn from_stream(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> String {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let body: usize = header(&head, "Content-Length").map_or(0, |n| n.parse().unwrap());
            if buffer.len() >= end + body {
                return String::from_utf8(buffer.drain(..end + body).collect()).unwrap();
            }
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return String::new();
        }
    }
}

/// A header's value in a message.
pub(crate) fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let lines = message.split("\r\n").take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_once(':'))
        .find(|(n, _)| n.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The tag the other side gave its To.
pub(crate) fn to_tag(message: &str) -> String {
    header(message, "To").unwrap().split_once(";tag=").expect("no tag in To").1.to_owned()
}

/// A request outside any dialog; `more` are further header lines, each with its line feed.
pub(crate) fn request(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:csat-survey@127.0.0.1 SIP/2.0\nVia: SIP/2.0/{{via}} {{me}};branch=z9hG4bK{branch};rport\n\
         Max-Forwards: 70\nFrom: <sip:caller@example.com>;tag=f{branch}\nTo: <sip:csat-survey@127.0.0.1>\n\
         Call-ID: {branch}@test\nCSeq: 1 {method}\nContact: <sip:caller@{{me}}>\n{more}\n"
    )
}

const OFFER: &str = "Content-Type: application/sdp\n\nv=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
    m=audio 4000 RTP/AVP 0\n";

/// An INVITE with an offer.
pub(crate) fn invite(branch: &str, more: &str) -> String {
    let head = request("INVITE", branch, more);
    format!("{}{OFFER}", head.strip_suffix('\n').unwrap())
}

/// A request within the dialog that `invite(branch, …)` began and a response with this To tag answered.
pub(crate) fn within(method: &str, branch: &str, to_tag: &str, seq: u32, more: &str) -> String {
    format!(
        "{method} sip:127.0.0.1 SIP/2.0\nVia: SIP/2.0/{{via}} {{me}};branch=z9hG4bK{branch}{method}{seq};rport\n\
         Max-Forwards: 70\nFrom: <sip:caller@example.com>;tag=f{branch}\n\
         To: <sip:csat-survey@127.0.0.1>;tag={to_tag}\nCall-ID: {branch}@test\nCSeq: {seq} {method}\n{more}\n"
    )
}

/// A re-INVITE with an offer.
pub(crate) fn reinvite(branch: &str, to_tag: &str, seq: u32, more: &str) -> String {
    let head = within("INVITE", branch, to_tag, seq, more);
    format!("{}{OFFER}", head.strip_suffix('\n').unwrap())
}

/// The 200 to a request.
pub(crate) fn ok(request: &str) -> String {
    response(request, "200 OK", "")
}

/// A response to a request.
pub(crate) fn response(request: &str, status: &str, more: &str) -> String {
    let copied = |name: &str| format!("{name}: {}\n", header(request, name).unwrap());
    let copied: String = ["Via", "From", "To", "Call-ID", "CSeq"].map(copied).concat();
    format!("SIP/2.0 {status}\n{copied}{more}\n")
}
