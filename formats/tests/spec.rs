//! docs/SPEC.md from outside: this crate's reader and writer against the decoder and encoder that were written in Python
//! from the page alone (tests/spec), over their vectors, over sessions of both writers, and over damaged copies of those.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod conformance;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::seal::{Identities, Recipients};
use formats::session::SessionHeader;
use serde_json::Value;

use conformance::damage::{Chance, damaged};
use conformance::events::events;
use conformance::samples::{self, Sample};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn vectors() -> PathBuf {
    repository().join("tests/spec/vectors")
}

/// What opens the encrypted vectors, and the sessions that are encrypted here.
fn identity() -> Arc<Identities> {
    Arc::new(Identities::parse(&fs::read(vectors().join("identity.txt")).unwrap()).unwrap())
}

/// What Python makes of every session in a directory, by name; null where it refuses one.
fn python(directory: &Path) -> serde_json::Map<String, Value> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let program = target.join("test-venv/bin/python");
    assert!(program.exists(), "{} is missing: `make test` (tools/setup test) installs it", program.display());
    let script = repository().join("tests/spec/session.py");
    let mut command = std::process::Command::new(program);
    command.args(["-B".as_ref(), script.as_os_str(), "--identity".as_ref()]);
    let ran = command.arg(vectors().join("identity.txt")).arg("--each").arg(directory).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// What is different between two lists of events: the first that are not the same.
fn difference(name: &str, expected: &Value, got: &Value) -> Option<String> {
    if expected == got {
        return None;
    }
    let empty = Vec::new();
    let (left, right) = (expected.as_array().unwrap_or(&empty), got.as_array().unwrap_or(&empty));
    let at = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let show = |events: &[Value]| events.get(at).map_or_else(|| "nothing".to_owned(), Value::to_string);
    let (lens, refused) = ((left.len(), right.len()), (expected.is_null(), got.is_null()));
    let (left, right) = (show(left), show(right));
    Some(format!("{name}: event {at} of {lens:?}, refused {refused:?}\n  expected: {left}\n  Rust: {right}\n"))
}

#[track_caller]
fn assert_same(name: &str, expected: &Value, got: &Value) {
    if let Some(difference) = difference(name, expected, got) {
        panic!("{difference}");
    }
}

#[test]
fn vectors_read_as_their_json_says() {
    let mut read = 0;
    for entry in fs::read_dir(vectors()).unwrap() {
        let expected = entry.unwrap().path();
        if expected.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let session = expected.with_extension("");
        let name = session.file_name().unwrap().to_str().unwrap();
        let json = serde_json::from_slice(&fs::read(&expected).unwrap()).unwrap();
        assert_same(name, &json, &events(&session, &identity()));
        read += 1;
    }
    assert!(read > 30, "{read} vectors");
}

#[test]
fn what_the_writer_writes_is_read_by_a_stranger() {
    let folder = tempfile::tempdir().unwrap();
    for Sample { name, expected } in samples::write(folder.path(), &recipients(), &header()) {
        let got = events(&folder.path().join(name), &identity());
        let told: Vec<&Value> = got.as_array().unwrap().iter().filter(|event| event.get("index").is_none()).collect();
        assert_same(name, &expected, &serde_json::json!(told));
    }
    compare(folder.path());
}

fn header() -> SessionHeader {
    SessionHeader {
        session_id: "00c0ffee00c0ffee".to_owned(),
        created_by: "formats/tests/spec.rs".to_owned(),
        started_unix_ns: 1_800_000_000_000_000_000,
        ..SessionHeader::default()
    }
}

/// Those whose sessions [`identity`] opens.
fn recipients() -> Recipients {
    let text = fs::read_to_string(vectors().join("identity.txt")).unwrap();
    let identity: age::x25519::Identity = text.trim().parse().unwrap();
    Recipients::parse(&[&identity.to_public().to_string()]).unwrap()
}

/// Asserts that both decoders read every session of a directory alike, and returns how many they did not refuse.
#[track_caller]
fn compare(directory: &Path) -> usize {
    let all = python(directory);
    let differences = all
        .iter()
        .filter_map(|(name, expected)| difference(name, expected, &events(&directory.join(name), &identity())));
    let differences: Vec<String> = differences.collect();
    let first: String = differences.iter().take(4).map(String::as_str).collect();
    assert!(differences.is_empty(), "{} sessions are not read alike\n{first}", differences.len());
    all.values().filter(|events| !events.is_null()).count()
}

#[test]
fn damaged_sessions_are_read_alike() {
    let seed = std::env::var("SPEC_SEED").map_or(1, |seed| seed.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    fs::create_dir(&whole).unwrap();
    let ours = samples::write(&whole, &recipients(), &header()).into_iter().map(|sample| whole.join(sample.name));
    let theirs = ["references", "everything-references", "segments", "encrypted", "encrypted-from-0", "from-0", "gaps"];
    let mut chance = Chance::new(seed);
    let copies = folder.path().join("damaged");
    fs::create_dir(&copies).unwrap();
    let sessions: Vec<PathBuf> = ours.chain(theirs.map(|name| vectors().join(name))).collect();
    for session in &sessions {
        for turn in 0..40 {
            let name = format!("{}-{turn}-seed-{seed}", session.file_name().unwrap().to_str().unwrap());
            damaged(session, &copies.join(name), &mut chance);
        }
    }
    let read = compare(&copies);
    assert!(read > sessions.len() * 30, "{read} of {} copies could be read", sessions.len() * 40);
}

#[test]
fn the_segment_on_the_page_reads_as_the_page_says() {
    let page = fs::read_to_string(repository().join("docs/SPEC.md")).unwrap();
    let (_, section) = page.split_once("\n## 16 ").unwrap();
    let block = |kind: &str| {
        let (_, rest) = section.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let digits = block("hex");
    let digits = digits.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let bytes: Vec<u8> = digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("00000001.reenact");
    fs::write(&path, bytes).unwrap();
    let expected = serde_json::from_str(&block("json")).unwrap();
    assert_same("docs/SPEC.md", &expected, &events(&path, &identity()));
}
