//! Headless Chromium before the recorder: pages, forms, uploads, an event stream and a WebSocket are to it what they are
//! directly, and the session has them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod front;
mod peers;
mod support;

use std::path::Path;
use std::process::Command;

use front::Recorder;
use peers::{body, multiset};
use serde_json::{Value, json};
use support::{exchanges, folder, reenact_says, run, text};

/// What a visit to this site shows.
#[track_caller]
fn visit(address: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/visit.js");
    let said = run(Command::new("node").arg(script).arg(format!("http://{address}")));
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn a_browser_sees_through_the_recorder_what_it_sees_directly() {
    let folder = folder();
    let (_site, address) = peers::hypercorn("storefront.py", &[]);
    let directly = visit(&address);
    let mut recorder = Recorder::start(&folder, &["--upstream", &format!("http://{address}")]);
    let relayed = visit(&recorder.address);
    // What was left out of what is compared would be left out on both sides.
    assert_eq!(
        directly["page"],
        json!({"title": "The shop", "heading": "The shop: ä", "color": "rgb(1, 2, 3)", "picture": 40, "forms": 1})
    );
    assert_eq!(directly["events"].as_array().unwrap().len(), 5, "{directly}");
    assert_eq!(
        (&directly["socket"]["seen"], &directly["socket"]["code"]),
        (&json!([true, true, true, true, true]), &json!(4001))
    );
    assert_eq!((&directly["upload"]["plain"]["bytes"], &directly["missing"]), (&json!(200_000), &json!(404)));
    assert!(directly["ordered"][1].as_str().unwrap().ends_with(" seen=yes"), "{directly}");
    // That something is missing is all that the console has to say.
    assert_eq!(directly["errors"].as_array().unwrap().len(), 1, "{directly}");
    assert_eq!(relayed, directly);

    recorder.end_with_loss();
    assert_eq!(reenact_says(["verify", &text(&recorder.session)]).code, 0);
    let recorded = exchanges(&recorder.session);
    let shown = |one: &Value| {
        let [method, target] = ["method", "target"].map(|name| one["request"][name].as_str().unwrap());
        format!("{method} {target} {}", one["response"]["status"])
    };
    let ordered = format!("GET {}?", directly["ordered"][2].as_str().unwrap());
    let (ends, others): (Vec<String>, Vec<String>) =
        recorded.iter().map(shown).partition(|one| one.starts_with(&ordered));
    assert_eq!(ends.len(), 1, "{ends:?}");
    let acknowledged = (0..5).map(|number| format!("POST /acknowledge/{number} 200"));
    let expected = [
        "GET / 200",
        "GET /style.css?v=1 200",
        "GET /app.js 200",
        "GET /picture.svg 200",
        "GET /events 200",
        "GET /socket?a=b 101",
        "PUT /upload 200",
        "POST /upload 200",
        "GET /long 200",
        "GET /missing 404",
        "POST /order?from=page 303",
    ];
    assert_eq!(multiset(others), multiset(expected.map(str::to_owned).into_iter().chain(acknowledged)));

    let one = |what: &str| recorded.iter().find(|one| shown(one).starts_with(what)).unwrap();
    assert_eq!(body(&one("POST /order")["request"]), b"name=Ann+%26+%C3%A4&words=one%0D%0Atwo&gift=1");
    let events: String = (0..5).map(|number| format!("id: {number}\nevent: tick\ndata: ä {number}\n\n")).collect();
    assert_eq!(body(&one("GET /events")["response"]), events.as_bytes());
    assert_eq!(body(&one("PUT /upload")["request"]), vec![b'z'; 200_000]);
    assert_eq!(body(&one("GET /long")["response"]).len(), 40 * 500 * 32);
    // More than the text and the bytes of the last message passed in each direction, unless they were compressed.
    let tunnel = &one("GET /socket")["tunnel"];
    for side in ["to_upstream", "to_client"] {
        assert!(tunnel[side]["bytes"].as_u64().unwrap() > 1_000, "{side}: {tunnel}");
    }
}
