//! Spans of requests and of runs: values against what was sent; names and types against the registry.

mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::time::UNIX_EPOCH;

use formats::trace::TraceContext;
use opentelemetry::Array;
use opentelemetry::trace::Status;

use super::*;
use crate::contexts::Contexts;
use crate::job::tests::job;
use crate::job::{ErrorKind, Progress};
use crate::plan::Step;
use crate::result::RunResult;
use crate::verdict::{Trust, Verdict};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn facts(target: &str) -> RunFacts {
    RunFacts {
        contexts: Contexts::random().unwrap(),
        endpoints: vec!["GET /users/{id}".into(), "PROPFIND /files/{id}".into()],
        targets: vec![Target::parse(target).unwrap()],
        planned: 10,
        multiplier: 2.5,
    }
}

fn builder(target: &str) -> SpanBuilder {
    SpanBuilder::new(Arc::new(facts(target)), Clock::start(), SECOND, &SpanOptions::default())
}

/// A request that was answered, of which everything is known.
fn answered() -> Box<Job> {
    let head = b"GET /users/7?q=secret HTTP/1.1\r\nHost: x\r\nUser-Agent: Firefox reenact/0.1.0\r\n\r\n";
    let mut job = job(100 * MS, 1, head);
    job.facts.status = Some(204);
    job.facts.response_ns = Some(7 * MS);
    job.facts.trace = Some(TraceContext { trace_id: [7; 16], parent_id: [9; 8], flags: 0 });
    (job.facts.session, job.facts.seq, job.facts.copy) = (1, 42, 3);
    job.progress = Progress {
        released_ns: 130 * MS,
        held_by_seq: Some(41),
        busy_ns: 10 * MS,
        connecting_ns: Some(131 * MS),
        connect_ns: 3 * MS,
        dispatched_ns: Some(135 * MS),
        first_byte_ns: Some(150 * MS),
        done_ns: 160 * MS,
        status: Some(200),
        bytes_out: 300,
        bytes_in: 4_000,
        peer: Some(Peer::Address("[::ffff:127.0.0.1]:8080".parse().unwrap())),
        resent: 1,
        ..Progress::default()
    };
    job
}

fn values(attributes: &[KeyValue]) -> BTreeMap<&str, &Value> {
    let map: BTreeMap<_, _> = attributes.iter().map(|one| (one.key.as_str(), &one.value)).collect();
    assert_eq!(map.len(), attributes.len(), "an attribute comes twice: {attributes:?}");
    map
}

/// The attributes as text; what is not there is `-`.
fn shown<const N: usize>(span: &SpanData, keys: [&str; N]) -> [String; N] {
    let values = values(&span.attributes);
    keys.map(|key| values.get(key).map_or_else(|| "-".to_owned(), |value| value.to_string()))
}

#[test]
fn a_request_says_what_was_sent_and_what_came() {
    let mut builder = builder("http://127.0.0.1:8080");
    let (job, base) = (answered(), Arc::clone(&builder.base));
    let span = builder.request(&job);
    assert_eq!(
        (span.name.as_ref(), &span.span_kind, &span.status),
        ("GET /users/{id}", &SpanKind::Client, &Status::Unset)
    );
    let keys = ["http.request.method", "url.full", "url.template", "http.response.status_code", "error.type"];
    let expected = ["GET", "http://127.0.0.1:8080/users/7?q=REDACTED", "/users/{id}", "200", "-"];
    assert_eq!(shown(&span, keys), expected);
    let keys = ["network.peer.address", "network.peer.port", "network.protocol.version", "user_agent.original"];
    assert_eq!(shown(&span, keys), ["127.0.0.1", "8080", "1.1", "Firefox reenact/0.1.0"]);
    let keys = ["http.request.size", "http.response.size", "http.request.resend_count", "user_agent.synthetic.type"];
    assert_eq!(shown(&span, keys), ["300", "4000", "1", "test"]);
    let keys =
        ["reenact.session", "reenact.sequence", "reenact.copy", "reenact.multiplier", "reenact.recorded.status_code"];
    assert_eq!(shown(&span, keys), ["1", "42", "3", "2.5", "204"]);
    let keys = ["lag_ns", "held_ns", "busy_ns", "connect_ns", "first_byte_ns", "recorded.response_ns"];
    let ms = [2, 30, 10, 3, 15, 7].map(|ms| (ms * MS).to_string());
    assert_eq!(shown(&span, keys.map(|key| Box::leak(format!("reenact.{key}").into_boxed_str()) as &str)), ms);
    // It begins with the wait for its connection.
    assert_eq!(
        (span.start_time, span.end_time),
        (base.clock.wall(SECOND + 131 * MS), base.clock.wall(SECOND + 160 * MS))
    );
    let context = &span.span_context;
    assert_eq!((context.trace_id().to_bytes(), context.span_id().to_bytes()), (job.fresh.trace_id, job.fresh.span_id));
    assert_eq!(context.trace_flags().to_u8(), 3, "as on the wire");
    // Links say which is which; the recorded trace was not sampled, and comes from elsewhere.
    let [run, recorded] = &span.links.links[..] else { panic!("{:?}", span.links) };
    assert_eq!((&run.span_context, run.attributes[0].value.to_string()), (&base.context, "run".to_owned()));
    assert_eq!(recorded.attributes[0].value.to_string(), "recorded");
    let context = &recorded.span_context;
    assert_eq!((context.trace_id().to_bytes(), context.span_id().to_bytes()), ([7; 16], [9; 8]));
    assert_eq!((context.trace_flags().to_u8(), context.is_remote()), (0, true));
}

