//! The answers' part of `reenact compare --json`.

use formats::trace::TraceContext;
use serde_json::{Value, json};

use super::Answers;
use super::findings::{At, Finding};
use super::samples::Sample;
use crate::compare::rules::RuleUse;
use crate::differ::Kind;

/// All of it; shares are of one.
pub(in crate::compare) fn json(of: &Answers) -> Value {
    let (only_before, only_after) = of.unpaired;
    json!({
        "runs": of.runs.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
        "pairs": of.pairs,
        "pairs_within": of.within_pairs,
        "with_bodies": of.with_bodies,
        "different": of.different,
        "only_before": only_before,
        "only_after": only_after,
        "copies_left_out": of.copies,
        "incomparable": of.incomparable,
        "findings": of.findings.iter().map(finding).collect::<Vec<_>>(),
        "rules": of.rules.iter().map(rule).collect::<Vec<_>>(),
        "notices": of.notices,
    })
}

fn finding(of: &Finding) -> Value {
    let mut value = json!({
        "part": of.part().name(),
        "where": of.place,
        "kind": of.kind.name(),
        "word": of.word.name(),
        "across": of.sum(|at| at.across),
        "pairs": of.sum(|at| at.pairs),
        "within": of.sum(|at| at.within),
        "pairs_within": of.sum(|at| at.within_pairs),
        "interval": [of.interval.0, of.interval.1],
        "chance": of.chance,
        "times_as_often_at_least": of.ratio,
        "endpoints": of.at.iter().map(at).collect::<Vec<_>>(),
        "samples": of.samples.iter().map(sample).collect::<Vec<_>>(),
    });
    if let (Kind::Status { before, after }, Some(object)) = (of.kind, value.as_object_mut()) {
        object.insert("before".to_owned(), before.into());
        object.insert("after".to_owned(), after.into());
    }
    value
}

fn at(of: &At) -> Value {
    let shared: serde_json::Map<String, Value> =
        of.shared.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "endpoint": of.endpoint,
        "across": of.across,
        "pairs": of.pairs,
        "within": of.within,
        "pairs_within": of.within_pairs,
        "shared": shared,
    })
}

fn sample(of: &Sample) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let trace = |of: Option<TraceContext>| of.map(|of| crate::contexts::hex(&of.trace_id));
    json!({
        "session": of.key.session,
        "seq": of.key.seq,
        "copy": of.key.copy,
        "run_before": of.runs.0,
        "run_after": of.runs.1,
        "before": text(&of.before),
        "after": text(&of.after),
        "status_before": of.status.0,
        "status_after": of.status.1,
        "request": text(&of.request_head),
        "trace_before": trace(of.traces.0),
        "trace_after": trace(of.traces.1),
    })
}

fn rule(of: &RuleUse) -> Value {
    json!({
        "line": of.line,
        "default": of.is_default,
        "endpoint": of.endpoint,
        "where": of.place,
        "matcher": of.matcher,
        "why": of.why,
        "silenced": of.silenced,
        "kept": of.kept,
    })
}
