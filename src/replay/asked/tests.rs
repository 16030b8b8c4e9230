//! Each option by itself: it is in what was asked, or it is on the list of those that change nothing of the load.

use clap::{Arg, ArgAction, CommandFactory, Parser};

use super::*;
use crate::cli::{Cli, Command};

/// Where results, spans and metrics go, what is shown, who is told, and what this machine may use.
const NOTHING_OF_THE_LOAD: [&str; 37] = [
    "out",
    "output",
    "json",
    "log_format",
    "log_level",
    "spool",
    "spool_max",
    "reuse_spool",
    "on_start",
    "on_end",
    "hook_timeout",
    "otlp_endpoint",
    "otlp_protocol",
    "otlp_header",
    "otlp_compression",
    "otlp_timeout",
    "otlp_ca",
    "otlp_cert",
    "otlp_key",
    "otlp_file",
    "otlp_batch_max",
    "otlp_flush",
    "otlp_metrics",
    "otlp_metrics_endpoint",
    "otlp_metrics_every",
    "otlp_metrics_temporality",
    "token",
    "collect",
    "watch_pid",
    "watch_prometheus",
    "progress",
    "progress_every",
    "json_stream",
    "prometheus",
    "control",
    "help",
    "version",
];

/// Values of options that take any, and what else their flags need.
const VALUES: [(&str, &str); 73] = [
    ("config", "c.toml"),
    ("plan", "plan.json"),
    ("rate", "3x"),
    ("method", "clone"),
    ("ramp", "1x..2x/10s"),
    ("profile", "p.csv"),
    ("speed", "2x"),
    ("repeat", "2"),
    ("duration", "5s"),
    ("from", "1s"),
    ("to", "9s"),
    ("filter", "method=GET"),
    ("template", "/a/{id}"),
    ("shard", "1/2"),
    ("seed", "7"),
    ("target", "http://127.0.0.1:1"),
    ("map", "a=http://b"),
    ("auth", "exec:read-it hunter2"),
    ("credentials", "c.csv"),
    ("identity", "env:IDENTITY"),
    ("think_min", "1s"),
    ("when_busy", "queue"),
    ("warm_up", "1s"),
    ("drain", "1s"),
    ("start_at", "2026-01-01T00:00:00Z"),
    ("threads", "2"),
    ("spin", "1ms"),
    ("lag_limit", "strained=1s,invalid=2s"),
    ("allow", "staging"),
    ("max_in_flight", "5"),
    ("max_connections", "5"),
    ("max_rate", "5"),
    ("budget_requests", "5"),
    ("budget_bytes", "5"),
    ("budget_time", "5s"),
    ("abort_if", "p99 > 1s for 5s"),
    ("kill_file", "kill"),
    ("timeout", "1s"),
    ("connect_timeout", "1s"),
    ("resolve", "a:1:127.0.0.1"),
    ("bind", "127.0.0.2"),
    ("proxy", "http://proxy:3128"),
    ("proxy_auth", "file:proxy"),
    ("tls_ca", "ca.pem"),
    ("tls_cert", "cert.pem --tls-key key.pem"),
    ("tls_key", "key.pem --tls-cert cert.pem"),
    ("answer_body_max", "1KiB"),
    ("redact_key", "env:KEY"),
    ("backend_site", "eu"),
    ("environment", "staging"),
    ("propagators", "b3"),
    ("trace_sample", "0.5"),
    ("span_budget", "200/s"),
    ("trace_url", "http://a/{trace_id}"),
    ("collect_memory", "32MiB --collect 0"),
    ("collect_wait", "1s --collect 0"),
    ("fail_if", "p99 > 1s"),
    ("budgets", "budgets.toml"),
    ("otlp_batch_max", "64KiB"),
    ("otlp_flush", "1s"),
    ("otlp_timeout", "1s"),
    ("otlp_metrics_every", "1s"),
    ("otlp_cert", "cert.pem --otlp-key key.pem"),
    ("otlp_key", "key.pem --otlp-cert cert.pem"),
    ("token", "env:TOKEN"),
    ("hook_timeout", "1s"),
    ("spool_max", "1GiB"),
    ("collect", "0"),
    ("watch_pid", "1"),
    ("watch_prometheus", "http://a/metrics"),
    ("progress_every", "2s"),
    ("prometheus", "0"),
    ("log_level", "off"),
];

fn asked_with(words: &[String]) -> BTreeMap<String, String> {
    let line = ["reenact", "replay", "session"].map(str::to_owned).into_iter().chain(words.iter().cloned());
    let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let Command::Replay(args) = cli.command else { panic!("{words:?} is no replay") };
    let propagation = Propagation::check(&args.traces.contexts).unwrap();
    asked(&args, &propagation)
}

/// The option as somebody might give it, who wants another value than its default.
fn given(option: &Arg) -> Vec<String> {
    let flag = format!("--{}", option.get_long().unwrap());
    if !matches!(option.get_action(), ArgAction::Set | ArgAction::Append) {
        return vec![flag];
    }
    let value = VALUES.iter().find(|(id, _)| option.get_id() == *id).map(|(_, value)| (*value).to_owned());
    let is_default = |value: &str| option.get_default_values().iter().any(|default| default == value);
    let other =
        || option.get_possible_values().iter().map(|one| one.get_name().to_owned()).find(|one| !is_default(one));
    let value = value.or_else(other).unwrap_or_else(|| "x".to_owned());
    let (value, more) = value.split_once(" --").map_or((value.as_str(), None), |(value, more)| (value, Some(more)));
    let more = more.map(|more| format!("--{more}")).unwrap_or_default();
    [flag, value.to_owned()].into_iter().chain(more.split_whitespace().map(str::to_owned)).collect()
}

#[test]
fn every_option_is_in_what_was_asked_or_changes_nothing_of_the_load() {
    let plain = asked_with(&[]);
    let mut command = Cli::command();
    command.build();
    let replay = command.find_subcommand("replay").unwrap();
    let mut seen = Vec::new();
    for option in replay.get_arguments().filter(|option| !option.is_positional()) {
        let id = option.get_id().as_str();
        seen.push(id);
        if ["help", "version"].contains(&id) {
            continue;
        }
        let words = given(option);
        let found = asked_with(&words);
        if NOTHING_OF_THE_LOAD.contains(&id) {
            let without = |all: &BTreeMap<String, String>| -> Vec<_> {
                all.clone().into_iter().filter(|(name, _)| !name.starts_with("collect_")).collect()
            };
            assert_eq!(without(&found), without(&plain), "{words:?}");
        } else {
            assert!(found.contains_key(id), "--{id} is not in what was asked: {words:?}");
            assert_ne!(found.get(id), plain.get(id), "{words:?}");
        }
        let text = format!("{found:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    for id in NOTHING_OF_THE_LOAD.into_iter().chain(VALUES.map(|(id, _)| id)) {
        assert!(seen.contains(&id) || id == "version", "there is no --{id}");
    }
}
