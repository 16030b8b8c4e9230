//! What nobody knows of a run that left no result, by the names of the result's fields.

use super::begun::Begun;
use crate::result::RunResult;
use crate::run_directory::{HISTOGRAMS, LATENCY, REQUESTS};

/// Only the result itself says it.
const ALWAYS: [&str; 8] =
    ["connections", "spans", "generator", "watched", "services", "answers", "recorded_2xx", "turned_away"];
/// Only the log of requests says it.
const BY_REQUEST: [&str; 12] = [
    "sent",
    "completed",
    "shed",
    "errors",
    "status",
    "bytes",
    "fidelity",
    "interrupted",
    "heat_map",
    "slowest",
    "error_samples",
    "timeline.planned",
];
/// What was written by second does not say it.
const AT_THE_END: [&str; 6] = ["first_byte_us", "held_us", "busy_us", "connect_us", "steady", "classes"];
/// Nobody says it of requests of which nothing was counted.
const OF_NOTHING: [&str; 5] = ["settled", "dispatched", "response_us", "service_us", "lag_us"];

/// The fields, where outcomes were read from this file. Counts and rates are in the result already.
pub(super) fn fields(from: Option<&str>, begun: &Begun, result: &RunResult) -> Vec<String> {
    let mut unknown: Vec<&str> = ALWAYS.to_vec();
    if from != Some(REQUESTS) {
        unknown.extend(BY_REQUEST);
    }
    if ![Some(REQUESTS), Some(HISTOGRAMS)].contains(&from) {
        unknown.extend(AT_THE_END);
    }
    if from.is_none() {
        unknown.extend(OF_NOTHING);
    }
    if begun.known_from.is_none() {
        unknown.extend(["planned", "left_out"]);
    }
    for (field, is_known) in [
        ("duration_s", result.duration_s > 0.0),
        ("rate.planned", result.rate.planned > 0.0),
        ("rate.achieved", result.rate.achieved > 0.0),
    ] {
        unknown.extend((!is_known).then_some(field));
    }
    unknown.into_iter().map(str::to_owned).collect()
}

/// The files that were read, each once: what was written by second gives the run over time (`has_seconds`) also where
/// outcomes are from another one.
pub(super) fn files(from: Option<&str>, has_seconds: bool, has_recorded: bool, begun: &Begun) -> Vec<String> {
    let more = [has_seconds.then_some(LATENCY), has_recorded.then_some(HISTOGRAMS)];
    let mut files: Vec<String> = Vec::new();
    for file in [begun.known_from, from].into_iter().chain(more).flatten() {
        if !files.iter().any(|known| known == file) {
            files.push(file.to_owned());
        }
    }
    files
}
