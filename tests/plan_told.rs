//! What a plan tells people and programs before anything is sent.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::path::{Path, PathBuf};

use scripted::{gets, line, ok, session, target};
use serde_json::Value;
use support::{Said, folder, inside, reenact_says, text};

fn plan(session: &Path, more: &[&str]) -> Said {
    let session = text(session);
    reenact_says(["plan", &session].iter().chain(more))
}

/// What a plan prints, which is made without complaint.
fn words(session: &Path, more: &[&str]) -> String {
    let said = plan(session, more);
    assert_eq!(said.code, 0, "{said:?}");
    said.out
}

fn json(session: &Path, more: &[&str]) -> Value {
    serde_json::from_str(&words(session, &[&["--json"], more].concat())).unwrap()
}

/// The line of this name in what a plan prints.
fn row<'a>(words: &'a str, name: &str) -> Option<&'a str> {
    words.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim)
}

/// Users with names, whose lives are short: two requests each, 40 ms apart.
fn users(folder: &Path, name: &str, count: u64) -> PathBuf {
    let of = |i: u64| line(i / 2 * 25 + i % 2 * 40, i / 2 + 1, "GET", "/").replace("peer-", "named-");
    let mut lines: Vec<(u64, String)> = (0..2 * count).map(|i| (i / 2 * 25 + i % 2 * 40, of(i))).collect();
    lines.sort_by_key(|(at, _)| *at);
    session(folder, name, &lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>())
}

#[test]
fn at_the_highest_pace_no_pace_is_shown() {
    let folder = folder();
    let session = users(folder.path(), "s", 100);
    let said = words(&session, &["--rate", "max"]);
    assert_eq!(row(&said, "requests"), Some("200 of 200 recorded, at max, auto"));
    let duration = row(&said, "duration").unwrap();
    assert!(duration.starts_with("as fast as answers come: ") && !duration.contains("requests/s"), "{duration}");
    assert!(row(&said, "peak").is_none() && row(&said, "rate").is_none(), "{said}");
    assert_eq!(row(&said, "shape"), Some("unknown: at --rate max due instants are only an order"));
    assert_eq!(json(&session, &["--rate", "max"])["shape"]["verdict"], "unknown");
}

#[test]
fn what_changes_time_and_not_the_number_says_so() {
    let folder = folder();
    let session = users(folder.path(), "s", 100);
    let said = words(&session, &["--rate", "2x", "--method", "compress"]);
    assert_eq!(row(&said, "requests"), Some("200 of 200 recorded, at 2x, compress"));
    assert!(row(&said, "duration").unwrap().ends_with(", time at 2x"), "{said}");
    assert!(row(&said, "shape").unwrap().starts_with("unknown: time runs at another speed"), "{said}");
}

#[test]
fn figures_of_a_shard_are_called_so() {
    let folder = folder();
    let session = users(folder.path(), "s", 100);
    let said = words(&session, &["--rate", "2x", "--shard", "1/2"]);
    for name in ["requests", "duration", "bytes", "peak"] {
        assert!(row(&said, name).unwrap().contains(" in shard 1/2"), "{name}: {said}");
    }
    assert!(!words(&session, &["--rate", "2x"]).contains("shard"));
}

#[test]
fn bytes_are_those_of_requests_whatever_the_method() {
    let folder = folder();
    let session = users(folder.path(), "s", 100);
    let bytes = |method: &str| json(&session, &["--rate", "2x", "--method", method])["bytes"].as_u64().unwrap();
    assert!(bytes("clone") > 0);
    assert_eq!(bytes("warp"), bytes("clone"));
}

#[test]
fn methods_that_know_no_clients_say_so_and_speak_of_no_pools() {
    let folder = folder();
    let session = users(folder.path(), "s", 100);
    for method in ["warp", "poisson"] {
        let said = words(&session, &["--rate", "2x", "--method", method]);
        let shape = row(&said, "shape").unwrap();
        assert_eq!(shape, "unknown: the method takes every request by itself, whoever sent it", "{method}");
        assert_eq!(plan(&session, &["--rate", "2x", "--method", method, "--require-shape"]).code, 1, "{method}");
    }
}

#[test]
fn gaps_are_compared_whatever_order_copies_come_in() {
    let folder = folder();
    let session = users(folder.path(), "s", 400);
    let distance = |more: &[&str]| json(&session, more)["shape"]["gap_distance"].as_f64().unwrap();
    assert_eq!(distance(&[]), 0.0);
    // Twice as many users: gaps are about half as long.
    let doubled = distance(&["--rate", "2x"]);
    assert!(doubled > 0.1 && doubled < 0.9, "{doubled}");
    let said = words(&session, &["--rate", "2x"]);
    assert!(row(&said, "gaps between requests are").unwrap().starts_with(&format!("{doubled:.3} from")), "{said}");
}

#[test]
fn a_required_shape_is_kept_or_open_or_ends_the_plan() {
    let folder = folder();
    let (named, pool) = (users(folder.path(), "named", 100), gets(folder.path(), "pool", 400));
    // Three seconds of users say too little, which passes. Connections without names that last throughout do not.
    let said = plan(&named, &["--rate", "2x", "--require-shape"]);
    assert!(said.code == 0 && said.out.contains("cannot tell"), "{said:?}");
    let said = plan(&pool, &["--rate", "2x", "--require-shape"]);
    assert!(said.code == 1 && row(&said.out, "shape").unwrap().starts_with("unknown: "), "{said:?}");
    let (to, run) = (format!("http://{}", target(ok)), inside(&folder, "run"));
    let run_text = text(&run);
    let said =
        reenact_says(["replay", &text(&pool), "--rate", "2x", "--require-shape", "--target", &to, "--out", &run_text]);
    assert!(said.code == 1 && said.err.contains("--require-shape") && !run.join("run.json").exists(), "{said:?}");
}

