//! The run's metrics for Prometheus, over HTTP: `GET /metrics` while the run goes on.
//!
//! Served on the main thread, from the run's last snapshot. A scraper that does not read waits by itself: what it is owed
//! is one text, callers are bounded, and connections that stay silent are closed.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use log::Level;
use replayer::clock::Clock;
use replayer::metrics::{self, Format};
use replayer::run::Live;
use tokio::net::TcpStream;
use tokio::sync::watch::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Facts;
use crate::logging::say;
use crate::outcome::Failure;

/// Scrapers at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// For a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For a connection as a whole: one that does not read makes room for others.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);

/// An address that is taken.
pub(super) struct Exposition {
    listener: TcpListener,
}

/// What every scrape is answered from.
struct Source {
    live: Receiver<Arc<Live>>,
    target: Vec<(String, String)>,
}

impl Exposition {
    /// Takes the address, and says where it is.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot listen on {address} for --prometheus: {error}")).hint("give another address")
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        say(Level::Info, &format!("metrics for Prometheus at http://{address}/metrics while the run goes on"));
        if !address.ip().is_loopback() {
            say(Level::Warn, &format!("warning: {address} is open to whoever reaches it, without TLS"));
        }
        Ok(Self { listener })
    }

    /// Answers scrapes until the runtime ends.
    pub(super) fn serve(self, live: Receiver<Arc<Live>>, facts: &Facts) -> Result<(), Failure> {
        let listener = tokio::net::TcpListener::from_std(self.listener);
        let listener = listener.map_err(|error| Failure::new(format!("cannot listen for --prometheus: {error}")))?;
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let source = Arc::new(Source {
            live,
            target: vec![
                label("service.name", "reenact"),
                label("service.version", env!("CARGO_PKG_VERSION")),
                label("reenact.run_id", &facts.run_id),
                label("reenact.target", &facts.target),
            ],
        });
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            loop {
                // The semaphore is never closed.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((stream, _)) => {
                        tokio::spawn(connection(stream, Arc::clone(&source), place));
                    }
                    Err(error) => {
                        log::warn!("--prometheus: {error}");
                        // Out of descriptors, most likely: trying again at once would only spin.
                        let clock = Clock::start();
                        tokio::time::sleep_until(clock.deadline(1_000_000_000).into()).await;
                    }
                }
            }
        });
        Ok(())
    }
}

async fn connection(stream: TcpStream, source: Arc<Source>, _place: OwnedSemaphorePermit) {
    let service = service_fn(move |request| {
        let answer = source.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIMEOUT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("--prometheus: {error}"),
        Err(_) => log::debug!("--prometheus: a connection was closed after {CONNECTION_TIMEOUT:?}"),
    }
}

impl Source {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        const TEXT: &str = "text/plain; charset=utf-8";
        let refused = |status: StatusCode, why: &str| (status, TEXT, format!("{why}\n"));
        let (status, content_type, body) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => {
                let accept: Vec<&str> =
                    request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
                let format = Format::accepted(&accept.join(","));
                let live = Arc::clone(&self.live.borrow());
                match &live.metrics {
                    Some(reading) => {
                        (StatusCode::OK, format.content_type(), metrics::text(reading, format, &self.target))
                    }
                    None => refused(StatusCode::SERVICE_UNAVAILABLE, "nothing is measured yet"),
                }
            }
            (_, "/metrics") => refused(StatusCode::METHOD_NOT_ALLOWED, "metrics are read with GET"),
            _ => refused(StatusCode::NOT_FOUND, "metrics are at /metrics"),
        };
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
