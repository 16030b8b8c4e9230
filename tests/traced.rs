//! Spans of whole runs at a real receiver of OTLP: every end that a request can have, a budget, and the run's phases.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use peers::Receiver;
use scripted::{OK, line, read_head, read_up_to, session, target};
use support::{Process, folder, inside, reenact, run, run_json, text, wait_for};

const CLIENT: u64 = 3;
const ERROR: u64 = 2;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn receiver(folder: &tempfile::TempDir) -> (Receiver, String) {
    let receiver = Receiver::start("otlp.py", inside(folder, "spans"));
    let endpoint = format!("http://{}", receiver.address);
    (receiver, endpoint)
}

fn of_requests(spans: &[Value]) -> Vec<&Value> {
    spans.iter().filter(|span| span["kind"] == CLIENT).collect()
}

fn of_run(spans: &[Value]) -> &Value {
    let run: Vec<_> = spans.iter().filter(|span| span["name"] == "reenact replay").collect();
    assert_eq!(run.len(), 1, "{run:?}");
    run[0]
}

/// Names of the phases, in the order in which they begin, all of them children of the run and within it.
fn phases(spans: &[Value]) -> Vec<&str> {
    let run = of_run(spans);
    let mut phases: Vec<_> = spans.iter().filter(|span| span["attributes"]["reenact.phase.name"].is_string()).collect();
    phases.sort_by_key(|phase| (phase["start_ns"].as_u64(), phase["end_ns"].as_u64()));
    for phase in &phases {
        assert_eq!((&phase["parent"], &phase["trace_id"]), (&run["span_id"], &run["trace_id"]), "{phase}");
        assert!(phase["start_ns"].as_u64() >= run["start_ns"].as_u64(), "{phase} {run}");
        assert!(phase["end_ns"].as_u64() <= run["end_ns"].as_u64(), "{phase} {run}");
        assert_eq!(phase["name"], format!("reenact {}", phase["attributes"]["reenact.phase.name"].as_str().unwrap()));
    }
    phases.iter().map(|phase| phase["attributes"]["reenact.phase.name"].as_str().unwrap()).collect()
}

/// What becomes of a request by its path.
fn misbehave(mut socket: TcpStream) {
    // One byte stays unread, so that closing is a reset.
    while let Some(head) = read_up_to(&mut socket, b"\r\n\r") {
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap();
        if path == "/reset" {
            return;
        }
        std::io::Read::read_exact(&mut socket, &mut [0]).unwrap();
        let answer: &[u8] = match path {
            "/missing" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "/broken" => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            "/nonsense" => b"nonsense\r\n\r\n",
            "/hangs" => {
                drop(std::io::copy(&mut socket, &mut std::io::sink()));
                return;
            }
            "/closed" => return,
            _ => OK,
        };
        if socket.write_all(answer).is_err() || path == "/cut" {
            return;
        }
    }
}