#[test]
fn the_picture_has_both_rates_and_a_curve_for_each_dispersion() {
    let folder = folder();
    let (session, svg) = (users(folder.path(), "s", 4_000), inside(&folder, "plan.svg"));
    words(&session, &["--rate", "3x", "--svg", &text(&svg)]);
    let picture = std::fs::read_to_string(&svg).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"), "{picture}");
    for said in ["recording", "plan", "target", "10 ms", "100 ms", "60 s"] {
        assert!(picture.contains(said), "{said} is not in {picture}");
    }
    let nowhere = inside(&folder, "no/such/folder.svg");
    let said = plan(&session, &["--svg", &text(&nowhere)]);
    assert!(said.code == 2 && said.err.contains("no/such/folder.svg"), "{said:?}");
}

#[test]
fn a_part_is_the_same_however_it_is_spelled() {
    let folder = folder();
    let session = gets(folder.path(), "s", 300);
    let hash = |more: &[&str]| json(&session, more)["plan_hash"].as_str().unwrap().to_owned();
    assert_eq!(hash(&["--from", "0s"]), hash(&[]));
    assert_eq!(hash(&["--from", "1s"]), hash(&["--from", "1000ms"]));
    // Imported lines begin in 1970.
    assert_eq!(hash(&["--from", "1s", "--to", "1.2s"]), hash(&["--from", "1970-01-01T00:00:01Z", "--to", "1200ms"]));
    assert_ne!(hash(&["--from", "1s"]), hash(&["--from", "1005ms"]));
}

#[test]
fn a_part_that_is_cut_out_has_its_last_pause_and_is_repeated_without_another() {
    let folder = folder();
    // A request each 5 ms for 1.5 s: 200 in a second, however often that is sent.
    let session = gets(folder.path(), "s", 300);
    let of = |more: &[&str]| json(&session, &[&["--from", "100ms", "--to", "1100ms"], more].concat());
    assert_eq!(of(&["--repeat", "3"])["requests"], 600);
    assert_eq!(of(&["--duration", "5s"])["requests"], 1_000);
    // What is not cut off ends with its last request: the next round begins a mean gap later.
    let whole = json(&session, &["--duration", "2995ms"]);
    assert_eq!((whole["rounds"].as_u64(), whole["requests"].as_u64()), (Some(2), Some(599)));
    let said = plan(&session, &["--duration", "0s"]);
    assert!(said.code == 2 && said.err.contains("--duration must be above zero"), "{said:?}");
}

#[test]
fn silence_between_recordings_is_told_where_the_rate_is_an_average_over_it() {
    let folder = folder();
    let of =
        |i: u64| line(i * 5 + if i < 200 { 0 } else { 600_000 }, i % 40 + 1, "GET", "/").replace("peer-", "named-");
    let session = session(folder.path(), "s", &(0..400).map(of).collect::<Vec<_>>());
    let told = |more: &[&str]| {
        let said = plan(&session, more);
        assert_eq!(said.code, 0, "{said:?}");
        said.err.contains("nothing was recorded, and --rate is the average over that, too")
    };
    assert!(told(&["--rate", "2/s"]) && !told(&["--rate", "2x"]) && !told(&["--rate", "400/s", "--to", "1s"]));
}

#[test]
fn a_template_that_names_nothing_is_told() {
    let folder = folder();
    let session = gets(folder.path(), "s", 30);
    let told = |template: &str| {
        let said = plan(&session, &["--template", template]);
        assert_eq!(said.code, 0, "{said:?}");
        said.err.contains(&format!("--template {template}: no recorded path is like it"))
    };
    assert!(told("/items/{n}") && told("/item/{n}/more") && !told("/item/{n}"));
}

#[test]
fn a_session_that_is_given_twice_is_refused() {
    let folder = folder();
    let session = gets(folder.path(), "s", 30);
    let (here, segment) = (text(&session), text(&scripted::segment(&session)));
    for twice in [[&here, &here], [&here, &segment], [&segment, &segment]] {
        let said = reenact_says(["plan", twice[0], twice[1]]);
        assert!(said.code == 2 && said.err.contains("is given twice, and would be sent twice"), "{twice:?}: {said:?}");
    }
}

#[test]
fn a_plan_takes_what_its_table_does_not_say_from_that_of_the_replay() {
    let folder = folder();
    let (session, file) = (gets(folder.path(), "s", 100), inside(&folder, "reenact.toml"));
    let with = |text_of: &str, more: &[&str]| {
        std::fs::write(&file, text_of).unwrap();
        json(&session, &[&["--config", &text(&file)], more].concat())["requests"].clone()
    };
    let replay = "[replay]\nrate = \"3x\"\nmax-in-flight = 5\nunsafe-methods = \"send\"\n";
    assert_eq!(with(replay, &[]), 300);
    assert_eq!(with(&format!("{replay}[plan]\nrate = \"2x\"\n"), &[]), 200);
    assert_eq!(with(replay, &["--rate", "1x"]), 100);
    // Whatever says the rate in the own table, nothing of the other one does.
    let ramp = "[plan]\nramp = \"1x..1x/1ms\"\n";
    assert_eq!(with(&format!("{replay}{ramp}"), &[]), 100);
    // What is printed is no part of what is sent.
    std::fs::write(&file, "[replay]\njson = true\n").unwrap();
    assert!(row(&words(&session, &["--config", &text(&file)]), "requests").is_some());
}
