//! The relay is not there: a corpus of good, odd and hostile conversations, held directly and through the recorder with
//! capture on, off and failing; both peers must see the same bytes and the same ends.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod corpus;
mod support;

use std::net::SocketAddr;
use std::path::Path;

use corpus::Case;
use corpus::peers::{Saw, converse};
use serde_json::Value;
use support::{PATIENCE, Process, Said, exchanges, folder, inside, recorder, reenact_says, text};
use tokio::net::TcpListener;

/// Holds every conversation, directly or through a recorder before `upstream`.
async fn converse_all(cases: &[Case], to: Option<SocketAddr>, upstream: &TcpListener, how: &str) -> Vec<(Saw, Saw)> {
    let to = to.unwrap_or(upstream.local_addr().unwrap());
    let mut seen = Vec::new();
    for case in cases {
        let held = tokio::time::timeout(PATIENCE, converse(case, to, upstream)).await;
        seen.push(held.unwrap_or_else(|_| unreachable!("{}, {how}: the conversation does not end", case.name)));
    }
    seen
}

/// Holds the corpus both ways, with `meddle` done to the recorder's session before; returns what the recorder said.
#[track_caller]
fn check(how: &str, session: &Path, more: &[&str], meddle: impl FnOnce(&mut Process)) -> Said {
    let cases = corpus::all();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let upstream = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (mut process, address) = recorder(&upstream.local_addr().unwrap().to_string(), session, more);
    let directly = runtime.block_on(converse_all(&cases, None, &upstream, "directly"));
    meddle(&mut process);
    let relayed = runtime.block_on(converse_all(&cases, Some(address.parse().unwrap()), &upstream, how));
    let mut different = Vec::new();
    for (case, (directly, relayed)) in cases.iter().zip(directly.iter().zip(&relayed)) {
        for (side, expected, got) in [("client", &directly.0, &relayed.0), ("server", &directly.1, &relayed.1)] {
            if expected != got {
                different.push(format!("{}: the {side} saw {expected:?} directly, and {got:?} {how}", case.name));
            }
        }
    }
    assert!(different.is_empty(), "{} of {}:\n{}", different.len(), 2 * cases.len(), different.join("\n"));
    assert!(process.is_running(), "{}", process.err());
    process.signal("TERM");
    let said = process.finish();
    assert!(!said.err.contains("panicked") && !said.err.contains("defect"), "{}", said.err);
    said
}

#[test]
fn the_corpus_is_what_it_says() {
    let cases = corpus::all();
    assert!(cases.len() >= 120, "{}", cases.len());
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "names are unique");
}

#[test]
fn with_capture_off() {
    let folder = folder();
    let said = check("without capture", &inside(&folder, "s"), &["--capture", "off"], |_| {});
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!inside(&folder, "s").exists());
}

#[test]
fn with_capture_on_and_cat_shows_what_passed() {
    let folder = folder();
    let session = inside(&folder, "s");
    let said = check("recorded", &session, &["--flush-interval", "20ms"], |_| {});
    // What is no HTTP is passed, and counted as not captured.
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("gap        "), "{said:?}");
    assert_eq!(reenact_says(["verify", &text(&session)]).code, 0);
    let recorded = exchanges(&session);
    for case in corpus::all().iter().filter(|case| case.is_plain) {
        let (sent, answered) = (Case::bytes(&case.client), Case::bytes(&case.server));
        let as_shown = |one: &Value| (shown(&one["request"], true), shown(&one["response"], false));
        assert!(
            recorded.iter().any(|one| as_shown(one) == (sent.clone(), answered.clone())),
            "{}: nothing that cat shows is {:?}",
            case.name,
            String::from_utf8_lossy(&sent)
        );
    }
}

/// A message as its bytes were, from what `cat` shows.
fn shown(message: &Value, is_request: bool) -> Vec<u8> {
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let mut out = if is_request {
        format!("{} {} {}\r\n", text("method"), text("target"), text("version"))
    } else {
        format!("{} {} {}\r\n", text("version"), message["status"], text("reason"))
    };
    for field in message["headers"].as_array().into_iter().flatten() {
        out += &format!("{}: {}\r\n", field[0].as_str().unwrap(), field[1].as_str().unwrap());
    }
    out += "\r\n";
    out += message["body"]["text"].as_str().unwrap_or_default();
    out.into_bytes()
}

#[test]
fn with_a_queue_that_has_no_room() {
    let folder = folder();
    let said =
        check("with a full queue", &inside(&folder, "s"), &["--queue-bytes", "1", "--backlog-bytes", "1"], |_| {});
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("gap        queue_full: "), "{said:?}");
    assert_eq!(reenact_says(["verify", &text(&inside(&folder, "s"))]).code, 0);
}

#[test]
fn with_a_session_that_is_deleted_and_cannot_be_made_again() {
    let folder = folder();
    let session = inside(&folder, "s");
    let replace = |recorder: &mut Process| {
        std::fs::remove_dir_all(&session).unwrap();
        std::fs::write(&session, "in its place").unwrap();
        recorder.wait_for_err("capturing: ");
    };
    let said = check("with a deleted session", &session, &["--flush-interval", "10ms"], replace);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("gap        write_failed: ") && said.out.contains("failed     "), "{said:?}");
    assert!(said.out.contains("captured   0 exchanges "), "{said:?}");
}
