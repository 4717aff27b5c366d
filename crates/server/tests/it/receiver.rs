//! A real system that is told: it listens on a socket, keeps what it is sent, and answers as it is told to.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

/// One request.
#[derive(Debug, Clone)]
pub struct Told {
    pub id: String,
    pub at: String,
    pub signature: String,
    pub body: String,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// `rating.low c1`
    pub fn line(&self) -> String {
        let event = self.json();
        assert_eq!(event["id"], self.id.as_str());
        let about = event["data"]["call_id"].as_str().unwrap_or_default().to_owned();
        format!("{} {about}", event["type"].as_str().unwrap())
    }
}

/// Whoever is told.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    told: Mutex<Vec<Told>>,
    answers: Mutex<VecDeque<String>>,
    is_deaf: Mutex<bool>,
    hears_again: Condvar,
}

impl Receiver {
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || converse(stream, &shared));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks?token=hidden", self.address)
    }

    /// The next answers, a status line and headers each (`500 No`); 204 when there are none left.
    pub fn answer(&self, answers: &[&str]) {
        self.shared.answers.lock().unwrap().extend(answers.iter().map(|answer| (*answer).to_owned()));
    }

    /// Takes what it is sent, and says nothing as long as the test lasts.
    pub fn go_deaf(&self) {
        *self.shared.is_deaf.lock().unwrap() = true;
    }

    /// What it was sent so far.
    pub fn told(&self) -> Vec<Told> {
        self.shared.told.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.told().iter().map(Told::line).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        *self.shared.is_deaf.lock().unwrap() = false;
        self.shared.hears_again.notify_all();
    }
}

fn converse(stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(told) = request(&mut reader) {
        shared.told.lock().unwrap().push(told);
        let is_deaf = shared.is_deaf.lock().unwrap();
        drop(shared.hears_again.wait_while(is_deaf, |is_deaf| *is_deaf).unwrap());
        let answer = shared.answers.lock().unwrap().pop_front().unwrap_or_else(|| "204 Taken".to_owned());
        let length = if answer.starts_with("204") { "" } else { "\r\nContent-Length: 0" };
        if write!(writer, "HTTP/1.1 {answer}{length}\r\n\r\n").is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<Told> {
    let (mut headers, mut line) = (Vec::new(), String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end() {
            "" => break,
            header => headers.push(header.to_owned()),
        }
    }
    let header = |name: &str| {
        let found = headers.iter().filter_map(|line| line.split_once(": "));
        found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    assert!(headers[0].starts_with("POST /hooks?token=hidden "), "{headers:?}");
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    let mut body = vec![0; header("content-length")?.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some(Told {
        id: header("webhook-id").unwrap(),
        at: header("webhook-timestamp").unwrap(),
        signature: header("webhook-signature").unwrap(),
        body: String::from_utf8(body).unwrap(),
    })
}
