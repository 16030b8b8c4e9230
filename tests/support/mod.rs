//! What every end-to-end test needs: a folder of its own, the binary, processes that die with the test, and waiting on
//! conditions with a deadline instead of sleeping.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long any condition may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that is removed with the test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("reenact-test-").tempdir().unwrap()
}

/// What `tools/setup FOR` has put below the target directory.
#[track_caller]
pub(crate) fn set_up(for_what: &str, path: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let path = target.join(path);
    assert!(path.exists(), "{} is missing: tools/setup {for_what} installs it", path.display());
    path
}

/// `reenact` with these arguments and a clean environment of its own variables.
pub(crate) fn reenact<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reenact"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REENACT_") || name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    // Tests share their machine with other tests; what makes a run invalid has tests of its own.
    command.env("REENACT_LAG_LIMIT", "strained=1h,invalid=1h");
    command
}

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    let output = command.output().expect("the command starts");
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `reenact` to its end.
pub(crate) fn reenact_says<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Said {
    run(&mut reenact(arguments))
}

/// Waits until `condition` gives something.
#[expect(clippy::disallowed_methods, reason = "the one place that waits: looks again until the deadline")]
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that is killed when the test is over.
pub(crate) struct Process {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it with its output collected.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let out = collect(child.stdout.take().unwrap());
        let err = collect(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Standard output so far.
    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    /// Standard error so far.
    pub(crate) fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits for a line of standard error that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for_err(&mut self, text: &str) -> String {
        let err = Arc::clone(&self.err);
        let child = &mut self.child;
        wait_for(&format!("`{text}` on standard error"), || {
            let said = err.lock().unwrap().clone();
            let line = said.lines().find(|line| line.contains(text)).map(str::to_owned);
            if line.is_none() && child.try_wait().unwrap().is_some() {
                panic!("ended before it said `{text}`:\n{said}");
            }
            line
        })
    }

    /// Sends a signal by name (`INT`, `TERM`, `HUP`, `KILL`, `STOP`, `CONT`).
    pub(crate) fn signal(&self, name: &str) {
        use rustix::process::{Pid, Signal, kill_process};
        let signal = match name {
            "INT" => Signal::INT,
            "TERM" => Signal::TERM,
            "HUP" => Signal::HUP,
            "KILL" => Signal::KILL,
            "STOP" => Signal::STOP,
            "CONT" => Signal::CONT,
            _ => panic!("{name} is no signal of these tests"),
        };
        let id = Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the end of a process", || child.try_wait().unwrap())
    }

    /// Waits for its end and returns everything that it said.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Said {
        let code = self.wait().code().unwrap_or(-1);
        // The pipes are read to their ends by threads that end with them.
        let (out, err) = (Arc::clone(&self.out), Arc::clone(&self.err));
        drop(self);
        wait_for("the end of its output", || {
            (Arc::strong_count(&out) == 1 && Arc::strong_count(&err) == 1).then_some(())
        });
        Said { code, out: out.lock().unwrap().clone(), err: err.lock().unwrap().clone() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            shared.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    text
}

/// A recorder before `upstream` (`127.0.0.1:PORT`), writing into `out`; returns it and the address that it listens on.
pub(crate) fn recorder(upstream: &str, out: &Path, more: &[&str]) -> (Process, String) {
    let upstream = format!("http://{upstream}");
    let arguments = ["record", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--out", out.to_str().unwrap()];
    let mut process = Process::start(reenact(arguments).args(more));
    let line = process.wait_for_err("listening on ");
    let address = line.split("listening on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    (process, address)
}

/// The lines of `reenact cat` as JSON.
pub(crate) fn cat(session: &Path) -> Vec<serde_json::Value> {
    let said = reenact_says([OsStr::new("cat"), session.as_os_str()]);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The exchanges among them.
pub(crate) fn exchanges(session: &Path) -> Vec<serde_json::Value> {
    cat(session).into_iter().filter(|line| line["type"] == "exchange").collect()
}

/// `run.json` of a run directory.
pub(crate) fn run_json(directory: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(directory.join("run.json")).unwrap()).unwrap()
}

/// The path as text.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A path inside a folder.
pub(crate) fn inside(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

/// All files of a directory, and of those in it.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path) } else { vec![path] }
        })
        .collect()
}

/// A library for LD_PRELOAD of this source, which is named as from the repository's root.
#[track_caller]
pub(crate) fn library(folder: &Path, source: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let library = folder.join(source.file_stem().unwrap()).with_extension("so");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    assert!(built.unwrap().success(), "cc is missing: `make test` (tools/setup test) installs it");
    library
}
