//! Real servers and clients that are nobody's mock: nginx, httpbin under gunicorn, a raw sink and an OTLP receiver in
//! Python, driven by curl, h2load and wrk. What is missing fails the test and says which command installs it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

pub mod arrivals;
pub mod httpbin;
pub mod nginx;
pub mod python;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// How many of each.
pub type Counts = BTreeMap<(String, String), u64>;

/// Starts nothing without its program: the test fails with the command that installs it.
pub fn tool(name: &str) -> Command {
    let missing = match Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(_) => false,
    };
    assert!(!missing, "this test needs `{name}`, which is not installed: run `make test`, which installs it");
    Command::new(name)
}

/// A program of the tests' virtual environment.
pub fn in_venv(name: &str) -> Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    // A relative one counts from where cargo was called, which is the repository.
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(target).join("test-venv/bin").join(name);
    assert!(path.exists(), "this test needs {}, which is not there: run `make test`, which makes it", path.display());
    Command::new(path)
}

/// Runs a client to its end and returns what it printed, byte for byte.
#[track_caller]
pub fn output(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output.stdout
}

/// `curl` with these arguments, and nothing from the caller's own configuration.
#[track_caller]
pub fn curl(arguments: &[&str]) -> Vec<u8> {
    output(tool("curl").args(["--disable", "--silent", "--show-error", "--noproxy", "*"]).args(arguments))
}

/// Kept bytes of the body of `exchange["request"]` or `exchange["response"]`.
pub fn body(message: &Value) -> Vec<u8> {
    let body = &message["body"];
    match (body["text"].as_str(), body["base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(text)) => base64(text),
        (None, None) => Vec::new(),
    }
}

/// Decodes padded base64.
pub fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let digit = DIGITS.iter().position(|digit| *digit == byte).unwrap_or_else(|| panic!("no base64: {text}"));
        bits = bits << 6 | u32::try_from(digit).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}

/// Method and target of an exchange.
pub fn method_and_target(exchange: &Value) -> (String, String) {
    let text = |name: &str| exchange["request"][name].as_str().unwrap().to_owned();
    (text("method"), text("target"))
}

/// Counts equal ones.
pub fn counts(of: impl IntoIterator<Item = (String, String)>) -> Counts {
    let mut counts = Counts::new();
    for one in of {
        *counts.entry(one).or_default() += 1;
    }
    counts
}
