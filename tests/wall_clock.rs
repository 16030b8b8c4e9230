//! Somebody sets the wall clock under a recorder: nothing that it does goes by it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod operated;
mod support;

use std::path::Path;

use operated::{Client, Operated, service};
use support::{Process, cat, exchanges, folder, inside, library, reenact, text, wait_for};

const DAY_S: u64 = 86_400;

fn started_ns(session: &Path) -> u64 {
    cat(session)[0]["header"]["started_unix_ns"].as_u64().unwrap()
}

#[test]
fn a_clock_that_is_set_moves_no_time_deletes_no_segment_and_is_said() {
    let folder = folder();
    let (session, ahead, new) = (inside(&folder, "s"), inside(&folder, "ahead"), inside(&folder, "ahead.new"));
    let set = |seconds: i64| {
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(&new, &ahead).unwrap();
    };
    set(0);
    let (upstream, out) = (format!("http://{}", service()), text(&session));
    let mut command =
        reenact(["record", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--admin", "127.0.0.1:0", "--json"]);
    command.args(["--out", &out, "--flush-interval", "20ms", "--rotate-every", "20ms", "--keep-for", "1h"]);
    command.env("LD_PRELOAD", library(folder.path(), "tests/faults/clock.c")).env("CLOCK_AHEAD", &ahead);
    let mut recorder = Operated::of(Process::start(&mut command));
    let mut client = Client::connect(&recorder.address).unwrap();
    let rotated = |recorder: &Operated| {
        let segments = || recorder.metrics()["reenact_segments_total"];
        let before = segments();
        wait_for("more segments", || (segments() >= before + 3.0).then_some(()));
    };
    assert!(client.get("/before"));
    rotated(&recorder);
    // All that was closed seems to be a day old now.
    set(DAY_S.try_into().unwrap());
    recorder.process.wait_for_err("the wall clock was set forward by ");
    assert!(client.get("/after"));
    rotated(&recorder);
    assert_eq!(recorder.metrics()["reenact_segments_deleted_total"], 0.0);
    set(DAY_S as i64 - 3_600);
    recorder.process.wait_for_err("the wall clock was set back by ");
    // The next session begins with the clock as it is.
    assert_eq!(recorder.act("stop", "").0, 200);
    assert_eq!(recorder.act("start", "").0, 201);
    drop(client);
    assert!(Client::connect(&recorder.address).unwrap().get("/next"));
    assert_eq!(recorder.end()["exchanges"], 3);

    let kept = exchanges(&session);
    assert_eq!(
        kept.iter().map(|one| one["request"]["target"].as_str().unwrap()).collect::<Vec<_>>(),
        ["/before", "/after"]
    );
    let took = |one: &serde_json::Value| one["instants_ns"]["response_end"].as_u64().unwrap();
    assert!(took(&kept[0]) < took(&kept[1]) && took(&kept[1]) < 3_600 * 1_000_000_000, "{kept:?}");
    let by_s = (started_ns(&inside(&folder, "s-2")) - started_ns(&session)) as f64 / 1e9;
    assert!((by_s - (DAY_S as f64 - 3_600.0)).abs() < 60.0, "{by_s}");
}
