//! The listener, over real connections.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aftercall::api::listen::{self, Listener};
use aftercall::config::{Config, Http};
use aftercall::installation::http_tls;
use aftercall::tls::{self, Files};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Server;

struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    server: Server,
}

async fn listening(change: impl FnOnce(&mut Http)) -> Listening {
    let mut http = Config::built_in().http;
    change(&mut http);
    let server = Server::start_with(http).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let (router, http, metrics, stopping) =
        (server.router.clone(), server.http.clone(), server.metrics.clone(), stop.clone());
    let listener =
        Listener { tcp: listener, tls: http.tls.as_ref().map(|files| Arc::new(http_tls(files).unwrap())) };
    let task = tokio::spawn(async move { listen::serve(listener, router, &http, metrics, stopping).await });
    Listening { address, stop, task, server }
}

/// Sends the bytes and reads until the server closes.
async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}

const LIVE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_connection_from_this_machine_is_answered_without_a_key() {
    let listening = listening(|_| {}).await;
    let heard = say(listening.address, LIVE).await;
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
    assert!(heard.ends_with(r#"{"status":"ok"}"#), "{heard}");
    let rebound =
        say(listening.address, b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            .await;
    assert!(rebound.starts_with("HTTP/1.1 401 "), "{rebound}");
}

#[tokio::test]
async fn headers_far_too_long_and_requests_that_are_none_are_cut_off() {
    let listening = listening(|_| {}).await;
    let long = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let heard = say(
        listening.address,
        format!("{}{}", long.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), "").as_bytes(),
    )
    .await;
    assert!(heard.starts_with("HTTP/1.1 431 ") && heard.contains("application/problem+json"), "{heard}");
    let many: String = (0..200).map(|number| format!("X-{number}: x\r\n")).collect();
    let heard =
        say(listening.address, format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 431 "), "{heard}");
    let heard = say(listening.address, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").await;
    assert!(heard.starts_with("HTTP/1.1 400 "), "{heard}");
}

#[tokio::test]
async fn one_who_sends_no_headers_is_not_waited_for() {
    let listening = listening(|http| http.header_timeout = Duration::from_millis(20)).await;
    let heard = say(listening.address, b"GET /healthz HTTP/1.1\r\nHost: loc").await;
    assert!(!heard.starts_with("HTTP/1.1 200"), "{heard}");
}

#[tokio::test]
async fn no_more_connections_are_served_at_once_than_configured() {
    let listening = listening(|http| http.max_connections = 1).await;
    let mut first = TcpStream::connect(listening.address).await.unwrap();
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    let mut second = TcpStream::connect(listening.address).await.unwrap();
    second.write_all(LIVE).await.unwrap();
    assert_eq!(listening.server.metrics.http.connections.get(), 1, "the second waits");
    drop(first);
    let mut heard = Vec::new();
    second.read_to_end(&mut heard).await.unwrap();
    assert!(heard.starts_with(b"HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_closes_what_is_idle() {
    let listening = listening(|_| {}).await;
    let mut idle = TcpStream::connect(listening.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();

    let mut busy = TcpStream::connect(listening.address).await.unwrap();
    let head =
        "POST /cc/csat/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n";
    busy.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    busy.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

    listening.stop.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    busy.write_all(b"{\"score\": 5}").await.unwrap();
    let mut heard = String::new();
    busy.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 201 Created"), "{heard}");
    listening.task.await.unwrap();
    assert!(TcpStream::connect(listening.address).await.is_err());
}

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tls").join(name)
}

fn localhost() -> Files {
    Files { cert: vector("localhost.pem"), key: vector("localhost.key"), client_ca: None }
}

#[tokio::test]
async fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let listening = listening(|http| {
        http.tls = Some(localhost());
    })
    .await;
    let stream = TcpStream::connect(listening.address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let connector = tls::connector(Some(&vector("localhost.pem")), None).unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(LIVE).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 200 OK"), "{heard}");

    let mut plain = TcpStream::connect(listening.address).await.unwrap();
    plain.write_all(LIVE).await.unwrap();
    let mut heard = Vec::new();
    plain.read_to_end(&mut heard).await.unwrap();
    assert!(!heard.starts_with(b"HTTP"), "a plain request gets a TLS alert");
}

#[test]
fn files_that_cannot_be_used_for_tls_are_named() {
    let (cert, key, other) = (vector("localhost.pem"), vector("localhost.key"), vector("README.md"));
    for (cert, key, expected) in [
        (&vector("nowhere.pem"), &key, "nowhere.pem: No such file or directory (os error 2)"),
        (&other, &key, "README.md: there is no certificate in it"),
        (&cert, &other, "README.md: there is no key in it"),
        (&cert, &cert, "localhost.pem: there is no key in it"),
    ] {
        let fault = http_tls(&Files { cert: cert.clone(), key: key.clone(), client_ca: None })
            .err()
            .unwrap()
            .to_string();
        assert!(fault.ends_with(expected), "{fault}");
    }
}
