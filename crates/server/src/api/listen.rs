//! The listener: connections, how many, and how long they may keep us waiting.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::auth::Peer;
use crate::config::Http;
use crate::metrics::Metrics;
use crate::tls::Acceptor;

/// Bytes of a request's head that are read at all. What is longer than configured, and shorter
/// than this, is told so; what is longer than this is cut off with a bare 431.
const HEAD_BYTES_MAX: usize = 128 * 1024;

/// Headers of a request that are read at all.
const HEADERS_MAX: usize = 128;

/// How long a peer may not take a byte of an answer.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// Pause after the system had no connection for us: no more files, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long requests under way have to end when the server stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Where connections come from.
pub struct Listener {
    /// The socket.
    pub tcp: TcpListener,
    /// What turns them into TLS, where that is configured.
    pub tls: Option<Arc<Acceptor>>,
}

/// Serves until `stop`, then ends what is under way.
///
/// At most `max_connections` are open at once; further ones wait in the system's queue.
pub async fn serve(
    Listener { tcp: listener, tls }: Listener,
    router: Router,
    http: &Http,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(http.max_connections));
    let connections = TaskTracker::new();
    let header_timeout = http.header_timeout;
    let cut = CancellationToken::new();
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let (router, stop, metrics, tls) = (router.clone(), stop.clone(), Arc::clone(&metrics), tls.clone());
        let cut = cut.clone();
        connections.spawn(async move {
            metrics.http.connections.add(1);
            tokio::select! {
                () = meet(stream, peer, tls, router, header_timeout, stop) => {}
                () = cut.cancelled() => {}
            }
            metrics.http.connections.add(-1);
            drop(place);
        });
    }
    connections.close();
    if tokio::time::timeout(DRAIN_MAX, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "some requests did not end in time and are cut off");
        // With them goes what they hold on to: whoever waits for the last of it waits no longer.
        cut.cancel();
        connections.wait().await;
    }
}

/// One peer, from its first byte on.
async fn meet(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Acceptor>>,
    router: Router,
    header_timeout: Duration,
    stop: CancellationToken,
) {
    let stream = Patient::new(stream);
    match tls {
        None => converse(stream, peer, router, header_timeout, stop).await,
        Some(tls) => match tokio::time::timeout(header_timeout, tls.current().accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, peer, router, header_timeout, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

/// One connection, request after request.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    stop: CancellationToken,
) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Peers that go away in the middle of things are normal.
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A stream that does not wait for ever until its peer takes what is written.
struct Patient {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream) -> Self {
        Self { stream, stalled: None }
    }

    fn judge<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_STALL_MAX)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.judge(written, cx)
    }
}
