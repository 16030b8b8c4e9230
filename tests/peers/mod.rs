//! Real servers, nothing of ours: nginx, httpbin under gunicorn, and peers in Python (a raw sink, an OTLP receiver,
//! WebSocket, gRPC, server-sent events).
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on fails")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

pub(crate) mod arrivals;
pub(crate) mod rotel;
pub(crate) mod sink;
pub(crate) mod spans;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{Process, set_up, wait_for};

/// How often each thing is there.
pub(crate) type Multiset = BTreeMap<String, u64>;

pub(crate) fn multiset(things: impl IntoIterator<Item = String>) -> Multiset {
    let mut out = Multiset::new();
    things.into_iter().for_each(|thing| *out.entry(thing).or_default() += 1);
    out
}

/// Ports tried before giving up: another process may take a free one before nginx does.
const PORTS_MAX: usize = 20;
/// Requests of our own that tell how far a log is; they count for nothing.
const MARK: &str = "/mark/";

/// A server with an access log of lines `METHOD TARGET TRACEPARENT STATUS`.
pub(crate) struct Server {
    pub(crate) address: String,
    log: PathBuf,
    marks: AtomicU64,
    _process: Process,
}

/// One line of an access log.
#[derive(Debug)]
pub(crate) struct Access {
    /// `GET /a?b`
    pub(crate) request: String,
    /// `-` when there was none.
    pub(crate) traceparent: String,
    /// Of the answer.
    pub(crate) status: u64,
}

impl Server {
    /// Waits until the log has `count` lines beyond the first `skip`, and returns these; more than that fail the test,
    /// also those that come until a request of our own is in the log.
    #[track_caller]
    pub(crate) fn accesses(&self, skip: usize, count: usize) -> Vec<Access> {
        let new = || self.lines().into_iter().skip(skip).collect::<Vec<_>>();
        wait_for(&format!("{count} lines beyond {skip} in {}", self.log.display()), || {
            (new().len() >= count).then_some(())
        });
        let mark = format!("{MARK}{}", self.marks.fetch_add(1, Ordering::Relaxed));
        client("curl", &["--silent", &format!("http://{}{mark}", self.address)]);
        wait_for("the mark in the log", || {
            let text = std::fs::read_to_string(&self.log).unwrap();
            text.lines().any(|line| parse(line).request.ends_with(&mark)).then_some(())
        });
        let lines = new();
        assert_eq!(lines.len(), count, "more requests arrived than were sent");
        lines.iter().map(|line| parse(line)).collect()
    }

    /// How many lines the log has.
    pub(crate) fn logged(&self) -> usize {
        self.lines().len()
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
        whole.lines().filter(|line| !line.contains(MARK)).map(str::to_owned).collect()
    }
}

fn parse(line: &str) -> Access {
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, traceparent, status] = parts.as_slice() else { panic_line(line) };
    Access {
        request: format!("{method} {}", target.trim_end_matches('?')),
        traceparent: (*traceparent).to_owned(),
        status: status.parse().unwrap(),
    }
}

#[expect(clippy::panic, reason = "a test that cannot go on fails")]
fn panic_line(line: &str) -> ! {
    panic!("not a line of the access log: {line}")
}

/// Files that nginx serves, under `/` and, sixty a second, under `/slow/`.
pub(crate) const FILES: [(&str, usize); 5] =
    [("empty", 0), ("tiny.txt", 6), ("page.html", 10_240), ("large.bin", 300_000), ("odd%20name.txt", 7)];

/// What nginx has under this name: bytes that differ from file to file, and are no text where they need not be.
pub(crate) fn content(name: &str) -> Vec<u8> {
    let (at, size) = FILES.iter().enumerate().find(|(_, one)| one.0 == name).map(|(at, one)| (at, one.1)).unwrap();
    let step = if name.ends_with(".bin") { 251 } else { 90 };
    (0..size).map(|i| u8::try_from((i * 7 + i / 999 + at) % step).unwrap()).collect()
}

/// nginx in a folder and on a port of its own.
#[track_caller]
pub(crate) fn nginx(folder: &Path) -> Server {
    let (files, log) = (folder.join("files"), folder.join("nginx-access.log"));
    std::fs::create_dir_all(&files).unwrap();
    for (name, _) in FILES {
        std::fs::write(files.join(name.replace("%20", " ")), content(name)).unwrap();
    }
    for _ in 0..PORTS_MAX {
        // nginx cannot say which port it got, so one is looked for that is free; if somebody is quicker, it ends.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if let Some(process) = nginx_at(port, folder, &files, &log) {
            return Server { address: format!("127.0.0.1:{port}"), log, marks: AtomicU64::new(0), _process: process };
        }
    }
    unreachable!("nginx found none of {PORTS_MAX} ports free")
}

