//! An application of three services, each instrumented by OpenTelemetry's own SDKs: a front in Node, a back and a database
//! in Python. Every tenth query of prices is slow, and only the front's `/cart` asks for prices.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peers::venv;
use crate::support::{Process, set_up};

/// The running services.
pub(crate) struct Services {
    /// Of the front.
    pub(crate) address: String,
    _processes: [Process; 3],
}

impl Services {
    /// Starts them with their spans going to one place (`http://127.0.0.1:PORT`) for those of the back, over gRPC, and to one
    /// for the others', over HTTP.
    pub(crate) fn start(grpc: &str, http: &str) -> Self {
        let mut database = started(Command::new(venv("python")).arg(script("database.py")), http);
        let database_at = address(&mut database);
        let mut back = started(Command::new(venv("python")).arg(script("back.py")).arg(database_at), grpc);
        let back_at = address(&mut back);
        let mut front = Command::new("node");
        front.env("NODE_PATH", set_up("test", "test-node/node_modules")).arg(script("front.js")).arg(back_at);
        let mut front = started(&mut front, http);
        Self { address: address(&mut front), _processes: [database, back, front] }
    }
}

fn started(command: &mut Command, collector: &str) -> Process {
    let command = command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
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
