//! The address for whoever operates a recorder: HTTP/1.1 on hyper, away from the traffic. What is answered is in `routes`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
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

/// A proxy or a sidecar on this machine makes callers from anywhere local: the address that they called says more.
const NOT_HERE: &str = "/recording is only where --admin is of loopback or a Unix socket, and this address is neither; \
                        give one of them as a second --admin\n";
/// A page in a browser on this machine is not the machine's operator, whatever name it was loaded from.
const NO_PAGE: &str = "/recording is for callers on this machine, who ask for it by a loopback name or address in Host, \
                       and for no web page\n";

/// Where a listener can be reached from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Anywhere,
    Loopback,
    /// A Unix socket, to which no browser connects.
    Path,
}

/// What a caller asks for.
pub(super) struct Asking {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Bytes,
    /// Why this caller may only look; `None` for who may operate.
    pub(super) refusal: Option<&'static str>,
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
    reach: Reach,
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
    let (at, reach) = match &listener {
        Listener::Tcp(listener) => {
            let address = listener.local_addr().map_err(failed)?;
            let is_loopback = address.ip().to_canonical().is_loopback();
            (format!("http://{address}"), if is_loopback { Reach::Loopback } else { Reach::Anywhere })
        }
        Listener::Unix(_) => (endpoint.to_string(), Reach::Path),
    };
    Ok(Admin { listener, reach, at })
}

impl Admin {
    pub(super) fn greeting(&self) -> String {
        let recording = if self.reach == Reach::Anywhere { "" } else { " /recording" };
        format!("operated at {}: /livez /readyz /metrics{recording}", self.at)
    }

    /// Answers callers from now on, through the loop.
    pub(super) fn serve(self, events: &Events) {
        let (sender, reach) = (events.sender(), self.reach);
        events.runtime().spawn(async move {
            let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            loop {
                // The semaphore is never closed.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let accepted = match &self.listener {
                    Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                        tokio::spawn(connection(stream, reach, sender.clone(), place));
                    }),
                    Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                        tokio::spawn(connection(stream, reach, sender.clone(), place));
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

async fn connection<S>(stream: S, reach: Reach, events: mpsc::Sender<Event>, _place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let events = events.clone();
        async move { Ok::<_, Infallible>(answer(request, reach, &events).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        log::debug!("--admin: {error}");
    }
}

async fn answer(request: Request<Incoming>, reach: Reach, events: &mpsc::Sender<Event>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let reply = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => {
            let refusal = refusal(reach, &head);
            let path = head.uri.path().to_owned();
            let asked = Asking { method: head.method, path, body: body.to_bytes(), refusal };
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

/// Why a caller may only look.
fn refusal(reach: Reach, head: &Parts) -> Option<&'static str> {
    // A page whose own name was made to resolve to loopback sends no Origin with a GET, but that name as Host.
    let is_page = head.headers.contains_key(ORIGIN) || (reach == Reach::Loopback && !is_asked_as_loopback(head));
    match reach {
        Reach::Anywhere => Some(NOT_HERE),
        Reach::Loopback | Reach::Path => is_page.then_some(NO_PAGE),
    }
}

fn is_asked_as_loopback(head: &Parts) -> bool {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    // Whoever writes the whole address into the request line may leave out the header.
    let host = head.uri.authority().cloned().or(host);
    host.is_some_and(|host| {
        let host = host.host().trim_start_matches('[').trim_end_matches(']');
        let is_name = host.eq_ignore_ascii_case("localhost");
        is_name || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_for_loopback_by_its_name_is_no_page() {
        for (uri, host, expected) in [
            ("/recording", Some("127.0.0.1:9090"), true),
            ("/recording", Some("127.9.9.9"), true),
            ("/recording", Some("[::1]:9090"), true),
            ("/recording", Some("LocalHost:9090"), true),
            ("http://localhost:9090/recording", None, true),
            ("/recording", None, false),
            ("/recording", Some("evil.example:9090"), false),
            ("/recording", Some("localhost.evil.example"), false),
            ("/recording", Some("127.0.0.1.evil.example"), false),
            ("/recording", Some("10.0.0.1:9090"), false),
            ("/recording", Some("localhost@evil.example"), false),
            ("http://evil.example/recording", Some("localhost"), false),
        ] {
            let mut request = Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let head = request.body(()).unwrap().into_parts().0;
            assert_eq!(refusal(Reach::Loopback, &head).is_none(), expected, "{uri} {host:?}");
            assert_eq!(refusal(Reach::Path, &head), None);
            assert_eq!(refusal(Reach::Anywhere, &head), Some(NOT_HERE));
        }
    }
}
