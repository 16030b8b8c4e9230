//! rotel, a collector from PyPI.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PORTS_MAX, venv};
use crate::support::{Process, text, wait_for};

/// A collector that is not ours.
pub(crate) struct Rotel {
    /// For gRPC and for HTTP.
    pub(crate) urls: [String; 2],
    _process: Process,
}

impl Rotel {
    /// Passes every span on to `behind`, over gRPC; more places than one it has not.
    #[track_caller]
    pub(crate) fn start(folder: &Path, behind: &str) -> Self {
        for _ in 0..PORTS_MAX {
            // It cannot say which ports it got, so two are looked for that are free; if somebody is quicker, it ends.
            let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
            let addresses = free.each_ref().map(|one| one.local_addr().unwrap().to_string());
            drop(free);
            let port = addresses[0].rsplit(':').next().unwrap();
            let files = ["pid", "log"].map(|what| text(&folder.join(format!("rotel-{port}.{what}"))));
            let mut command = Command::new(program());
            command
                .args(["start", "--otlp-grpc-endpoint", &addresses[0], "--otlp-http-endpoint", &addresses[1]])
                .args(["--exporter", "otlp", "--otlp-exporter-endpoint", behind, "--otlp-exporter-protocol", "grpc"])
                .args(["--pid-file", &files[0], "--log-file", &files[1]]);
            let mut process = Process::start(&mut command);
            let listens = wait_for("rotel", || {
                let listens = addresses.iter().all(|address| TcpStream::connect(address).is_ok());
                (listens || !process.is_running()).then_some(listens)
            });
            if listens {
                return Self { urls: addresses.map(|address| format!("http://{address}")), _process: process };
            }
        }
        unreachable!("rotel found none of {PORTS_MAX} ports free")
    }
}

/// Its Python package is a wrapper around it.
fn program() -> PathBuf {
    let library = venv("python").parent().unwrap().parent().unwrap().join("lib");
    let mut pythons = std::fs::read_dir(library).unwrap().map(|entry| entry.unwrap().path());
    let found =
        pythons.find_map(|path| Some(path.join("site-packages/rotel/rotel-agent")).filter(|path| path.exists()));
    assert!(found.is_some(), "rotel is missing: `make test` (tools/setup test) installs it");
    found.unwrap()
}
