//! Where spans go, from flags, presets and the environment.

use replayer::secret::Secret;
use replayer::spans::ExportOptions;

use crate::cli::{Backend, TraceArgs};
use crate::outcome::Failure;

const LIGHTSTEP_ENDPOINT: &str = "https://ingest.lightstep.com:443";
const LIGHTSTEP_HEADER: &str = "lightstep-access-token";
/// The environment's word for where spans go (OpenTelemetry, OTLP exporter configuration).
const OTLP_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

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
    let Some(endpoint) = given.or(preset) else { return Ok(None) };
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(Failure::new(format!("the OTLP endpoint `{endpoint}` is no URL"))
            .hint("write it as in http://127.0.0.1:4317"));
    }
    Ok(Some(ExportOptions { endpoint, headers, environment: args.environment.clone() }))
}
