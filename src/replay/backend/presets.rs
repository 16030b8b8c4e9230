//! What is known of each backend, as public documentation had it in November 2026.

use replayer::spans::Protocol;

use crate::cli::Backend;

/// A backend.
pub(super) struct Preset {
    pub(super) protocol: Protocol,
    pub(super) places: Places,
    /// Of what is asked for: a site, or the endpoint where there is none to know.
    pub(super) example: &'static str,
    pub(super) token: Option<Token>,
    /// What whoever sends to it should know.
    pub(super) warning: Option<&'static str>,
}

/// How it is told who sends.
pub(super) struct Token {
    pub(super) header: &'static str,
    /// Stands before the token.
    pub(super) scheme: &'static str,
    /// What the vendor calls it.
    pub(super) what: &'static str,
    /// A name for an environment variable that holds it, for examples.
    pub(super) variable: &'static str,
}

/// Where it is.
pub(super) enum Places {
    /// In one place.
    One(Place),
    /// In one of these, by `--backend-site`.
    Choice { what: &'static str, of: &'static [(&'static str, Place)] },
    /// Wherever `--backend-site` says, for which `{site}` stands.
    Any { what: &'static str, place: Place },
}

/// Endpoint, and template of the URL of a trace. Names in braces other than `{site}` and those of
/// a request ([`super::TRACE_URL_PLACES`]) are for its user to fill in.
pub(super) struct Place {
    pub(super) endpoint: Option<&'static str>,
    pub(super) link: Option<&'static str>,
}

const fn place(endpoint: &'static str, link: Option<&'static str>) -> Place {
    Place { endpoint: Some(endpoint), link }
}

/// A collector or a server on this machine, at the port that OTLP/gRPC has by default.
const LOCAL: &str = "http://127.0.0.1:4317";

const fn key(header: &'static str, what: &'static str, variable: &'static str) -> Option<Token> {
    Some(Token { header, scheme: "", what, variable })
}

const fn authorization(scheme: &'static str, what: &'static str, variable: &'static str) -> Option<Token> {
    Some(Token { header: "authorization", scheme, what, variable })
}

const LIGHTSTEP: Preset = Preset {
    protocol: Protocol::Grpc,
    places: Places::One(place("https://ingest.lightstep.com:443", None)),
    example: "",
    token: key("lightstep-access-token", "a project's access token", "LIGHTSTEP_ACCESS_TOKEN"),
    warning: Some(
        "ServiceNow shut Cloud Observability (Lightstep) in March 2026; spans arrive only where something else takes them \
         under its name, as with --otlp-endpoint",
    ),
};

const JAEGER: Preset = Preset {
    protocol: Protocol::Grpc,
    places: Places::One(place(LOCAL, Some("http://127.0.0.1:16686/trace/{trace_id}"))),
    example: "",
    token: None,
    warning: None,
};

const TEMPO: Preset = Preset {
    protocol: Protocol::Grpc,
    places: Places::One(place(
        LOCAL,
        // Grafana's address of one Explore pane: the data source `tempo`, asked for a trace id.
        Some(
            "http://127.0.0.1:3000/explore?schemaVersion=1&orgId=1&panes=%7B%22t%22:%7B%22datasource%22:%22tempo%22,\
             %22queries%22:%5B%7B%22refId%22:%22A%22,%22queryType%22:%22traceql%22,%22query%22:%22{trace_id}%22%7D%5D,\
             %22range%22:%7B%22from%22:%22{start_ms}%22,%22to%22:%22{end_ms}%22%7D%7D%7D",
        ),
    )),
    example: "",
    token: None,
    warning: None,
};

const HONEYCOMB: Preset = Preset {
    protocol: Protocol::Grpc,
    places: Places::Choice {
        what: "region",
        of: &[
            (
                "us",
                place(
                    "https://api.honeycomb.io:443",
                    Some(
                        "https://ui.honeycomb.io/{team}/environments/{environment}/datasets/reenact/trace?trace_id={trace_id}",
                    ),
                ),
            ),
            (
                "eu",
                place(
                    "https://api.eu1.honeycomb.io:443",
                    Some(
                        "https://ui.eu1.honeycomb.io/{team}/environments/{environment}/datasets/reenact/trace?trace_id={trace_id}",
                    ),
                ),
            ),
        ],
    },
    example: "us",
    token: key("x-honeycomb-team", "an ingest API key", "HONEYCOMB_API_KEY"),
    warning: None,
};

const DATADOG: Preset = Preset {
    protocol: Protocol::HttpProtobuf,
    places: Places::Choice {
        what: "site",
        of: &[
            ("datadoghq.com", place("https://otlp.{site}", Some("https://app.{site}/apm/trace/{trace_id}"))),
            ("us3.datadoghq.com", place("https://otlp.{site}", Some("https://{site}/apm/trace/{trace_id}"))),
            ("us5.datadoghq.com", place("https://otlp.{site}", Some("https://{site}/apm/trace/{trace_id}"))),
            ("datadoghq.eu", place("https://otlp.{site}", Some("https://app.{site}/apm/trace/{trace_id}"))),
            ("ap1.datadoghq.com", place("https://otlp.{site}", Some("https://{site}/apm/trace/{trace_id}"))),
            ("ap2.datadoghq.com", place("https://otlp.{site}", Some("https://{site}/apm/trace/{trace_id}"))),
        ],
    },
    example: "datadoghq.com",
    token: key("dd-api-key", "an API key", "DD_API_KEY"),
    warning: None,
};

const NEW_RELIC: Preset = Preset {
    protocol: Protocol::HttpProtobuf,
    places: Places::Choice {
        what: "region",
        of: &[
            ("us", place("https://otlp.nr-data.net", None)),
            ("eu", place("https://otlp.eu01.nr-data.net", None)),
            ("jp", place("https://otlp.jp.nr-data.net", None)),
            ("fedramp", place("https://gov-otlp.nr-data.net", None)),
        ],
    },
    example: "us",
    token: key("api-key", "an ingest license key", "NEW_RELIC_LICENSE_KEY"),
    warning: None,
};

const DYNATRACE: Preset = Preset {
    protocol: Protocol::HttpProtobuf,
    places: Places::Any {
        what: "environment id",
        place: place(
            "https://{site}.live.dynatrace.com/api/v2/otlp",
            Some("https://{site}.apps.dynatrace.com/ui/apps/dynatrace.distributedtracing/explorer?traceId={trace_id}"),
        ),
    },
    example: "abc12345",
    token: authorization("Api-Token ", "a token with the scope openTelemetryTrace.ingest", "DYNATRACE_API_TOKEN"),
    warning: None,
};

const ELASTIC: Preset = Preset {
    protocol: Protocol::Grpc,
    places: Places::One(Place { endpoint: None, link: Some("{kibana}/app/apm/link-to/trace/{trace_id}") }),
    example: "https://PROJECT.ingest.REGION.PROVIDER.elastic.cloud:443",
    token: authorization("ApiKey ", "an API key, encoded", "ELASTIC_API_KEY"),
    warning: None,
};

const SIGNOZ: Preset = Preset {
    protocol: Protocol::Grpc,
    places: Places::Any {
        what: "region",
        place: place("https://ingest.{site}.signoz.cloud:443", Some("{signoz}/trace/{trace_id}")),
    },
    example: "eu",
    token: key("signoz-ingestion-key", "an ingestion key", "SIGNOZ_INGESTION_KEY"),
    warning: None,
};

const AWS_XRAY: Preset = Preset {
    protocol: Protocol::HttpProtobuf,
    places: Places::Any { what: "AWS region", place: place("https://xray.{site}.amazonaws.com", None) },
    example: "eu-central-1",
    token: authorization("Bearer ", "an X-Ray API key", "AWS_XRAY_API_KEY"),
    warning: None,
};

const GOOGLE_CLOUD: Preset = Preset {
    protocol: Protocol::Grpc,
    places: Places::One(place(
        LOCAL,
        Some("https://console.cloud.google.com/traces/explorer;traceId={trace_id}?project={project}"),
    )),
    example: "",
    token: None,
    warning: None,
};

const AZURE_MONITOR: Preset = Preset {
    protocol: Protocol::Grpc,
    places: Places::One(place(LOCAL, None)),
    example: "",
    token: None,
    warning: None,
};

impl Backend {
    pub(super) fn preset(self) -> &'static Preset {
        match self {
            Self::Lightstep => &LIGHTSTEP,
            Self::Jaeger => &JAEGER,
            Self::Tempo => &TEMPO,
            Self::Honeycomb => &HONEYCOMB,
            Self::Datadog => &DATADOG,
            Self::NewRelic => &NEW_RELIC,
            Self::Dynatrace => &DYNATRACE,
            Self::Elastic => &ELASTIC,
            Self::Signoz => &SIGNOZ,
            Self::AwsXray => &AWS_XRAY,
            Self::GoogleCloud => &GOOGLE_CLOUD,
            Self::AzureMonitor => &AZURE_MONITOR,
        }
    }
}
