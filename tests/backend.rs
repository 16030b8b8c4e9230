//! A backend that is not ours, Arize Phoenix, shows a replay's spans and those of three services under it, each under its parent.
//! It keeps no links of any span: these are seen behind rotel (`exporting.rs`).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod services;
mod support;

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use peers::client;
use peers::rotel::Rotel;
use scripted::{line, session};
use serde_json::Value;
use services::Services;
use support::{Process, folder, inside, reenact_says, set_up, text, wait_for};

const REQUESTS: usize = 40;
/// Of each of them: ours, the front's server and client, the back's server and client, and the database.
const SPANS: usize = 6;
/// Spans of the run besides: its own, and those of lead, steady and drain.
const OF_THE_RUN: usize = 4;

struct Phoenix {
    grpc: String,
    http: String,
    _process: Process,
}

impl Phoenix {
    fn start(folder: &Path) -> Self {
        // It cannot say which ports it got.
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [http, grpc] = free.each_ref().map(|one| one.local_addr().unwrap().port().to_string());
        drop(free);
        let mut command = Command::new(set_up("backend", "backend-venv/bin/phoenix"));
        command
            .arg("serve")
            .env("PHOENIX_TELEMETRY_ENABLED", "false")
            .env("PHOENIX_WORKING_DIR", folder)
            .env("PHOENIX_HOST", "127.0.0.1")
            .env("PHOENIX_PORT", &http)
            .env("PHOENIX_GRPC_PORT", &grpc);
        let process = Process::start(&mut command);
        let [http, grpc] = [http, grpc].map(|port| format!("http://127.0.0.1:{port}"));
        // It makes its database first, which takes a minute or two on a busy machine.
        let health = format!("{http}/healthz");
        client("curl", &["-sf", "--retry", "300", "--retry-delay", "1", "--retry-connrefused", &health]);
        Self { grpc, http, _process: process }
    }

    /// All spans, page by page, as its API gives them.
    fn spans(&self) -> Vec<Value> {
        let (mut spans, mut cursor) = (Vec::new(), String::new());
        loop {
            let url = format!("{}/v1/projects/default/spans?limit=200{cursor}", self.http);
            let page: Value = serde_json::from_slice(&client("curl", &["-sf", &url])).unwrap();
            spans.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return spans,
            }
        }
    }
}

#[test]
#[ignore = "needs 850 MB of Python: tools/setup backend, then cargo nextest run --run-ignored only a_backend"]
fn a_backend_that_is_not_ours_shows_every_request_with_what_services_did_for_it() {
    let folder = folder();
    let phoenix = Phoenix::start(folder.path());
    // It reads no JSON, which is what the front's SDK sends.
    let rotel = Rotel::start(folder.path(), &phoenix.grpc);
    let [grpc, http] = &rotel.urls;
    let services = Services::start(grpc, http);
    let requests: Vec<_> = (0..REQUESTS as u64).map(|at| line(at * 50, at % 5 + 1, "GET", "/cart")).collect();
    let session = text(&session(folder.path(), "s", &requests));
    let target = format!("http://{}", services.address);
    for (number, (protocol, endpoint)) in
        [("grpc", &phoenix.grpc), ("http/protobuf", &phoenix.http)].into_iter().enumerate()
    {
        let out = text(&inside(&folder, &format!("run-{number}")));
        let said = reenact_says([
            "replay",
            &session,
            "--target",
            &target,
            "--out",
            &out,
            "--otlp-endpoint",
            endpoint,
            "--otlp-protocol",
            protocol,
        ]);
        assert_eq!(said.code, 0, "{said:?}");
        let wanted = (number + 1) * (REQUESTS * SPANS + OF_THE_RUN);
        let spans = wait_for("all spans", || Some(phoenix.spans()).filter(|spans| spans.len() >= wanted));
        assert_eq!(spans.len(), wanted);
        let by_id: HashMap<&str, &Value> =
            spans.iter().map(|span| (span["context"]["span_id"].as_str().unwrap(), span)).collect();
        let parent = |span: &Value| span["parent_id"].as_str().map(|id| by_id[id]);
        let (mut of_requests, mut queries) = (0, 0);
        for span in &spans {
            // Whoever has a parent has one that is there, in the same trace.
            assert!(parent(span).is_none_or(|parent| parent["context"]["trace_id"] == span["context"]["trace_id"]));
            of_requests += usize::from(span["name"] == "GET /cart" && parent(span).is_none());
            if span["name"] == "SELECT prices" {
                let chain = std::iter::successors(Some(span), |span| parent(span)).count();
                assert_eq!(chain, SPANS, "{span}");
                queries += 1;
            }
        }
        assert_eq!((of_requests, queries), ((number + 1) * REQUESTS, (number + 1) * REQUESTS));
    }
}
