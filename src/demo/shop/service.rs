//! The life of a request: find the route, check the method, answer, tell the tracer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{sleep_until, timeout_at};

use super::Limits;
use super::carts::{Cart, Carts};
use super::catalogue::Catalogue;
use super::spans::{Ended, Open, Tracer};
use crate::demo::clock::now;

type Answer = Response<Full<Bytes>>;

/// How long a client may take for its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// The slow endpoint: what every search takes at least, and how many milliseconds a query can add.
const SEARCH_MS_MIN: u64 = 20;
const SEARCH_MS_SPREAD: u64 = 100;
const QUERY_BYTES_MAX: usize = 100;
const CHECKOUT_TIME: Duration = Duration::from_millis(8);
/// One checkout in so many fails.
const CHECKOUTS_PER_FAILURE: u64 = 50;
/// A longer session id is ignored, so that nobody fills the memory with cookies.
const SID_BYTES_MAX: usize = 256;

/// What all connections share.
pub(crate) struct Service {
    catalogue: Catalogue,
    carts: Mutex<Carts>,
    checkouts: AtomicU64,
    requests: AtomicU64,
    tracer: Tracer,
    body_bytes_max: usize,
}

impl Service {
    pub(crate) fn new(tracer: Tracer, limits: &Limits) -> Self {
        Self {
            catalogue: Catalogue::new(),
            carts: Mutex::new(Carts::new(limits.carts_max)),
            checkouts: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            tracer,
            body_bytes_max: limits.body_bytes_max,
        }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let open = self.tracer.open(request.headers());
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        let answer = match &route {
            None => failure(StatusCode::NOT_FOUND, "no such page"),
            Some(route) if !route.methods().contains(&head.method) => wrong_method(route),
            Some(route) => self.answer_route(route, &head, body, &open).await,
        };
        let route = route.map(|route| route.template());
        let ended = Ended { method: &head.method, path: head.uri.path(), route, status: answer.status() };
        self.tracer.close(open, &ended);
        self.requests.fetch_add(1, Ordering::Relaxed);
        answer
    }

    pub(crate) fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn carts_evicted(&self) -> u64 {
        self.carts().evicted()
    }

    async fn answer_route(&self, route: &Route, head: &Parts, body: Incoming, open: &Open) -> Answer {
        match route {
            Route::Home => page(StatusCode::OK, "text/html; charset=utf-8", self.catalogue.home()),
            Route::Items => page(StatusCode::OK, "application/json", self.catalogue.list()),
            Route::Item(id) => match id.and_then(|id| self.catalogue.item(id)) {
                Some(item) => page(StatusCode::OK, "application/json", item.page()),
                None => failure(StatusCode::NOT_FOUND, "no such item"),
            },
            Route::Search => self.search(head.uri.query().unwrap_or_default(), open).await,
            Route::Cart if head.method == Method::POST => self.add_to_cart(&head.headers, body).await,
            Route::Cart => json_page(&self.priced(&self.carts().get(session(&head.headers).unwrap_or_default()))),
            Route::Checkout => self.checkout(session(&head.headers).unwrap_or_default(), open).await,
            Route::Health => json_page(&json!({"status": "ok"})),
        }
    }

    async fn search(&self, query: &str, open: &Open) -> Answer {
        let words = query.split('&').find_map(|pair| pair.strip_prefix("q=")).map(decoded);
        let Some(words) = words.filter(|words| !words.is_empty() && words.len() <= QUERY_BYTES_MAX) else {
            return failure(StatusCode::BAD_REQUEST, "search for what?");
        };
        let start = now();
        sleep_until(start + search_time(&words)).await;
        self.tracer.database(open, start, "SELECT", "items");
        json_page(&self.catalogue.search(&words))
    }

    async fn add_to_cart(&self, headers: &HeaderMap, body: Incoming) -> Answer {
        let body = match timeout_at(now() + BODY_TIMEOUT, Limited::new(body, self.body_bytes_max).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return failure(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
            }
            Ok(Err(_)) => return failure(StatusCode::BAD_REQUEST, "the body cannot be read"),
            Err(_) => return failure(StatusCode::REQUEST_TIMEOUT, "the body takes too long"),
        };
        let wanted = serde_json::from_slice::<Value>(&body).ok();
        let wanted = wanted.as_ref().and_then(|body| body.get("item")).and_then(Value::as_u64);
        let Some(id) = wanted.and_then(|id| u32::try_from(id).ok()) else {
            return failure(StatusCode::BAD_REQUEST, "the body must be {\"item\": number}");
        };
        if self.catalogue.item(id).is_none() {
            return failure(StatusCode::UNPROCESSABLE_ENTITY, "no such item");
        }

        let known = session(headers);
        let sid = known.map_or_else(|| self.tracer.session_id(), str::to_owned);
        let cart = self.carts().add(&sid, id);
        let mut answer = json_page(&self.priced(&cart));
        if known.is_none()
            && let Ok(cookie) = HeaderValue::try_from(format!("sid={sid}; Path=/; HttpOnly"))
        {
            answer.headers_mut().insert(SET_COOKIE, cookie);
        }
        answer
    }

