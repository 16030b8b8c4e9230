//! The address that spans go to, by the rules of the OTLP exporter specification.

use hyper::Uri;
use url::Url;

use super::options::Protocol;
use crate::error::ReplayError;

/// Where OTLP over HTTP has its traces.
const TRACES_PATH: &str = "v1/traces";
/// The method of the trace service.
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The same of metrics.
const METRICS_PATH: &str = "v1/metrics";
const METRICS_GRPC_PATH: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// How a path is made of what was given; gRPC has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRule {
    /// `/v1/traces` is appended, as to `OTEL_EXPORTER_OTLP_ENDPOINT`.
    Append,
    /// Used as it is, as `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is.
    AsGiven,
    /// Used as it is, unless there is none: `/v1/traces` then.
    AppendToNone,
}

/// A complete address with the protocol that is spoken there.
#[derive(Clone)]
pub struct Endpoint {
    uri: Uri,
    protocol: Protocol,
    shown: String,
}

impl Endpoint {
    /// Reads an address. Without a scheme, which gRPC allows, `insecure` says whether it is `http` or `https`.
    ///
    /// # Errors
    /// When it is no address of this protocol; the error shows neither its query nor a user.
    pub fn new(given: &str, protocol: Protocol, rule: PathRule, insecure: bool) -> Result<Self, ReplayError> {
        Self::of(given, protocol, rule, insecure, (TRACES_PATH, GRPC_PATH))
    }

    /// The same, for metrics.
    ///
    /// # Errors
    /// As those of [`Self::new`].
    pub fn for_metrics(given: &str, protocol: Protocol, rule: PathRule, insecure: bool) -> Result<Self, ReplayError> {
        Self::of(given, protocol, rule, insecure, (METRICS_PATH, METRICS_GRPC_PATH))
    }

    fn of(
        given: &str,
        protocol: Protocol,
        rule: PathRule,
        insecure: bool,
        (path, grpc_path): (&str, &str),
    ) -> Result<Self, ReplayError> {
        let has_scheme = given.contains("://");
        let url = match protocol {
            Protocol::Grpc if !has_scheme && given.contains(':') => {
                Url::parse(&format!("{}://{given}", if insecure { "http" } else { "https" }))
            }
            _ => Url::parse(given),
        };
        let bad =
            |shown: &str, why: &str| Err(ReplayError::Exporter { endpoint: shown.to_owned(), why: why.to_owned() });
        let before_query = given.split(['?', '#']).next().unwrap_or_default();
        let before_query = match before_query.rsplit_once('@') {
            Some((_, host)) => host,
            None => before_query,
        };
        let Ok(mut url) = url else { return bad(before_query, "it is no URL") };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return bad(before_query, "it is no URL that begins with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return bad(before_query, "it has a user in it; give credentials with --otlp-header, by reference");
        }
        url.set_fragment(None);
        let has_path = url.path() != "/";
        match (protocol, rule) {
            (Protocol::Grpc, _) if has_path || url.query().is_some() => {
                return bad(before_query, "gRPC has no path; --otlp-protocol http/protobuf has");
            }
            (Protocol::Grpc, _) => url.set_path(grpc_path),
            (_, PathRule::Append) => url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/'))),
            (_, PathRule::AppendToNone) if !has_path => url.set_path(path),
            _ => {}
        }
        let Ok(uri) = url.as_str().parse() else { return bad(before_query, "it is no URL of HTTP") };
        url.set_query(None);
        let shown = match protocol {
            Protocol::Grpc => url.as_str().trim_end_matches(grpc_path).to_owned(),
            _ => url.as_str().to_owned(),
        };
        Ok(Self { uri, protocol, shown })
    }

    /// Where the same collector has its metrics; `None` where its address of traces does not tell.
    #[must_use]
    pub fn of_its_metrics(&self) -> Option<Self> {
        let (traces, metrics) = match self.protocol {
            Protocol::Grpc => (GRPC_PATH, METRICS_GRPC_PATH),
            Protocol::HttpProtobuf | Protocol::HttpJson => (TRACES_PATH, METRICS_PATH),
        };
        let before = self.uri.path().strip_suffix(traces)?;
        let query = self.uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(format!("{before}{metrics}{query}").parse().ok()?);
        let shown = match self.shown.strip_suffix(traces) {
            Some(before) => format!("{before}{metrics}"),
            None => self.shown.clone(),
        };
        Some(Self { uri: Uri::from_parts(parts).ok()?, protocol: self.protocol, shown })
    }

