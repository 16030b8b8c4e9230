//! The span of the run, which every request links to, and those of its phases, its children.

use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::phases::{Phase, Timeline};
use super::{RunBase, keys, number, url};
use crate::plan::Step;
use crate::result::RunResult;
use crate::verdict::Trust;

/// Sessions, targets and reasons that are named; how many sessions there are is said besides.
const NAMED_MAX: usize = 32;
/// Longer values of options are cut there, and end in `…`.
const OPTION_BYTES_MAX: usize = 1_024;
/// Changes of the plan that become events.
const CHANGES_MAX: usize = 128;

/// What a run came to, for its span.
pub struct RunEnd<'a> {
    /// Its result, with the verdict.
    pub result: &'a RunResult,
    /// The steps of its rate; none if that is the same all the time.
    pub steps: &'a [Step],
    /// Due instants between warm-up and drain, as asked for.
    pub steady: (u64, u64),
}

/// The run's span and its phases, when it is over. `None`: it broke off, and only that it was is known.
pub(in crate::spans) fn spans(base: &RunBase, end: Option<&RunEnd<'_>>) -> Vec<SpanData> {
    let now_ns = base.clock.now_ns();
    let mut root = span(base, base.context.clone(), SpanId::INVALID, "reenact replay".into());
    root.end_time = base.clock.wall(now_ns);
    root.attributes = about(base);
    let Some(end) = end else {
        root.status = Status::error("the run broke off");
        return vec![root];
    };
    root.attributes.extend(asked(end.result));
    root.attributes.extend(came_to(end.result));
    root.status = status(end.result);
    root.events = changes(base, end.result);
    let timeline = Timeline {
        lead_ns: base.start_ns,
        steady_from_ns: end.steady.0,
        steady_to_ns: end.steady.1,
        dispatched_ns: end.result.last_ns.dispatched,
        ended_ns: now_ns.saturating_sub(base.start_ns),
    };
    let phases = timeline.phases(end.steps).into_iter().zip(1..);
    let phases: Vec<_> = phases.map(|(phase, at)| of_phase(base, &phase, at)).collect();
    std::iter::once(root).chain(phases).collect()
}

/// Changes of the plan, as events.
fn changes(base: &RunBase, result: &RunResult) -> SpanEvents {
    let mut events = SpanEvents::default();
    events.events = result
        .changes
        .iter()
        .take(CHANGES_MAX)
        .map(|change| {
            let at = base.clock.wall(base.start_ns.saturating_add(change.at_ns));
            let attributes = vec![
                KeyValue::new(keys::CHANGE_FACTOR, change.factor),
                text(keys::CHANGE_BY, StringValue::from(change.by.clone())),
            ];
            Event::new(format!("reenact.{}", change.kind.name()), at, attributes, 0)
        })
        .collect();
    events.dropped_count = u32::try_from(result.changes.len().saturating_sub(CHANGES_MAX)).unwrap_or(u32::MAX);
    events
}

fn of_phase(base: &RunBase, phase: &Phase, at: u64) -> SpanData {
    // Other ids of this trace are those of the other phases, so that counting on from the run's keeps them apart.
    let id = u64::from_be_bytes(base.context.span_id().to_bytes()).wrapping_add(at);
    let id = SpanId::from_bytes(if id == 0 { u64::MAX } else { id }.to_be_bytes());
    let context = &base.context;
    let own = SpanContext::new(context.trace_id(), id, context.trace_flags(), false, context.trace_state().clone());
    let mut span = span(base, own, context.span_id(), format!("reenact {}", phase.name));
    let instant = |ns: i128| base.clock.wall(u64::try_from(i128::from(base.start_ns) + ns).unwrap_or(0));
    (span.start_time, span.end_time) = (instant(phase.from_ns), instant(phase.to_ns));
    span.attributes = vec![text(keys::RUN_ID, base.run_id.clone()), text(keys::PHASE, StringValue::from(phase.name))];
    if let Some((step, merged)) = phase.step {
        span.attributes.push(KeyValue::new(keys::FACTOR_FROM, step.from));
        span.attributes.push(KeyValue::new(keys::FACTOR_TO, step.to));
        if merged > 1 {
            span.attributes.push(count(keys::STEPS_MERGED, merged as u64));
        }
    }
    span
}

