//! One visitor's browser: an address, a User-Agent, a cookie, one or two connections that are kept alive.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, HeaderValue, SET_COOKIE, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::plan::{Page, Step, Visit};
use crate::demo::clock::now;

/// A request without its whole answer by then has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A longer answer is not the shop's.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// 503: what the shop does to one checkout in some.
    TurnedAway,
    /// Any other status that is no success, or no answer.
    Failed,
}

/// A visitor's browser.
pub(crate) struct Browser {
    agent: &'static str,
    cookie: Option<HeaderValue>,
    connection: Connection,
    parallel: Option<Connection>,
}

impl Browser {
    pub(crate) fn new(target: SocketAddr, visit: &Visit) -> Self {
        let connection = || Connection::new(target, visit.number);
        let parallel = visit.in_parallel.then(connection);
        Self { agent: visit.agent, cookie: None, connection: connection(), parallel }
    }

    /// Looks at a page: its first request, and when that is answered all others, over both connections if there are two.
    pub(crate) async fn view(&mut self, page: &Page) -> Vec<Outcome> {
        let first = self.request(&page.first);
        let (first, cookie) = self.connection.send(first).await;
        // Only the first request of a page ever brings a cookie.
        self.cookie = cookie.or_else(|| self.cookie.take());

        let others: Vec<_> = page.others.iter().map(|step| self.request(step)).collect();
        let mut outcomes = vec![first];
        let (beside, behind) = match &mut self.parallel {
            Some(parallel) => {
                let (even, odd): (Vec<_>, Vec<_>) = (0_u32..).zip(others).partition(|(at, _)| at.is_multiple_of(2));
                tokio::join!(parallel.send_each(even), self.connection.send_each(odd))
            }
            None => (Vec::new(), self.connection.send_each((0..).zip(others).collect()).await),
        };
        outcomes.extend(beside.into_iter().chain(behind));
        outcomes
    }

    fn request(&self, step: &Step) -> Request<Full<Bytes>> {
        let method = if step.body.is_some() { Method::POST } else { Method::GET };
        let has_json = step.body.as_ref().is_some_and(|body| !body.is_empty());
        let request = Request::builder()
            .method(method)
            .uri(&step.path)
            .header(HOST, self.connection.target.to_string())
            .header(USER_AGENT, self.agent)
            .header(ACCEPT, "*/*")
            .header("traceparent", &step.traceparent);
        let request = if has_json { request.header(CONTENT_TYPE, "application/json") } else { request };
        let request = self.cookie.iter().fold(request, |request, cookie| request.header(COOKIE, cookie));
        let body = Full::from(step.body.clone().unwrap_or_default());
        // Paths and values are the plan's own and valid. Were they not, this request to nowhere would fail and be counted.
        request.body(body).unwrap_or_default()
    }
}

/// One connection, opened when it is first needed and again when the other side has closed it.
struct Connection {
    target: SocketAddr,
    source: Ipv4Addr,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// The task that moves the bytes of `sender`. Ends with this.
    driver: JoinSet<()>,
}

impl Connection {
    fn new(target: SocketAddr, visitor: u64) -> Self {
        Self { target, source: source(visitor), sender: None, driver: JoinSet::new() }
    }

    async fn send_each(&mut self, requests: Vec<(u32, Request<Full<Bytes>>)>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for (_, request) in requests {
            outcomes.push(self.send(request).await.0);
        }
        outcomes
    }

    /// Sends a request and reads its whole answer; also gives the cookie that came with it.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> (Outcome, Option<HeaderValue>) {
        let answered = timeout_at(now() + REQUEST_TIMEOUT, self.exchange(request)).await;
        let Some((status, cookie)) = answered.ok().flatten() else {
            // Whatever else comes on this connection would be taken for another request's answer.
            self.sender = None;
            self.driver.abort_all();
            return (Outcome::Failed, None);
        };
        let outcome = match status {
            StatusCode::SERVICE_UNAVAILABLE => Outcome::TurnedAway,
            status if status.is_success() => Outcome::Answered,
            _ => Outcome::Failed,
        };
        (outcome, cookie)
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Option<(StatusCode, Option<HeaderValue>)> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            self.sender = Some(self.connect().await?);
        }
        let sender = self.sender.as_mut()?;
        sender.ready().await.ok()?;
        let answer = sender.send_request(request).await.ok()?;
        let (status, cookie) = (answer.status(), answer.headers().get(SET_COOKIE).and_then(pair));
        Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.ok()?;
        Some((status, cookie))
    }

    async fn connect(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        let socket = if self.target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.ok()?;
        // The whole of 127/8 is this machine: every visitor has an address of its own, as in production.
        if matches!(self.target.ip(), IpAddr::V4(target) if target.is_loopback()) {
            socket.bind((self.source, 0).into()).ok()?;
        }
        let stream = socket.connect(self.target).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        self.driver.abort_all();
        self.driver.spawn(async {
            // A connection that fails is noticed by the request that it fails.
            let _ = connection.await;
        });
        Some(sender)
    }
}

/// 127.0.1.1, 127.0.1.2 and so on: 64,516 visitors before the second part of the address moves on.
fn source(visitor: u64) -> Ipv4Addr {
    let part = |value: u64| u8::try_from(value % 254).unwrap_or(0) + 1;
    let second = u8::try_from(visitor / (254 * 254) % 256).unwrap_or(0);
    Ipv4Addr::new(127, second, part(visitor / 254), part(visitor))
}

/// `name=value` of a Set-Cookie field, without its attributes.
fn pair(cookie: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_str(cookie.to_str().ok()?.split(';').next()?).ok()
}
