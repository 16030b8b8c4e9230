//! Spans of outcomes, by the HTTP semantic conventions and with our own attributes.

use std::sync::Arc;

use formats::head;
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::ExportOptions;
use crate::clock::Clock;
use crate::job::{Job, RunFacts};
use crate::target::Target;

pub(super) fn resource(options: &ExportOptions, run: &RunFacts) -> Resource {
    let mut attributes = vec![
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("reenact.run_id", run.contexts.run_id().to_owned()),
    ];
    if let Some(environment) = &options.environment {
        attributes.push(KeyValue::new("deployment.environment.name", environment.clone()));
    }
    Resource::builder_empty().with_service_name("reenact").with_attributes(attributes).build()
}

/// Makes spans of outcomes.
pub(super) struct SpanBuilder {
    run: Arc<RunFacts>,
    clock: Clock,
    start_ns: u64,
    scope: InstrumentationScope,
    names: Vec<StringValue>,
    run_context: SpanContext,
    run_id: StringValue,
    /// `server.address` and `server.port` by target.
    addresses: Vec<(StringValue, i64)>,
}

impl SpanBuilder {
    pub(super) fn new(run: Arc<RunFacts>, clock: Clock, start_ns: u64) -> Self {
        let scope = InstrumentationScope::builder("reenact").with_version(env!("CARGO_PKG_VERSION")).build();
        let names = run.endpoints.iter().map(|name| StringValue::from(Arc::<str>::from(name.as_str()))).collect();
        let (trace_id, span_id) = run.contexts.of_run();
        let run_context = context(trace_id, span_id, false);
        let run_id = StringValue::from(Arc::<str>::from(run.contexts.run_id()));
        let address =
            |target: &Target| (StringValue::from(Arc::<str>::from(target.host.as_str())), i64::from(target.port));
        let addresses = run.targets.iter().map(address).collect();
        Self { run, clock, start_ns, scope, names, run_context, run_id, addresses }
    }

    /// Whose spans these are.
    pub(super) const fn scope(&self) -> &InstrumentationScope {
        &self.scope
    }

    pub(super) fn request(&self, job: &Job) -> SpanData {
        let (facts, outcome) = (&job.facts, &job.progress);
        let name = self.names.get(facts.endpoint as usize).cloned().unwrap_or_else(|| StringValue::from("HTTP"));
        let shown = job.shown_head();
        let line = head::request_line(&shown);
        let method = line.map(|line| String::from_utf8_lossy(line.method).into_owned()).unwrap_or_default();
        let (host, port) = self.address(job.target);
        let lag_ns = outcome.dispatched_ns.map_or(0, |at| at.saturating_sub(outcome.released_ns));
        let mut attributes = vec![
            text("http.request.method", method.into()),
            text("server.address", host),
            number("server.port", port),
            text("url.full", self.url(job.target, line.map_or(&b""[..], |line| line.target)).into()),
            text("url.template", StringValue::from(name.as_str().split_once(' ').map_or("", |both| both.1).to_owned())),
            text("network.protocol.name", "http".into()),
            text("user_agent.synthetic.type", "test".into()),
            text("reenact.run_id", self.run_id.clone()),
            number("reenact.copy", i64::from(facts.copy)),
            number("reenact.sequence", facts.seq.cast_signed()),
            number("reenact.lag_ns", lag_ns.cast_signed()),
            KeyValue::new("reenact.multiplier", self.run.multiplier),
        ];
        if let Some(status) = outcome.status {
            attributes.push(number("http.response.status_code", i64::from(status)));
        }
        // Client errors are errors of a client span (HTTP semantic conventions, "Status").
        let error = outcome.error.map(|kind| kind.name().to_owned());
        let error = error.or_else(|| outcome.status.filter(|status| *status >= 400).map(|status| status.to_string()));
        let status = if error.is_some() { Status::error("") } else { Status::Unset };
        if let Some(error) = error {
            attributes.push(text("error.type", error.into()));
        }
        let mut links = SpanLinks::default();
        links.links.push(Link::with_context(self.run_context.clone()));
        if let Some(trace) = facts.trace {
            links.links.push(Link::with_context(context(trace.trace_id, trace.parent_id, true)));
        }
        let fresh = &job.fresh;
        SpanData {
            span_context: context(fresh.trace_id, fresh.span_id, false),
            parent_span_id: fresh.parent_span_id.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: name.as_str().to_owned().into(),
            start_time: self.clock.wall(self.start_ns + outcome.dispatched_ns.unwrap_or(job.due_ns)),
            end_time: self.clock.wall(self.start_ns + outcome.done_ns),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status,
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// The span of the run itself, which every request links to.
    pub(super) fn run(&self, now_ns: u64) -> SpanData {
        let (host, port) = self.address(0);
        let attributes = vec![
            text("reenact.run_id", self.run_id.clone()),
            number("reenact.planned", i64::try_from(self.run.planned).unwrap_or(i64::MAX)),
            KeyValue::new("reenact.multiplier", self.run.multiplier),
            text("server.address", host),
            number("server.port", port),
        ];
        SpanData {
            span_context: self.run_context.clone(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "reenact replay".into(),
            start_time: self.clock.wall(self.start_ns),
            end_time: self.clock.wall(now_ns),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn address(&self, target: u16) -> (StringValue, i64) {
        self.addresses.get(usize::from(target)).cloned().unwrap_or_else(|| (StringValue::from(""), 0))
    }

    /// The URL without its query, which may hold what no backend should see.
    fn url(&self, to: u16, target: &[u8]) -> String {
        let target = String::from_utf8_lossy(target);
        let path = target.split('?').next().unwrap_or_default();
        if path.starts_with("http://") || path.starts_with("https://") {
            path.to_owned()
        } else {
            let authority = self.run.targets.get(usize::from(to)).map_or("", |target| target.authority.as_str());
            format!("http://{authority}{path}")
        }
    }
}

fn context(trace_id: [u8; 16], span_id: [u8; 8], remote: bool) -> SpanContext {
    let (trace_id, span_id) = (TraceId::from_bytes(trace_id), SpanId::from_bytes(span_id));
    SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, remote, TraceState::NONE)
}

fn text(key: &'static str, value: StringValue) -> KeyValue {
    KeyValue::new(key, Value::String(value))
}

fn number(key: &'static str, value: i64) -> KeyValue {
    KeyValue::new(key, value)
}
