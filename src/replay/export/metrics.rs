//! Where metrics go, from flags and the environment: the spans' way, unless something else is said; and where spans would
//! have gone if the environment turned off nothing but them.

use std::time::Duration;

use replayer::metrics::{MetricsExport, Temporality};
use replayer::spans::{Destination, Endpoint, ExportOptions, PathRule};

use super::variables::{Setting, Signal, Variable, Variables, turned_off};
use super::{backend, is_insecure, is_metrics_asked, is_named, protocol, spans, spoken_to};
use crate::cli::TraceArgs;
use crate::outcome::Failure;

/// How often metrics are exported, in milliseconds (OpenTelemetry, "Periodic exporting MetricReader").
const EVERY_VARIABLE: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const EVERY: Duration = Duration::from_secs(60);
/// Of them that are defined for metrics alone.
const TEMPORALITY: &str = "TEMPORALITY_PREFERENCE";
const AGGREGATION: &str = "DEFAULT_HISTOGRAM_AGGREGATION";
/// The one that there is here.
const EXPLICIT: &str = "explicit_bucket_histogram";

/// `None` when metrics go nowhere.
pub(in crate::replay) fn metrics(
    args: &TraceArgs,
    of_spans: Option<&ExportOptions>,
) -> Result<Option<MetricsExport>, Failure> {
    if !is_metrics_asked(args) {
        let about = [
            (args.otlp_metrics_every.is_some(), "--otlp-metrics-every"),
            (args.otlp_metrics_temporality.is_some(), "--otlp-metrics-temporality"),
        ];
        return match about.into_iter().find(|(is_given, _)| *is_given) {
            Some((_, flag)) => Err(Failure::new(format!("{flag} says nothing without --otlp-metrics"))),
            None => Ok(None),
        };
    }
    let backend = backend::choose(args, args.otlp_endpoint.is_some())?;
    let variables = Variables::of(Signal::Metrics, std::env::vars_os())?;
    let protocol = protocol(args, backend.as_ref(), &variables)?;
    let of_variable = variables.get(Setting::Endpoint);
    let (own, is_of_environment) = match (&args.otlp_metrics_endpoint, &of_variable) {
        (Some(given), _) => (Some((given.as_str(), PathRule::AppendToNone)), false),
        (None, Some(Variable { value, is_of_signal: true, .. })) => (Some((*value, PathRule::AsGiven)), true),
        (None, _) => (None, !is_named(args, backend.as_ref())),
    };
    if is_of_environment && let Some(off) = turned_off(Signal::Metrics, |name| std::env::var(name).ok())? {
        return Err(Failure::new(format!("--otlp-metrics: {off} turns off what the environment names"))
            .hint("say where metrics go with --otlp-metrics-endpoint, or leave --otlp-metrics out"));
    }
    let of = |given: &str, rule| {
        Endpoint::for_metrics(given, protocol, rule, is_insecure(&variables)?).map_err(Failure::from)
    };
    let endpoint = match (own, of_spans.map(|export| &export.destination), &of_variable) {
        (Some((given, rule)), ..) => of(given, rule)?,
        (None, Some(Destination::Otlp(otlp)), _) => otlp.endpoint.of_its_metrics().ok_or_else(|| {
            Failure::new(format!(
                "--otlp-metrics: the address of traces, {}, does not tell that of metrics",
                otlp.endpoint
            ))
            .hint("give it with --otlp-metrics-endpoint")
        })?,
        // What turns off spans turns off nothing else.
        (None, None, Some(Variable { value, .. })) => of(value, PathRule::Append)?,
        (None, ..) => {
            return Err(Failure::new("--otlp-metrics needs an endpoint")
                .hint("say where metrics go, as in --otlp-metrics-endpoint http://127.0.0.1:4317"));
        }
    };
    if endpoint.protocol() != protocol {
        let (asked, theirs) = (protocol.name(), endpoint.protocol().name());
        return Err(Failure::new(format!("metrics cannot go over {asked} to an address of spans over {theirs}"))
            .hint("give theirs with --otlp-metrics-endpoint"));
    }
    check_aggregation(&variables)?;
    Ok(Some(MetricsExport {
        otlp: spoken_to(endpoint, args, backend.as_ref(), &variables)?,
        interval: every(args)?,
        temporality: temporality(args, &variables)?,
        resource: spans(args),
        environment: args.environment.clone(),
        flush: args.otlp_flush,
    }))
}

fn every(args: &TraceArgs) -> Result<Duration, Failure> {
    let given = match (args.otlp_metrics_every, std::env::var(EVERY_VARIABLE)) {
        (Some(every), _) => Some(("--otlp-metrics-every", every)),
        (None, Ok(text)) if !text.is_empty() => {
            let bad = |_| Failure::new(format!("{EVERY_VARIABLE}: `{text}` is no number of milliseconds"));
            Some((EVERY_VARIABLE, Duration::from_millis(text.parse().map_err(bad)?)))
        }
        _ => None,
    };
    match given {
        Some((name, every)) if every < Duration::from_secs(1) => {
            Err(Failure::new(format!("{name}: metrics are read once a second")).hint("give at least a second"))
        }
        Some((_, every)) => Ok(every),
        None => Ok(EVERY),
    }
}

fn temporality(args: &TraceArgs, variables: &Variables) -> Result<Temporality, Failure> {
    let of_flag = args.otlp_metrics_temporality.as_deref().map(|name| ("--otlp-metrics-temporality".to_owned(), name));
    let Some((name, value)) = of_flag.or_else(|| variables.of_metrics(TEMPORALITY)) else {
        return Ok(Temporality::default());
    };
    Temporality::named(value).ok_or_else(|| {
        Failure::new(format!("{name}: `{value}` is no temporality")).hint("there are cumulative, delta and lowmemory")
    })
}

fn check_aggregation(variables: &Variables) -> Result<(), Failure> {
    match variables.of_metrics(AGGREGATION) {
        Some((name, value)) if !value.eq_ignore_ascii_case(EXPLICIT) => {
            Err(Failure::new(format!("{name}: `{value}` is not built yet")).hint(format!("there is {EXPLICIT}")))
        }
        _ => Ok(()),
    }
}
