//! Receiving OTLP: sockets and connections, each with its bounds. Both transports are spoken on every address.
//!
//! Whoever is too many, too large or too slow is refused and counted; nobody is waited for but until a stated deadline. All
//! of it runs on the view's own thread, so that a flood of spans takes turns with nothing but itself.

mod body;
mod grpc;
mod http;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::intake::Intake;
use super::otlp::{self, Encoding};
use crate::clock::Clock;
use crate::error::ReplayError;
use crate::result::services::ReceivedMessages;

/// Of a message, compressed and not.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Connections at once.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// Messages of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 16;
/// What a connection and a message of it may send ahead of being read.
const CONNECTION_WINDOW_BYTES: u32 = 128 << 10;
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// What an HTTP/1 connection reads ahead.
const BUFFER_BYTES: usize = 64 << 10;
/// From connecting to the first message's head.
const GREETING_NS: u64 = 10_000_000_000;
/// From a message's head to its end.
const MESSAGE_NS: u64 = 10_000_000_000;
/// Between two messages of an HTTP/1 connection.
const IDLE: Duration = Duration::from_secs(60);
/// After a connection could not be accepted, mostly for want of descriptors.
const ACCEPT_AGAIN_NS: u64 = 100_000_000;

/// Sockets that listen already.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

impl Listeners {
    /// Listens on all of these.
    ///
    /// # Errors
    /// When one cannot be had.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, ReplayError> {
        let mut listeners = Self { sockets: Vec::new(), addresses: Vec::new() };
        for address in addresses {
            let failed = |source| ReplayError::Collect { address: *address, source };
            let socket = TcpListener::bind(address).map_err(failed)?;
            socket.set_nonblocking(true).map_err(failed)?;
            listeners.addresses.push(socket.local_addr().map_err(failed)?);
            listeners.sockets.push(socket);
        }
        Ok(listeners)
    }

    /// Where they listen, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    Malformed,
    TooLarge,
    TooSlow,
    Busy,
    Unsupported,
}

impl Refusal {
    const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Busy => "busy",
            Self::Unsupported => "unsupported",
        }
    }
}

/// What all connections have in common.
pub(super) struct Receiver {
    intake: Arc<Mutex<Intake>>,
    clock: Clock,
    connections: Arc<Semaphore>,
    /// Bytes of messages that are being read.
    reading: Arc<AtomicU64>,
    reading_max: u64,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    taken: u64,
    refused: BTreeMap<Refusal, u64>,
    connections_refused: u64,
}

impl Receiver {
    /// A receiver that gives what it reads to `intake`, and reads at most so many bytes at once.
    pub(super) fn new(intake: Arc<Mutex<Intake>>, clock: Clock, reading_max: u64) -> Arc<Self> {
        Arc::new(Self {
            intake,
            clock,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            reading: Arc::default(),
            reading_max,
            counts: Mutex::default(),
        })
    }

    /// Listens within the runtime that this is called in, until that ends.
    pub(super) fn listen(self: &Arc<Self>, listeners: Listeners) -> std::io::Result<()> {
        for socket in listeners.sockets {
            tokio::spawn(Arc::clone(self).accept(tokio::net::TcpListener::from_std(socket)?));
        }
        Ok(())
    }

    pub(super) fn messages(&self) -> ReceivedMessages {
        let counts = locked(&self.counts);
        ReceivedMessages {
            taken: counts.taken,
            refused: counts.refused.iter().map(|(why, count)| (why.name().to_owned(), *count)).collect(),
            connections_refused: counts.connections_refused,
        }
    }

    async fn accept(self: Arc<Self>, listener: tokio::net::TcpListener) {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => match Arc::clone(&self.connections).try_acquire_owned() {
                    Ok(permit) => {
                        let connection = Arc::clone(&self).connection(socket);
                        tokio::spawn(async move {
                            connection.await;
                            drop(permit);
                        });
                    }
                    Err(_) => locked(&self.counts).connections_refused += 1,
                },
                Err(error) => {
                    log::debug!("cannot accept a connection of a service: {error}");
                    self.sleep(ACCEPT_AGAIN_NS).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, socket: TcpStream) {
        let _ = socket.set_nodelay(true);
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(BUFFER_BYTES);
        server
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(IDLE)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .max_header_list_size(HEADER_BYTES_MAX);
        let has_asked = Arc::new(AtomicBool::new(false));
        let service = {
            let (receiver, has_asked) = (Arc::clone(&self), Arc::clone(&has_asked));
            service_fn(move |request| {
                has_asked.store(true, Ordering::Relaxed);
                let receiver = Arc::clone(&receiver);
                async move { Ok::<_, Infallible>(receiver.answer(request).await) }
            })
        };
        let connection = server.serve_connection(TokioIo::new(socket), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = self.sleep(GREETING_NS) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None if has_asked.load(Ordering::Relaxed) => connection.await,
            // Whoever says nothing holds no place.
            None => return,
        };
        if let Err(error) = ended {
            log::debug!("the connection of a service ended: {error}");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<tonic::body::Body> {
        match grpc::is_grpc(&request) {
            true => grpc::answer(self, request).await,
            false => http::answer(self, request).await.map(tonic::body::Body::new),
        }
    }

    /// Takes the spans of a message, and says how many of them cannot be taken, and why.
    fn take(&self, message: &[u8], encoding: Encoding) -> Result<Option<(u64, &'static str)>, otlp::Malformed> {
        let mut intake = locked(&self.intake);
        let before = intake.rejected();
        otlp::visit(message, encoding, &mut *intake)?;
        let rejected = intake.rejected() - before;
        locked(&self.counts).taken += 1;
        let why = "a trace id has 16 bytes and a span id 8, and neither is all zeros";
        Ok((rejected > 0).then_some((rejected, why)))
    }

    fn refuse(&self, why: Refusal) {
        *locked(&self.counts).refused.entry(why).or_default() += 1;
    }

    async fn sleep(&self, ns: u64) {
        tokio::time::sleep_until(self.clock.deadline(self.clock.now_ns().saturating_add(ns)).into()).await;
    }
}

/// What a mutex holds, also after a panic: every step leaves it whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
