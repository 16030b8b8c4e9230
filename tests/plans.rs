//! A plan that is made again: from another run's plan.json, on another machine, for another shard.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use scripted::{gets, line, ok, read_head, session, target};
use serde_json::Value;
use support::{Said, folder, inside, reenact_says, run_json, text};

fn plan(session: &Path, more: &[&str]) -> Said {
    let session = text(session);
    reenact_says(["plan", &session, "--json"].iter().chain(more))
}

fn hash(said: &Said) -> String {
    assert_eq!(said.code, 0, "{said:?}");
    let json: Value = serde_json::from_str(&said.out).unwrap();
    json["plan_hash"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_file_alone_makes_the_same_plan_again() {
    let folder = folder();
    let session = gets(folder.path(), "s", 300);
    let (csv, file) = (inside(&folder, "profile.csv"), text(&inside(&folder, "plan.json")));
    std::fs::write(&csv, "0s,1x\n2s,4x\n").unwrap();
    let csv_path = text(&csv);
    for options in [
        &["--rate", "2.5x", "--seed", "77"][..],
        &["--ramp", "1x..5x/3s", "--method", "overlay"],
        &["--profile", &csv_path, "--repeat", "2"],
        &["--rate", "900/s", "--from", "200ms", "--to", "1s", "--duration", "3s"],
        &["--speed", "2x", "--unsafe-methods", "skip"],
    ] {
        let first = plan(&session, options);
        std::fs::write(&file, &first.out).unwrap();
        assert_eq!(hash(&plan(&session, &["--plan", &file])), hash(&first), "{options:?}");
        let shard = plan(&session, &["--plan", &file, "--shard", "2/3"]);
        assert_eq!(hash(&shard), hash(&first), "{options:?}");
    }
    // The profile's text is in the plan: its file is not needed again.
    let first = plan(&session, &["--profile", &csv_path]);
    std::fs::write(&file, &first.out).unwrap();
    std::fs::remove_file(&csv).unwrap();
    assert_eq!(hash(&plan(&session, &["--plan", &file])), hash(&first));
}

#[test]
fn shards_make_the_whole_whatever_the_method() {
    let folder = folder();
    let session = gets(folder.path(), "s", 200);
    for method in ["overlay", "compress", "poisson"] {
        let shard = |shard| plan(&session, &["--method", method, "--rate", "2x", "--repeat", "2", "--shard", shard]);
        let shards = ["1/2", "2/2"].map(shard);
        assert_eq!(hash(&shards[0]), hash(&shards[1]), "{method}");
        let json = shards.map(|said| serde_json::from_str::<Value>(&said.out).unwrap());
        let of = |one: usize, name: &str| json[one][name].as_u64().unwrap();
        let parts = [of(0, "shard_requests"), of(1, "shard_requests")];
        assert_eq!((of(0, "requests"), of(1, "requests")), (parts[0] + parts[1], parts[0] + parts[1]), "{method}");
        assert!(parts.iter().all(|part| *part > 0), "{method}: {parts:?}");
    }
}

#[test]
fn the_hash_knows_what_is_left_out_since_no_map_is_for_it() {
    let folder = folder();
    let host = |i: u64| if i.is_multiple_of(2) { "a.test" } else { "b.test" };
    let of = |i: u64| line(i * 5, i % 7 + 1, "GET", "/").replace("recorded.invalid", host(i));
    let session = session(folder.path(), "s", &(0..100).map(of).collect::<Vec<_>>());
    let hash_of = |more: &[&str]| hash(&plan(&session, more));
    let all = hash_of(&["--target", "http://127.0.0.1:1"]);
    let only_a = hash_of(&["--map", "a.test=http://127.0.0.1:1"]);
    let only_b = hash_of(&["--map", "b.test=http://127.0.0.1:1"]);
    assert!(all != only_a && all != only_b && only_a != only_b, "{all} {only_a} {only_b}");
    // Where they are sent to is not part of the plan.
    assert_eq!(hash_of(&["--map", "a.test=http://127.0.0.1:2"]), only_a);
    assert_eq!(hash_of(&["--map", "a.test=http://127.0.0.1:1", "--map", "b.test=http://127.0.0.1:2"]), all);
}

#[test]
fn a_plan_is_the_same_on_one_processor_as_on_several() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let folder = folder();
    // Many batches of exchanges, of more endpoints than one batch has, and left out for several reasons.
    let of = |i: u64| {
        let method = if i.is_multiple_of(11) { "POST" } else { "GET" };
        let host = if i.is_multiple_of(5) { "b.test" } else { "a.test" };
        line(i * 2, i % 97, method, &format!("/part{}/at{}", i / 40, i % 7)).replace("recorded.invalid", host)
    };
    let session = session(folder.path(), "s", &(0..4_000).map(of).collect::<Vec<_>>());
    let says = |more: &[&str]| {
        let session = text(&session);
        let options =
            ["plan", &session, "--map", "a.test=http://127.0.0.1:1", "--unsafe-methods", "skip", "--rate", "2x"];
        let said = reenact_says(options.iter().chain(more));
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    };
    // Trace contexts are new each time.
    let is_fresh =
        |line: &&str| ["traceparent: ", "tracestate: ", "baggage: "].iter().any(|name| line.starts_with(name));
    let both = || {
        ["--json", "--show=500"]
            .map(|option| says(&[option]).lines().filter(|line| !is_fresh(line)).collect::<String>())
    };
    let several = both();
    let all = sched_getaffinity(None).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap());
    // Programs that this thread starts have its processors.
    sched_setaffinity(None, &one).unwrap();
    assert!(both() == several);
    let json: Value = serde_json::from_str(&several[0]).unwrap();
    assert!(json["requests"].as_u64().unwrap() > 5_000, "{json}");
    assert!(json["left_out"].as_object().is_some_and(|reasons| reasons.len() == 2), "{json}");
}

