//! RFC 4475's messages, sent to the program: each gets what docs/sip-torture.md says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;

use crate::server::{Server, Site};

/// An address that nobody else here calls from: answers go to the port that Via names, or to 5060.
const CALLER: &str = "127.44.75.1";
const PORTS: [u16; 3] = [5060, 5050, 5070];

const TABLE: &str = include_str!("../../../../../docs/sip-torture.md");

/// The messages, by their names; nothing if they are not here.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn messages() -> BTreeMap<String, Vec<u8>> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/sip-torture");
    let folder = std::env::var_os("AFTERCALL_SIP_TORTURE").map_or(default, PathBuf::from);
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no torture messages in {}; set AFTERCALL_SIP_TORTURE", folder.display());
        return BTreeMap::new();
    };
    let dats =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "dat"));
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let all = dats.map(|path| (name(&path), std::fs::read(&path).unwrap()));
    // One that an open stack tests with, and not the RFC's.
    all.filter(|(name, _)| name != "test").collect()
}

/// The table of the document: name and answer.
fn table() -> BTreeMap<&'static str, &'static str> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[1], cells[2])).filter(|(name, _)| *name != "message").collect()
}

struct Caller {
    sockets: Vec<UdpSocket>,
    to: SocketAddr,
    fences: u32,
}

impl Caller {
    fn new(to: SocketAddr) -> Self {
        let sockets = PORTS.map(|port| UdpSocket::bind((CALLER, port)).unwrap());
        Self { sockets: sockets.into(), to, fences: 0 }
    }

    /// The status of the first answer to this, if one comes before that to a question asked behind it.
    fn answer_to(&mut self, message: &[u8]) -> String {
        self.sockets[0].send_to(message, self.to).unwrap();
        self.fences += 1;
        let fence = format!("fence{}", self.fences);
        self.sockets[0].send_to(question(&fence, "UDP").as_bytes(), self.to).unwrap();
        let mut answer = "nothing".to_owned();
        let mut buffer = [0; 65_535];
        loop {
            let (length, _) = self.sockets[0].recv_from(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]);
            if text.contains(&fence) {
                break;
            }
            // Of a call from before, repeated: not about this one.
            let about_this = call_id(&text).is_none_or(|id| String::from_utf8_lossy(message).contains(&id));
            if about_this && answer == "nothing" {
                answer = text[8..11].to_owned();
            }
        }
        for socket in &self.sockets[1..] {
            socket.set_nonblocking(true).unwrap();
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                answer = String::from_utf8_lossy(&buffer[..length])[8..11].to_owned();
            }
        }
        answer
    }
}

fn call_id(message: &str) -> Option<String> {
    message.lines().find_map(|line| line.strip_prefix("Call-ID: ")).map(str::to_owned)
}

fn question(id: &str, transport: &str) -> String {
    format!(
        "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/{transport} {CALLER}:5060;branch=z9hG4bK{id}\r\nMax-Forwards: 70\r\n\
         From: <sip:f@h>;tag=f\r\nTo: <sip:h>\r\nCall-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn each_torture_message_gets_what_the_table_says() {
    let messages = messages();
    if messages.is_empty() {
        return;
    }
    let table = table();
    assert_eq!(
        table.keys().copied().collect::<BTreeSet<_>>(),
        messages.keys().map(String::as_str).collect(),
        "the table has each message, and no other"
    );
    let site = Site::new();
    let server = site.start();
    let mut caller = Caller::new(server.udp);
    let answers: BTreeMap<_, _> =
        messages.iter().map(|(name, message)| (name.as_str(), caller.answer_to(message))).collect();
    let wrong: Vec<_> = answers.iter().filter(|(name, answer)| table[**name] != **answer).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whatever one peer's connection brings, others do not notice: neither their connections nor UDP.
#[test]
fn torture_on_one_connection_costs_no_other() {
    let site = Site::new();
    let server = site.start();
    let mut good = TcpStream::connect(server.tcp).unwrap();
    let mut asked = 0;
    let mut still_served = |server: &Server, after: &str| {
        asked += 1;
        let id = format!("good{asked}");
        good.write_all(question(&id, "TCP").as_bytes()).unwrap();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("\r\n\r\n") {
            let mut buffer = [0; 4096];
            let length = good.read(&mut buffer).unwrap();
            assert!(length > 0, "the connection closed after {after} on another");
            heard.extend_from_slice(&buffer[..length]);
        }
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.starts_with("SIP/2.0 200 ") && heard.contains(&id), "{after}: {heard}");
        assert_eq!(server.get("/healthz").0, 200);
    };
    for (name, message) in messages() {
        let mut bad = TcpStream::connect(server.tcp).unwrap();
        // One that was thrown out already cannot be written to.
        bad.write_all(&message)
            .and_then(|()| bad.write_all(b"rubbish behind it \r\n\r\n"))
            .unwrap_or_default();
        still_served(&server, &name);
    }
}
