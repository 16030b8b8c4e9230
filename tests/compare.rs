//! `reenact compare` from outside: real runs against targets of which one is slower and fails at one endpoint.

mod compared;
mod scripted;
mod support;

use std::path::Path;
use std::time::Duration;

use compared::{four_endpoints, runs, shop, soak};
use serde_json::Value;
use support::{folder, inside, reenact_says, text};

#[test]
fn what_is_slower_and_what_fails_is_found_and_nothing_else() {
    let folder = folder();
    let session = four_endpoints(folder.path());
    let (before, after, again) = (inside(&folder, "before"), inside(&folder, "after"), inside(&folder, "again"));
    let (old, new) = (shop(Duration::ZERO, None), shop(Duration::from_millis(12), Some("/help")));
    for (to, out) in [(old, &before), (new, &after), (old, &again)] {
        runs(&session, to, out, 4);
    }
    let said = reenact_says(["compare", &text(&before), &text(&after), "--min-effect", "50%"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("SLOWER  GET /cart: p50 +") && said.out.contains("relative to the rest"), "{}", said.out);
    assert!(said.out.contains("STATUS  GET /help: 500 instead of 200 in 100 % of 320 pairs"), "{}", said.out);
    assert_eq!(said.out.matches("STATUS  ").count(), 1, "one change is said once: {}", said.out);
    let wrong = ["SLOWER  GET /list", "SLOWER  GET /item", "FASTER", "STATUS  GET /cart"];
    assert!(!wrong.iter().any(|wrong| said.out.contains(wrong)), "{}", said.out);

    let json: Value =
        serde_json::from_str(&reenact_says(["compare", &text(&before), &text(&after), "--json"]).out).unwrap();
    let slow = json["endpoints"].as_array().unwrap().iter().find(|row| row["endpoint"] == "GET /cart").unwrap();
    let (p50, ratio) = (&slow["response"][0], 16.0 / 4.0);
    assert_eq!((&p50["answer"], &slow["moved"]), (&"slower".into(), &true.into()));
    let change = 1.0 + p50["relative"]["change"].as_f64().unwrap();
    assert!((ratio * 0.6..ratio * 1.4).contains(&change), "{p50}");

    // The same against the same, with what this machine does meanwhile.
    let said = reenact_says(["compare", &text(&before), &text(&again), "--min-effect", "50%", "--paired"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("Nothing changed that can be told from noise."), "{}", said.out);
    // Whoever does not want to fail by it does not.
    assert_eq!(reenact_says(["compare", &text(&before), &text(&after), "--fail-on", "none"]).code, 0);

    // One run a side: differences, and no verdict.
    let [one, other] = [before.join("0"), after.join("0")].map(|path| text(&path));
    let said = reenact_says(["compare", &one, &other]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("one run a side: run-to-run noise unknown") && !said.out.contains("SLOWER"),
        "{}",
        said.out
    );

    // What cannot be compared.
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let said = reenact_says(std::iter::once("compare").chain(arguments.iter().copied()));
        assert!(said.code == code && said.err.contains(expected), "{arguments:?}: {said:?}");
    };
    check(&[&one, &one], 2, "is there twice");
    check(&[&one, &text(&session)], 2, "is a recording: it is the side before");
    check(&[&one, &text(folder.path())], 2, "is no run, and no folder of runs");
    check(&[&one, &text(&after), "--paired"], 2, "make no pairs");
    check(&[&one, &other, "--min-effect", "0%"], 2, "is no share");
    check(&[&one, "/nowhere"], 2, "cannot read /nowhere");
    let log = before.join("1/requests.jsonl.zst");
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() / 2]).unwrap();
    let said = reenact_says(["compare", &text(&before.join("1")), &other]);
    assert!(said.out.contains("what stood before it is compared"), "{said:?}");
    std::fs::remove_file(&log).unwrap();
    check(&[&text(&before), &other], 2, "has no requests.jsonl.zst");
    let result = before.join("2/run.json");
    let invalid =
        std::fs::read_to_string(&result).unwrap().replace("\"outcome\": \"valid\"", "\"outcome\": \"invalid\"");
    std::fs::write(&result, invalid).unwrap();
    check(&[&text(&before.join("2")), &other], 4, "is an invalid run");
}

