//! A recorder and the peers around it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

pub(crate) mod certificates;
pub(crate) mod kept;
pub(crate) mod nginx;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{PATIENCE, Process, Said, reenact, run, text, wait_for};

/// A recorder that is ended by the test, and its session.
pub(crate) struct Recorder {
    process: Option<Process>,
    pub(crate) address: String,
    pub(crate) session: PathBuf,
}

impl Recorder {
    pub(crate) fn start(folder: &TempDir, more: &[&str]) -> Self {
        Self::start_at(folder, "127.0.0.1:0", more)
    }

    pub(crate) fn start_at(folder: &TempDir, listen: &str, more: &[&str]) -> Self {
        let session = (0..).map(|at| folder.path().join(format!("session-{at}"))).find(|path| !path.exists()).unwrap();
        let out = text(&session);
        let arguments = ["record", "--listen", listen, "--out", &out, "--json"];
        let mut process = Process::start(reenact(arguments).args(more).env("RUST_LOG", "warn"));
        process.wait_for_err("listening on ");
        let address = listening(&process.err()).remove(0);
        Self { process: Some(process), address, session }
    }

    /// The addresses of all its pairs.
    pub(crate) fn addresses(&self, count: usize) -> Vec<String> {
        let process = self.process.as_ref().unwrap();
        wait_for("all addresses", || Some(listening(&process.err())).filter(|lines| lines.len() == count))
    }

    /// Its address as a URL under another name.
    pub(crate) fn at(&self, name: &str) -> String {
        at(&self.address, name)
    }

    pub(crate) fn err(&self) -> String {
        self.process.as_ref().unwrap().err()
    }

    pub(crate) fn wait_for_err(&mut self, what: &str) {
        self.process.as_mut().unwrap().wait_for_err(what);
    }

    /// Ends it and returns its summary; nothing may be missing from the session.
    #[track_caller]
    pub(crate) fn end(&mut self) -> serde_json::Value {
        self.end_with(&[0])
    }

    /// The same where something passed that need not be captured: HTTP/2, or no HTTP at all.
    #[track_caller]
    pub(crate) fn end_with_loss(&mut self) -> serde_json::Value {
        self.end_with(&[0, 3])
    }

    #[track_caller]
    fn end_with(&mut self, codes: &[i32]) -> serde_json::Value {
        let process = self.process.take().unwrap();
        process.signal("TERM");
        let said = process.finish();
        assert!(codes.contains(&said.code), "{}: {}", said.code, said.err);
        assert!(!said.err.contains("panicked"), "{}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }
}

fn listening(said: &str) -> Vec<String> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("listening on "));
    lines.map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

/// `https://NAME:PORT|ADDRESS`, which `curl` resolves itself.
pub(crate) fn at(address: &str, name: &str) -> String {
    let port = address.rsplit(':').next().unwrap();
    format!("https://{name}:{port}")
}

/// A program that has to be installed.
pub(crate) fn installed(name: &str) -> Command {
    Command::new(name)
}

/// What curl got for the last of `arguments`, a path, at `base`; names resolve to loopback.
pub(crate) fn curl_says(base: &str, authorities: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = installed("curl");
    command.args(["--silent", "--show-error", "--fail", "--max-time", "15", "--noproxy", "*"]);
    if base.starts_with("https") {
        let port = base.rsplit(':').next().unwrap();
        let host = base.trim_start_matches("https://").split(':').next().unwrap();
        command.args(["--resolve", &format!("{host}:{port}:127.0.0.1"), "--cacert", &text(authorities)]);
    }
    for argument in arguments {
        if argument.starts_with('/') && !Path::new(argument).exists() {
            command.arg(format!("{base}{argument}"));
        } else {
            command.arg(argument);
        }
    }
    let output = command.output().unwrap();
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test that cannot go on fails")]
pub(crate) fn curl(base: &str, authorities: &Path, arguments: &[&str]) -> Vec<u8> {
    curl_says(base, authorities, arguments).unwrap_or_else(|error| panic!("curl {base} {arguments:?}: {error}"))
}

#[track_caller]
pub(crate) fn curl_fails(base: &str, authorities: &Path, arguments: &[&str]) {
    let said = curl_says(base, authorities, arguments);
    assert!(said.is_err(), "curl {base} {arguments:?} got {said:?}");
}

/// Everything that comes back for these bytes.
pub(crate) fn raw(address: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer); // an end or a reset
    String::from_utf8(answer).unwrap()
}

/// Reads up to the end of a head.
pub(crate) fn read_head(socket: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// What the recorder says when it does not start.
#[track_caller]
pub(crate) fn refused(folder: &TempDir, more: &[&str]) -> Said {
    let out = text(&folder.path().join("refused"));
    let said = run(reenact(["record", "--out", &out]).args(more));
    assert_eq!(said.code, 2, "{more:?}: {}", said.err);
    assert!(said.err.contains("hint: "), "{}", said.err);
    said
}