#[test]
fn every_end_of_a_request_is_a_span_that_says_so() {
    let folder = folder();
    let ends = [
        ("/fine", None, Some(200)),
        ("/missing", Some("404"), Some(404)),
        ("/broken", Some("503"), Some(503)),
        ("/cut", Some("truncated"), Some(200)),
        ("/reset", Some("reset"), None),
        ("/closed", Some("closed"), None),
        ("/hangs", Some("timeout"), None),
        ("/nonsense", Some("protocol"), None),
    ];
    let mut lines: Vec<_> = (0..).zip(ends).map(|(at, (path, ..))| line(at * 5, at, "GET", path)).collect();
    // Two of one recorded trace; of the second, the method is none that the conventions know.
    let traced = |method, path| {
        let header = format!(r#"["traceparent","00-{TRACE}-b7ad6b7169203331-00"],["Host""#);
        line(100, 50, method, path).replace(r#"["Host""#, &header)
    };
    lines.extend([traced("GET", "/item/1?q=secret"), traced("PROPFIND", "/item/2")]);
    let session = session(folder.path(), "s", &lines);
    let (receiver, endpoint) = receiver(&folder);
    let (to, out) = (format!("http://{}", target(misbehave)), inside(&folder, "run"));
    let arguments =
        ["--timeout", "1s", "--otlp-endpoint", &endpoint, "--unsafe-methods", "send", "--environment", "tests"];
    let mut command =
        reenact([&["replay", &text(&session), "--target", &to, "--out", &text(&out)], &arguments[..]].concat());
    let said = run(command
        .env("OTEL_RESOURCE_ATTRIBUTES", "team=load%2Ctests,deployment.environment.name=production")
        .env("OTEL_SERVICE_NAME", "nightly")
        .env("OTEL_PROPAGATORS", "b3,tracecontext"));
    assert_eq!(said.code, 0, "{said:?}");
    let (spans, result) = (receiver.so_far(), run_json(&out));
    let requests = of_requests(&spans);
    assert_eq!((requests.len(), &result["spans"]["exported"]), (lines.len(), &lines.len().into()));

    let by_path = |path: &str| {
        let url = format!("{to}{path}");
        *requests.iter().find(|span| span["attributes"]["url.full"] == url).unwrap_or_else(|| unreachable!("{url}"))
    };
    for (path, error, status) in ends {
        let (span, name) = (by_path(path), format!("GET {path}"));
        let attributes = &span["attributes"];
        assert_eq!((span["name"].as_str(), attributes["error.type"].as_str()), (Some(name.as_str()), error), "{span}");
        assert_eq!(attributes["http.response.status_code"].as_u64(), status, "{span}");
        assert_eq!(span["status"] == ERROR, error.is_some(), "{span}");
        assert_eq!(span["said"] == "", status.is_some_and(|status| status != 200) || error.is_none(), "{span}");
        assert_eq!(attributes["network.peer.address"], "127.0.0.1", "{span}");
        assert_eq!(attributes["reenact.recorded.status_code"], 200, "{span}");
        assert_eq!(span["schema"], "https://opentelemetry.io/schemas/1.42.0");
        assert_eq!((span["links"].as_array().unwrap().len(), span["flags"].as_u64().unwrap() & 0xff), (1, 3), "{span}");
    }
    assert!(by_path("/hangs")["duration_ns"].as_u64().unwrap() >= 1_000_000_000);

    let (first, second) = (by_path("/item/1?q=REDACTED"), by_path("/item/2"));
    assert_eq!((&first["name"], &second["name"]), (&"GET /item/{id}".into(), &"HTTP /item/{id}".into()));
    assert_eq!(second["attributes"]["http.request.method_original"], "PROPFIND");
    assert_eq!((&second["trace_id"], &second["parent"]), (&first["trace_id"], &first["span_id"]));
    let run = of_run(&spans);
    assert_eq!(first["links"], serde_json::json!([run["trace_id"], TRACE]));
    let named: Vec<_> = first["link_attributes"].as_array().unwrap().iter().map(|one| &one["reenact.link"]).collect();
    assert_eq!(named, ["run", "recorded"]);

    assert_eq!(
        (&run["attributes"]["reenact.verdict"], &run["attributes"]["reenact.plan_hash"]),
        (&result["verdict"]["outcome"], &result["plan_hash"])
    );
    assert_eq!(run["attributes"]["reenact.sessions"], serde_json::json!([text(&session)]));
    // What was asked, as run.json has it; where the spans go is no part of it.
    let asked = result["asked"].as_object().unwrap();
    assert_eq!((&asked["timeout"], &asked["propagators"]), (&"1s".into(), &"tracecontext,b3".into()), "{asked:?}");
    for (name, value) in asked {
        assert_eq!(&run["attributes"][format!("reenact.asked.{name}")], value);
    }
    assert!(!run.to_string().contains(&receiver.address), "{run}");
    assert_eq!(phases(&spans), ["lead", "steady", "drain"]);
    let resource = &run["resource"];
    assert_eq!((&resource["service.name"], &resource["team"]), (&"nightly".into(), &"load,tests".into()));
    assert_eq!(resource["deployment.environment.name"], "tests", "what the command line says");
    assert_eq!(resource["service.instance.id"], result["run_id"]);
}

#[test]
fn a_target_that_went_away_is_refused_in_spans_too() {
    let folder = folder();
    let session = session(folder.path(), "s", &[line(0, 1, "GET", "/item/1")]);
    let (receiver, endpoint) = receiver(&folder);
    // It takes the connection that looks whether somebody is there, and then it is gone.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let gone = std::thread::spawn(move || drop((listener.accept().unwrap(), listener)));
    let mut command =
        reenact(["replay", &text(&session), "--target", &format!("http://{address}"), "--otlp-endpoint", &endpoint]);
    let said = run(command.current_dir(folder.path()).env("OTEL_RESOURCE_ATTRIBUTES", "team"));
    gone.join().unwrap();
    assert!(said.err.contains("OTEL_RESOURCE_ATTRIBUTES is left out as a whole: `team` is no KEY=VALUE"), "{said:?}");
    let spans = receiver.so_far();
    let [span] = of_requests(&spans)[..] else { unreachable!("{spans:?}") };
    assert_eq!((&span["attributes"]["error.type"], &span["status"]), (&"refused".into(), &ERROR.into()), "{span}");
    assert_eq!(span["said"], "the target refused the connection");
    assert_eq!(span["attributes"]["network.peer.port"], address.port());
    assert!(
        span["attributes"]["http.response.status_code"].is_null() && span["attributes"]["reenact.lag_ns"].is_null()
    );
}

/// Flags on the wire by span id, and a target that answers every 40th request with 500.
fn noting() -> (String, Arc<Mutex<BTreeMap<String, u64>>>) {
    let flags = Arc::new(Mutex::new(BTreeMap::new()));
    let noted = Arc::clone(&flags);
    let address = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8(head).unwrap();
            let context = head.split("traceparent: 00-").nth(1).unwrap();
            let (id, flags) = (context[33..49].to_owned(), u64::from_str_radix(&context[50..52], 16).unwrap());
            noted.lock().unwrap().insert(id, flags);
            let number: u64 = head.split(' ').nth(1).unwrap().rsplit('/').next().unwrap().parse().unwrap();
            let answer: &[u8] = if number % 40 == 39 { b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" } else { OK };
            if socket.write_all(answer).is_err() {
                break;
            }
        }
    });
    (format!("http://{address}"), flags)
}

