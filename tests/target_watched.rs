//! `replay --watch-pid` and `--watch-prometheus` from outside: the memory and CPU of a real process, and of a page of metrics.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use scripted::{line, nobody, ok, read_head, session, target};
use support::{folder, inside, reenact_says, run_json, text};

/// A process that holds 64 MiB and burns a CPU until it is killed.
struct Busy(std::process::Child);

impl Busy {
    fn start() -> Self {
        let program = "held = bytearray(b'x') * (64 << 20)\nprint(flush=True)\nwhile True: pass";
        let mut child = Command::new("python3").args(["-c", program]).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut ready).unwrap();
        Self(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_and_a_page_are_watched_and_what_is_not_there_is_refused() {
    let folder = folder();
    let session = text(&session(folder.path(), "s", &(0..60).map(|n| line(n * 50, 1, "GET", "/")).collect::<Vec<_>>()));
    let to = format!("http://{}", target(ok));
    let page = target(|mut socket| {
        while read_head(&mut socket).is_some() {
            let page = "process_cpu_seconds_total 7.5\nprocess_resident_memory_bytes{a=\"b\"} 1.5e8\n";
            if write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len()).is_err() {
                break;
            }
        }
    });
    let busy = Busy::start();
    let (id, page, out) = (busy.0.id().to_string(), format!("http://{page}/metrics"), text(&inside(&folder, "run")));
    let watch = ["--watch-pid", &id, "--watch-prometheus", &page];
    let said = reenact_says([&["replay", &session, "--target", &to, "--out", &out][..], &watch].concat());
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains(&format!("target     process {id} (python3")), "{said:?}");
    let watched = &run_json(&inside(&folder, "run"))["watched"];
    let [process, metrics] = [&watched[0], &watched[1]];
    assert!(process["rss_peak_bytes"].as_u64().unwrap() >= 64 << 20, "{process}");
    // Whatever else this machine does, it had a part of a CPU for three seconds.
    assert!(process["cpu_s"].as_f64().unwrap() > 0.2 && process["missed"] == 0, "{process}");
    assert!(process["timeline"].as_array().unwrap().len() >= 2, "{process}");
    assert_eq!((&metrics["rss_peak_bytes"], &metrics["cpu_s"]), (&150_000_000.into(), &0.0.into()), "{metrics}");
    assert_eq!(metrics["source"].as_str().unwrap(), page);

    let refused = |watch: &[&str], expected: &str| {
        let out = text(&inside(&folder, "refused"));
        let said = reenact_says([&["replay", &session, "--target", &to, "--out", &out][..], watch].concat());
        assert!(said.code == 2 && said.err.contains(expected), "{watch:?}: {said:?}");
    };
    refused(&["--watch-pid", "4194304"], "cannot watch process 4194304");
    let nobody = format!("http://{}/metrics", nobody());
    refused(&["--watch-prometheus", &nobody], &format!("cannot watch {nobody}"));
    refused(&["--watch-prometheus", &to], "has not both process_cpu_seconds_total and process_resident_memory_bytes");
    refused(&["--watch-prometheus", "https://x/metrics"], "needs TLS");
    refused(&["--watch-prometheus", "ftp://x/"], "is no http:// URL");
}
