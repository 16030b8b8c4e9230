//! Replays whose spans go somewhere, and the collectors that they go to.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::peers::{script, venv};
use crate::scripted::{line, ok, session, target};
use crate::support::{Process, Said, inside, reenact, run_json, text, wait_for};

/// Spans of a run besides those of its requests: its own, and those of lead, steady and drain.
pub(crate) const OF_THE_RUN: u64 = 4;

/// Of every replay here.
pub(crate) const REQUESTS: u64 = 200;
/// Of these, in one recorded trace.
pub(crate) const IN_TRACE: u64 = 4;
pub(crate) const RECORDED_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// Every name in a folder is used once.
static NUMBER: AtomicU64 = AtomicU64::new(0);

fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A collector of `tests/peers/collector.py`.
pub(crate) struct Collector {
    transport: String,
    port: String,
    file: PathBuf,
    _process: Process,
}

impl Collector {
    pub(crate) fn start(folder: &TempDir, transport: &str, behaviours: &[&str]) -> Self {
        Self::start_with(folder, transport, &[], behaviours)
    }

    pub(crate) fn start_with(folder: &TempDir, transport: &str, flags: &[&str], behaviours: &[&str]) -> Self {
        Self::at(transport, flags, inside(folder, &format!("collected-{}", number())), behaviours)
    }

    fn at(transport: &str, flags: &[&str], file: PathBuf, behaviours: &[&str]) -> Self {
        let mut command = Command::new(venv("python"));
        command.arg(script("collector.py")).arg(transport).args(flags).arg(&file).args(behaviours);
        let mut process = Process::start(&mut command);
        let port = process.wait_for_err("").trim().to_owned();
        Self { transport: transport.to_owned(), port, file, _process: process }
    }

    /// Kills it and starts it again on the same port, with the same file.
    pub(crate) fn restart(self) -> Self {
        let Self { transport, port, file, _process: process } = self;
        drop(process);
        Self::at(&transport, &["--port", &port], file, &["ok"])
    }

    pub(crate) fn port(&self) -> &str {
        &self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What was asked of it, in order.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.lines().into_iter().filter_map(|line| line.get("request").cloned()).collect()
    }

    fn spans(&self) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line.get("span_id").is_some()).collect()
    }

    /// Spans of requests that it took.
    pub(crate) fn client_spans(&self) -> u64 {
        self.spans().iter().filter(|span| span["kind"] == 3).count() as u64
    }

    /// The same, each counted once.
    pub(crate) fn distinct_client_spans(&self) -> u64 {
        let spans = self.spans();
        let clients = spans.iter().filter(|span| span["kind"] == 3);
        clients.map(|span| span["span_id"].as_str().unwrap()).collect::<HashSet<_>>().len() as u64
    }

    /// Waits until it has taken some.
    pub(crate) fn wait_for_spans(&self) {
        wait_for("the first spans", || (self.client_spans() > 0).then_some(()));
    }

    /// Waits until it has exactly so many.
    #[track_caller]
    pub(crate) fn wait_for_all(&self, count: u64) -> Vec<Value> {
        let spans = wait_for(&format!("{count} spans"), || {
            let spans = self.spans();
            (spans.len() as u64 >= count).then_some(spans)
        });
        assert_eq!(spans.len() as u64, count, "more spans than were sent");
        spans
    }
}

/// A replay under way.
pub(crate) struct Exported {
    process: Process,
    out: PathBuf,
}

/// A replay that is over.
pub(crate) struct Done {
    pub(crate) requests: u64,
    pub(crate) said: Said,
    run: Value,
    out: PathBuf,
}

impl Exported {
    pub(crate) fn start(folder: &TempDir, url: &str, more: &[&str]) -> Self {
        Self::start_with(folder, Some(url), more, &[])
    }

    pub(crate) fn start_with(folder: &TempDir, url: Option<&str>, more: &[&str], env: &[(&str, &str)]) -> Self {
        let (mut command, out) = command(folder, more);
        if let Some(url) = url {
            command.args(["--otlp-endpoint", url]);
        }
        command.envs(env.iter().copied());
        Self { process: Process::start(&mut command), out }
    }

