//! Where spans go, from flags, presets and the environment.

mod metrics;
mod variables;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use log::Level;
use replayer::dial::{ClientCertificate, TlsOptions};
use replayer::secret::LiveSecret;
use replayer::spans::{
    Compression, Destination, Endpoint, ExportHeader, ExportOptions, OtlpOptions, PathRule, Protocol, SpanOptions,
    parse_list, resource_attributes,
};

use super::backend::{self, Chosen};
use crate::cli::TraceArgs;
use crate::logging::say;
use crate::outcome::Failure;
use crate::secret::Reference;
pub(super) use metrics::metrics;
use variables::{Setting, Signal, Variable, Variables, turned_off, unused};

/// For one attempt, as the specification has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What the environment says of who sends spans (OpenTelemetry, general SDK configuration).
const RESOURCE_VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_VARIABLE: &str = "OTEL_SERVICE_NAME";
/// Which methods are known (HTTP semantic conventions, `http.request.method`).
const METHODS_VARIABLE: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

/// `None` when spans go nowhere.
pub(super) fn export(args: &TraceArgs) -> Result<Option<ExportOptions>, Failure> {
    let backend = backend::choose(args, args.otlp_endpoint.is_some())?;
    let off = || turned_off(Signal::Traces, |name| std::env::var(name).ok());
    let destination = match &args.otlp_file {
        Some(path) => Some(Destination::File(path.clone())),
        None => otlp(args, backend.as_ref(), &Variables::of(Signal::Traces, std::env::vars_os())?, off)?
            .map(|otlp| Destination::Otlp(Box::new(otlp))),
    };
    if destination.is_some() {
        let overruled = off().unwrap_or_default();
        let overruled = overruled
            .map(|off| format!("{off}, and spans are exported all the same: somewhere to send them was named"));
        for text in overruled.into_iter().chain(unused(std::env::vars_os())) {
            say(Level::Warn, &format!("warning: {text}"));
        }
    }
    if destination.is_none()
        && !is_metrics_asked(args)
        && let Some(flag) = about_nothing(args)
    {
        return Err(Failure::new(format!("{flag} says nothing without an endpoint"))
            .hint("say where spans go, as in --otlp-endpoint http://127.0.0.1:4317"));
    }
    if let Some(link) = args.backend.and_then(|backend| backend.trace_url(args.backend_site.as_deref())) {
        say(Level::Info, &format!("traces open at {link}"));
    }
    Ok(destination.map(|destination| ExportOptions {
        destination,
        environment: args.environment.clone(),
        spans: spans(args),
        batch_bytes_max: args.otlp_batch_max,
        flush: args.otlp_flush,
    }))
}

/// What spans say, and how many there are, from flags and the environment of OpenTelemetry.
fn spans(args: &TraceArgs) -> SpanOptions {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let attributes = variable(RESOURCE_VARIABLE).unwrap_or_default();
    let service_name = variable(SERVICE_VARIABLE);
    let resource = resource_attributes(&attributes, service_name.as_deref()).unwrap_or_else(|why| {
        say(Level::Warn, &format!("warning: {RESOURCE_VARIABLE} is left out as a whole: {why}"));
        resource_attributes("", service_name.as_deref()).unwrap_or_default()
    });
    let known_methods = variable(METHODS_VARIABLE)
        .map(|names| names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect());
    SpanOptions { budget: args.span_budget, known_methods, resource }
}

/// Whether metrics are to be exported.
fn is_metrics_asked(args: &TraceArgs) -> bool {
    args.otlp_metrics || args.otlp_metrics_endpoint.is_some()
}

/// Whether a flag or a preset says where spans go, and not the environment.
fn is_named(args: &TraceArgs, backend: Option<&Chosen>) -> bool {
    args.otlp_endpoint.is_some() || backend.is_some_and(|chosen| chosen.endpoint.is_some())
}

/// A flag that was given about exports that there are none of.
fn about_nothing(args: &TraceArgs) -> Option<&'static str> {
    let flags = [
        (args.otlp_protocol.is_some(), "--otlp-protocol"),
        (!args.otlp_header.is_empty(), "--otlp-header"),
        (args.otlp_compression.is_some(), "--otlp-compression"),
        (args.otlp_timeout.is_some(), "--otlp-timeout"),
        (args.otlp_ca.is_some(), "--otlp-ca"),
        (args.otlp_cert.is_some(), "--otlp-cert"),
        (args.span_budget.is_some(), "--span-budget"),
    ];
    flags.into_iter().find_map(|(is_given, flag)| is_given.then_some(flag))
}

