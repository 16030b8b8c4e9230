//! The target's memory and CPU while a run goes on, where they can be seen: a process of this machine, or what a service says
//! of itself to Prometheus. Looked at once a second on a thread of its own; what cannot be seen is counted, and said.

mod process;
mod prometheus;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::clock::Clock;
use crate::error::ReplayError;
use process::Process;
use prometheus::Prometheus;

/// How often each is looked at.
const LOOK_NS: u64 = 1_000_000_000;
/// How often the thread looks whether it is to end.
const POLL_NS: u64 = 50_000_000;
/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_millis(900);
/// Rows over time that are kept; beyond, neighbours merge.
const ROWS_MAX: usize = 600;

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A process of this machine, by its number.
    Process(u32),
    /// A page of metrics in Prometheus' text format, as in `http://127.0.0.1:9000/metrics`.
    Prometheus(Url),
}

impl Source {
    /// A page of metrics by its URL.
    ///
    /// # Errors
    /// When it is none that can be looked at: what is wrong, in words.
    pub fn page(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("`{text}` {why}; write it as in http://staging:9000/metrics");
        let url: Url = text.parse().map_err(|error| bad(&format!("is no URL ({error})")))?;
        match url.scheme() {
            "http" if url.has_host() => Ok(Self::Prometheus(url)),
            "https" => Err(bad("needs TLS, which watching cannot do")),
            _ => Err(bad("is no http:// URL")),
        }
    }
}

/// What was seen of one of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// What was looked at: `process 4711 (nginx)`, or the URL.
    pub source: String,
    /// Looks that saw something.
    pub looks: u64,
    /// Looks that did not.
    pub missed: u64,
    /// Why the first of these did not.
    pub why: Option<String>,
    /// CPU time during the run.
    pub cpu_s: f64,
    /// Most CPUs that it took in a second.
    pub cpu_busiest: f64,
    /// Resident memory, the most that was seen.
    pub rss_peak_bytes: u64,
    /// Seconds that a row stands for.
    pub timeline_s: u64,
    /// Over time.
    pub timeline: Vec<Moment>,
}

/// One row over time; a row of several seconds has the largest of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Start, in seconds since the first due instant.
    pub t_s: u64,
    /// In CPUs.
    pub cpu: f64,
    /// Resident memory.
    pub rss_bytes: u64,
}

/// What a look sees.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    /// Since the process began.
    cpu_s: f64,
    rss_bytes: u64,
}

/// Something that can be looked at.
trait Look: Send {
    /// How it is called.
    fn name(&self) -> String;
    /// What is to be seen now.
    fn look(&mut self, within: Duration) -> Result<Seen, String>;
}

/// What is to be looked at, and could be.
#[derive(Default)]
pub struct Targets(Vec<Box<dyn Look>>);

impl Targets {
    /// Looks at each of them once.
    ///
    /// # Errors
    /// When one cannot be seen.
    pub fn find(sources: &[Source]) -> Result<Self, ReplayError> {
        let find = |source: &Source| {
            let mut look: Box<dyn Look> = match source {
                Source::Process(id) => Box::new(Process::new(*id)),
                Source::Prometheus(url) => Box::new(Prometheus::new(url.clone())?),
            };
            match look.look(LOOK_MAX) {
                Ok(_) => Ok(look),
                Err(why) => Err(ReplayError::Watched { what: source.to_string(), why }),
            }
        };
        Ok(Self(sources.iter().map(find).collect::<Result<_, _>>()?))
    }
}

/// A thread that looks.
#[derive(Debug, Default)]
pub struct Watch {
    is_over: Arc<AtomicBool>,
    found: Arc<Mutex<Vec<Watched>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// Begins to look, from due instant 0 on.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(Targets(mut looks): Targets, clock: Clock, start_ns: u64) -> Result<Self, ReplayError> {
        if looks.is_empty() {
            return Ok(Self::default());
        }
        let names = looks.iter().map(|look| Watched { source: look.name(), timeline_s: 1, ..Watched::default() });
        let watch = Self { found: Arc::new(Mutex::new(names.collect())), ..Self::default() };
        let (is_over, found) = (Arc::clone(&watch.is_over), Arc::clone(&watch.found));
        let work = move || {
            crate::turns::go_last();
            let mut last: Vec<Option<(u64, Seen)>> = vec![None; looks.len()];
            let mut at_ns = clock.now_ns();
            while !is_over.load(Ordering::Relaxed) {
                for (place, (look, last)) in looks.iter_mut().zip(&mut last).enumerate() {
                    let seen = look.look(LOOK_MAX);
                    let now_ns = clock.now_ns();
                    if let Ok(mut found) = found.lock()
                        && let Some(own) = found.get_mut(place)
                    {
                        own.take(seen, now_ns, start_ns, last);
                    }
                }
                at_ns += LOOK_NS;
                while clock.now_ns() < at_ns && !is_over.load(Ordering::Relaxed) {
                    clock.sleep_until(at_ns.min(clock.now_ns() + POLL_NS));
                }
            }
        };
        let spawned = std::thread::Builder::new().name("watch-target".to_owned()).spawn(work);
        let thread = spawned.map_err(|source| ReplayError::System { doing: "start a thread", source })?;
        Ok(Self { thread: Some(thread), ..watch })
    }

    /// What was seen; waits for a look that is under way.
    #[must_use]
    pub fn finish(mut self) -> Vec<Watched> {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.found.lock().map(|mut found| std::mem::take(&mut *found)).unwrap_or_default()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(id) => write!(f, "process {id}"),
            Self::Prometheus(url) => write!(f, "{url}"),
        }
    }
}

impl Watched {
    fn take(&mut self, seen: Result<Seen, String>, now_ns: u64, start_ns: u64, last: &mut Option<(u64, Seen)>) {
        let seen = match seen {
            Ok(seen) => seen,
            Err(why) => {
                self.missed += 1;
                self.why.get_or_insert(why);
                return;
            }
        };
        self.looks += 1;
        self.rss_peak_bytes = self.rss_peak_bytes.max(seen.rss_bytes);
        let before = last.replace((now_ns, seen));
        let Some((at_ns, before)) = before.filter(|_| now_ns >= start_ns) else { return };
        // A process that was started anew begins at nothing.
        let cpu_s = if seen.cpu_s >= before.cpu_s { seen.cpu_s - before.cpu_s } else { seen.cpu_s };
        let length_s = Duration::from_nanos(now_ns.saturating_sub(at_ns)).as_secs_f64();
        let cpu = if length_s > 0.0 { cpu_s / length_s } else { 0.0 };
        self.cpu_s += cpu_s;
        self.cpu_busiest = self.cpu_busiest.max(cpu);
        let t_s = (now_ns - start_ns) / 1_000_000_000;
        self.push(Moment { t_s, cpu, rss_bytes: seen.rss_bytes });
    }

    fn push(&mut self, row: Moment) {
        let at = row.t_s / self.timeline_s * self.timeline_s;
        match self.timeline.last_mut().filter(|last| last.t_s == at) {
            Some(last) => *last = last.largest(&row),
            None => self.timeline.push(Moment { t_s: at, ..row }),
        }
        if self.timeline.len() > ROWS_MAX {
            self.timeline_s *= 2;
            let rows = std::mem::take(&mut self.timeline);
            rows.into_iter().for_each(|row| self.push(row));
        }
    }
}

impl Moment {
    fn largest(&self, other: &Self) -> Self {
        Self { t_s: self.t_s, cpu: self.cpu.max(other.cpu), rss_bytes: self.rss_bytes.max(other.rss_bytes) }
    }
}
