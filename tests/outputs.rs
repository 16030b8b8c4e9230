//! What a run leaves for other programs, read by their own parsers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod support;

use std::path::Path;
use std::process::Command;

use peers::venv;
use scripted::{line, ok, session, target};
use serde_json::Value;
use support::{folder, inside, reenact, reenact_says, run, run_json, text};

/// As Python reads the files of a run.
fn python_reads(directory: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outputs/read.py");
    let said = run(Command::new(venv("python")).arg(script).arg(directory));
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn output_that_cannot_be_written_is_not_taken_for_written() {
    let folder = folder();
    let lines: Vec<String> = (0..3).map(|number| line(number * 5, 1, "GET", "/")).collect();
    let (session, out) = (text(&session(folder.path(), "s", &lines)), text(&inside(&folder, "run")));
    let to = format!("http://{}", target(ok));
    for arguments in [
        &["plan", &session][..],
        &["plan", &session, "--json"],
        &["plan", &session, "--show", "2"],
        &["inspect", &session],
        &["replay", &session, "--target", &to, "--out", &out],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let said = run(reenact(arguments).stdout(full));
        let is_told = said.err.contains("error: cannot write the output: No space left");
        assert!(said.code == 3 && is_told, "{arguments:?}: {said:?}");
    }
    // What the run was for is there.
    assert_eq!(run_json(Path::new(&out))["completed"], 3);
}

#[test]
fn parsers_of_others_read_what_run_json_says() {
    let folder = folder();
    // Names that break a table, a quote, a document and a label, if somebody lets them.
    let paths = ["/plain", "/a,b", "/quo\"te", "/<script>&'x'", "/back\\slash", "/`tick`|bar"];
    let lines: Vec<String> = (0..120_u64)
        .map(|number| line(number * 5, number % 5, "GET", paths[usize::try_from(number).unwrap() % 6]))
        .collect();
    let (session, out) = (session(folder.path(), "s", &lines), inside(&folder, "run"));
    let to = format!("http://{}", target(ok));
    let rules = ["--fail-if", "p50(*) > 20s", "--fail-if", "p50(GET /plain) > 1ns", "--fail-if", "p99.9 > 1s"];
    let said = reenact_says(
        ["replay", &text(&session), "--target", &to, "--out", &text(&out), "--output", "csv,openmetrics"]
            .iter()
            .chain(&rules),
    );
    assert_eq!(said.code, 1, "{said:?}");
    let (read, result) = (python_reads(&out), run_json(&out));

    let junit = read["junit"].as_object().unwrap();
    let endpoints = result["endpoints"].as_array().unwrap();
    assert_eq!(junit.len(), endpoints.len() + 3, "{junit:?}");
    assert_eq!((&junit["p50(GET /plain) > 1ns"], &junit["p99.9 > 1s"]), (&"failure".into(), &"skipped".into()));
    assert_eq!((&junit["p50(*) > 20s [GET /a,b]"], &junit["the run is valid"]), (&"passed".into(), &"passed".into()));
    assert_eq!((&read["suite"]["@failures"], &read["suite"]["@skipped"]), (&1.into(), &1.into()));

    let table = read["endpoints"].as_array().unwrap();
    assert_eq!(table.len(), endpoints.len());
    for (row, endpoint) in table.iter().zip(endpoints) {
        assert_eq!(row["endpoint"], endpoint["endpoint"]);
        assert_eq!(row["completed"].as_str().unwrap(), endpoint["completed"].to_string());
        let p99 = row["response_p99_us"].as_str().unwrap().parse::<f64>().unwrap();
        assert_eq!(Some(p99), endpoint["response_us"]["p99"].as_f64());
    }
    let timeline = read["timeline"].as_array().unwrap();
    assert_eq!(timeline.len(), result["timeline"].as_array().unwrap().len());
    let sum = |name: &str| timeline.iter().map(|row| row[name].as_str().unwrap().parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!((sum("sent"), sum("planned")), (120, 120));

    let metrics = read["metrics"].as_object().unwrap();
    let of = |name: &str| metrics[name].as_str().unwrap().parse::<f64>().unwrap();
    assert!((of("reenact_requests_completed_total{}") - 120.0).abs() < 1e-9);
    assert!((of("reenact_answers_total{code=200}") - 120.0).abs() < 1e-9);
    let p99 = result["response_us"]["p99"].as_f64().unwrap() / 1e6;
    assert!((of("reenact_response_seconds{quantile=0.99}") - p99).abs() < 1e-12);
    for endpoint in endpoints {
        let name = endpoint["endpoint"].as_str().unwrap();
        let completed = of(&format!("reenact_endpoint_completed_total{{endpoint={name}}}"));
        assert_eq!(Some(completed), endpoint["completed"].as_f64());
    }
    assert!((of("reenact_threshold_failed{endpoint=GET /plain,rule=p50(GET /plain) > 1ns}") - 1.0).abs() < 1e-9);
    assert_eq!(metrics["reenact_threshold_failed{endpoint=,rule=p99.9 > 1s}"], "nan");
}

#[test]
fn outputs_are_rebuilt_from_a_run_directory() {
    let folder = folder();
    let lines: Vec<String> = (0..50).map(|number| line(number * 5, 1, "GET", "/")).collect();
    let (session, out) = (session(folder.path(), "s", &lines), inside(&folder, "run"));
    let to = format!("http://{}", target(ok));
    let all = "markdown,junit,csv,openmetrics";
    let said = reenact_says(["replay", &text(&session), "--target", &to, "--out", &text(&out), "--output", all]);
    assert_eq!(said.code, 0, "{said:?}");
    let files = ["summary.md", "junit.xml", "endpoints.csv", "timeline.csv", "metrics.txt", "report.html"];
    let read = || files.map(|name| std::fs::read(out.join(name)).unwrap());
    let before = read();
    files.iter().for_each(|name| std::fs::remove_file(out.join(name)).unwrap());
    let said = reenact_says(["report", &text(&out), "--output", all]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(files.iter().all(|name| said.out.contains(name)), "{said:?}");
    assert!(read() == before, "the same files");
    python_reads(&out);
    let said = reenact_says(["report", &text(&out), "--output", "yaml"]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn a_sampled_log_has_all_that_failed_and_a_hundredth_of_the_rest() {
    let folder = folder();
    let session = scripted::gets(folder.path(), "s", 2_000);
    let to = target(|mut socket| {
        while let Some(head) = scripted::read_head(&mut socket) {
            if head.starts_with(b"GET /item/77") {
                return;
            }
            if std::io::Write::write_all(&mut socket, scripted::OK).is_err() {
                return;
            }
        }
    });
    let (out, to) = (inside(&folder, "run"), format!("http://{to}"));
    let out_text = text(&out);
    let said = reenact_says([
        "replay",
        &text(&session),
        "--target",
        &to,
        "--out",
        &out_text,
        "--rate",
        "max",
        "--max-in-flight",
        "1",
        "--requests",
        "sampled",
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!out.join("requests.jsonl.zst").exists());
    let log = zstd::decode_all(std::fs::File::open(out.join("requests-sampled.jsonl.zst")).unwrap()).unwrap();
    let lines: Vec<Value> =
        String::from_utf8(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed = lines.iter().filter(|line| !line["error"].is_null()).count();
    let result = run_json(&out);
    let errors: u64 = result["errors"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert!(errors > 0 && failed as u64 == errors, "{failed} {}", result["errors"]);
    assert!((10..31).contains(&(lines.len() - failed)), "{} lines", lines.len());
}
