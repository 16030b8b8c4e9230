//! `metrics.txt`: the result as OpenMetrics 1.0, for a push gateway or a textfile collector. Times are summaries in
//! seconds: quantiles were read from histograms, and are not to be averaged by whoever reads them.

use std::fmt::Write as _;

use crate::result::thresholds::{Judged, ThresholdUnit};
use crate::result::{Quantiles, RunResult};

/// Endpoints that have lines of their own, most requests first: a monitoring system pays for each name.
const ENDPOINTS_MAX: usize = 500;

/// The result as text.
pub(super) fn metrics(result: &RunResult) -> String {
    let mut out = Families(String::new());
    let run = [
        ("run_id", result.run_id.as_str()),
        ("plan_hash", &result.plan_hash),
        ("target", &result.target),
        ("loop_model", &result.loop_model),
        ("verdict", result.verdict.outcome.name()),
    ];
    out.begin("reenact_run", "info", None, "The run that everything here is about.");
    out.line("reenact_run_info", &run, 1.0);
    if result.knows("duration_s") {
        let (name, help) = ("reenact_run_duration_seconds", "First due instant to the last answer.");
        out.gauge(name, Some("seconds"), help, result.duration_s);
    }
    out.gauge("reenact_run_multiplier", None, "Times the recorded rate.", result.multiplier);
    if result.knows("interrupted") {
        out.gauge("reenact_run_interrupted", None, "1 if the run ended before its plan.", flag(result.interrupted));
    }
    for (name, field, help, per_s) in [
        ("reenact_rate_planned", "rate.planned", "Requests a second by the plan.", result.rate.planned),
        ("reenact_rate_achieved", "rate.achieved", "Requests a second that were sent.", result.rate.achieved),
    ] {
        if result.knows(field) {
            out.gauge(name, None, help, per_s);
        }
    }
    let away = "Answered 2xx in the recording, and sent to a login now.";
    for (name, field, help, count) in [
        ("reenact_requests_planned", "planned", "Requests of the plan.", result.planned),
        ("reenact_requests_dispatched", "dispatched", "Requests that were handed to a socket.", result.dispatched),
        ("reenact_requests_sent", "sent", "Requests of which the kernel took a byte.", result.sent),
        ("reenact_requests_completed", "completed", "Requests whose answer came whole.", result.completed),
        ("reenact_requests_turned_away", "turned_away", away, result.turned_away),
        ("reenact_spans_exported", "spans", "Client spans that the backend took.", result.spans.exported),
    ] {
        // A counter that is not known is not there: a zero would be a count.
        if !result.knows(field) {
            continue;
        }
        out.begin(name, "counter", None, help);
        out.line(&format!("{name}_total"), &[], float(count));
    }
    for (name, label, help, counts) in [
        ("reenact_errors", "kind", "Requests that failed.", &result.errors),
        ("reenact_shed", "reason", "Requests that were deliberately not sent.", &result.shed),
        ("reenact_answers", "code", "Answers by status code.", &result.status),
    ] {
        out.begin(name, "counter", None, help);
        for (key, count) in counts {
            out.line(&format!("{name}_total"), &[(label, key)], float(*count));
        }
    }
    for (name, unit, help, bytes) in [
        ("reenact_sent_bytes", "bytes", "Written to sockets.", result.bytes.sent),
        ("reenact_received_bytes", "bytes", "Read from sockets.", result.bytes.received),
    ] {
        if !result.knows("bytes") {
            continue;
        }
        out.begin(name, "counter", Some(unit), help);
        out.line(&format!("{name}_total"), &[], float(bytes));
    }
    out.times("reenact_response_seconds", "Done − due (or − released).", [(&[][..], &result.response_us)]);
    out.times("reenact_service_seconds", "Done − dispatched.", [(&[][..], &result.service_us)]);
    out.times(
        "reenact_lag_seconds",
        "Dispatched − released, without connecting: the generator's lateness.",
        [(&[][..], &result.lag_us)],
    );
    let rows: Vec<_> = result.endpoints.iter().take(ENDPOINTS_MAX).collect();
    let labels: Vec<_> = rows.iter().map(|row| [("endpoint", row.endpoint.as_str())]).collect();
    let each = || labels.iter().map(|label| &label[..]).zip(&rows);
    let responses = each().map(|(label, row)| (label, &row.response_us));
    out.times("reenact_endpoint_response_seconds", "Response time by endpoint.", responses);
    for (name, help, pick) in [
        ("reenact_endpoint_completed", "Whole answers by endpoint.", 0),
        ("reenact_endpoint_errors", "Failures by endpoint.", 1),
    ] {
        if !result.knows("completed") {
            continue;
        }
        out.begin(name, "counter", None, help);
        for (label, row) in each() {
            out.line(&format!("{name}_total"), label, float(if pick == 0 { row.completed } else { row.errors }));
        }
    }
    thresholds(result, &mut out);
    out.0 + "# EOF\n"
}

fn thresholds(result: &RunResult, out: &mut Families) {
    let all: Vec<_> = result
        .thresholds
        .iter()
        .map(|one| ([("rule", one.rule.as_str()), ("endpoint", one.endpoint.as_deref().unwrap_or(""))], one))
        .collect();
    out.begin("reenact_threshold_failed", "gauge", None, "1: failed, 0: held, NaN: one cannot tell.");
    for (labels, one) in &all {
        let state = match one.outcome {
            Judged::Failed => 1.0,
            Judged::Held => 0.0,
            Judged::CannotTell => f64::NAN,
        };
        out.line("reenact_threshold_failed", labels, state);
    }
    // In base units: seconds, shares, requests, requests a second.
    let base = |unit: ThresholdUnit, value: f64| if unit == ThresholdUnit::Us { value / 1e6 } else { value };
    out.begin("reenact_threshold_measured", "gauge", None, "What was measured, in base units.");
    for (labels, one) in &all {
        if let Some(measured) = one.measured {
            out.line("reenact_threshold_measured", labels, base(one.unit, measured));
        }
    }
    out.begin("reenact_threshold_limit", "gauge", None, "Beyond this the run fails, in base units.");
    for (labels, one) in &all {
        out.line("reenact_threshold_limit", labels, base(one.unit, one.limit));
    }
}

/// Families of metrics, one after the other.
struct Families(String);

impl Families {
    fn begin(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        if let Some(unit) = unit {
            let _ = writeln!(self.0, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP {name} {}", escape(help));
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, unit: Option<&str>, help: &str, value: f64) {
        self.begin(name, "gauge", unit, help);
        self.line(name, &[], value);
    }

    /// Quantiles in seconds; nothing of what was not counted.
    fn times<'a>(
        &mut self,
        name: &str,
        help: &str,
        each: impl IntoIterator<Item = (&'a [(&'a str, &'a str)], &'a Quantiles)>,
    ) {
        self.begin(name, "summary", Some("seconds"), help);
        for (labels, of) in each.into_iter().filter(|(_, of)| of.count > 0) {
            for (quantile, us) in
                [("0.5", of.p50), ("0.9", of.p90), ("0.99", of.p99), ("0.999", of.p999), ("1.0", of.max)]
            {
                let labels: Vec<_> = labels.iter().copied().chain([("quantile", quantile)]).collect();
                self.line(name, &labels, us / 1e6);
            }
            self.line(&format!("{name}_count"), labels, float(of.count));
        }
    }
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[expect(clippy::cast_precision_loss, reason = "what is read back is a floating number")]
fn float(count: u64) -> f64 {
    count as f64
}

/// What OpenMetrics escapes in labels and help.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