    #[track_caller]
    pub(crate) fn finish(self) -> Done {
        let said = self.process.finish();
        assert_eq!(said.code, 0, "{said:?}");
        assert!(!said.err.contains("panicked"), "{said:?}");
        let run = run_json(&self.out);
        // Whatever happens to spans, every request leaves, and is answered.
        for name in ["planned", "sent", "completed", "settled"] {
            assert_eq!(run[name], REQUESTS, "{name}: {said:?}");
        }
        Done { requests: REQUESTS, said, run, out: self.out }
    }
}

impl Done {
    pub(crate) fn spans(&self) -> &Value {
        &self.run["spans"]
    }

    /// The fates that are not zero are these, and add up to the requests.
    #[track_caller]
    pub(crate) fn check(&self, fates: &[(&str, u64)]) {
        let spans = self.spans();
        let exported = spans["exported"].as_u64().unwrap();
        let mut found: Vec<(String, u64)> = Vec::new();
        found.extend((exported > 0).then(|| ("exported".to_owned(), exported)));
        for kind in ["sampled_out", "rejected", "dropped"] {
            let counts = spans[kind].as_object().unwrap();
            found.extend(counts.iter().map(|(reason, count)| (format!("{kind}.{reason}"), count.as_u64().unwrap())));
        }
        let expected: Vec<_> = fates.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(found, expected, "{spans}\n{}", self.said.err);
        assert_eq!(found.iter().map(|(_, count)| count).sum::<u64>(), self.requests);
    }

    /// Nothing that the run left or said holds this.
    #[track_caller]
    pub(crate) fn shows_nothing_of(&self, secret: &str) {
        assert!(!format!("{:?}", self.said).contains(secret), "{:?}", self.said);
        for file in ["run.json", "report.html", "plan.json"] {
            assert!(!std::fs::read_to_string(self.out.join(file)).unwrap().contains(secret), "{file}");
        }
    }

    /// The most that the replayer held.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.run["generator"]["rss_peak_bytes"].as_u64().unwrap()
    }
}

/// To the end, with every request sent.
#[track_caller]
pub(crate) fn replay(folder: &TempDir, url: &str, more: &[&str]) -> Done {
    Exported::start(folder, url, more).finish()
}

/// What it says when it refuses.
#[track_caller]
pub(crate) fn replay_fails(folder: &TempDir, more: &[&str], env: &[(&str, &str)]) -> String {
    let said = crate::support::run(command(folder, more).0.envs(env.iter().copied()));
    assert_eq!(said.code, 2, "{more:?} {env:?}: {said:?}");
    said.err
}

fn command(folder: &TempDir, more: &[&str]) -> (Command, PathBuf) {
    let session = recorded(folder.path());
    let (out, target) = (inside(folder, &format!("run-{}", number())), format!("http://{}", target(ok)));
    let command = reenact(
        ["replay", &text(&session), "--target", &target, "--out", &text(&out)].iter().chain(more).collect::<Vec<_>>(),
    );
    (command, out)
}

/// The session of all replays of a folder: a request every 5 ms, the first of them in one trace.
fn recorded(folder: &Path) -> PathBuf {
    let at = folder.join("session");
    if at.exists() {
        return at;
    }
    let lines = (0..REQUESTS).map(|i| {
        let mut line: Value = serde_json::from_str(&line(i * 5, i % 7 + 1, "GET", &format!("/item/{i}"))).unwrap();
        if i < IN_TRACE {
            let traceparent = format!("00-{RECORDED_TRACE}-b7ad6b7169203331-01");
            line["request"]["headers"].as_array_mut().unwrap().push(serde_json::json!(["traceparent", traceparent]));
        }
        line.to_string()
    });
    session(folder, "session", &lines.collect::<Vec<_>>())
}

/// A time to start that leaves some for a test.
#[expect(clippy::disallowed_methods, reason = "when a run begins is given as the time of day")]
pub(crate) fn soon() -> String {
    humantime::format_rfc3339_millis(SystemTime::now() + Duration::from_millis(2_500)).to_string()
}

/// Spans of a line of OTLP JSON.
pub(crate) fn spans_of_json(line: Value) -> Vec<Value> {
    let each = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let resources = each(&line, "resourceSpans");
    let scopes = resources.iter().flat_map(|one| each(one, "scopeSpans")).collect::<Vec<_>>();
    scopes.iter().flat_map(|one| each(one, "spans")).collect()
}