    async fn checkout(&self, sid: &str, open: &Open) -> Answer {
        let number = self.checkouts.fetch_add(1, Ordering::Relaxed) + 1;
        let start = now();
        sleep_until(start + CHECKOUT_TIME).await;
        self.tracer.database(open, start, "INSERT", "orders");
        if number.is_multiple_of(CHECKOUTS_PER_FAILURE) {
            // The cart stays as it is, so that the customer can try again.
            return failure(StatusCode::SERVICE_UNAVAILABLE, "the payment service does not answer");
        }
        // An empty cart makes an empty order: the copies of a replayed client share their cookie, and so their cart.
        let cart = self.carts().take(sid);
        json_page(&json!({"order": number, "paid": self.priced(&cart)}))
    }

    fn priced(&self, cart: &Cart) -> Value {
        let price = |id: u32| self.catalogue.item(id).map_or(0, |item| item.price_cents);
        let items: Vec<Value> = cart.iter().map(|(id, quantity)| json!({"id": id, "quantity": quantity})).collect();
        let total: u64 = cart.iter().map(|(id, quantity)| price(*id) * u64::from(*quantity)).sum();
        json!({"items": items, "total_cents": total})
    }

    /// The carts, also after a panic elsewhere: they are consistent after each single step.
    fn carts(&self) -> MutexGuard<'_, Carts> {
        self.carts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pages of the shop.
enum Route {
    Home,
    Items,
    /// No number when what is asked for cannot be one.
    Item(Option<u32>),
    Search,
    Cart,
    Checkout,
    Health,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Home,
            "/items" => Self::Items,
            "/search" => Self::Search,
            "/cart" => Self::Cart,
            "/checkout" => Self::Checkout,
            "/health" => Self::Health,
            _ => Self::Item(path.strip_prefix("/items/").filter(|id| !id.contains('/'))?.parse().ok()),
        })
    }

    fn template(&self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Items => "/items",
            Self::Item(_) => "/items/{id}",
            Self::Search => "/search",
            Self::Cart => "/cart",
            Self::Checkout => "/checkout",
            Self::Health => "/health",
        }
    }

    fn methods(&self) -> &'static [Method] {
        match self {
            Self::Cart => &[Method::GET, Method::HEAD, Method::POST],
            Self::Checkout => &[Method::POST],
            _ => &[Method::GET, Method::HEAD],
        }
    }
}

/// How long a search takes: the same for the same words, on every machine (FNV-1a of them).
fn search_time(words: &str) -> Duration {
    let hash = words
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Duration::from_millis(SEARCH_MS_MIN + (hash >> 32) % (SEARCH_MS_SPREAD + 1))
}

/// A query's value: `+` is a space, `%41` is a byte; what is no such escape stays as it is.
fn decoded(value: &str) -> String {
    let mut bytes = value.as_bytes().iter();
    let mut out = Vec::with_capacity(value.len());
    while let Some(&byte) = bytes.next() {
        let hex = bytes.as_slice().get(..2).filter(|hex| byte == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                bytes.nth(1);
            }
            None => out.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The session id that a request brings.
fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let sid = cookies.flat_map(|cookies| cookies.split(';')).find_map(|cookie| cookie.trim().strip_prefix("sid="));
    sid.filter(|sid| !sid.is_empty() && sid.len() <= SID_BYTES_MAX)
}

fn page(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn json_page(body: &Value) -> Answer {
    page(StatusCode::OK, "application/json", body.to_string().into())
}

fn failure(status: StatusCode, why: &str) -> Answer {
    page(status, "application/json", json!({"error": why}).to_string().into())
}

fn wrong_method(route: &Route) -> Answer {
    let mut answer = failure(StatusCode::METHOD_NOT_ALLOWED, "not with this method");
    let allowed: Vec<&str> = route.methods().iter().map(Method::as_str).collect();
    if let Ok(allowed) = HeaderValue::try_from(allowed.join(", ")) {
        answer.headers_mut().insert(ALLOW, allowed);
    }
    answer
}
