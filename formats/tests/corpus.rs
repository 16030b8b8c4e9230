//! The fuzz targets' checks on every saved input, and on changed ones, without instrumentation.
//!
//! The changes are the same in each run. A failure writes the input, so that it can be saved in `fuzz/corpus`.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/checks/mod.rs"]
#[expect(unreachable_pub, clippy::panic, reason = "fuzz targets are in another crate; a check that fails panics")]
mod checks;

/// How many changed inputs are made of each saved one.
const CHANGES: u64 = 12;
/// No input becomes longer, however often it is changed.
const INPUT_BYTES_MAX: usize = 8_192;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| stem(entry.unwrap().path())).collect();
    names.sort();
    names
}

fn saved(target: &str) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Flips a bit, cuts bytes out, puts bytes in, or goes on with the end of another input.
fn change(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\r\n :;,=\"\\{}[]%&+-09aA";
    let at = random.below(input.len() + 1);
    match random.below(5) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => drop(input.drain(at..(at + 1 + random.below(8)).min(input.len()).max(at))),
        2 => input.insert(at, TELLING[random.below(TELLING.len())]),
        3 => {
            let part = input[at..(at + random.below(24)).min(input.len())].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, part);
        }
        _ => {
            let other = &others[random.below(others.len())];
            input.truncate(at);
            input.extend(&other[random.below(other.len() + 1)..]);
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// Says which input it was if the check panics with it.
struct Trying<'a>(&'a str, &'a [u8]);

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = std::env::temp_dir().join(format!("reenact-{}-failed", self.0));
            let written = fs::write(&path, self.1);
            eprintln!("{}: the input that failed is in {} ({written:?})", self.0, path.display());
        }
    }
}

fn check(target: &str) {
    let saved = saved(target);
    assert!(!saved.is_empty(), "fuzz/corpus/{target} is empty");
    for (seed, input) in saved.iter().enumerate() {
        let mut random = Random(seed as u64);
        let mut changed = input.clone();
        for change_number in 0..=CHANGES {
            // Some stand alone, some come on top of those before.
            if change_number % 4 == 0 {
                changed.clone_from(input);
            }
            if change_number > 0 {
                change(&mut changed, &saved, &mut random);
            }
            let _trying = Trying(target, &changed);
            checks::run(target, &changed);
        }
    }
}

/// A test for each target.
macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { check(stringify!($name)); })+
        const TESTED: &[&str] = &[$(stringify!($name)),+];
    };
}

targets!(
    coding,
    filter,
    head,
    http1_connection,
    http1_oracle,
    jsonl,
    redact,
    scan,
    seal_find,
    session_block,
    session_reader,
    session_summary,
);

#[test]
fn every_check_has_its_target_its_inputs_and_its_test() {
    let checks: Vec<&str> = checks::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(checks, TESTED);
    assert_eq!(names(&fuzz().join("fuzz_targets")), checks);
    assert_eq!(names(&fuzz().join("corpus")), checks);
}
