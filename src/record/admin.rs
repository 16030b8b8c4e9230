//! The address for whoever operates a recorder: HTTP/1.1 on hyper, away from the traffic. What is answered is in `routes`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, ORIGIN};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use recorder::listen::Endpoint;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::events::{Event, Events};
use crate::outcome::Failure;

/// Callers at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// Longest body of a request.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// For a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What a caller asks for.
pub(super) struct Asking {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Bytes,
    /// The caller is on this machine, and no web page.
    pub(super) is_local: bool,
}

/// A caller who waits.
pub(super) struct Call {
    pub(super) asked: Asking,
    reply: oneshot::Sender<Reply>,
}

/// What it is told.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Call {
    /// Answers; a caller that is gone misses it.
    pub(super) fn reply(self, reply: Reply) {
        let _ = self.reply.send(reply);
    }
}

/// The address, taken.
pub(super) struct Admin {
    listener: Listener,
    at: String,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Takes the address.
pub(super) fn bind(endpoint: &Endpoint, events: &Events) -> Result<Admin, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot listen on {endpoint} for --admin: {error}")).hint("give another address")
    };
    let _entered = events.runtime().enter();
    let listener = match endpoint {
        Endpoint::Tcp(address) => {
            let listener = std::net::TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            Listener::Tcp(TcpListener::from_std(listener).map_err(failed)?)
        }
        Endpoint::Unix(path) => {
            let listener = crate::sockets::bind_unix(path).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            Listener::Unix(UnixListener::from_std(listener).map_err(failed)?)
        }
    };
    let at = match &listener {
        Listener::Tcp(listener) => format!("http://{}", listener.local_addr().map_err(failed)?),
        Listener::Unix(_) => endpoint.to_string(),
    };
    Ok(Admin { listener, at })
}

impl Admin {
    pub(super) fn greeting(&self) -> String {
        format!("operated at {}: /livez /readyz /metrics /recording", self.at)
    }

    /// Answers callers from now on, through the loop.
    pub(super) fn serve(self, events: &Events) {
        let sender = events.sender();
        events.runtime().spawn(async move {
            let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            loop {
                // The semaphore is never closed.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let accepted = match &self.listener {
                    Listener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| {
                        tokio::spawn(connection(stream, peer.ip().to_canonical().is_loopback(), sender.clone(), place));
                    }),
                    Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                        tokio::spawn(connection(stream, true, sender.clone(), place));
                    }),
                };
                if let Err(error) = accepted {
                    log::warn!("--admin: {error}");
                    // Out of descriptors, most likely: trying again at once would only spin.
                    tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_secs(1)).await;
                }
            }
        });
    }
}

async fn connection<S>(stream: S, is_local: bool, events: mpsc::Sender<Event>, _place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let events = events.clone();
        async move { Ok::<_, Infallible>(answer(request, is_local, &events).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        log::debug!("--admin: {error}");
    }
}

async fn answer(request: Request<Incoming>, is_local: bool, events: &mpsc::Sender<Event>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let reply = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => {
            // A web page in a browser on this machine is not the machine's operator.
            let is_local = is_local && !head.headers.contains_key(ORIGIN);
            let path = head.uri.path().to_owned();
            let asked = Asking { method: head.method, path, body: body.to_bytes(), is_local };
            let (reply, answer) = oneshot::channel();
            match events.send(Event::Call(Call { asked, reply })).await {
                Ok(()) => answer.await.ok(),
                Err(_) => None,
            }
        }
        Err(error) => Some(Reply {
            status: StatusCode::BAD_REQUEST,
            content_type: "text/plain; charset=utf-8",
            body: format!("the request's body cannot be read: {error}\n"),
        }),
    };
    let reply = reply.unwrap_or_else(|| Reply {
        status: StatusCode::SERVICE_UNAVAILABLE,
        content_type: "text/plain; charset=utf-8",
        body: "the recorder ends\n".to_owned(),
    });
    let mut response = Response::new(Full::new(reply.body.into()));
    *response.status_mut() = reply.status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(reply.content_type));
    response
}