    /// What is spoken there.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// For requests: with its query, which may hold a key.
    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// Without its query, which may hold a key.
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.protocol.name(), self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &str, protocol: Protocol, rule: PathRule) -> Result<String, String> {
        Endpoint::new(given, protocol, rule, true)
            .map(|endpoint| endpoint.uri.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn paths_follow_the_specification() {
        use Protocol::{Grpc, HttpJson, HttpProtobuf};
        let rows = [
            ("http://a:4318", HttpProtobuf, PathRule::Append, "http://a:4318/v1/traces"),
            ("http://a:4318/", HttpProtobuf, PathRule::Append, "http://a:4318/v1/traces"),
            ("http://a/mine/", HttpJson, PathRule::Append, "http://a/mine/v1/traces"),
            ("https://a/mine?key=1", HttpJson, PathRule::Append, "https://a/mine/v1/traces?key=1"),
            ("http://a:4318", HttpProtobuf, PathRule::AsGiven, "http://a:4318/"),
            ("http://a/mine", HttpProtobuf, PathRule::AsGiven, "http://a/mine"),
            ("http://a:4318", HttpProtobuf, PathRule::AppendToNone, "http://a:4318/v1/traces"),
            ("http://a/mine", HttpProtobuf, PathRule::AppendToNone, "http://a/mine"),
        ];
        for (given, protocol, rule, expected) in rows {
            assert_eq!(of(given, protocol, rule).unwrap(), expected, "{given} {rule:?}");
        }
        for rule in [PathRule::Append, PathRule::AsGiven, PathRule::AppendToNone] {
            for given in ["http://a:4317", "http://a:4317/", "a:4317"] {
                assert_eq!(of(given, Grpc, rule).unwrap(), format!("http://a:4317{GRPC_PATH}"), "{given}");
            }
            assert!(of("http://a:4317/v1/traces", Grpc, rule).unwrap_err().contains("gRPC has no path"));
        }
        assert_eq!(Endpoint::new("a:1", Grpc, PathRule::Append, false).unwrap().to_string(), "https://a:1");
    }

    #[test]
    fn metrics_go_beside_traces_where_that_can_be_told() {
        use Protocol::{Grpc, HttpJson, HttpProtobuf};
        for (given, protocol, expected) in [
            ("http://a:4317", Grpc, Some(format!("http://a:4317{METRICS_GRPC_PATH}"))),
            ("http://a:4318", HttpProtobuf, Some("http://a:4318/v1/metrics".to_owned())),
            ("https://a/mine/v1/traces?key=1", HttpJson, Some("https://a/mine/v1/metrics?key=1".to_owned())),
            ("https://a/mine", HttpJson, None),
        ] {
            let traces = Endpoint::new(given, protocol, PathRule::AppendToNone, true).unwrap();
            let metrics = traces.of_its_metrics();
            assert_eq!(metrics.as_ref().map(|one| one.uri.to_string()), expected, "{given}");
            assert!(metrics.is_none_or(|one| !one.to_string().contains("key") && !one.to_string().contains("Service")));
        }
        let metrics = Endpoint::for_metrics("http://a:4318", HttpProtobuf, PathRule::AppendToNone, true).unwrap();
        assert_eq!(metrics.to_string(), "http://a:4318/v1/metrics");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_without_its_secrets() {
        for given in ["nonsense", "ftp://a/b", "http://", "", "a b://", "http://user:hush@a/x", "http://h:99999/?hush"]
        {
            let said = of(given, Protocol::HttpProtobuf, PathRule::Append).unwrap_err();
            assert!(!said.contains("hush"), "{given}: {said}");
        }
        let endpoint = Endpoint::new("http://a/?hush", Protocol::HttpJson, PathRule::Append, false).unwrap();
        assert_eq!(format!("{endpoint} {endpoint:?}"), "http://a/v1/traces http/json at http://a/v1/traces");
    }
}