#[test]
fn a_long_run_that_gets_slower_is_said_and_a_steady_one_is_not() {
    let folder = folder();
    let session = four_endpoints(folder.path());
    let out = inside(&folder, "runs");
    runs(&session, shop(Duration::ZERO, None), &out, 2);
    let [steady, drifts] = [out.join("0"), out.join("1")];
    let said = reenact_says(["compare", &text(&steady)]);
    assert!(said.code == 2 && said.err.contains("is too short to say what changes during it"), "{said:?}");
    let said = reenact_says(["compare", &text(&out)]);
    assert!(said.code == 2 && said.err.contains("2 runs make no trend"), "{said:?}");
    soak(&steady, 0.0, false);
    soak(&drifts, 0.2, true);
    let said = reenact_says(["compare", &text(&steady)]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("Nothing rises or falls that can be told from noise."), "{}", said.out);
    assert!(said.out.contains("24 of the same length"), "{}", said.out);
    let said = reenact_says(["compare", &text(&drifts)]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("RISES  GET /cart: p50 +") && !said.out.contains("RISES  GET /list"), "{}", said.out);
    assert!(said.out.contains("RISES  errors: +"), "{}", said.out);
    assert!(
        said.out.contains("RISES  memory of process 7 (shop): +") && !said.out.contains("RISES  CPU"),
        "{}",
        said.out
    );
    let fails = |path: &Path, on: &str| reenact_says(["compare", &text(path), "--fail-on", on]).code;
    assert_eq!((fails(&drifts, "target"), fails(&steady, "target")), (1, 0));
    let said_two = reenact_says(["compare", &text(&steady), &text(&drifts), "--fail-on", "target"]);
    assert!(said_two.code == 2 && said_two.err.contains("is for one long run"), "{said_two:?}");
    let json: Value = serde_json::from_str(&reenact_says(["compare", &text(&drifts), "--json"]).out).unwrap();
    let cart = json["endpoints"].as_array().unwrap().iter().find(|row| row["endpoint"] == "GET /cart").unwrap();
    let interval = &cart["response"][0]["change"]["interval"];
    let (low, high) = (interval[0].as_f64().unwrap(), interval[1].as_f64().unwrap());
    assert!(low > 0.15 && high < 0.25 && cart["response"][0]["answer"] == "rises", "{cart}");
    assert_eq!(reenact_says(["compare", &text(&drifts), "--fail-on", "none"]).code, 0);
}

#[test]
fn runs_that_get_slower_one_after_the_other_are_a_trend() {
    let folder = folder();
    let session = four_endpoints(folder.path());
    let out = inside(&folder, "runs");
    runs(&session, shop(Duration::ZERO, None), &out, 6);
    let paths: Vec<String> = (0..6).map(|number| text(&out.join(number.to_string()))).collect();
    for (number, path) in paths.iter().enumerate() {
        soak(Path::new(path), 0.6 * number as f64, false);
    }
    // As started, however they are given; a folder stands for its runs.
    let said = reenact_says([&["compare".to_owned()], &paths[3..], &paths[..3]].concat());
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("RISES  GET /cart: p50 +"), "{}", said.out);
    assert!(said.out.contains("from the first run to the last") && !said.out.contains("GET /list: "), "{}", said.out);
    let folder_of_all = reenact_says(["compare", &text(&out)]);
    assert_eq!(folder_of_all.out, said.out);
    let said = reenact_says(["compare", &text(&out), "--paired"]);
    assert!(said.code == 2 && said.err.contains("--paired needs two sides"), "{said:?}");
    let said = reenact_says(["compare", &text(&out), "--trace-url", "https://traces/{trace_id}"]);
    assert!(said.code == 2 && said.err.contains("--trace-url and --fail-on body,header need two sides"), "{said:?}");
    // Where answers would go if they were too many is no wrong question: there are none.
    assert_eq!(reenact_says(["compare", &text(&out), "--spool", &text(folder.path())]).out, folder_of_all.out);
    // Of three runs nothing can be told.
    let said = reenact_says([&["compare".to_owned()], &paths[..3]].concat());
    assert!(said.code == 0 && said.out.contains("No verdict: too few points for a line."), "{said:?}");
    assert!(!said.out.contains("Nothing rises or falls"), "{said:?}");
}
