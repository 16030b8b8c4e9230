//! `reenact report` from outside: a page written again, shards merged, and what does not fit together refused by name.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};

use scripted::{gets, ok, target};
use support::{Said, folder, inside, reenact_says, run_json, text};

#[track_caller]
fn check(arguments: &[&str], code: i32, says: &[&str]) -> Said {
    let said = reenact_says(arguments);
    assert_eq!(said.code, code, "{arguments:?}: {said:?}");
    for text in says {
        assert!(said.err.contains(text) || said.out.contains(text), "{arguments:?} does not say `{text}`: {said:?}");
    }
    said
}

/// Runs of one plan of 20 requests.
fn runs(folder: &tempfile::TempDir, names: &[&str]) -> Vec<PathBuf> {
    let session = text(&gets(folder.path(), "s", 20));
    let to = format!("http://{}", target(ok));
    let run = |name: &&str| {
        let out = inside(folder, name);
        check(&["replay", &session, "--target", &to, "--out", &text(&out)], 0, &[]);
        out
    };
    names.iter().map(run).collect()
}

fn edit(run: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = run_json(run);
    change(&mut value);
    std::fs::write(run.join("run.json"), value.to_string()).unwrap();
}

#[test]
fn a_page_is_written_again_from_the_result() {
    let folder = folder();
    let run = runs(&folder, &["run"]).remove(0);
    let page = std::fs::read(run.join("report.html")).unwrap();
    std::fs::remove_file(run.join("report.html")).unwrap();
    check(&["report", &text(&run)], 0, &["20 planned, 20 sent, 20 answered", "report.html"]);
    assert!(std::fs::read(run.join("report.html")).unwrap() == page, "the same page");
    let json = check(&["report", &text(&run), "--json"], 0, &[]).out;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), run_json(&run));
    check(&["report", &inside(&folder, "none").display().to_string()], 2, &["cannot read", "run.json", "hint: "]);
    check(&["report", &text(&run), "--partial"], 2, &["--partial says nothing without --out"]);
    check(&["report", &text(&run), "--out", &text(&inside(&folder, "x"))], 2, &["is no shard"]);
    edit(&run, |run| run["schema"] = 1.into());
    check(&["report", &text(&run)], 2, &["has schema 1, and this version reads schema 2"]);
}

#[test]
fn shards_are_merged_or_refused_by_name() {
    let folder = folder();
    let runs = runs(&folder, &["one", "two"]);
    for (number, run) in [(1, &runs[0]), (2, &runs[1])] {
        edit(run, |run| run["shard"] = serde_json::json!({"number": number, "of": 2}));
    }
    let [one, two] = [0, 1].map(|at| text(&runs[at]));
    let out = |name: &str| text(&inside(&folder, name));
    check(&["report", &one, &two], 2, &["a new directory, which is missing", "--out runs/whole"]);
    check(&["report", &one, "--out", &out("half")], 2, &["of 2 shards these are missing: 2", "--partial"]);
    check(
        &["report", &one, "--out", &out("half"), "--partial"],
        3,
        &["shard 2 is missing: this is not the whole plan"],
    );
    check(&["report", &one, &one, "--out", &out("twice")], 2, &["shard 1 is there twice"]);
    check(&["report", &two, &one, "--out", &out("whole")], 0, &["2 of 2 shards", "40 planned, 40 sent, 40 answered"]);
    let whole = run_json(&inside(&folder, "whole"));
    assert_eq!((&whole["response_us"]["count"], &whole["endpoints"][0]["planned"]), (&40.into(), &40.into()));
    assert!(
        std::fs::read_to_string(inside(&folder, "whole").join("report.html")).unwrap().contains("Merged from 2 of 2")
    );
    check(&["report", &one, &two, "--out", &out("whole")], 2, &["is not empty"]);
    edit(&runs[0], |run| run["dispatched"] = 0.into());
    check(&["report", &one, &two, "--out", &out("invalid")], 4, &["invalid", "only 50 % of what was due was sent"]);
    edit(&runs[0], |run| run["plan_hash"] = "00".into());
    check(&["report", &one, &two, "--out", &out("other")], 2, &["are runs of different plans"]);
}

/// Bytes of a result that no run writes.
const TOO_LARGE: u64 = 129 << 20;
/// Data that `report` may take for a result of 20 MB: without anything between the file and the result.
const DATA_KIB_MAX: u64 = 100 << 10;

