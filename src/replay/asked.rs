//! What a run was asked for, by the names of the flags: for whoever reads its result or wants it again. Of secrets only
//! the references are in it, and no address but those of targets and of what is on the way to them.
//!
//! Every option is named below: one that is new compiles only when somebody has decided whether it is part of what was
//! asked. Those that are not change neither what is sent nor how it is judged: where results and spans go, what is shown
//! meanwhile, who is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::{CollectArgs, ContextArgs, LoadArgs, ReplayArgs, ResultArgs, TraceArgs};
use crate::plan_file;
use crate::planning::Propagation;
use crate::secret::Reference;
use crate::thresholds::ThresholdArgs;

#[cfg(test)]
mod tests;

/// An option by the name of its flag; without a value it was not asked for.
type Options = Vec<(&'static str, Option<String>)>;

/// Options of the plan, as `plan.json` has them, and those of the run.
pub(super) fn asked(args: &ReplayArgs, propagation: &Propagation) -> BTreeMap<String, String> {
    let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let of_plan = plan_file::options(&args.load).into_iter().map(|(name, value)| (name, text(value)));
    let others =
        [of_load(&args.load), of_sending(args), of_results(&args.results), of_traces(&args.traces, propagation)];
    let more = [of_collecting(&args.collect), of_thresholds(&args.thresholds)];
    let others = others.into_iter().chain(more).flatten();
    of_plan.chain(others.filter_map(|(name, value)| Some((name.to_owned(), value?)))).collect()
}

fn of_load(args: &LoadArgs) -> Options {
    // `_`: in the options of the plan, or named by the result itself, or without a say in what is sent.
    let LoadArgs {
        sessions: _,
        config,
        plan,
        rate: _,
        method: _,
        ramp: _,
        profile,
        speed: _,
        repeat: _,
        duration: _,
        from: _,
        to: _,
        filter: _,
        template: _,
        learn_templates: _,
        shard,
        seed: _,
        require_shape,
        unsafe_methods: _,
        target,
        map,
        keep_host,
        auth,
        credentials,
        identity,
        spool: _,
        spool_max: _,
    } = args;
    vec![
        ("config", path(config.as_ref())),
        ("plan", path(plan.as_ref())),
        ("profile", path(profile.as_ref())),
        ("shard", (shard != "1/1").then(|| shard.clone())),
        ("require_shape", is_on(*require_shape)),
        ("target", target.clone()),
        ("map", list(map)),
        ("keep_host", is_on(*keep_host)),
        ("auth", reference(auth.as_ref())),
        ("credentials", path(credentials.as_ref())),
        ("identity", reference(identity.as_ref())),
    ]
}

/// How requests are sent, by which limits, over which connections.
fn of_sending(args: &ReplayArgs) -> Options {
    let ReplayArgs {
        load: _,
        results: _,
        traces: _,
        collect: _,
        watch: _,
        live: _,
        thresholds: _,
        loop_model,
        think_min,
        when_busy: _,
        warm_up,
        drain,
        start_at,
        threads,
        spin,
        no_real_time,
        lag_limit,
        allow,
        allow_origin,
        max_in_flight,
        max_connections,
        max_rate,
        budget_requests,
        budget_bytes,
        budget_time,
        abort_if,
        kill_file,
        on_start: _,
        on_end: _,
        hook_timeout: _,
        timeout,
        connect_timeout,
        resolve,
        bind,
        proxy,
        proxy_auth,
        tls_ca,
        tls_cert,
        tls_key,
        tls_resumption,
        insecure,
        reuse_spool: _,
    } = args;
    vec![
        ("loop_model", name(loop_model)),
        ("think_min", span(*think_min)),
        ("when_busy", name(&args.when_busy())),
        ("warm_up", span(*warm_up)),
        ("drain", span(*drain)),
        ("start_at", start_at.map(|at| humantime::format_rfc3339_millis(at).to_string())),
        ("threads", Some(threads.to_string())),
        ("spin", span(*spin)),
        ("no_real_time", is_on(*no_real_time)),
        ("lag_limit", lag_limit.clone()),
        ("allow", list(allow)),
        ("allow_origin", is_on(*allow_origin)),
        ("max_in_flight", number(*max_in_flight)),
        ("max_connections", number(*max_connections)),
        ("max_rate", number(*max_rate)),
        ("budget_requests", number(*budget_requests)),
        ("budget_bytes", number(*budget_bytes)),
        ("budget_time", budget_time.and_then(span)),
        ("abort_if", list(abort_if)),
        ("kill_file", path(kill_file.as_ref())),
        ("timeout", span(*timeout)),
        ("connect_timeout", span(*connect_timeout)),
        ("resolve", list(resolve)),
        ("bind", list(bind)),
        ("proxy", proxy.clone()),
        ("proxy_auth", reference(proxy_auth.as_ref())),
        ("tls_ca", path(tls_ca.as_ref())),
        ("tls_cert", path(tls_cert.as_ref())),
        ("tls_key", path(tls_key.as_ref())),
        ("tls_resumption", is_on(*tls_resumption)),
        ("insecure", is_on(*insecure)),
    ]
}

/// What is kept, which comparisons lean on.
fn of_results(args: &ResultArgs) -> Options {
    let ResultArgs { out: _, output: _, json: _, requests, answers, answer_body_max, redact_key } = args;
    vec![
        ("requests", name(requests)),
        ("answers", name(answers)),
        ("answer_body_max", Some(answer_body_max.to_string())),
        ("redact_key", reference(redact_key.as_ref())),
    ]
}

/// What contexts and spans say; where spans go changes nothing.
fn of_traces(args: &TraceArgs, propagation: &Propagation) -> Options {
    let TraceArgs {
        otlp_endpoint: _,
        otlp_protocol: _,
        otlp_header: _,
        otlp_compression: _,
        otlp_timeout: _,
        otlp_ca: _,
        otlp_cert: _,
        otlp_key: _,
        otlp_file: _,
        otlp_batch_max: _,
        otlp_flush: _,
        otlp_metrics: _,
        otlp_metrics_endpoint: _,
        otlp_metrics_every: _,
        otlp_metrics_temporality: _,
        backend,
        backend_site,
        token: _,
        trace_url,
        environment,
        contexts: ContextArgs { propagators: _, trace_id_bits, trace_sample },
        span_budget,
    } = args;
    vec![
        ("backend", backend.as_ref().and_then(name)),
        ("backend_site", backend_site.clone()),
        ("trace_url", trace_url.as_ref().map(ToString::to_string)),
        ("environment", environment.clone()),
        // The environment may have asked for them, too.
        ("propagators", Some(propagation.propagators())),
        ("trace_id_bits", trace_id_bits.as_ref().and_then(name)),
        ("trace_sample", Some(trace_sample.clone())),
        ("span_budget", span_budget.map(|budget| budget.to_string())),
    ]
}

/// How much the trace view keeps, and for how long it waits: its figures hang on it. Where it listens is in its result.
fn of_collecting(args: &CollectArgs) -> Options {
    let CollectArgs { collect, collect_memory, collect_wait } = args;
    if collect.is_empty() {
        return Vec::new();
    }
    let wait = humantime::format_duration(*collect_wait).to_string();
    vec![("collect_memory", Some(collect_memory.to_string())), ("collect_wait", Some(wait))]
}

fn of_thresholds(args: &ThresholdArgs) -> Options {
    let ThresholdArgs { fail_if, budgets } = args;
    vec![("fail_if", list(fail_if)), ("budgets", path(budgets.as_ref()))]
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

fn path(path: Option<&PathBuf>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

fn reference(reference: Option<&Reference>) -> Option<String> {
    reference.map(ToString::to_string)
}

fn list(values: &[impl ToString]) -> Option<String> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    (!values.is_empty()).then(|| values.join("; "))
}
