//! Arguments of `replay` about trace contexts, which `plan` has, too, and where spans go.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use replayer::report::TraceUrl;
use replayer::spans::{BATCH_BYTES_LEAST, BATCH_BYTES_MOST, SpanBudget};

use crate::secret::Reference;
use crate::units;

#[derive(Debug, Clone, Args)]
pub(crate) struct TraceArgs {
    /// Where client spans go over OTLP, as in http://127.0.0.1:4317; over HTTP, /v1/traces is added where there is no path
    /// (also OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT)
    #[arg(long, env = "REENACT_OTLP_ENDPOINT", value_name = "URL", help_heading = "Traces")]
    pub(crate) otlp_endpoint: Option<String>,
    /// grpc, http/protobuf or http/json [default: the preset's, OTEL_EXPORTER_OTLP_PROTOCOL, else grpc]
    #[arg(long, env = "REENACT_OTLP_PROTOCOL", value_name = "PROTOCOL", help_heading = "Traces")]
    pub(crate) otlp_protocol: Option<String>,
    /// Header of every export with its value by reference, as in api-key=env:API_KEY; looked up again when it changes or is
    /// refused (repeatable)
    #[arg(long, env = "REENACT_OTLP_HEADER", value_name = "NAME=REF", help_heading = "Traces")]
    pub(crate) otlp_header: Vec<String>,
    /// none or gzip [default: OTEL_EXPORTER_OTLP_COMPRESSION, else none]
    #[arg(long, env = "REENACT_OTLP_COMPRESSION", value_name = "NAME", help_heading = "Traces")]
    pub(crate) otlp_compression: Option<String>,
    /// For one attempt of an export [default: OTEL_EXPORTER_OTLP_TIMEOUT, else 10s]
    #[arg(long, env = "REENACT_OTLP_TIMEOUT", value_name = "DURATION", value_parser = units::timeout, help_heading = "Traces")]
    pub(crate) otlp_timeout: Option<Duration>,
    /// Certificates (PEM) of the authorities to trust at the endpoint, instead of the system's
    #[arg(long, env = "REENACT_OTLP_CA", value_name = "FILE", help_heading = "Traces")]
    pub(crate) otlp_ca: Option<PathBuf>,
    /// Client certificate chain (PEM) for the endpoint
    #[arg(long, env = "REENACT_OTLP_CERT", value_name = "FILE", help_heading = "Traces")]
    pub(crate) otlp_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "REENACT_OTLP_KEY", value_name = "FILE", help_heading = "Traces")]
    pub(crate) otlp_key: Option<PathBuf>,
    /// Write spans into this new file instead, as OTLP JSON lines (for a collector's otlpjsonfile receiver)
    #[arg(long, env = "REENACT_OTLP_FILE", value_name = "FILE", help_heading = "Traces")]
    pub(crate) otlp_file: Option<PathBuf>,
    /// Bytes of one export before compression, up to 4MiB
    #[arg(long, env = "REENACT_OTLP_BATCH_MAX", value_name = "SIZE", default_value = "1MiB", value_parser = batch_size, help_heading = "Traces")]
    pub(crate) otlp_batch_max: u64,
    /// How long exports may go on when the run has ended; what is left then is dropped, and counted
    #[arg(long, env = "REENACT_OTLP_FLUSH", value_name = "DURATION", default_value = "10s", value_parser = units::timeout, help_heading = "Traces")]
    pub(crate) otlp_flush: Duration,
    /// Export the run's metrics, too, where the spans go, and the last ones always
    #[arg(long, env = "REENACT_OTLP_METRICS", help_heading = "Traces")]
    pub(crate) otlp_metrics: bool,
    /// The same to another address, as in http://127.0.0.1:4318; over HTTP, /v1/metrics is added where there is no path
    /// (also OTEL_EXPORTER_OTLP_METRICS_ENDPOINT)
    #[arg(long, env = "REENACT_OTLP_METRICS_ENDPOINT", value_name = "URL", help_heading = "Traces")]
    pub(crate) otlp_metrics_endpoint: Option<String>,
    /// Between two exports of metrics [default: OTEL_METRIC_EXPORT_INTERVAL, else 60s]
    #[arg(long, env = "REENACT_OTLP_METRICS_EVERY", value_name = "DURATION", value_parser = units::duration, help_heading = "Traces")]
    pub(crate) otlp_metrics_every: Option<Duration>,
    /// cumulative, delta or lowmemory [default: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, else cumulative]
    #[arg(long, env = "REENACT_OTLP_METRICS_TEMPORALITY", value_name = "NAME", help_heading = "Traces")]
    pub(crate) otlp_metrics_temporality: Option<String>,
    /// Preset of endpoint, protocol and headers; docs/backends has a page for each
    #[arg(long, env = "REENACT_BACKEND", value_enum, help_heading = "Traces")]
    pub(crate) backend: Option<Backend>,
    /// Which of the backend's sites, as its page says: a region, a site, an environment id
    #[arg(long, env = "REENACT_BACKEND_SITE", value_name = "SITE", help_heading = "Traces")]
    pub(crate) backend_site: Option<String>,
    /// The backend's access token, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_TOKEN", value_name = "REF", help_heading = "Traces")]
    pub(crate) token: Option<Reference>,
    /// Where a trace opens from the report: a URL with {trace_id} in it, perhaps {span_id}, {start_ms}, {end_ms}, as in
    /// `https://jaeger.example/trace/{trace_id}` [default: the backend's, where it needs no account]
    #[arg(long, env = "REENACT_TRACE_URL", value_name = "TEMPLATE", help_heading = "Traces")]
    pub(crate) trace_url: Option<TraceUrl>,
    /// Name of the environment under test, for the spans' deployment.environment.name
    #[arg(long, env = "REENACT_ENVIRONMENT", value_name = "NAME", help_heading = "Traces")]
    pub(crate) environment: Option<String>,
    #[command(flatten)]
    pub(crate) contexts: ContextArgs,
    /// Client spans a second at most, as in 200/s: traces drawn before they are sent, and a fifth for errors and the slowest
    #[arg(long, env = "REENACT_SPAN_BUDGET", value_name = "N/s", help_heading = "Traces")]
    pub(crate) span_budget: Option<SpanBudget>,
}