fn numbered(folder: &Path, count: u64) -> PathBuf {
    session(folder, "s", &(0..count).map(|i| line(i * 5, i % 7 + 1, "GET", &format!("/item/{i}"))).collect::<Vec<_>>())
}

#[test]
fn a_budget_bounds_the_spans_and_every_request_is_accounted() {
    let folder = folder();
    let session = numbered(folder.path(), 600);
    let (receiver, endpoint) = receiver(&folder);
    let ((to, flags), out) = (noting(), inside(&folder, "run"));
    let budget = ["--span-budget", "40/s", "--otlp-endpoint", &endpoint, "--trace-sample", "0.9"];
    let said =
        run(&mut reenact([&["replay", &text(&session), "--target", &to, "--out", &text(&out)], &budget[..]].concat()));
    assert_eq!(said.code, 0, "{said:?}");
    let (spans, result, flags) = (receiver.so_far(), run_json(&out), flags.lock().unwrap());
    let requests = of_requests(&spans);
    let told = &result["spans"];
    let sum = |counts: &Value| counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!(told["exported"], requests.len());
    assert_eq!(requests.len() as u64 + sum(&told["sampled_out"]) + sum(&told["dropped"]), 600, "{told}");
    assert!(said.out.contains("sampled out (budget "), "{}", said.out);
    let not_drawn = told["sampled_out"]["head"].as_u64().unwrap();
    assert!((20..120).contains(&not_drawn), "about a tenth of 600: {told}");

    // 32 a second at the head, for three seconds; a tenth of a second may be saved.
    let (drawn, kept): (Vec<&Value>, Vec<&Value>) =
        requests.iter().copied().partition(|span| span["flags"].as_u64().unwrap() & 1 == 1);
    assert!((60..=100).contains(&drawn.len()), "{}", drawn.len());
    // Eight a second are held back, of which up to four are errors; seconds are counted from due instant 0.
    assert_eq!(sum(&told["kept_at_end"]), kept.len() as u64);
    let lead = spans.iter().find(|span| span["name"] == "reenact lead").unwrap();
    let ended_ns = |span: &Value| span["end_ns"].as_u64().unwrap() - lead["end_ns"].as_u64().unwrap();
    let mut by_second = BTreeMap::<u64, u64>::new();
    kept.iter().for_each(|span| *by_second.entry(ended_ns(span) / 1_000_000_000).or_default() += 1);
    assert!(!kept.is_empty() && by_second.values().all(|count| *count <= 8), "{by_second:?}");
    assert!(told["kept_at_end"]["error"].as_u64().unwrap() > 0, "{told}");
    for span in &requests {
        let id = span["span_id"].as_str().unwrap();
        assert_eq!(
            span["flags"].as_u64().unwrap() & 0xff,
            flags[id],
            "the flag in the span is that on the wire: {span}"
        );
    }
    for span in kept {
        let (why, status) =
            (&span["attributes"]["reenact.kept_at_end"], &span["attributes"]["http.response.status_code"]);
        assert!(why == "slow" || (why == "error" && status == 500), "{span}");
    }
    let sampled = flags.values().filter(|flags| **flags == 3).count();
    assert_eq!((flags.len(), sampled), (600, drawn.len()), "no other request says that it is sampled");
}

