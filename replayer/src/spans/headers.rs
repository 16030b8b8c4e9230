//! Headers of every export. Their values are secrets that are looked up again when they may have changed.
//!
//! Values are in no text that leaves here: [`LiveHeaders::mask`] takes them out of what a backend says, too.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::secret::{Secret, is_header_value};

/// Headers that the exporter writes itself.
const OWN: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "grpc-encoding",
    "grpc-timeout",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
];
/// Sources are asked at most so often, whatever the backend answers.
const REREAD_NS_MIN: u64 = 1_000_000_000;
/// How long a source may take; the last good value is used until then.
const REREAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Values shorter than this are not looked for in texts: they would be found everywhere.
const MASKED_BYTES_MIN: usize = 4;

/// Finds the secret again; the text of the error must not repeat it.
type Resolve = Arc<dyn Fn() -> Result<Secret, String> + Send + Sync>;

/// One header of every export.
#[derive(Clone)]
pub struct ExportHeader {
    name: HeaderName,
    value: HeaderValue,
    source: Option<Source>,
}

/// Where a value is found again.
#[derive(Clone)]
struct Source {
    resolve: Resolve,
    /// How often it is looked at without being asked; `None`: only when a backend refuses the value.
    every: Option<Duration>,
}

impl ExportHeader {
    /// A header whose value stays as it is.
    ///
    /// # Errors
    /// When this cannot be a header of an export. The value is not part of the error.
    pub fn new(name: &str, value: &Secret) -> Result<Self, ReplayError> {
        let bad = |why: &str| ReplayError::ExportHeader { name: name.to_owned(), why: why.to_owned() };
        let parsed: HeaderName = name.parse().map_err(|_| bad("this is no header name"))?;
        if OWN.contains(&parsed.as_str()) {
            return Err(bad("the exporter writes this header itself"));
        }
        Ok(Self { name: parsed, value: header_value(value).map_err(bad)?, source: None })
    }

    /// With a source, which is looked at again after every refusal, and `every` so often.
    #[must_use]
    pub fn with_source(
        mut self,
        every: Option<Duration>,
        resolve: impl Fn() -> Result<Secret, String> + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Source { resolve: Arc::new(resolve), every });
        self
    }

    /// Its name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl std::fmt::Debug for ExportHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ***", self.name)
    }
}

fn header_value(secret: &Secret) -> Result<HeaderValue, &'static str> {
    let bytes = secret.reveal();
    if bytes.is_empty() || !is_header_value(bytes) {
        return Err("its value is empty, or has bytes that no header may have");
    }
    let mut value = HeaderValue::from_bytes(bytes).map_err(|_| "its value has bytes that no header may have")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads `key1=value1,key2=value2` with percent-encoded values, as in `OTEL_EXPORTER_OTLP_HEADERS`.
///
/// # Errors
/// Which pair is none, by its place: its text may be a secret.
pub fn parse_list(text: &str) -> Result<Vec<(String, Secret)>, String> {
    let mut headers = Vec::new();
    for (at, pair) in (1..).zip(text.split(',')).filter(|(_, pair)| !pair.trim().is_empty()) {
        let Some((name, value)) = pair.split_once('=') else { return Err(format!("its entry {at} has no `=`")) };
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        headers.push((name.trim().to_owned(), Secret::new(&value)));
    }
    Ok(headers)
}

/// The headers as they are now.
pub(super) struct LiveHeaders {
    current: RwLock<Current>,
    sources: Vec<(HeaderName, Source)>,
    /// When each source was last looked at. Whoever looks holds it.
    looked: Mutex<Vec<u64>>,
    clock: Clock,
}

#[derive(Clone)]
struct Current {
    /// Grows whenever a value changes.
    generation: u64,
    headers: Arc<HeaderMap>,
}

impl LiveHeaders {
    pub(super) fn new(headers: &[ExportHeader], clock: Clock) -> Self {
        let map = headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        let sources: Vec<_> = headers.iter().filter_map(|one| Some((one.name.clone(), one.source.clone()?))).collect();
        let looked = Mutex::new(vec![clock.now_ns(); sources.len()]);
        Self { current: RwLock::new(Current { generation: 0, headers: Arc::new(map) }), sources, looked, clock }
    }

    /// The headers, and a number that is another one when they have changed.
    pub(super) fn current(&self) -> (u64, Arc<HeaderMap>) {
        let current = self.get();
        (current.generation, current.headers)
    }

    fn get(&self) -> Current {
        self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Looks at the sources whose time has come, unless somebody else is at it.
    pub(super) async fn look_again(&self) {
        let now = self.clock.now_ns();
        let Ok(mut looked) = self.looked.try_lock() else { return };
        for (at, (_, source)) in self.sources.iter().enumerate() {
            let due = |last: &&mut u64| {
                source.every.is_some_and(|every| now >= last.saturating_add(crate::spans::nanos(every)))
            };
            if let Some(last) = looked.get_mut(at).filter(due) {
                *last = now;
                self.reread(at).await;
            }
        }
    }

    /// After a refusal: whether there are other values now than those of `generation`.
    pub(super) async fn changed_since(&self, generation: u64) -> bool {
        let mut looked = self.looked.lock().await;
        if self.get().generation != generation {
            return true;
        }
        let now = self.clock.now_ns();
        for at in 0..self.sources.len() {
            if let Some(last) = looked.get_mut(at).filter(|last| now >= last.saturating_add(REREAD_NS_MIN)) {
                *last = now;
                self.reread(at).await;
            }
        }
        self.get().generation != generation
    }

    async fn reread(&self, at: usize) {
        let Some((name, source)) = self.sources.get(at) else { return };
        let resolve = Arc::clone(&source.resolve);
        let read = tokio::time::timeout(REREAD_TIMEOUT, tokio::task::spawn_blocking(move || resolve())).await;
        let value = match read {
            Ok(Ok(Ok(secret))) => header_value(&secret).map_err(str::to_owned),
            Ok(Ok(Err(why))) => Err(why),
            Ok(Err(_)) => Err("looking it up panicked".to_owned()),
            Err(_) => Err(format!("its source took longer than {} s", REREAD_TIMEOUT.as_secs())),
        };
        match value {
            Ok(value) => self.set(name, value),
            Err(why) => log::warn!("the value of the OTLP header {name} stays as it was: {why}"),
        }
    }

    fn set(&self, name: &HeaderName, value: HeaderValue) {
        let mut current = self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if current.headers.get(name) != Some(&value) {
            Arc::make_mut(&mut current.headers).insert(name.clone(), value);
            current.generation += 1;
            log::info!("the value of the OTLP header {name} has changed");
        }
    }

    /// The text with `***` for every value, should a backend repeat one.
    pub(super) fn mask(&self, text: &str) -> String {
        let headers = self.get().headers;
        let mut out = text.to_owned();
        for value in headers.values().filter_map(|value| value.to_str().ok()) {
            // Without its scheme (`Bearer …`) it is the secret all the same.
            let bare = value.split_once(' ').map_or(value, |(_, bare)| bare);
            for secret in [value, bare].into_iter().filter(|secret| secret.len() >= MASKED_BYTES_MIN) {
                out = out.replace(secret, "***");
            }
        }
        out
    }
}
