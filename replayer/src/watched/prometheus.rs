//! What a service says of itself to Prometheus: the two metrics of a process that client libraries agree on.

use std::time::Duration;

use url::Url;

use super::{Look, Seen};
use crate::error::ReplayError;
use crate::plain_http::{Sent, fetch};

/// Longest page that is read.
const PAGE_BYTES_MAX: usize = 16 << 20;
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";

pub(super) struct Prometheus {
    url: Url,
    runtime: tokio::runtime::Runtime,
}

impl Prometheus {
    pub(super) fn new(url: Url) -> Result<Self, ReplayError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| ReplayError::System { doing: "start a runtime", source })?;
        Ok(Self { url, runtime })
    }
}

impl Look for Prometheus {
    fn name(&self) -> String {
        self.url.to_string()
    }

    fn look(&mut self, within: Duration) -> Result<Seen, String> {
        let page = fetch(&self.url, Sent::Get, PAGE_BYTES_MAX);
        let page = self.runtime.block_on(async { tokio::time::timeout(within, page).await });
        match page {
            Err(_) => Err(format!("no answer within {}", humantime::format_duration(within))),
            Ok(Err(why)) => Err(why),
            Ok(Ok((200, body))) => parse(&String::from_utf8_lossy(&body)),
            Ok(Ok((status, _))) => Err(format!("answered with {status}")),
        }
    }
}

/// CPU and memory of all processes on a page, added up.
pub(super) fn parse(page: &str) -> Result<Seen, String> {
    let sum = |name: &str| {
        let values = page.lines().filter_map(|line| value(line, name));
        values.fold(None, |sum: Option<f64>, value| Some(sum.unwrap_or(0.0) + value))
    };
    let (Some(cpu_s), Some(memory)) = (sum(CPU), sum(MEMORY)) else {
        return Err(format!("has not both {CPU} and {MEMORY}"));
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts keep to the range")]
    let rss_bytes = memory as u64;
    Ok(Seen { cpu_s, rss_bytes })
}

/// The value of a line of this metric: `name{labels} value [timestamp]`.
fn value(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let rest = match rest.strip_prefix('{') {
        // A label's value may hold anything, braces too; the value comes after the last.
        Some(labels) => labels.rsplit_once('}')?.1,
        None => rest.strip_prefix([' ', '\t'])?,
    };
    rest.split_whitespace().next()?.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)
}
