//! What a server's own access log says has arrived, and whether that is what the plan of a run says.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Access, Multiset, Server, multiset, request};
use crate::support::{Process, exchanges, reenact_says, run_json, text};

/// A run that is over, its recording, and what the server saw of it.
pub(crate) struct Replayed<'a> {
    /// Exchanges of the session, as `cat` prints them.
    pub(crate) recorded: &'a [Value],
    /// The run's directory.
    pub(crate) run: PathBuf,
    /// From the server's log.
    pub(crate) arrivals: Vec<Access>,
}

impl Replayed<'_> {
    /// Lines of `requests.jsonl.zst`.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let file = std::fs::File::open(self.run.join("requests.jsonl.zst")).unwrap();
        let text = zstd::decode_all(file).unwrap();
        String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Every planned request arrived exactly once, as it was recorded, in a fresh trace; nothing else arrived.
    #[track_caller]
    pub(crate) fn check(&self) {
        let run = run_json(&self.run);
        let planned = run["planned"].as_u64().unwrap();
        assert_eq!(self.arrivals.len() as u64, planned, "arrived and planned");
        for name in ["sent", "completed"] {
            assert_eq!(run[name], planned, "{name} of {planned} planned: {:#}", run["errors"]);
        }
        for name in ["errors", "shed", "left_out"] {
            assert!(run[name].as_object().is_some_and(|map| map.is_empty()), "{name}: {}", run[name]);
        }
        assert!(!run["notices"].to_string().contains("turned the replay away"), "{}", run["notices"]);
        let requests = self.requests();
        self.check_traces(&requests);
        self.check_one_to_one(&requests);
        self.check_endpoints(&run, &requests);
    }

    /// By the server's log and the recording alone: contexts are valid, fresh, and apart as the recorded ones were.
    #[track_caller]
    fn check_traces(&self, requests: &[Value]) {
        let recorded: HashSet<&str> =
            self.recorded.iter().filter_map(|one| one["trace"]["trace_id"].as_str()).collect();
        let (mut traces, mut spans) = (HashSet::new(), HashSet::new());
        for arrival in &self.arrivals {
            let (trace, span) = context(arrival);
            assert!(!recorded.contains(trace), "a recorded trace was sent again: {arrival:?}");
            traces.insert(trace);
            assert!(spans.insert(span), "a span id came twice: {arrival:?}");
        }
        // Requests of one recorded trace share a new one in each copy; all others have one each.
        let by_seq = self.by_seq();
        let mut groups = HashSet::new();
        for (position, request) in requests.iter().enumerate() {
            let of = by_seq[&request["seq"].as_u64().unwrap()]["trace"]["trace_id"].as_str();
            groups.insert(of.map_or((None, position as u64), |of| (Some(of), request["copy"].as_u64().unwrap())));
        }
        assert_eq!(traces.len(), groups.len(), "new traces, and what should have one of its own");
    }

    /// Each line of the run's own log is one arrival of the exchange that it names.
    #[track_caller]
    fn check_one_to_one(&self, requests: &[Value]) {
        assert_eq!(requests.len(), self.arrivals.len());
        let by_seq = self.by_seq();
        let mut left: HashMap<&str, &Access> =
            self.arrivals.iter().map(|one| (one.traceparent.as_str(), one)).collect();
        for request in requests {
            let id = |name: &str| request[name].as_str().unwrap();
            let traceparent = format!("00-{}-{}-03", id("trace_id"), id("span_id"));
            let arrival = left.remove(traceparent.as_str()).unwrap_or_else(|| panic!("{request} did not arrive"));
            let recorded = by_seq[&request["seq"].as_u64().unwrap()];
            assert_eq!(arrival.request, super::request(recorded), "{request}");
            assert_eq!(request["status"], arrival.status, "{request}");
            assert_eq!(request["recorded_trace_id"], recorded["trace"]["trace_id"], "{request}");
        }
        assert!(left.is_empty(), "arrived, but the run does not know of them: {left:?}");
    }

    #[track_caller]
    fn check_endpoints(&self, run: &Value, requests: &[Value]) {
        let mut counted = BTreeMap::<&str, u64>::new();
        for request in requests {
            *counted.entry(request["endpoint"].as_str().unwrap()).or_default() += 1;
        }
        let rows = run["endpoints"].as_array().unwrap();
        let told =
            rows.iter().map(|row| (row["endpoint"].as_str().unwrap(), row["planned"].as_u64().unwrap())).collect();
        assert_eq!(counted, told, "endpoints of the requests, and of run.json");
    }

    fn by_seq(&self) -> HashMap<u64, &Value> {
        self.recorded.iter().map(|one| (one["seq"].as_u64().unwrap(), one)).collect()
    }

    /// Of each recorded request `copies` arrived; `None`, for a half: users whole or not at all, of pools about
    /// a half, and something is left out.
    #[track_caller]
    pub(crate) fn check_copies(&self, copies: Option<u64>) {
        let (arrived, recorded) = (self.arrived(), self.recorded());
        if let Some(copies) = copies {
            let expected: Multiset = recorded.into_iter().map(|(what, count)| (what, count * copies)).collect();
            assert_eq!(arrived, expected, "arrived, and {copies} times what was recorded");
            return;
        }
        for (what, count) in &arrived {
            assert!(recorded.get(what).is_some_and(|most| count <= most), "{what:?} {count} times: {recorded:?}");
        }
        let (mut all, mut kept) = (BTreeMap::<&str, u64>::new(), BTreeMap::<&str, u64>::new());
        let (by_seq, requests) = (self.by_seq(), self.requests());
        for exchange in self.recorded {
            *all.entry(exchange["client"].as_str().unwrap()).or_default() += 1;
        }
        for request in &requests {
            *kept.entry(by_seq[&request["seq"].as_u64().unwrap()]["client"].as_str().unwrap()).or_default() += 1;
        }
        for (client, count) in &kept {
            let of = all[client];
            let is_half = of >= 20 && (of / 4..=of * 3 / 4).contains(count);
            assert!(*count == of || is_half, "{count} of the {of} requests of {client}");
        }
        assert!(kept.len() < all.len() || requests.len() < self.recorded.len(), "0.5x left nothing out: {all:?}");
    }

    /// What arrived, by method and target.
    pub(crate) fn arrived(&self) -> Multiset {
        multiset(self.arrivals.iter().map(|one| one.request.clone()))
    }

    /// What was recorded, by method and target.
    pub(crate) fn recorded(&self) -> Multiset {
        multiset(self.recorded.iter().map(request))
    }
}