#[test]
fn what_is_not_known_or_nothing_is_left_out() {
    let mut builder = builder("http://127.0.0.1:8080");
    let mut job = job(100 * MS, 1, b"GET / HTTP/1.1\r\n\r\n");
    job.progress = Progress {
        released_ns: 100 * MS,
        connecting_ns: Some(101 * MS),
        connect_ns: 2 * MS,
        done_ns: 103 * MS,
        error: Some(ErrorKind::Refused),
        ..Progress::default()
    };
    job.facts.endpoint = 99;
    let span = builder.request(&job);
    assert_eq!((span.name.as_ref(), span.links.len()), ("HTTP", 1));
    assert_eq!(span.status, Status::error("the target refused the connection"));
    assert_eq!(shown(&span, ["error.type", "reenact.connect_ns"]), ["refused".to_owned(), (2 * MS).to_string()]);
    let absent = [
        "http.response.status_code",
        "http.response.size",
        "http.request.size",
        "http.request.resend_count",
        "network.peer.address",
        "user_agent.original",
        "url.template",
        "reenact.lag_ns",
        "reenact.held_ns",
        "reenact.busy_ns",
        "reenact.first_byte_ns",
        "reenact.recorded.response_ns",
        "reenact.kept_at_end",
    ];
    assert_eq!(shown(&span, absent), ["-"; 13]);
    // Never dispatched: it begins when it began to connect, and without that when it was released.
    let began = |span: &SpanData| span.start_time.duration_since(UNIX_EPOCH).unwrap();
    job.progress.connecting_ns = None;
    let without = builder.request(&job);
    assert_eq!(began(&span) - began(&without), std::time::Duration::from_millis(1));
}

#[test]
fn targets_of_every_kind_are_named() {
    let keys = ["url.full", "url.scheme", "server.address", "server.port", "network.transport"];
    for (target, expected) in [
        ("https://shop.example.com", ["https://shop.example.com/a", "https", "shop.example.com", "443", "tcp"]),
        ("https://[::1]:8443", ["https://[::1]:8443/a", "https", "::1", "8443", "tcp"]),
        ("unix:/run/shop.sock", ["http://localhost/a", "http", "/run/shop.sock", "-", "unix"]),
    ] {
        let mut job = job(0, 1, b"GET /a HTTP/1.1\r\n\r\n");
        job.progress.peer = Some(Peer::Path(Path::new("/run/shop.sock").into()));
        let span = builder(target).request(&job);
        assert_eq!(shown(&span, keys), expected, "{target}");
        assert_eq!(shown(&span, ["network.peer.address", "network.peer.port"]), ["/run/shop.sock", "-"]);
    }
}

#[test]
fn a_method_that_is_not_known_is_no_part_of_a_name() {
    let mut job = job(0, 1, b"PROPFIND /files/1 HTTP/1.0\r\n\r\n");
    job.facts.endpoint = 1;
    let keys = ["http.request.method", "http.request.method_original", "network.protocol.version"];
    let span = builder("http://127.0.0.1:1").request(&job);
    assert_eq!(
        (span.name.as_ref(), shown(&span, keys)),
        ("HTTP /files/{id}", ["_OTHER", "PROPFIND", "1.0"].map(str::to_owned))
    );
    let given = SpanOptions { known_methods: Some(vec!["PROPFIND".into()]), ..SpanOptions::default() };
    let facts = Arc::new(facts("http://127.0.0.1:1"));
    let span = SpanBuilder::new(facts, Clock::start(), 0, &given).request(&job);
    assert_eq!(
        (span.name.as_ref(), shown(&span, keys)),
        ("PROPFIND /files/{id}", ["PROPFIND", "-", "1.0"].map(str::to_owned))
    );
}