#[test]
fn a_run_is_parted_into_phases_also_when_it_is_interrupted() {
    let folder = folder();
    let session = numbered(folder.path(), 2_000);
    let (receiver, endpoint) = receiver(&folder);
    let seen = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&seen);
    let to = target(move |mut socket| {
        while read_head(&mut socket).is_some() && socket.write_all(OK).is_ok() {
            *counted.lock().unwrap() += 1;
        }
    });
    let out = inside(&folder, "run");
    let rate = ["--ramp", "1x..2x/1s", "--warm-up", "100ms", "--drain", "1s", "--duration", "9s"];
    let more = ["--otlp-endpoint", &endpoint, "--out", &text(&out)];
    let replay = ["replay", &text(&session), "--target", &format!("http://{to}")];
    let process = Process::start(&mut reenact([&replay[..], &rate, &more].concat()));
    wait_for("requests after the ramp", || (*seen.lock().unwrap() > 400).then_some(()));
    process.signal("INT");
    let said = process.finish();
    assert_eq!(said.code, 130, "{said:?}");
    let spans = receiver.so_far();
    assert_eq!(phases(&spans), ["lead", "warm-up", "step", "steady", "step", "drain"]);
    let of_run = of_run(&spans);
    assert_eq!((&of_run["attributes"]["reenact.interrupted"], &of_run["status"]), (&true.into(), &ERROR.into()));
    let steps: BTreeSet<_> = spans
        .iter()
        .filter(|span| span["name"] == "reenact step")
        .map(|span| {
            format!(
                "{} {}",
                span["attributes"]["reenact.phase.factor_from"], span["attributes"]["reenact.phase.factor_to"]
            )
        })
        .collect();
    assert_eq!(steps, BTreeSet::from(["1.0 2.0".to_owned(), "2.0 2.0".to_owned()]));
    assert_eq!(of_requests(&spans).len() as u64, run_json(&out)["spans"]["exported"]);
}

#[test]
fn followers_of_a_request_that_was_shed_are_roots() {
    let folder = folder();
    // One request may be under way: while the first hangs, that of another trace is shed, which would have been the parent
    // of the last.
    let at = |ms, client, trace: &str, path: &str| {
        let header = format!(r#"["traceparent","00-{trace}-b7ad6b7169203331-01"],["Host""#);
        line(ms, client, "GET", path).replace(r#"["Host""#, &header)
    };
    let other = TRACE.replace('0', "1");
    let lines = [at(0, 1, TRACE, "/first"), at(1, 2, &other, "/shed"), at(900, 3, &other, "/follower")];
    let session = session(folder.path(), "s", &lines);
    let (receiver, endpoint) = receiver(&folder);
    let busy = target(|mut socket| {
        while let Some(head) = read_head(&mut socket) {
            if head.starts_with(b"GET /first") {
                // Until the replay gives up.
                drop(std::io::copy(&mut socket, &mut std::io::sink()));
                return;
            }
            if socket.write_all(OK).is_err() {
                return;
            }
        }
    });
    let replay = ["replay", &text(&session), "--target", &format!("http://{busy}"), "--otlp-endpoint", &endpoint];
    let more = ["--max-in-flight", "1", "--timeout", "500ms"];
    let said = run(reenact([&replay[..], &more].concat()).current_dir(folder.path()));
    assert_eq!(said.code, 3, "{said:?}");
    let spans = receiver.so_far();
    let names: Vec<_> = of_requests(&spans)
        .iter()
        .map(|span| (span["name"].as_str().unwrap(), span["parent"].as_str().unwrap()))
        .collect();
    assert_eq!(names, [("GET /first", ""), ("GET /follower", "")]);
}
