//! What a run was asked for, by the names of the flags: for whoever reads its result. Nothing of a secret is in it, and
//! no address but those of targets.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::ReplayArgs;
use crate::plan_file;

/// Options of the plan, as `plan.json` has them, and those of the run.
pub(super) fn asked(args: &ReplayArgs) -> BTreeMap<String, String> {
    let (load, traces, results) = (&args.load, &args.traces, &args.results);
    let of_run = [
        ("target", load.target.clone()),
        ("map", list(&load.map)),
        ("keep_host", is_on(load.keep_host)),
        ("require_shape", is_on(load.require_shape)),
        ("loop_model", name(&args.loop_model)),
        ("think_min", span(args.think_min)),
        ("when_busy", name(&args.when_busy)),
        ("warm_up", span(args.warm_up)),
        ("drain", span(args.drain)),
        ("start_at", args.start_at.map(|at| humantime::format_rfc3339_millis(at).to_string())),
        ("threads", Some(args.threads.to_string())),
        ("spin", span(args.spin)),
        ("no_real_time", is_on(args.no_real_time)),
        ("lag_limit", args.lag_limit.clone()),
        ("max_in_flight", number(args.max_in_flight)),
        ("max_connections", number(args.max_connections)),
        ("max_rate", number(args.max_rate)),
        ("budget_requests", number(args.budget_requests)),
        ("budget_bytes", number(args.budget_bytes)),
        ("budget_time", args.budget_time.and_then(span)),
        ("abort_if", list(&args.abort_if)),
        ("timeout", span(args.timeout)),
        ("connect_timeout", span(args.connect_timeout)),
        ("tls_resumption", is_on(args.tls_resumption)),
        ("insecure", is_on(args.insecure)),
        ("requests", name(&results.requests)),
        ("answers", name(&results.answers)),
        ("backend", traces.backend.as_ref().and_then(name)),
        ("backend_site", traces.backend_site.clone()),
        ("environment", traces.environment.clone()),
        ("propagators", traces.contexts.propagators.clone()),
        ("trace_id_bits", traces.contexts.trace_id_bits.as_ref().and_then(name)),
        ("trace_sample", Some(traces.contexts.trace_sample.clone())),
        ("span_budget", traces.span_budget.map(|budget| budget.to_string())),
        ("trace_url", traces.trace_url.as_ref().map(ToString::to_string)),
    ];
    let of_run = of_run.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let of_plan = plan_file::options(load).into_iter().map(|(name, value)| (name, text(value)));
    of_plan.chain(of_run).collect()
}

fn name(value: &impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

fn number(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn is_on(flag: bool) -> Option<String> {
    flag.then(|| true.to_string())
}

/// What is zero was not asked for.
fn span(duration: Duration) -> Option<String> {
    (!duration.is_zero()).then(|| humantime::format_duration(duration).to_string())
}

fn list(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| values.join("; "))
}