#[test]
fn what_was_opened_for_a_request_is_in_no_span() {
    let mut job = job(0, 1, b"GET /secret/x HTTP/1.1\r\nUser-Agent: secret\r\n\r\n");
    job.opened = Some(Box::new(crate::rewrite::Opened {
        head: vec![5..11, 36..42],
        in_body: false,
        ..crate::rewrite::Opened::default()
    }));
    let span = builder("http://127.0.0.1:1").request(&job);
    assert_eq!(shown(&span, ["url.full", "user_agent.original"]), ["http://127.0.0.1:1/***/x", "***"]);
    assert!(!format!("{span:?}").contains("secret"));
}

#[test]
fn a_long_user_agent_is_cut_at_its_bound() {
    let of = |len: usize| {
        let head = format!("GET / HTTP/1.1\r\nUser-Agent: {}\r\n\r\n", "a".repeat(len));
        let span = builder("http://127.0.0.1:1").request(&job(0, 1, head.as_bytes()));
        shown(&span, ["user_agent.original"])[0].clone()
    };
    assert_eq!(of(AGENT_BYTES_MAX), "a".repeat(AGENT_BYTES_MAX));
    let cut = of(AGENT_BYTES_MAX + 1);
    assert!(cut.len() <= AGENT_BYTES_MAX && cut.ends_with('…'), "{cut}");
}

#[test]
fn an_unsampled_request_that_was_kept_says_so_and_why() {
    let mut builder = builder("http://127.0.0.1:1");
    for (budgeted, expected) in [(Budgeted::KeptAsError, "error"), (Budgeted::KeptAsSlow, "slow")] {
        let mut job = answered();
        (job.fresh.is_sampled, job.budgeted) = (false, budgeted);
        let span = builder.request(&job);
        assert_eq!(shown(&span, ["reenact.kept_at_end"]), [expected]);
        assert_eq!(span.span_context.trace_flags().to_u8(), 2, "as on the wire");
    }
}

fn ended() -> RunResult {
    RunResult {
        method: "clone".into(),
        loop_model: "open".into(),
        seed: u64::MAX,
        plan_hash: "abc".into(),
        asked: [("warm_up".to_owned(), "5s".to_owned()), ("filter".to_owned(), "x".repeat(2_000))].into(),
        sessions: (0..40).map(|at| format!("session-{at}")).collect(),
        shard: Some(crate::result::ShardOf { number: 2, of: 3 }),
        sent: 9,
        errors: BTreeMap::from([("timeout".to_owned(), 2)]),
        verdict: Verdict { outcome: Trust::Invalid, reasons: vec!["too late".into()], ..Verdict::default() },
        last_ns: crate::result::LastInstants { dispatched: u64::MAX, ..Default::default() },
        aborted: Some("the kill file is there".into()),
        ..RunResult::default()
    }
}

#[test]
fn the_run_says_what_was_asked_and_what_it_came_to_and_its_phases_are_its_children() {
    let builder = builder("http://127.0.0.1:8080");
    let base = &builder.base;
    let (result, step) = (ended(), Step { start_ns: 0, end_ns: 1, from: 1.0, to: 4.0 });
    let spans = run_spans(base, Some(&RunEnd { result: &result, steps: &[step], steady: (0, u64::MAX) }));
    let (run, phases) = spans.split_first().unwrap();
    assert_eq!((run.name.as_ref(), run.parent_span_id), ("reenact replay", SpanId::INVALID));
    assert_eq!(run.span_context, base.context, "what requests link to");
    let keys = ["reenact.seed", "reenact.plan_hash", "reenact.shard", "reenact.sessions_count", "reenact.errors"];
    assert_eq!(shown(run, keys), ["18446744073709551615", "abc", "2/3", "40", "2"]);
    assert_eq!(shown(run, ["reenact.verdict", "reenact.aborted"]), ["invalid", "the kill file is there"]);
    let [warm_up, filter] = shown(run, ["reenact.asked.warm_up", "reenact.asked.filter"]);
    assert_eq!((warm_up.as_str(), filter.len()), ("5s", 1_024));
    assert!(filter.ends_with('…'), "{filter}");
    assert_eq!(run.status, Status::error("the kill file is there"));
    let sessions = values(&run.attributes)["reenact.sessions"];
    assert!(matches!(sessions, Value::Array(Array::String(named)) if named.len() == 32), "{sessions:?}");
    // The clock has hardly moved, so that the run broke off in its lead.
    assert_eq!(phases.iter().map(|phase| phase.name.as_ref()).collect::<Vec<_>>(), ["reenact lead"]);
    let mut ids = BTreeSet::from([run.span_context.span_id().to_bytes()]);
    for phase in phases {
        assert_eq!(
            (phase.parent_span_id, phase.span_context.trace_id()),
            (base.context.span_id(), base.context.trace_id())
        );
        assert!(ids.insert(phase.span_context.span_id().to_bytes()));
        assert!(phase.end_time > phase.start_time);
    }
    let broken_off = run_spans(base, None);
    assert_eq!((broken_off.len(), &broken_off[0].status), (1, &Status::error("the run broke off")));
}
