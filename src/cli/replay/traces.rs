//! Arguments of `replay` about trace contexts, which `plan` has, too, and where spans go.

use clap::{Args, ValueEnum};
use replayer::spans::SpanBudget;

use crate::secret::Reference;

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// Where client spans go over OTLP/gRPC, as in http://127.0.0.1:4317 (also OTEL_EXPORTER_OTLP_ENDPOINT)
    #[arg(long, env = "REENACT_OTLP_ENDPOINT", value_name = "URL", help_heading = "Traces")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Preset of endpoint, protocol and headers; docs/backends has a page for each
    #[arg(long, env = "REENACT_BACKEND", value_enum, help_heading = "Traces")]
    pub(crate) backend: Option<Backend>,
    /// Which of the backend's sites, as its page says: a region, a site, an environment id
    #[arg(long, env = "REENACT_BACKEND_SITE", value_name = "SITE", help_heading = "Traces")]
    pub(crate) backend_site: Option<String>,
    /// The backend's access token, by reference: env:NAME, file:PATH, exec:COMMAND, aws-sm:ID
    #[arg(long, env = "REENACT_TOKEN", value_name = "REF", help_heading = "Traces")]
    pub(crate) token: Option<Reference>,
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
#[derive(Debug, Args)]
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