/// `None` when the port is taken. One process, so that none is left when it is killed.
#[track_caller]
fn nginx_at(port: u16, folder: &Path, files: &Path, log: &Path) -> Option<Process> {
    let (conf, pid) = (folder.join("nginx.conf"), folder.join("nginx.pid"));
    // What is under /slow/ waits for its turn, so that a client without a rate makes dozens of requests, not thousands.
    let text = format!(
        "daemon off; master_process off; pid {0}/nginx.pid; error_log stderr notice; events {{ worker_connections 1000; }}
        http {{ log_format plain '$request_method $request_uri $http_traceparent $status'; access_log {1} plain;
        client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
        limit_req_zone $server_port zone=turns:1m rate=60r/s; keepalive_requests 100000;
        server {{ listen 127.0.0.1:{port}; root {2};
        location = /echo {{ return 200 '$request_method $args'; }}
        location /slow/ {{ limit_req zone=turns burst=1000; alias {2}/; }} }} }}",
        folder.display(),
        log.display(),
        files.display()
    );
    std::fs::write(&conf, text).unwrap();
    let mut process = Process::start(installed("nginx").args(["-e", "stderr", "-c"]).arg(&conf));
    // The process id is written once the port is bound.
    let listens = wait_for("nginx", || {
        let listens = std::fs::read(&pid).is_ok_and(|text| text.ends_with(b"\n"));
        (listens || !process.is_running()).then_some(listens)
    });
    if listens {
        return Some(process);
    }
    let said = process.finish();
    assert!(said.err.contains("Address already in use"), "nginx does not start: {}", said.err);
    None
}

/// httpbin under gunicorn, both from PyPI.
pub(crate) fn httpbin(folder: &Path) -> Server {
    let log = folder.join("gunicorn-access.log");
    let mut process = Process::start(
        Command::new(venv("gunicorn"))
            .args(["--bind", "127.0.0.1:0", "-k", "gthread", "--threads", "4", "--keep-alive", "30"])
            .args(["--access-logformat", "%(m)s %(U)s?%(q)s %({traceparent}i)s %(s)s", "--access-logfile"])
            .arg(&log)
            .arg("httpbin:app"),
    );
    let line = process.wait_for_err("Listening at: http://");
    let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    wait_for("httpbin", || TcpStream::connect(&address).ok());
    Server { address, log, marks: AtomicU64::new(0), _process: process }
}

/// hypercorn, from PyPI, with an application of this folder; and its address.
#[track_caller]
pub(crate) fn hypercorn(application: &str, more: &[&str]) -> (Process, String) {
    let application = script(&format!("{application}:app"));
    let mut command = Command::new(venv("python"));
    command
        .args(["-m", "hypercorn", "--bind", "127.0.0.1:0", "--graceful-timeout", "0", "--keep-alive", "1"])
        .args(more)
        .arg(application);
    let mut process = Process::start(&mut command);
    let line = process.wait_for_err("Running on ");
    let address = line.split("://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    (process, address)
}

/// One of the Python peers of this folder; its file has one JSON line for each thing that it received.
pub(crate) struct Receiver {
    pub(crate) address: String,
    file: PathBuf,
    _process: Process,
}

impl Receiver {
    pub(crate) fn start(name: &str, file: PathBuf) -> Self {
        Self::start_with(name, &[], file)
    }

    /// With arguments before the file.
    pub(crate) fn start_with(name: &str, arguments: &[&str], file: PathBuf) -> Self {
        Self::start_as(Command::new(venv("python")).arg(script(name)).args(arguments).arg(&file), file.clone())
    }

    /// With variables of the environment.
    pub(crate) fn start_in(name: &str, environment: &[(&str, &str)], file: PathBuf) -> Self {
        let mut command = Command::new(venv("python"));
        Self::start_as(command.arg(script(name)).arg(&file).envs(environment.iter().copied()), file.clone())
    }

    fn start_as(command: &mut Command, file: PathBuf) -> Self {
        let mut process = Process::start(command);
        let port = process.wait_for_err("");
        Self { address: format!("127.0.0.1:{}", port.trim()), file, _process: process }
    }

    /// Everything that was received so far. What was answered is in it.
    pub(crate) fn so_far(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until exactly `count` things were received.
    #[track_caller]
    pub(crate) fn received(&self, count: usize) -> Vec<serde_json::Value> {
        let lines = wait_for(&format!("{count} lines in {}", self.file.display()), || {
            let text = std::fs::read_to_string(&self.file).unwrap_or_default();
            let whole = text.ends_with('\n') && text.lines().count() >= count;
            whole.then(|| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        });
        assert_eq!(lines.len(), count, "more was received than was sent");
        lines
    }
}

/// One of the Python peers of this folder.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

pub(crate) fn venv(program: &str) -> PathBuf {
    set_up("test", &format!("test-venv/bin/{program}"))
}

/// A program of the system.
#[track_caller]
fn installed(program: &str) -> Command {
    let found =
        Command::new(program).arg("-h").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(found.is_ok(), "`{program}` is missing: `make test` (tools/setup test) installs it");
    Command::new(program)
}

/// Runs a client to its end and returns what it printed.
#[track_caller]
pub(crate) fn client(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = installed(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    output.stdout
}

/// The kept bytes of a message's body, as `cat` prints them.
pub(crate) fn body(message: &serde_json::Value) -> Vec<u8> {
    let body = &message["body"];
    body["text"].as_str().map_or_else(|| base64(&body["base64"]), |text| text.as_bytes().to_vec())
}

/// The bytes of a JSON string in base64; nothing for `null`.
pub(crate) fn base64(text: &serde_json::Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap_or_default()).unwrap()
}

/// `GET /a?b` of an exchange.
pub(crate) fn request(exchange: &serde_json::Value) -> String {
    let text = |name: &str| exchange["request"][name].as_str().unwrap();
    format!("{} {}", text("method"), text("target"))
}
