//! `deploy/ci`: the jobs are valid, and their command lines are run as they stand, against a target on this machine.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod peers;
mod scripted;
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use peers::venv;
use scripted::{OK, gets, line, read_head, session, target};
use serde_json::Value;
use support::{Said, folder, run, run_json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn job(name: &str) -> Value {
    let (script, file) = (root().join("tests/deploy/read.py"), root().join("deploy/ci").join(name));
    let said = run(Command::new(venv("python")).args([script, file]));
    let documents: Value = serde_json::from_str(&said.out).unwrap();
    documents[0].clone()
}

/// A checkout that has the scripts and a session where the jobs look for it.
fn checkout(folder: &Path) -> PathBuf {
    let checkout = folder.join("checkout");
    std::fs::create_dir_all(checkout.join("sessions")).unwrap();
    std::os::unix::fs::symlink(root().join("deploy"), checkout.join("deploy")).unwrap();
    checkout
}

/// Runs a line of a job in a checkout.
fn runs(line: &str, checkout: &Path, settings: &[(&str, &str)]) -> Said {
    let mut command = Command::new("bash");
    command.args(["-c", line]).current_dir(checkout).env("REENACT", env!("CARGO_BIN_EXE_reenact"));
    command.env("REENACT_LAG_LIMIT", "strained=1h,invalid=1h").env_remove("GITHUB_STEP_SUMMARY");
    run(command.envs(settings.iter().copied()))
}

#[test]
fn jobs_are_valid() {
    for (schema, name) in [("vendor.github-workflows", "github.yaml"), ("vendor.gitlab-ci", "gitlab.yaml")] {
        let valid = |path: &Path| {
            let module = ["-m", "check_jsonschema", "--builtin-schema", schema];
            run(Command::new(venv("python")).args(module).arg(path))
        };
        let path = root().join("deploy/ci").join(name);
        let said = valid(&path);
        assert_eq!(said.code, 0, "{name}: {said:?}");
        let (folder, job) = (folder(), std::fs::read_to_string(&path).unwrap());
        let broken = folder.path().join(name);
        std::fs::write(&broken, job.replace("timeout", "tmeout").replace("script:", "scirpt:")).unwrap();
        assert_ne!(valid(&broken).code, 0, "{name}: a misspelt key is refused");
    }
}

#[test]
fn command_lines_of_the_jobs_replay_and_keep_the_run() {
    let steps = job("github.yaml")["jobs"]["replay"]["steps"].clone();
    let step = steps.as_array().unwrap().iter().find(|step| step["name"] == "Replay").unwrap().clone();
    let gitlab = job("gitlab.yaml")["replay"].clone();
    let kept =
        steps.as_array().unwrap().iter().find(|step| step["name"] == "Keep the run").unwrap()["with"]["path"].clone();
    assert_eq!(gitlab["artifacts"]["paths"][0], kept);
    for (line, settings) in [(&step["run"], &step["env"]), (&gitlab["script"][0], &gitlab["variables"])] {
        assert_eq!(settings["RUN_DIR"], kept);
        let folder = folder();
        let checkout = checkout(folder.path());
        gets(&checkout.join("sessions"), "monday", 20);
        // Unhealthy at first: nothing is sent before it answers.
        let asked = AtomicUsize::new(0);
        let address = target(move |mut socket| {
            while let Some(head) = read_head(&mut socket) {
                let is_health = head.starts_with(b"GET /healthz ");
                let is_early = is_health && asked.fetch_add(1, Ordering::Relaxed) == 0;
                let early = &b"HTTP/1.1 503 Starting\r\nContent-Length: 0\r\n\r\n"[..];
                if socket.write_all(if is_early { early } else { OK }).is_err() {
                    break;
                }
            }
        });
        let (to, health, summary) =
            (format!("http://{address}"), format!("http://{address}/healthz"), checkout.join("summary.md"));
        // Whatever the job sets is set here too; what the CI's own settings say is this target's.
        let said = runs(
            line.as_str().unwrap(),
            &checkout,
            &[
                ("REENACT_ENVIRONMENT", settings["REENACT_ENVIRONMENT"].as_str().unwrap()),
                ("REENACT_AUTH", settings["REENACT_AUTH"].as_str().unwrap()),
                ("RUN_DIR", settings["RUN_DIR"].as_str().unwrap()),
                ("STAGING_TOKEN", "Bearer t0p"),
                ("REENACT_TARGET", &to),
                ("REENACT_ALLOW", "127.0.0.1"),
                ("HEALTH_URL", &health),
                ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
            ],
        );
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.err.contains("reenact: passed (exit code 0); the run is in reenact-run"), "{said:?}");
        let result = run_json(&checkout.join("reenact-run"));
        assert_eq!((&result["completed"], &result["status"]["200"]), (&20.into(), &20.into()));
        let summary = std::fs::read_to_string(summary).unwrap();
        assert!(summary.starts_with("### ⚠️ Replay passed, but of 2 of 4 thresholds one cannot tell\n"), "{summary}");
        let junit = std::fs::read_to_string(checkout.join("reenact-run/junit.xml")).unwrap();
        assert!(junit.contains("tests=\"5\" errors=\"0\" skipped=\"2\" failures=\"0\""), "{junit}");
        assert!(!format!("{said:?}{summary}").contains("t0p"));
    }
}

