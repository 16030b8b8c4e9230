//! nginx as a user runs it, but in a folder and on a port of its own, with an access log that tells traces.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use super::arrivals::{Arrival, AccessLog};
use super::{curl, tool};
use crate::support::{Process, wait_for};

/// Ports tried before giving up: another process may take a free one before nginx does.
const PORTS_MAX: usize = 20;
/// Files that it serves, under `/` and, one after the other, under `/slow/`.
pub const FILES: [(&str, usize); 5] =
    [("empty", 0), ("small.txt", 100), ("page.html", 10_240), ("big.bin", 300_000), ("odd name.txt", 7)];

/// A running nginx.
pub struct Nginx {
    /// `127.0.0.1:PORT`
    pub address: String,
    log: AccessLog,
    _process: Process,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts it.
    #[track_caller]
    pub fn start() -> Self {
        let folder = crate::support::folder();
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        for (name, size) in FILES {
            std::fs::write(files.join(name), content(name, size)).unwrap();
        }
        for _ in 0..PORTS_MAX {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            if let Some(process) = serve(folder.path(), port) {
                let log = AccessLog::new(folder.path().join("access.log"));
                return Self { address: format!("127.0.0.1:{port}"), log, _process: process, folder };
            }
        }
        unreachable!("nginx found none of {PORTS_MAX} ports free")
    }

    /// What the file of this name holds.
    pub fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join("files").join(name)).unwrap()
    }

    /// The requests that came since the last call, `expected` of them or more, in the order in which they ended.
    #[track_caller]
    pub fn arrivals(&mut self, expected: u64) -> Vec<Arrival> {
        let url = format!("http://{}", self.address);
        self.log.since_last(expected, |mark| drop(curl(&[&format!("{url}{mark}")])))
    }
}

/// Bytes that tell where they stand.
fn content(name: &str, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 32);
    while bytes.len() < size {
        let line = format!("{name} at {}\n", bytes.len());
        bytes.extend_from_slice(line.as_bytes());
    }
    bytes.truncate(size);
    if name.ends_with(".bin") {
        bytes.iter_mut().step_by(3).for_each(|byte| *byte ^= 0x80);
    }
    bytes
}

/// One process in the foreground; `None` when the port is taken.
#[track_caller]
fn serve(folder: &std::path::Path, port: u16) -> Option<Process> {
    let at = folder.display();
    // A request under /slow/ waits for its turn, so that a client without a rate makes dozens of them and not thousands.
    let config = format!(
        "daemon off; master_process off; worker_processes 1; pid {at}/pid; error_log stderr notice;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
         log_format traced '$request_method $request_uri $http_traceparent $status';\n\
         access_log {at}/access.log traced;\n\
         limit_req_zone $server_port zone=turns:1m rate=60r/s;\n\
         client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3;\n\
         uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;\n\
         keepalive_requests 100000;\n\
         server {{\n\
         listen 127.0.0.1:{port};\n\
         root {at}/files;\n\
         location = /echo {{ return 200 '$request_method $args\\n'; }}\n\
         location /slow/ {{ limit_req zone=turns burst=1000; alias {at}/files/; }}\n\
         }} }}\n"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, config).unwrap();
    let pid: PathBuf = folder.join("pid");
    // `-e` so that not even the compiled-in log is opened; the process id is written once the port is bound.
    let mut process = Process::start(tool("nginx").arg("-p").arg(folder).args(["-e", "stderr", "-c"]).arg(&path));
    let started = wait_for("nginx to listen", || {
        let listens = std::fs::read(&pid).is_ok_and(|text| text.ends_with(b"\n"));
        (listens || !process.is_running()).then_some(listens)
    });
    if started {
        return Some(process);
    }
    let said = process.finish();
    assert!(said.err.contains("Address already in use"), "nginx did not start: {}", said.err);
    None
}