/// Trace and span of a valid `traceparent` of a replay (Trace Context level 2: sampled, random).
#[track_caller]
pub(crate) fn context(arrival: &Access) -> (&str, &str) {
    let hex = |text: &str, len| {
        text.len() == len
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && text.bytes().any(|byte| byte != b'0')
    };
    match arrival.traceparent.split('-').collect::<Vec<_>>().as_slice() {
        ["00", trace, span, "03"] if hex(trace, 32) && hex(span, 16) => (trace, span),
        _ => panic!("no traceparent of a replay: {arrival:?}"),
    }
}

/// Exchanges of a session that lost nothing: no gap, no damage.
#[track_caller]
pub(crate) fn whole(session: &Path) -> Vec<Value> {
    let verified = reenact_says(["verify", &text(session)]);
    assert_eq!(verified.code, 0, "{verified:?}");
    exchanges(session)
}

/// A recorder with keys that are the same in every run of the test, so that a fractional rate keeps the same clients.
pub(crate) fn recorder(upstream: &str, session: &Path, more: &[&str]) -> (Process, String) {
    let key = session.with_extension("key");
    std::fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    let key = format!("file:{}", key.display());
    crate::support::recorder(upstream, session, &[&["--redact-key", &key], more].concat())
}

/// Ends a recording, which lost nothing.
#[track_caller]
pub(crate) fn end(recorder: Process, session: &Path) -> Vec<Value> {
    recorder.signal("INT");
    let said = recorder.finish();
    assert_eq!(said.code, 0, "{said:?}");
    whole(session)
}

/// Replays to `target`, and returns the run's directory.
#[track_caller]
pub(crate) fn replay(session: &Path, target: &str, rate: &str, more: &[&str]) -> PathBuf {
    let out = session.with_extension(format!("run-{rate}"));
    let (session, target, directory) = (text(session), format!("http://{target}"), text(&out));
    let arguments = ["replay", &session, "--target", &target, "--rate", rate, "--out", &directory];
    let said = reenact_says(arguments.iter().chain(more));
    assert_eq!(said.code, 0, "{rate}: {said:?}");
    out
}

/// Replays to the server that the session was recorded before, and checks all that arrives there.
#[track_caller]
pub(crate) fn replay_to_origin<'a>(
    server: &Server,
    session: &Path,
    recorded: &'a [Value],
    (rate, copies): (&str, Option<u64>),
    more: &[&str],
) -> Replayed<'a> {
    let before = server.logged();
    let more = [&["--unsafe-methods", "send", "--allow-origin"], more].concat();
    let run = replay(session, &server.address, rate, &more);
    let planned = run_json(&run)["planned"].as_u64().unwrap();
    let arrivals = server.accesses(before, usize::try_from(planned).unwrap());
    let replayed = Replayed { recorded, run, arrivals };
    replayed.check();
    replayed.check_copies(copies);
    replayed
}
