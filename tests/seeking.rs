//! `plan` and `replay` with `--from` and `--to` read the blocks of their window: what is damaged elsewhere is not met, and
//! nothing that began in the window is missed, however late it ended.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::path::{Path, PathBuf};

use formats::session::{BlockEntry, Session};
use scripted::{line, ok, segment, session, target};
use serde_json::Value;
use support::{Said, folder, inside, reenact_says, run_json, text};

const SECOND_NS: u64 = 1_000_000_000;
/// One every 10 ms, for half a minute.
const REQUESTS: u64 = 3_000;

/// A session of many blocks, in the order of the ends of its exchanges; every fiftieth takes eight seconds.
fn recorded(folder: &Path) -> PathBuf {
    let one = |number: u64| {
        let mut line: Value =
            serde_json::from_str(&line(number * 10, number % 9, "GET", &format!("/item/{number}"))).unwrap();
        let started = number * SECOND_NS / 100;
        let ended = started + if number.is_multiple_of(50) { 8 * SECOND_NS } else { SECOND_NS / 1_000 };
        for name in ["response_start", "response_head", "response_end"] {
            line["instants_ns"][name] = ended.into();
        }
        (ended, line.to_string())
    };
    let mut lines: Vec<(u64, String)> = (0..REQUESTS).map(one).collect();
    lines.sort();
    let whole = session(folder, "whole", &lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>());
    edited(&whole, &folder.join("small"), &["--block-size", "4KiB"])
}

fn edited(session: &Path, out: &Path, more: &[&str]) -> PathBuf {
    let said = reenact_says([&["edit", &text(session), "-o", &text(out)], more].concat());
    assert_eq!(said.code, 0, "{said:?}");
    out.to_owned()
}

fn blocks(session: &Path) -> Vec<BlockEntry> {
    Session::open(session).unwrap().indexes().next().unwrap().unwrap().unwrap().blocks
}

/// Flips a bit of these blocks: by turns in the head of their record, before their content, and in it.
fn damage(session: &Path, blocks: &[BlockEntry]) {
    let path = segment(session);
    let mut bytes = std::fs::read(&path).unwrap();
    for (block, at) in blocks.iter().zip([2, 41, 70].into_iter().cycle()) {
        bytes[usize::try_from(block.offset).unwrap() + at] ^= 0x40;
    }
    std::fs::write(path, bytes).unwrap();
}

fn plan(sessions: &[&Path], more: &[&str]) -> Said {
    let sessions: Vec<String> = sessions.iter().map(|path| text(path)).collect();
    let sessions: Vec<&str> = sessions.iter().map(String::as_str).collect();
    reenact_says([&["plan"], &sessions[..], &["--json"], more].concat())
}

#[track_caller]
fn requests(said: &Said) -> u64 {
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str::<Value>(&said.out).unwrap()["requests"].as_u64().unwrap()
}

#[test]
fn damage_outside_of_the_window_is_not_met_and_nothing_inside_is_missed() {
    const WINDOW: [&str; 4] = ["--from", "10s", "--to", "12s"];
    let folder = folder();
    let small = recorded(folder.path());
    // The same, five seconds later: of it another stretch is wanted.
    let later = edited(&small, &inside(&folder, "later"), &["--shift", "5s", "--block-size", "4KiB"]);
    let (alone, both) = (plan(&[&small], &WINDOW), plan(&[&small, &later], &WINDOW));
    assert_eq!((requests(&alone), requests(&both)), (200, 400));
    let lies_in =
        |block: &BlockEntry, from_s: u64| block.to_ns >= from_s * SECOND_NS && block.from_ns < (from_s + 2) * SECOND_NS;
    for (session, from_s) in [(&small, 10), (&later, 5)] {
        let (wanted, others): (Vec<_>, Vec<_>) = blocks(session).into_iter().partition(|block| lies_in(block, from_s));
        assert!(others.len() > wanted.len() && wanted.len() > 3, "{} of {} blocks", wanted.len(), others.len());
        damage(session, &others);
    }
    assert_eq!(plan(&[&small], &[]).code, 3, "there is damage");
    let (damaged, both_damaged) = (plan(&[&small], &WINDOW), plan(&[&small, &later], &WINDOW));
    assert_eq!((&damaged.out, damaged.code, &damaged.err), (&alone.out, 0, &alone.err));
    assert_eq!((&both_damaged.out, both_damaged.code), (&both.out, 0));
    // What is not about the whole session is the same by a survey that counts what can be sent.
    let twice = requests(&plan(&[&small], &[&WINDOW[..], &["--rate", "200/s"]].concat()));
    assert!((360..440).contains(&twice), "{twice}");

    let (to, out) = (format!("http://{}", target(ok)), text(&inside(&folder, "run")));
    let sent = ["replay", &text(&small), "--target", &to, "--out", &out, "--speed", "4x"];
    let said = reenact_says([&sent[..], &WINDOW].concat());
    assert_eq!((said.code, said.err.contains("byte ")), (0, false), "{said:?}");
    assert_eq!(run_json(&inside(&folder, "run"))["completed"], 200);

    // One bad block inside is met, and it is known what it cost.
    let inside = blocks(&small).into_iter().find(|block| lies_in(block, 11)).unwrap();
    damage(&small, &[inside]);
    let said = plan(&[&small], &WINDOW);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(
        said.err.contains(&format!("byte {}", inside.offset))
            && said.err.contains(&format!("; {} exchanges are lost", inside.exchanges)),
        "{said:?}"
    );
}
