//! Where the trace view listens, and what it says at the end.

use formats::visible;
use log::Level;
use replayer::collect::{CollectOptions, Listeners};
use replayer::result::services::{EndpointServices, Services, Step};

use crate::cli::CollectArgs;
use crate::logging::say;
use crate::outcome::Failure;
use crate::units;

/// Endpoints in the summary; `run.json` and the report have them all.
const ENDPOINTS_MAX: usize = 5;

/// Listens, so that a taken port is refused before anything is sent, and says where.
pub(super) fn listen(args: &CollectArgs) -> Result<Option<CollectOptions>, Failure> {
    if args.collect.is_empty() {
        return Ok(None);
    }
    let listeners = Listeners::bind(&args.collect)?;
    for address in listeners.addresses() {
        let wait = humantime::format_duration(args.collect_wait);
        say(
            Level::Info,
            &format!(
                "collecting the services' spans on {address} (OTLP over gRPC and HTTP), late ones for {wait} after the run"
            ),
        );
        if !address.ip().is_loopback() {
            say(
                Level::Warn,
                &format!(
                    "warning: {address} is open to whoever reaches it: spans are taken without TLS and from anybody"
                ),
            );
        }
    }
    Ok(Some(CollectOptions { listeners, memory_bytes: args.collect_memory, wait: args.collect_wait }))
}

/// The lines of the summary: who the slow requests of an endpoint waited for, beside what it is at the median.
pub(super) fn lines(services: &Services) -> Vec<String> {
    let (spans, requests) = (&services.spans, &services.requests);
    if spans.received == 0 {
        let refused: u64 = services.messages.refused.values().sum();
        let refused =
            if refused > 0 { format!("; {refused} messages were refused, see run.json") } else { String::new() };
        return vec![format!("no spans came to {}{refused}", services.listening.join(", "))];
    }
    let mut lines = Vec::new();
    lines.extend(services.endpoints.iter().filter_map(line).take(ENDPOINTS_MAX));
    let mut notes = vec![format!(
        "{} of {} requests joined with {} spans",
        units::count(requests.joined),
        units::count(requests.kept),
        units::count(spans.kept)
    )];
    for (count, what) in [
        (requests.missing, "requests without spans of services"),
        (requests.orphans, "spans without their parents"),
        (requests.skewed, "calls with clocks that do not fit"),
        (services.clocks.len() as u64, "clocks corrected"),
        (spans.cut + spans.gave_way, "spans for which there was no room"),
        (requests.lost, "requests that were not looked at"),
        (services.messages.refused.values().sum(), "messages refused"),
    ] {
        if count > 0 {
            notes.push(format!("{} {what}", units::count(count)));
        }
    }
    if services.kept.share < 1.0 {
        notes.push(format!("{:.3} % of traces kept, and the slowest", services.kept.share * 100.0));
    }
    lines.push(notes.join(", "));
    lines
}

fn line(endpoint: &EndpointServices) -> Option<String> {
    let slowest = endpoint.steps.first()?;
    Some(format!(
        "{} p{:.0} {}: {} in {}, at the median {}",
        visible::line(&endpoint.endpoint),
        100.0 - endpoint.tail_share * 100.0,
        units::micros(endpoint.tail.from_us),
        percent(slowest.tail_share),
        name(slowest),
        percent(slowest.median_share),
    ))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn name(step: &Step) -> String {
    match step.kind.as_str() {
        "span" => format!("{} `{}`", visible::line(&step.service), visible::line(&step.operation)),
        "network" => format!("the network {}", step.operation),
        kind => format!("{kind} {}", step.operation),
    }
}
