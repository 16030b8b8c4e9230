//! Where spans go, from flags, presets and the environment.

use log::Level;
use replayer::spans::{ExportOptions, SpanOptions, resource_attributes};

use super::backend::{self, Protocol};
use crate::cli::TraceArgs;
use crate::logging::say;
use crate::outcome::Failure;

/// The environment's word for where spans go (OpenTelemetry, OTLP exporter configuration).
const OTLP_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// What the environment says of who sends spans (OpenTelemetry, general SDK configuration).
const RESOURCE_VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_VARIABLE: &str = "OTEL_SERVICE_NAME";
/// Which methods are known (HTTP semantic conventions, `http.request.method`).
const METHODS_VARIABLE: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

pub(super) fn export(args: &TraceArgs) -> Result<Option<ExportOptions>, Failure> {
    let backend = backend::choose(args, args.otlp_endpoint.is_some())?;
    let variable = || OTLP_VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let preset = backend.as_ref().and_then(|chosen| chosen.endpoint.clone());
    // A backend that was named goes before a variable that stands for all programs: its token is sent nowhere else.
    let Some(endpoint) = args.otlp_endpoint.clone().or(preset).or_else(variable) else {
        return match args.span_budget {
            Some(_) => Err(Failure::new("--span-budget says nothing without an endpoint")
                .hint("say where spans go, as in --otlp-endpoint http://127.0.0.1:4317")),
            None => Ok(None),
        };
    };
    let protocol = backend.as_ref().map_or(Protocol::Grpc, |chosen| chosen.protocol);
    if protocol != Protocol::Grpc {
        return Err(Failure::not_built(&format!("exporting over {}", protocol.name())));
    }
    if let Some(link) = args.backend.and_then(|backend| backend.trace_url(args.backend_site.as_deref())) {
        say(Level::Info, &format!("traces open at {link}"));
    }
    let headers = backend.into_iter().flat_map(|chosen| chosen.headers);
    let headers = headers.map(|(name, value)| (name.to_owned(), value.current())).collect();
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(Failure::new(format!("the OTLP endpoint `{endpoint}` is no URL"))
            .hint("write it as in http://127.0.0.1:4317"));
    }
    Ok(Some(ExportOptions { endpoint, headers, environment: args.environment.clone(), spans: spans(args) }))
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