#[test]
fn a_rate_that_a_plan_does_not_come_to_is_told() {
    let folder = folder();
    // One client has half of the requests: with it there are too many, and without it too few.
    let of =
        |i: u64| line(i * 5, if i.is_multiple_of(2) { 1 } else { i % 40 + 2 }, "GET", "/").replace("peer-", "named-");
    let session = session(folder.path(), "s", &(0..800).map(of).collect::<Vec<_>>());
    let says = |more: &[&str], text: &str| {
        let said = plan(&session, more);
        assert_eq!((said.code, said.err.contains(text)), (0, true), "{more:?}: {said:?}");
        let json: Value = serde_json::from_str(&said.out).unwrap();
        json["notices"].to_string().contains(text)
    };
    assert!(says(&["--rate", "80/s"], "and not the 80.0 that were asked for"));
    assert!(says(&["--ramp", "1x..10x/10m", "--duration", "2s"], "before its ramp or profile has come to its end"));
    let even = plan(&session, &["--rate", "200/s"]);
    assert!(!even.err.contains("asked for"), "{even:?}");
    let refused = plan(&session, &["--rate", "max", "--require-shape"]);
    assert!(refused.code == 2 && refused.err.contains("--require-shape says nothing with --rate max"), "{refused:?}");
}

#[test]
fn what_is_not_the_same_plan_is_refused_before_anything_is_sent() {
    let folder = folder();
    let (session, other) = (gets(folder.path(), "s", 100), gets(folder.path(), "t", 101));
    let to = format!("http://{}", target(ok));
    let out = inside(&folder, "run");
    let replay = |session: &Path, out: &Path, more: &[&str]| {
        let (session, out) = (text(session), text(out));
        reenact_says(["replay", &session, "--target", &to, "--out", &out].iter().chain(more))
    };
    let first = replay(&session, &out, &["--rate", "2x", "--seed", "5"]);
    assert_eq!(first.code, 0, "{first:?}");
    let file = text(&out.join("plan.json"));
    let again = inside(&folder, "again");
    let second = replay(&session, &again, &["--plan", &file]);
    assert_eq!(second.code, 0, "{second:?}");
    assert_eq!(run_json(&out)["plan_hash"], run_json(&again)["plan_hash"]);

    let refused = inside(&folder, "refused");
    for (session, more) in [(&other, &[][..]), (&session, &["--seed", "6"]), (&session, &["--rate", "3x"])] {
        let said = replay(session, &refused, &[&["--plan", &file], more].concat());
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("hash") && said.err.contains("plan.json"), "{said:?}");
        assert!(!refused.exists());
    }
    for (content, expected) in [("{", "is no plan"), ("{}", "is no plan"), ("\u{fffd}", "is no plan")] {
        let bad = inside(&folder, "bad.json");
        std::fs::write(&bad, content).unwrap();
        let said = replay(&session, &refused, &["--plan", &text(&bad)]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(expected) && said.err.contains("bad.json"), "{said:?}");
    }
    let unknown = inside(&folder, "unknown.json");
    std::fs::write(&unknown, r#"{"plan_hash": "0", "options": {"colour": "red"}}"#).unwrap();
    let said = replay(&session, &refused, &["--plan", &text(&unknown)]);
    assert!(said.code == 2 && said.err.contains("colour"), "{said:?}");
    let nowhere = replay(&session, &refused, &["--plan", "/nowhere/plan.json"]);
    assert!(nowhere.code == 2 && nowhere.err.contains("/nowhere/plan.json"), "{nowhere:?}");
}