#[test]
fn a_result_is_read_as_what_it_is_and_one_that_no_run_writes_is_refused_by_name() {
    let folder = folder();
    let run = runs(&folder, &["run"]).remove(0);
    let (path, log) = (run.join("run.json"), run.join("requests.jsonl.zst"));
    let good = std::fs::read(&path).unwrap();
    // As many endpoints as nobody plans: a page of it is as small as any, and it says what is left out.
    let many = |endpoints: u32| {
        edit(&run, |run| {
            let row = run["endpoints"][0].clone();
            let rows = (0..endpoints).map(|index| {
                let mut row = row.clone();
                row["index"] = index.into();
                row["endpoint"] = format!("GET /{index}").into();
                row
            });
            run["endpoints"] = rows.collect();
        });
        std::fs::metadata(&path).unwrap().len()
    };
    let bytes = many(15_000);
    assert!(bytes > 20_000_000, "{bytes}");
    let limited = format!("ulimit -d {DATA_KIB_MAX}; exec {} report {}", env!("CARGO_BIN_EXE_reenact"), text(&run));
    let said = support::run(std::process::Command::new("sh").args(["-c", &limited]));
    assert_eq!(said.code, 0, "{said:?}");
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(
        page.len() < 3_000_000 && page.contains("The 14,500 endpoints with the fewest requests are left out here"),
        "{} bytes",
        page.len()
    );

    // Judging needs a place for each endpoint.
    std::fs::write(&path, &good).unwrap();
    edit(&run, |run| run["endpoints"][0]["index"] = 100_000.into());
    let judged = ["report", &text(&run), "--fail-if", "p99 > 1s"];
    check(&judged, 2, &["counts an endpoint with the number 100000, and at most 100000 endpoints are read", "hint: "]);

    std::fs::File::options().write(true).open(&path).unwrap().set_len(TOO_LARGE).unwrap();
    let says = ["run.json has 135266304 bytes, and at most 134217728 are read", "hint: "];
    check(&["report", &text(&run)], 2, &says);
    let other = inside(&folder, "other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("run.json"), &good).unwrap();
    std::fs::copy(&log, other.join("requests.jsonl.zst")).unwrap();
    check(&["compare", &text(&run), &text(&other)], 2, &says);

    // A log of more endpoints than are told apart.
    std::fs::write(&path, &good).unwrap();
    let line = |number: u64| {
        format!(
            "{{\"seq\":{number},\"due_ns\":0,\"released_ns\":0,\"done_ns\":1,\"status\":200,\"error\":null,\"shed\":null,\"endpoint\":\"GET /{number}\"}}\n"
        )
    };
    let lines: String = (0..=100_000).map(line).collect();
    std::fs::write(&log, zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
    check(
        &["compare", &text(&run), &text(&other)],
        2,
        &["there are more than 100000 endpoints in these runs", "hint: "],
    );
}

/// A histogram that says that it has a gigabyte, as it stands in an interval log: stored, not compressed.
fn large_histogram() -> String {
    use base64::Engine as _;
    let header = [0x1c84_9303, 1 << 30, 0, 3, 0, 1, 0, u32::MAX];
    let ratio = 1.0_f64.to_be_bytes();
    let inner: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).chain(ratio).collect();
    let sums = inner.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    let length = u16::try_from(inner.len()).unwrap();
    let block = [&[0x78, 0x01, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    let zlib = [block, inner, (sums.1 << 16 | sums.0).to_be_bytes().to_vec()].concat();
    let outer = [0x1c84_9304, u32::try_from(zlib.len()).unwrap()].into_iter().flat_map(u32::to_be_bytes);
    base64::engine::general_purpose::STANDARD.encode(outer.chain(zlib).collect::<Vec<u8>>())
}

#[test]
fn a_histogram_is_as_long_as_it_is_and_not_as_it_says() {
    let folder = folder();
    let run = runs(&folder, &["run"]).remove(0);
    edit(&run, |run| run["shard"] = serde_json::json!({"number": 1, "of": 1}));
    let log = run.join("histograms.hlog");
    std::fs::write(&log, format!("Tag=whole/lag,0.000,1.000,0.000,{}\n", large_histogram())).unwrap();
    let (run, out) = (text(&run), text(&inside(&folder, "whole")));
    let limited = format!("ulimit -d {DATA_KIB_MAX}; exec {} report {run} --out {out}", env!("CARGO_BIN_EXE_reenact"));
    let said = support::run(std::process::Command::new("sh").args(["-c", &limited]));
    assert!(said.code == 2 && said.err.contains("line 1 is no interval"), "{said:?}");
}

/// A run of 20 requests, every fifth of which the target answers with 503 and every seventh not at all.
#[test]
fn the_slowest_and_failures_of_each_kind_are_named_with_their_traces() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 70));
    let answer = |mut socket: std::net::TcpStream| {
        while let Some(head) = scripted::read_head(&mut socket) {
            let head = String::from_utf8_lossy(&head).into_owned();
            let number: u32 = head.split(['/', ' ']).nth(3).unwrap().parse().unwrap();
            let said: &[u8] = match number {
                number if number % 7 == 0 => return,
                number if number % 5 == 0 => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
                _ => scripted::OK,
            };
            if socket.write_all(said).is_err() {
                return;
            }
        }
    };
    let (to, out) = (format!("http://{}", target(answer)), inside(&folder, "run"));
    check(&["replay", &session, "--target", &to, "--out", &text(&out)], 0, &[]);
    let result = run_json(&out);
    let lines: Vec<serde_json::Value> = requests(&out);
    let line = |sample: &serde_json::Value| lines.iter().find(|line| line["trace_id"] == sample["trace_id"]).unwrap();

    let slowest = result["slowest"].as_array().unwrap();
    assert_eq!(slowest.len(), 50);
    let mut all: Vec<f64> = lines.iter().map(response_us).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    let named: Vec<f64> = slowest.iter().map(|sample| sample["response_us"].as_f64().unwrap()).collect();
    assert_eq!(named, all[..50]);
    for sample in slowest {
        let line = line(sample);
        for field in ["seq", "copy", "session", "endpoint", "due_ns", "status", "error", "span_id"] {
            assert_eq!(sample[field], line[field], "{field}");
        }
        assert_eq!((&sample["recorded_status"], &sample["sampled"]), (&200.into(), &true.into()));
    }
    assert_eq!(result["endpoints"][0]["slowest"].as_array().unwrap()[..], slowest[..3]);

    let busy = lines.iter().filter(|line| line["status"] == 503).count();
    let of = &result["error_samples"]["503"];
    assert_eq!((of["count"].as_u64(), of["samples"].as_array().unwrap().len()), (Some(busy as u64), 5));
    assert!(of["samples"].as_array().unwrap().iter().all(|sample| line(sample)["status"] == 503));
    for (kind, count) in result["errors"].as_object().unwrap() {
        let of = &result["error_samples"][kind];
        assert_eq!(&of["count"], count, "{kind}");
        assert!(of["samples"].as_array().unwrap().iter().all(|sample| line(sample)["error"] == kind.as_str()));
        let ends = lines.iter().filter(|line| line["error"] == kind.as_str()).map(|line| line["done_ns"].as_u64());
        assert_eq!(
            (of["first_ns"].as_u64(), of["last_ns"].as_u64()),
            (ends.clone().min().unwrap(), ends.max().unwrap())
        );
    }

    let heat = result["heat_map"]["columns"].as_array().unwrap();
    let counts = heat.iter().flat_map(|column| column["counts"].as_array().unwrap());
    assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), 70);
    let curve = result["curves"]["response_us"].as_array().unwrap();
    assert_eq!(curve.last().unwrap(), &serde_json::json!([1.0, result["response_us"]["max"]]));
    let median = curve.iter().find(|point| point[0] == 0.5).unwrap();
    assert_eq!(median[1], result["response_us"]["p50"]);
    assert_eq!((&result["asked"]["rate"], &result["asked"]["loop_model"]), (&"1x".into(), &"open".into()));
    let plan: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("plan.json")).unwrap()).unwrap();
    assert_eq!(result["shape"], plan["shape"]);
}