/// What the environment says about exporters (`off`) decides about the endpoint in it, and about no other.
fn otlp(
    args: &TraceArgs,
    backend: Option<&Chosen>,
    variables: &Variables,
    off: impl Fn() -> Result<Option<String>, Failure>,
) -> Result<Option<OtlpOptions>, Failure> {
    let preset = backend.and_then(|chosen| chosen.endpoint.as_deref());
    let of_variable = variables.get(Setting::Endpoint);
    // A backend that was named goes before a variable that stands for all programs: its token is sent nowhere else.
    let (given, rule) = match (&args.otlp_endpoint, preset, &of_variable) {
        (Some(given), ..) => (given.as_str(), PathRule::AppendToNone),
        (None, Some(preset), _) => (preset, PathRule::Append),
        (None, None, Some(_)) if off()?.is_some() => return Ok(None),
        (None, None, Some(Variable { value, is_of_signal: true, .. })) => (*value, PathRule::AsGiven),
        (None, None, Some(Variable { value, .. })) => (*value, PathRule::Append),
        (None, None, None) => return Ok(None),
    };
    let protocol = protocol(args, backend, variables)?;
    let endpoint = Endpoint::new(given, protocol, rule, is_insecure(variables)?)?;
    spoken_to(endpoint, args, backend, variables).map(Some)
}

/// How whoever is at that endpoint is spoken to.
fn spoken_to(
    endpoint: Endpoint,
    args: &TraceArgs,
    backend: Option<&Chosen>,
    variables: &Variables,
) -> Result<OtlpOptions, Failure> {
    Ok(OtlpOptions {
        endpoint,
        headers: headers(args, backend, variables)?,
        compression: compression(args, variables)?,
        timeout: timeout(args, variables)?,
        tls: tls(args, variables)?,
    })
}

/// The value of a flag, or else of a variable, with the name of where it stands.
fn given<'a>(
    flag: Option<&'a str>,
    name: &str,
    variables: &'a Variables,
    setting: Setting,
) -> Option<(String, &'a str)> {
    flag.map(|value| (name.to_owned(), value)).or_else(|| variables.get(setting).map(|one| (one.name, one.value)))
}

/// Of the flag, the preset, the environment. At its own address a preset speaks only what it is for.
fn protocol(args: &TraceArgs, backend: Option<&Chosen>, variables: &Variables) -> Result<Protocol, Failure> {
    let given = given(args.otlp_protocol.as_deref(), "--otlp-protocol", variables, Setting::Protocol);
    let (name, value) = match (given, backend) {
        (Some(given), _) if args.otlp_protocol.is_some() => given,
        (_, Some(chosen)) => return Ok(chosen.protocol),
        (Some(given), None) => given,
        (None, None) => return Ok(Protocol::Grpc),
    };
    let protocol = Protocol::named(value).ok_or_else(|| {
        Failure::new(format!("{name}: `{value}` is no protocol of OTLP"))
            .hint("there are grpc, http/protobuf and http/json")
    })?;
    match backend {
        Some(chosen) if args.otlp_endpoint.is_none() && chosen.protocol != protocol => {
            let (ours, theirs) = (protocol.name(), chosen.protocol.name());
            Err(Failure::new(format!("--otlp-protocol: the preset's endpoint is one for {theirs}, not {ours}"))
                .hint("leave --otlp-protocol out, or give the endpoint as well, with --otlp-endpoint"))
        }
        _ => Ok(protocol),
    }
}

fn compression(args: &TraceArgs, variables: &Variables) -> Result<Compression, Failure> {
    let given = given(args.otlp_compression.as_deref(), "--otlp-compression", variables, Setting::Compression);
    match given {
        None => Ok(Compression::None),
        Some((_, value)) if value.eq_ignore_ascii_case("none") => Ok(Compression::None),
        Some((_, value)) if value.eq_ignore_ascii_case("gzip") => Ok(Compression::Gzip),
        Some((name, value)) => {
            Err(Failure::new(format!("{name}: `{value}` is no compression of OTLP")).hint("there are none and gzip"))
        }
    }
}