fn span(base: &RunBase, context: SpanContext, parent: SpanId, name: String) -> SpanData {
    SpanData {
        span_context: context,
        parent_span_id: parent,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: base.clock.wall(0),
        end_time: base.clock.wall(base.start_ns),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: base.scope.clone(),
    }
}

/// What is known from the beginning.
fn about(base: &RunBase) -> Vec<KeyValue> {
    let run = &base.run;
    let targets: Vec<_> = run.targets.iter().map(|target| target.given.clone()).collect();
    let mut attributes = vec![
        text(keys::RUN_ID, base.run_id.clone()),
        count(keys::PLANNED, run.planned),
        KeyValue::new(keys::MULTIPLIER, run.multiplier),
        texts(keys::TARGETS, &targets),
    ];
    if let Some(server) = base.servers.first() {
        attributes.push(text(keys::SERVER_ADDRESS, server.address.clone()));
        attributes.extend(server.port.map(|port| number(keys::SERVER_PORT, port)));
    }
    attributes
}

fn asked(result: &RunResult) -> Vec<KeyValue> {
    let owned = |key, value: &str| text(key, StringValue::from(value.to_owned()));
    let mut attributes = vec![
        owned(keys::METHOD_OF_PLAN, &result.method),
        owned(keys::LOOP_MODEL, &result.loop_model),
        // A seed has 64 bits, and a number of OTLP has a sign.
        owned(keys::SEED, &result.seed.to_string()),
        owned(keys::PLAN_HASH, &result.plan_hash),
        texts(keys::SESSIONS, &result.sessions),
        count(keys::SESSIONS_COUNT, result.sessions.len() as u64),
    ];
    attributes.extend(result.shard.map(|shard| owned(keys::SHARD, &format!("{}/{}", shard.number, shard.of))));
    attributes.extend(result.asked.iter().map(|(name, value)| {
        KeyValue::new(format!("{}{name}", keys::ASKED), url::cut(value.clone(), OPTION_BYTES_MAX))
    }));
    attributes
}

fn came_to(result: &RunResult) -> Vec<KeyValue> {
    let mut attributes = vec![
        count(keys::SENT, result.sent),
        count(keys::COMPLETED, result.completed),
        count(keys::ERRORS, result.errors.values().sum()),
        count(keys::SHED, result.shed.values().sum()),
        text(keys::VERDICT, StringValue::from(result.verdict.outcome.name())),
        texts(keys::REASONS, &result.verdict.reasons),
        KeyValue::new(keys::INTERRUPTED, result.interrupted),
    ];
    attributes.extend(result.aborted.iter().map(|why| text(keys::ABORTED, StringValue::from(why.clone()))));
    attributes
}

fn status(result: &RunResult) -> Status {
    match (&result.aborted, result.verdict.outcome) {
        (Some(why), _) => Status::error(why.clone()),
        (None, Trust::Invalid) => Status::error(result.verdict.reasons.join("; ")),
        _ if result.interrupted => Status::error("interrupted"),
        _ => Status::Unset,
    }
}

fn text(key: &'static str, value: StringValue) -> KeyValue {
    KeyValue::new(key, Value::String(value))
}

fn texts(key: &'static str, values: &[String]) -> KeyValue {
    let values = values.iter().take(NAMED_MAX).cloned().map(StringValue::from).collect();
    KeyValue::new(key, Value::Array(Array::String(values)))
}

fn count(key: &'static str, count: u64) -> KeyValue {
    number(key, i64::try_from(count).unwrap_or(i64::MAX))
}