#[test]
fn a_job_is_red_with_the_exit_code_of_its_replay() {
    let folder = folder();
    let checkout = checkout(folder.path());
    let lines: Vec<String> = (0..3_000).map(|i| line(i * 10, i % 5 + 1, "GET", "/")).collect();
    session(&checkout.join("sessions"), "monday", &lines);
    let failing = target(|mut socket| {
        while read_head(&mut socket).is_some() {
            if socket.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").is_err() {
                break;
            }
        }
    });
    let to = format!("http://{failing}");
    let script = "deploy/ci/replay.sh sessions/monday";
    let check = |line: &str, settings: &[(&str, &str)], code: i32, expected: &str| {
        let said = runs(line, &checkout, &[&[("REENACT_TARGET", to.as_str())][..], settings].concat());
        assert_eq!(said.code, code, "{line}: {said:?}");
        assert!(said.err.contains(expected), "{line}: {said:?}");
    };
    // Options behind the session are those of the replay, quoted as they are.
    let abort = format!("{script} --abort-if 'status_5xx_rate > 5% for 1s'");
    check(
        &abort,
        &[("RUN_DIR", "aborted")],
        1,
        "reenact: failed: a threshold did not hold (exit code 1); the run is in aborted",
    );
    assert!(run_json(&checkout.join("aborted"))["aborted"].as_str().unwrap().contains("status_5xx_rate"));
    let budgets = format!("{script} --to 1s --budgets deploy/ci/budgets.toml --fail-if 'status_rate(5xx) > 1%'");
    let failed = "reenact: failed: a threshold did not hold (exit code 1); the run is in budgets";
    let summary = checkout.join("step.md");
    check(&budgets, &[("RUN_DIR", "budgets"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())], 1, failed);
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(summary.contains("- status\\_rate(5xx) was 100 %, 100 times the limit of 1 %; since 0 s"), "{summary}");
    check(&format!("{script} --rate 0x"), &[("RUN_DIR", "none")], 2, "refused before anything was sent (exit code 2)");
    check(script, &[("RUN_DIR", "aborted")], 2, "aborted is there already");
    check(script, &[("REENACT", "/nowhere/reenact")], 2, "/nowhere/reenact is not there");
    check("deploy/ci/replay.sh", &[], 2, "usage: ");
    check("deploy/ci/replay.sh --rate 2x", &[], 2, "usage: ");
    let health = format!("{to}/healthz");
    check(script, &[("HEALTH_URL", &health), ("HEALTH_WAIT", "0")], 2, "does not answer 2xx within 0 s");
}