#[test]
fn decisions_on_unsafe_methods_go_with_the_plan() {
    let folder = folder();
    let lines: Vec<String> = (0..10).map(|i| line(i * 5, 1, "POST", &format!("/{i}"))).collect();
    let session = session(folder.path(), "s", &lines);
    let first = plan(&session, &["--unsafe-methods", "send"]);
    let file = inside(&folder, "plan.json");
    std::fs::write(&file, &first.out).unwrap();
    let (session, file) = (text(&session), text(&file));
    let (to, out) = (format!("http://{}", target(ok)), text(&inside(&folder, "run")));
    let said = reenact_says(["replay", &session, "--target", &to, "--out", &out, "--plan", &file]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn think_times_are_kept_by_copies_of_users_and_by_nothing_else() {
    let folder = folder();
    let lines: Vec<String> = (0..300_u64).map(|i| line(i * 5, i % 7, "GET", "/").replace("peer-", "named-")).collect();
    let session = session(folder.path(), "s", &lines);
    for (options, expected) in [
        (&["--rate", "3x"][..], Some(1.0)),
        (&["--rate", "2x", "--speed", "4x"], Some(0.25)),
        (&["--ramp", "1x..3x/2s"], Some(1.0)),
        (&["--rate", "3x", "--method", "warp"], None),
    ] {
        let said = plan(&session, options);
        let json: Value = serde_json::from_str(&said.out).unwrap();
        let ratio = json["shape"]["think_time_ratio"].as_f64();
        let close = |expected: f64| ratio.is_some_and(|ratio| (ratio - expected).abs() < 1e-3);
        assert!(expected.map_or(ratio.is_none(), close), "{options:?}: {ratio:?}");
    }
}

#[test]
fn a_spool_that_was_kept_is_used_for_the_same_requests_and_for_no_others() {
    let folder = folder();
    let session = gets(folder.path(), "s", 200);
    let spools = inside(&folder, "spools");
    std::fs::create_dir(&spools).unwrap();
    let spools_path = text(&spools);
    let (heads, to) = keeper();
    let mut runs = 0..;
    let mut replay = |more: &[&str]| {
        let (session, out) = (text(&session), inside(&folder, &format!("run{}", runs.next().unwrap())));
        let base =
            ["replay", &session, "--target", &to, "--out", &text(&out), "--spool", &spools_path, "--reuse-spool"];
        let said = reenact_says(base.iter().chain(&["--rate", "2x", "--speed", "5x"]).chain(more));
        assert_eq!(said.code, 0, "{said:?}");
        let mut arrived: Vec<String> = std::mem::take(&mut *heads.lock().unwrap());
        arrived.sort();
        let plan: Value = serde_json::from_slice(&std::fs::read(out.join("plan.json")).unwrap()).unwrap();
        (arrived, run_json(&out), plan)
    };
    let kept = || std::fs::read_dir(&spools).unwrap().map(|entry| entry.unwrap().path()).collect::<BTreeSet<_>>();
    let (arrived, run, plan) = replay(&[]);
    let first = kept();
    assert_eq!((arrived.len(), first.len()), (400, 1));
    // Of what is kept nothing is made again: a page that was changed by hand is what is sent.
    let pages = first.iter().next().unwrap().join("pages");
    let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let bytes = std::fs::read(&pages).unwrap();
    assert!(text_of(&bytes).contains("/item/77 "), "not redacted beyond the session, and not compressed");
    let (again, run_again, plan_again) = replay(&[]);
    assert_eq!((&again, &plan_again), (&arrived, &plan));
    for name in ["plan_hash", "planned", "completed", "left_out", "multiplier", "endpoints"] {
        let (one, other) = (&run[name], &run_again[name]);
        if name == "endpoints" {
            let planned = |run: &Value| run[0]["planned"].clone();
            assert_eq!(planned(one), planned(other));
            assert_eq!(one[0]["recorded_response_us"], other[0]["recorded_response_us"]);
        } else {
            assert_eq!(one, other, "{name}");
        }
    }
    let at = bytes.windows(9).position(|window| window == b"/item/77 ").unwrap();
    let mut changed = bytes;
    changed[at + 6] = b'x';
    std::fs::write(&pages, changed).unwrap();
    assert_eq!(replay(&[]).0.iter().filter(|path| *path == "/item/x7").count(), 2);
    assert_eq!(kept(), first);
    // Everything that changes a request has a spool of its own.
    for (number, more) in
        [&["--seed", "9"][..], &["--keep-host"], &["--shard", "1/2"], &["--from", "100ms"]].iter().enumerate()
    {
        let (arrived, ..) = replay(more);
        assert!(!arrived.iter().any(|path| path == "/item/x7"), "{more:?}");
        assert_eq!(kept().len(), number + 2, "{more:?}");
    }
    let nowhere = reenact_says(["replay", "s", "--target", "http://127.0.0.1:1", "--reuse-spool"]);
    assert!(nowhere.code == 2 && nowhere.err.contains("--spool"), "{nowhere:?}");
    // A spool whose file was cut off is refused before anything is sent.
    std::fs::write(&pages, b"short").unwrap();
    let (session, out) = (text(&session), text(&inside(&folder, "refused")));
    let said = reenact_says([
        "replay",
        &session,
        "--target",
        &to,
        "--out",
        &out,
        "--spool",
        &spools_path,
        "--reuse-spool",
        "--rate",
        "2x",
        "--speed",
        "5x",
    ]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("not as long as it was"), "{said:?}");
}

#[test]
fn a_part_that_goes_beyond_the_recording_ends_with_it_and_that_is_said() {
    let folder = folder();
    // Ten seconds from the first request to the last, one second after the recording's start.
    let lines: Vec<String> = (0..=100).map(|i| line(1_000 + i * 100, i % 7 + 1, "GET", "/")).collect();
    let session = text(&session(folder.path(), "s", &lines));
    let plan = |more: &[&str]| {
        let said = reenact_says(["plan", &session, "--rate", "20/s"].iter().chain(more));
        let json = reenact_says(["plan", &session, "--rate", "20/s", "--json"].iter().chain(more)).out;
        assert_eq!(said.code, 0, "{said:?}");
        (serde_json::from_str::<Value>(&json).unwrap(), said.out)
    };
    let (whole, text) = plan(&[]);
    assert!(!text.contains(" lies ") && !whole["notices"].to_string().contains(" lies "), "{text}");
    let ends = "--to lies behind the last recorded request, with which the plan ends: 11";
    let begins = "--from lies before the first recorded request, with which the plan begins: 1";
    for (more, says) in [
        (&["--to", "1h"][..], &[ends][..]),
        (&["--from", "100ms"][..], &[begins][..]),
        (&["--from", "1970-01-01T00:00:00Z", "--to", "2999-01-01T00:00:00Z"][..], &[begins, ends][..]),
        (&["--from", "0s"][..], &[][..]),
        // One that is chosen from is longer than what is chosen.
        (&["--from", "1s", "--to", "1h", "--filter", "time < 30s"][..], &[ends][..]),
    ] {
        let (part, text) = plan(more);
        for name in ["requests", "recording_s", "factor"] {
            assert_eq!(part[name], whole[name], "{more:?}: {name}");
        }
        for says in says {
            assert!(text.contains(says) && part["notices"].to_string().contains(says), "{more:?}: {text}");
        }
        assert_eq!(text.matches(" lies ").count(), says.len(), "{more:?}: {text}");
    }
    // A time says its zone.
    let refused = reenact_says(["plan", &session, "--from", "1970-01-01T00:00:00"]);
    assert!(
        refused.code == 2 && refused.err.contains("is no time; write it as in 2026-11-25T15:00:00Z"),
        "{refused:?}"
    );
    // Inside of it the part is as long as it was asked for, with the silence at its ends.
    let (part, text) = plan(&["--from", "2050ms", "--to", "6050ms"]);
    assert!(!text.contains(" lies ") && (part["recording_s"].as_f64().unwrap() - 4.0).abs() < 1e-6, "{part}");
}

/// A target that keeps the paths of what arrives.
fn keeper() -> (Arc<Mutex<Vec<String>>>, String) {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&paths);
    let address = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8(head).unwrap();
            kept.lock().unwrap().push(head.split(' ').nth(1).unwrap().to_owned());
            if socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                break;
            }
        }
    });
    (paths, format!("http://{address}"))
}
