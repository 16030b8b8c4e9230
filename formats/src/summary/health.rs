//! Which requests only ask whether a server is well: told by their sender or their path.

use crate::endpoint;
use crate::head::{self, RequestLine};

/// Beginnings of the User-Agents of those who check health.
#[rustfmt::skip]
const SENDERS: &[&str] = &[
    "kube-probe/", "ELB-HealthChecker/", "GoogleHC/", "Amazon-Route53-Health-Check", "Consul Health Check", "Envoy/HC",
    "Blackbox Exporter/", "Uptime-Kuma/", "UptimeRobot/", "Pingdom.com_bot", "StatusCake", "Datadog/Synthetics",
];

/// Paths that nobody else asks for.
#[rustfmt::skip]
const PATHS: &[&str] = &[
    "/healthz", "/health", "/healthcheck", "/health-check", "/health_check", "/_health", "/livez", "/live", "/liveness",
    "/readyz", "/ready", "/readiness", "/-/healthy", "/-/ready", "/actuator/health", "/actuator/health/liveness",
    "/actuator/health/readiness", "/health/live", "/health/ready", "/startupz", "/alive", "/ping", "/up",
];

/// Longest path that is named, in bytes.
const PATH_LEN_MAX: usize = 200;
/// Longest name of a health check.
pub(super) const CHECK_LEN_MAX: usize = "HEAD ".len() + PATH_LEN_MAX;

/// The filter that describes a health check, such as `GET /healthz`; `None` for other requests, and for those that no
/// filter could describe.
pub(super) fn check(line: Option<RequestLine<'_>>, request: &[u8]) -> Option<String> {
    let line = line.filter(|line| matches!(line.method, b"GET" | b"HEAD"))?;
    let path = endpoint::path(line.target);
    let is_check = PATHS.iter().any(|known| path == known.as_bytes()) || {
        let sender = head::value(request, "user-agent").unwrap_or_default();
        SENDERS.iter().any(|known| sender.starts_with(known.as_bytes()))
    };
    let sayable = |path: &&str| {
        path.len() <= PATH_LEN_MAX && !path.contains(['*', ',', '\'']) && !path.contains(char::is_control)
    };
    let path = std::str::from_utf8(path).ok().filter(|_| is_check).filter(sayable)?;
    Some(format!("{} {path}", String::from_utf8_lossy(line.method)))
}
