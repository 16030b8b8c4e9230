//! Health checks in a session, by their sender or their path, and the flag that would leave them out.

use std::collections::BTreeMap;

use formats::model::Exchange;
use formats::{endpoint, head};
use serde_json::{Value, json};

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

/// Different ones that are told apart; more are not counted.
const LINES_MAX: usize = 20;
/// Of these a person is shown.
const LINES_SHOWN: usize = 3;

#[derive(Default)]
pub(super) struct HealthChecks(BTreeMap<String, u64>);

impl HealthChecks {
    pub(super) fn exchange(&mut self, exchange: &Exchange) {
        let request = &exchange.request.head;
        let Some(line) = head::request_line(request).filter(|line| matches!(line.method, b"GET" | b"HEAD")) else {
            return;
        };
        let path = endpoint::path(line.target);
        let sender = head::value(request, "user-agent").unwrap_or_default();
        let is_check = SENDERS.iter().any(|known| sender.starts_with(known.as_bytes()))
            || PATHS.iter().any(|known| path == known.as_bytes());
        // What a filter could not say is not offered.
        let Some(path) = std::str::from_utf8(path).ok().filter(|path| is_check && !path.contains(['*', ','])) else {
            return;
        };
        let name = format!("{} {path}", String::from_utf8_lossy(line.method));
        if let Some(count) = self.0.get_mut(&name) {
            *count += 1;
        } else if self.0.len() < LINES_MAX {
            self.0.insert(name, 1);
        }
    }

    /// What to do about them, busiest first; `None` without any.
    pub(super) fn text(&self) -> Option<String> {
        let mut lines: Vec<(&String, &u64)> = self.0.iter().collect();
        lines.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let counts: Vec<String> =
            lines.iter().take(LINES_SHOWN).map(|(line, count)| format!("{line}: {count}")).collect();
        let (first, _) = lines.first()?;
        Some(format!("{}; `record --exclude '{first}'` leaves them out", counts.join("  ")))
    }

    pub(super) fn json(&self) -> Value {
        self.0.iter().map(|(line, count)| json!({"exclude": line, "exchanges": count})).collect()
    }
}
