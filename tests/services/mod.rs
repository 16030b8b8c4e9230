//! An application of three services, each instrumented by OpenTelemetry's own SDKs: a front in Node, a back and a database
//! in Python. Every tenth query of prices is slow, and only the front's `/cart` asks for prices.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peers::venv;
use crate::support::Process;

/// The running services.
pub(crate) struct Services {
    /// Of the front.
    pub(crate) address: String,
    _processes: [Process; 3],
}

impl Services {
    /// Starts them with their spans going to `collector` (`127.0.0.1:PORT`).
    pub(crate) fn start(collector: &str) -> Self {
        let mut database = started(Command::new(venv("python")).arg(script("database.py")), collector);
        let database_at = address(&mut database);
        let mut back = started(Command::new(venv("python")).arg(script("back.py")).arg(database_at), collector);
        let back_at = address(&mut back);
        let mut front = Command::new("node");
        front.env("NODE_PATH", node_packages()).arg(script("front.js")).arg(back_at);
        let mut front = started(&mut front, collector);
        Self { address: address(&mut front), _processes: [database, back, front] }
    }
}

fn started(command: &mut Command, collector: &str) -> Process {
    let command = command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"))
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_BSP_SCHEDULE_DELAY", "200");
    Process::start(command)
}

/// The first line that a service says is its port.
fn address(service: &mut Process) -> String {
    format!("127.0.0.1:{}", service.wait_for_err("").trim())
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services").join(name)
}

fn node_packages() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let path = target.join("test-node/node_modules");
    assert!(path.exists(), "{} is missing: `make test` (tools/setup test) installs it", path.display());
    path
}