fn requests(run: &Path) -> Vec<serde_json::Value> {
    let file = std::fs::File::open(run.join("requests.jsonl.zst")).unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(zstd::Decoder::new(file).unwrap()));
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "seconds of nanoseconds")]
fn response_us(line: &serde_json::Value) -> f64 {
    (line["done_ns"].as_u64().unwrap() - line["due_ns"].as_u64().unwrap()) as f64 / 1_000.0
}

#[test]
fn a_template_of_links_is_checked_before_anything_is_sent_and_may_be_given_later() {
    let folder = folder();
    let session = text(&gets(folder.path(), "other", 5));
    let to = format!("http://{}", target(ok));
    let run = runs(&folder, &["run"]).remove(0);
    let page = || std::fs::read_to_string(run.join("report.html")).unwrap();
    for (template, said) in [
        ("javascript:alert(1)//{trace_id}", "no http:// or https:// URL"),
        ("https://h/trace", "no {trace_id}"),
        ("https://h/{team}/{trace_id}", "`{team}`"),
        ("https://me:word@h/{trace_id}", "a user in it"),
    ] {
        let out = text(&inside(&folder, "refused"));
        check(
            &["replay", &session, "--target", &to, "--out", &out, "--trace-url", template],
            2,
            &[said, "--trace-url"],
        );
        assert!(!inside(&folder, "refused").exists());
        check(&["report", &text(&run), "--trace-url", template], 2, &[said]);
    }
    // The result itself names its run as well as the directory does.
    check(&["report", &text(&run.join("run.json"))], 0, &[]);
    check(&["report", &text(&folder.path().join("none").join("run.json"))], 2, &["none/run.json: No such file"]);
    let id = run_json(&run)["slowest"][0]["trace_id"].as_str().unwrap().to_owned();
    assert!(!page().contains(&format!("/{id}")), "no template, no links");
    check(&["report", &text(&run), "--trace-url", "https://jaeger.example/trace/{trace_id}"], 0, &[]);
    assert!(page().contains(&format!("href=\"https://jaeger.example/trace/{id}\"")));
    let config = inside(&folder, "config.toml");
    std::fs::write(&config, "[report]\ntrace-url = \"https://tempo.example/{trace_id}\"\n").unwrap();
    check(&["report", &text(&run), "--config", &text(&config)], 0, &[]);
    assert!(page().contains(&format!("href=\"https://tempo.example/{id}\"")));
    edit(&run, |run| run["trace_url"] = "javascript:alert(1)//{trace_id}".into());
    check(&["report", &text(&run)], 0, &[]);
    assert!(!page().contains("javascript:"), "a result may come from anywhere");
}
