//! A recorder with an address for its operator, and the service behind it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::support::{PATIENCE, Process, reenact, run, text};

/// A service that answers every request with `ok`, and keeps its connections.
pub(crate) fn service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    while read_head(&mut stream).is_some() {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// A client that keeps its connection.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Whether the request was answered.
    pub(crate) fn get(&mut self, path: &str) -> bool {
        let asked = self.0.write_all(format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n").as_bytes());
        let mut body = [0; 2];
        asked.is_ok()
            && read_head(&mut self.0).is_some_and(|head| head.starts_with("HTTP/1.1 200"))
            && self.0.read_exact(&mut body).is_ok()
            && &body == b"ok"
    }
}

/// A recorder with `--admin`, ended by the test.
pub(crate) struct Operated {
    pub(crate) process: Process,
    pub(crate) address: String,
    /// What curl asks.
    admin: String,
}

impl Operated {
    /// Before `upstream`, with `--admin 127.0.0.1:0`.
    pub(crate) fn start(upstream: SocketAddr, out: &Path, more: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", "127.0.0.1:0", upstream, out, more)
    }

    pub(crate) fn start_at(listen: &str, admin: &str, upstream: SocketAddr, out: &Path, more: &[&str]) -> Self {
        let (upstream, out) = (format!("http://{upstream}"), text(out));
        let own = ["record", "--listen", listen, "--upstream", &upstream, "--out", &out, "--admin", admin, "--json"];
        Self::of(Process::start(reenact(own).args(more)))
    }

    /// One that was started with `--admin`.
    pub(crate) fn of(mut process: Process) -> Self {
        let listening = process.wait_for_err("listening on ");
        let operated = process.wait_for_err("operated at ");
        let word =
            |line: &str, after: &str| line.split(after).nth(1).unwrap().split([',', ' ']).next().unwrap().to_owned();
        Self {
            process,
            address: word(&listening, "listening on "),
            admin: word(&operated, "operated at ").trim_end_matches(':').to_owned(),
        }
    }

    /// Status and body of what curl is answered; `more` are options of curl.
    #[track_caller]
    pub(crate) fn ask(&self, path: &str, more: &[&str]) -> (u16, String) {
        match self.admin.strip_prefix("unix:") {
            Some(socket) => curl(&format!("http://admin{path}"), &[&["--unix-socket", socket], more].concat()),
            None => curl(&format!("{}{path}", self.admin), more),
        }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> String {
        let (status, body) = self.ask(path, &[]);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// What an action on `/recording` is answered.
    #[track_caller]
    pub(crate) fn act(&self, action: &str, body: &str) -> (u16, serde_json::Value) {
        let (status, said) = self.ask(&format!("/recording/{action}"), &["-X", "POST", "--data", body]);
        (status, serde_json::from_str(&said).unwrap_or(serde_json::Value::String(said)))
    }

    #[track_caller]
    pub(crate) fn recording(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/recording")).unwrap()
    }

    /// Every series of `/metrics`, as written before its value.
    #[track_caller]
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let series = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        };
        self.get("/metrics").lines().filter(|line| !line.starts_with('#')).map(series).collect()
    }

    /// The port of the operator's address.
    pub(crate) fn admin_port(&self) -> &str {
        self.admin.rsplit(':').next().unwrap()
    }

    /// Ends it; its summary.
    #[track_caller]
    pub(crate) fn end(self) -> serde_json::Value {
        self.process.signal("TERM");
        let said = self.process.finish();
        assert_eq!(said.code, 0, "{}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }
}

#[track_caller]
pub(crate) fn curl(url: &str, more: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "15", "--noproxy", "*", "--write-out", "\n%{http_code}"]);
    let said = run(command.args(more).arg(url));
    let Some((body, status)) = said.out.rsplit_once('\n').filter(|_| said.code == 0) else {
        panic!("curl {url} {more:?}: {said:?}")
    };
    (status.parse().unwrap(), body.to_owned())
}