fn timeout(args: &TraceArgs, variables: &Variables) -> Result<Duration, Failure> {
    let (name, timeout) = match (args.otlp_timeout, variables.get(Setting::Timeout)) {
        (Some(timeout), _) => ("--otlp-timeout".to_owned(), timeout),
        (None, None) => return Ok(TIMEOUT),
        (None, Some(Variable { name, value, .. })) => {
            let millis = value.parse();
            let bad = |_| Failure::new(format!("{name}: `{value}` is no number of milliseconds"));
            (name.clone(), Duration::from_millis(millis.map_err(bad)?))
        }
    };
    if timeout.is_zero() {
        return Err(Failure::new(format!("{name}: no export ends in no time")).hint("give at least 1ms"));
    }
    Ok(timeout)
}

/// Only for an endpoint without a scheme.
fn is_insecure(variables: &Variables) -> Result<bool, Failure> {
    match variables.get(Setting::Insecure) {
        None => Ok(false),
        Some(Variable { value, .. }) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(Variable { value, .. }) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(Variable { name, value, .. }) => Err(Failure::new(format!("{name}: `{value}` is neither true nor false"))),
    }
}

fn tls(args: &TraceArgs, variables: &Variables) -> Result<TlsOptions, Failure> {
    let file = |flag: &Option<PathBuf>, setting| {
        flag.clone().or_else(|| variables.get(setting).map(|one| PathBuf::from(one.value)))
    };
    let chain = file(&args.otlp_cert, Setting::ClientCertificate);
    let key = file(&args.otlp_key, Setting::ClientKey);
    let client = match (chain, key) {
        (Some(chain_file), Some(key_file)) => Some(ClientCertificate { chain_file, key_file }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(Failure::new("a client certificate for OTLP needs its key")
                .hint("give OTEL_EXPORTER_OTLP_CLIENT_KEY, or both with --otlp-cert and --otlp-key"));
        }
        (None, Some(_)) => {
            return Err(Failure::new("a client key for OTLP needs its certificate")
                .hint("give OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, or both with --otlp-cert and --otlp-key"));
        }
    };
    Ok(TlsOptions { ca_file: file(&args.otlp_ca, Setting::Certificate), client, ..TlsOptions::default() })
}

/// Of the environment, then of the preset, then of flags: each replaces those of the same name before it. The
/// environment's stay at home where a preset's endpoint is used instead of the environment's: they may be credentials.
fn headers(args: &TraceArgs, backend: Option<&Chosen>, variables: &Variables) -> Result<Vec<ExportHeader>, Failure> {
    let is_displaced = args.otlp_endpoint.is_none()
        && backend.is_some_and(|chosen| chosen.endpoint.is_some())
        && variables.get(Setting::Endpoint).is_some();
    let mut headers = Vec::new();
    if let Some(Variable { name, value, .. }) = variables.get(Setting::Headers).filter(|_| !is_displaced) {
        let pairs = parse_list(value).map_err(|why| {
            Failure::new(format!("{name}: {why}")).hint("it is written as in api-key=value,other=percent%20encoded")
        })?;
        for (header, value) in pairs {
            headers.push(ExportHeader::new(&header, &value)?);
        }
    }
    for (name, value) in backend.into_iter().flat_map(|chosen| &chosen.headers) {
        let every = args.token.as_ref().and_then(Reference::reread_every);
        replace(&mut headers, live(name, Arc::clone(value), every)?);
    }
    for given in &args.otlp_header {
        let (name, reference) = header(given)?;
        let value = Arc::new(reference.live("the value of --otlp-header", "")?);
        replace(&mut headers, live(name, value, reference.reread_every())?);
    }
    Ok(headers)
}

/// `NAME=REF`. Read here and not by clap, which would repeat the text: it may be the secret itself.
fn header(given: &str) -> Result<(&str, Reference), Failure> {
    let how = "a header is given as --otlp-header NAME=REF, as in api-key=env:API_KEY";
    let (name, reference) = given.split_once('=').ok_or_else(|| Failure::new(how))?;
    let name = name.trim();
    let reference = reference.trim().parse().map_err(|why| Failure::new(format!("--otlp-header {name}: {why}")))?;
    Ok((name, reference))
}

fn replace(headers: &mut Vec<ExportHeader>, header: ExportHeader) {
    headers.retain(|other| other.name() != header.name());
    headers.push(header);
}

/// A header whose value is looked up again when it may have changed.
fn live(name: &str, value: Arc<LiveSecret>, every: Option<Duration>) -> Result<ExportHeader, Failure> {
    let header = ExportHeader::new(name, &value.current())?;
    Ok(header.with_source(every, move || value.renew().map(|_| value.current()).map_err(|error| error.to_string())))
}
