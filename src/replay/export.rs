//! Where spans go, from flags, presets and the environment.

use log::Level;
use replayer::secret::Secret;
use replayer::spans::{ExportOptions, SpanOptions, resource_attributes};

use crate::cli::{Backend, TraceArgs};
use crate::logging::say;
use crate::outcome::Failure;

const LIGHTSTEP_ENDPOINT: &str = "https://ingest.lightstep.com:443";
const LIGHTSTEP_HEADER: &str = "lightstep-access-token";
/// The environment's word for where spans go (OpenTelemetry, OTLP exporter configuration).
const OTLP_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// What the environment says of who sends spans (OpenTelemetry, general SDK configuration).
const RESOURCE_VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_VARIABLE: &str = "OTEL_SERVICE_NAME";
/// Which methods are known (HTTP semantic conventions, `http.request.method`).
const METHODS_VARIABLE: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

pub(super) fn export(args: &TraceArgs) -> Result<Option<ExportOptions>, Failure> {
    let variable = || OTLP_VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let given = args.otlp_endpoint.clone().or_else(variable);
    let mut headers = Vec::new();
    let preset = match args.backend {
        Some(Backend::Lightstep) => {
            let token = args.token.as_ref().ok_or_else(|| {
                Failure::new("--backend lightstep needs an access token")
                    .hint("as in --token env:LIGHTSTEP_ACCESS_TOKEN")
            })?;
            headers.push((LIGHTSTEP_HEADER.to_owned(), Secret::new(&token.resolve()?)));
            Some(LIGHTSTEP_ENDPOINT.to_owned())
        }
        None if args.token.is_some() => {
            return Err(Failure::new("--token says nothing without --backend")
                .hint("name the backend, as in --backend lightstep"));
        }
        None => None,
    };
    let Some(endpoint) = given.or(preset) else {
        return match args.span_budget {
            Some(_) => Err(Failure::new("--span-budget says nothing without an endpoint")
                .hint("say where spans go, as in --otlp-endpoint http://127.0.0.1:4317")),
            None => Ok(None),
        };
    };
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
