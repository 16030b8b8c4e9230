//! What a recording needs, checked: everything that can be refused is refused here, before a connection is accepted.

use std::path::PathBuf;
use std::time::Duration;

use formats::redact::RedactionKey;
use formats::wire::Limits;
use recorder::listen::RelayConfig;
use recorder::tap::TapLimits;

use super::redaction;
use crate::cli::{RecordArgs, Switch};
use crate::outcome::Failure;
use crate::{secret, units};

/// What a recording needs, checked.
pub(crate) struct Config {
    pub(super) relay: RelayConfig,
    pub(super) upstream: String,
    pub(super) out: Option<PathBuf>,
    pub(super) drain: Option<Duration>,
    pub(super) tap: TapLimits,
    pub(super) limits: Limits,
    pub(super) flush_interval_ns: u64,
    pub(super) record_replays: bool,
    pub(super) key: RedactionKey,
    pub(super) redaction: redaction::Redaction,
    pub(super) rules: Vec<formats::clients::KeyRule>,
}

impl Config {
    /// Everything that can be refused is refused here, before a connection is accepted.
    pub(crate) fn check(args: RecordArgs) -> Result<Self, Failure> {
        let needs = |flag: &str, example: &str| {
            Failure::new(format!("a recording needs {flag}")).hint(format!("as in {flag} {example}"))
        };
        match args.mode.as_str() {
            "relay" => {}
            mode @ ("mirror" | "http") => return Err(Failure::not_built(&format!("--mode {mode}"))),
            mode => return Err(Failure::new(format!("`{mode}` is no mode")).hint("this version has --mode relay")),
        }
        let listen = args.listen.ok_or_else(|| needs("--listen", "127.0.0.1:8080"))?;
        let upstream = args.upstream.ok_or_else(|| needs("--upstream", "http://127.0.0.1:9000"))?;
        let (upstream_host, upstream_port) = authority(&upstream)?;
        let capture = args.capture == Switch::On;
        let out = match (capture, args.out) {
            (true, None) => return Err(needs("--out", "sessions/monday")),
            (true, out) => out,
            (false, _) => None,
        };
        if args.threads == 0 || args.flush_interval.is_zero() {
            return Err(Failure::new("--threads and --flush-interval must be above zero"));
        }
        let key = secret::redaction_key(args.redact_key.as_ref())?;
        let redaction = redaction::build(&key, &args.seal, args.config.as_deref())?;
        Ok(Self {
            relay: RelayConfig {
                listen,
                upstream_host,
                upstream_port,
                threads: args.threads,
                connect_timeout: args.connect_timeout,
            },
            upstream,
            out,
            drain: args.drain,
            tap: TapLimits { queue_bytes_max: to_usize(args.queue_bytes), ..TapLimits::default() },
            limits: Limits { body_bytes_max: to_usize(args.body_max), ..Limits::default() },
            flush_interval_ns: units::nanos(args.flush_interval),
            record_replays: args.record_replays,
            key,
            redaction,
            rules: args.client_key,
        })
    }
}

/// Host and port of `http://HOST[:PORT]`.
fn authority(upstream: &str) -> Result<(String, u16), Failure> {
    let bad = |why: &str| {
        Failure::new(format!("the upstream `{upstream}` {why}")).hint("write it as in --upstream http://127.0.0.1:9000")
    };
    if upstream.starts_with("https://") {
        return Err(Failure::not_built(&format!("TLS to the upstream `{upstream}`")));
    }
    let rest = upstream.strip_prefix("http://").ok_or_else(|| bad("is no http:// address"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() || rest.contains(['/', '?', '#', '@']) {
        return Err(bad("is more or less than http://HOST[:PORT]"));
    }
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(80), str::parse).map_err(|_| bad("has no valid port"))?;
    Ok((host.to_owned(), port))
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams() {
        for (given, expected) in [
            ("http://127.0.0.1:9000", Some(("127.0.0.1", 9000))),
            ("http://shop/", Some(("shop", 80))),
            ("http://[::1]:7", Some(("::1", 7))),
            ("http://shop/path", None),
            ("http://a@shop", None),
            ("http://", None),
            ("http://shop:x", None),
            ("shop:80", None),
            ("https://shop", None),
        ] {
            let got = authority(given).ok();
            assert_eq!(got.as_ref().map(|(host, port)| (host.as_str(), *port)), expected, "{given}");
        }
    }
}