/// What the contexts of requests look like.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContextArgs {
    /// Headers that carry the fresh contexts: tracecontext, baggage, b3, b3multi, jaeger, xray, ottrace, between commas; or
    /// none (else OTEL_PROPAGATORS) [default: tracecontext,baggage]
    #[arg(long, env = "REENACT_PROPAGATORS", value_name = "NAMES", help_heading = "Traces")]
    pub(crate) propagators: Option<String>,
    /// Length of trace ids [default: 128; 64 with ottrace]
    #[arg(long, env = "REENACT_TRACE_ID_BITS", value_enum, help_heading = "Traces")]
    pub(crate) trace_id_bits: Option<IdBits>,
    /// Share of traces that are sampled, from 0 to 1, or `recorded` as they were in the recording
    #[arg(long, env = "REENACT_TRACE_SAMPLE", value_name = "SHARE", default_value = "1", help_heading = "Traces")]
    pub(crate) trace_sample: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IdBits {
    /// The upper half is zero, for fleets in which some know no longer ones
    #[value(name = "64")]
    Short,
    /// As W3C has them
    #[value(name = "128")]
    Long,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// ServiceNow Cloud Observability, once Lightstep; shut in March 2026
    Lightstep,
    /// Jaeger, at http://127.0.0.1:4317
    Jaeger,
    /// Grafana Tempo, at http://127.0.0.1:4317
    Tempo,
    /// Honeycomb; --backend-site us or eu
    Honeycomb,
    /// Datadog; --backend-site datadoghq.com, datadoghq.eu …
    Datadog,
    /// New Relic; --backend-site us, eu, jp or fedramp
    NewRelic,
    /// Dynatrace; --backend-site ENVIRONMENT-ID
    Dynatrace,
    /// Elastic Cloud, at --otlp-endpoint
    Elastic,
    /// SigNoz Cloud; --backend-site REGION
    Signoz,
    /// AWS X-Ray; --backend-site REGION
    AwsXray,
    /// Google Cloud Trace, through a collector at http://127.0.0.1:4317
    GoogleCloud,
    /// Azure Monitor, through a collector at http://127.0.0.1:4317
    AzureMonitor,
}

fn batch_size(text: &str) -> Result<u64, String> {
    let size = units::size(text)?;
    if (BATCH_BYTES_LEAST..=BATCH_BYTES_MOST).contains(&size) {
        return Ok(size);
    }
    Err("an export has from 16KiB to 4MiB: collectors take no longer messages over gRPC".to_owned())
}
