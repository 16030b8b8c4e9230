//! What callers of `--admin` are answered.

use hyper::{Method, StatusCode};
use recorder::capture::Budget;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin::{Asking, Reply};
use super::ended::gap;
use super::metrics;
use super::recording::Recording;
use super::sessions::{Session, Sessions};
use crate::units;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The body of `POST /recording/start`: the session's budget instead of the flags'.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Start {
    duration: Option<String>,
    max_size: Option<String>,
    max_exchanges: Option<u64>,
}

/// Answers one call. `accepts` says whether new connections are accepted.
pub(super) fn answer(recording: &mut Recording, asked: &Asking, accepts: bool) -> Reply {
    let is_read = asked.method == Method::GET || asked.method == Method::HEAD;
    match asked.path.as_str() {
        "/livez" if is_read => text(StatusCode::OK, "alive\n"),
        "/readyz" if is_read && accepts => text(StatusCode::OK, "ready\n"),
        "/readyz" if is_read => text(StatusCode::SERVICE_UNAVAILABLE, "no new traffic: the recorder ends\n"),
        "/metrics" if is_read => Reply {
            status: StatusCode::OK,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics::text(recording),
        },
        path if path == "/recording" || path.starts_with("/recording/") => {
            if let Some(why) = asked.refusal {
                return text(StatusCode::FORBIDDEN, why);
            }
            let action = path.strip_prefix("/recording").unwrap_or_default();
            match (action, is_read, asked.method == Method::POST) {
                ("" | "/", true, _) => state(recording, StatusCode::OK),
                ("/start" | "/stop" | "/rotate", _, true) => act(recording, action, &asked.body),
                ("" | "/" | "/start" | "/stop" | "/rotate", ..) => {
                    text(StatusCode::METHOD_NOT_ALLOWED, "GET /recording; POST /recording/start, /stop or /rotate\n")
                }
                _ => not_found(),
            }
        }
        "/livez" | "/readyz" | "/metrics" => text(StatusCode::METHOD_NOT_ALLOWED, "this is only read, with GET\n"),
        _ => not_found(),
    }
}

fn act(recording: &mut Recording, action: &str, body: &[u8]) -> Reply {
    let is_recording = recording.sessions().and_then(Sessions::current).is_some();
    match (action, is_recording) {
        ("/start", false) => {
            let budget = match budget(body) {
                Ok(budget) => budget,
                Err(why) => return text(StatusCode::BAD_REQUEST, &format!("{why}\n")),
            };
            match recording.begin(budget) {
                Ok(()) => state(recording, StatusCode::CREATED),
                Err(failure) => text(StatusCode::CONFLICT, &format!("{failure}\n")),
            }
        }
        ("/start", true) => text(StatusCode::CONFLICT, "already recording; stop first\n"),
        (_, false) => text(StatusCode::CONFLICT, "nothing is being recorded\n"),
        ("/stop", true) => {
            recording.end_session();
            state(recording, StatusCode::OK)
        }
        _ => {
            recording.sessions().map(Sessions::rotate);
            state(recording, StatusCode::ACCEPTED)
        }
    }
}

/// The budget that a body asks for; none for no body: then the flags' holds.
fn budget(body: &[u8]) -> Result<Option<Budget>, String> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let bad = |why: &dyn std::fmt::Display| {
        format!(
            "{why}; the body is JSON as in {{\"duration\": \"10m\", \"max-size\": \"1GiB\", \"max-exchanges\": 100000}}"
        )
    };
    // An array would be read as a budget without names, and an empty one as no bound at all.
    let start: serde_json::Map<String, Value> = serde_json::from_slice(body).map_err(|error| bad(&error))?;
    let start: Start = serde_json::from_value(Value::Object(start)).map_err(|error| bad(&error))?;
    let duration = start.duration.map(|text| units::duration(&text)).transpose().map_err(|error| bad(&error))?;
    let max_size = start.max_size.map(|text| units::size(&text)).transpose().map_err(|error| bad(&error))?;
    let zeros = [
        ("duration", duration.is_some_and(|duration| duration.is_zero())),
        ("max-size", max_size == Some(0)),
        ("max-exchanges", start.max_exchanges == Some(0)),
    ];
    if let Some((key, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
        return Err(bad(&format!("{key} must be above zero")));
    }
    Ok(Some(Budget { elapsed_ns: duration.map(units::nanos), file_bytes: max_size, exchanges: start.max_exchanges }))
}

fn state(recording: &Recording, status: StatusCode) -> Reply {
    let current = recording.sessions().and_then(Sessions::current);
    let losses = recording.sessions().map(|sessions| sessions.tap().losses());
    let gaps: Vec<Value> =
        losses.into_iter().flat_map(|losses| losses.all()).map(|(reason, missing)| gap(reason, &missing)).collect();
    let session = current.map(|(directory, status)| {
        json!({
            "session": directory,
            "exchanges": status.written.exchanges,
            "file_bytes": status.written.file_bytes,
            "segments": status.written.segments,
            "connections": status.connections,
            "is_down": status.is_down,
            "is_paused": recording.sessions().is_some_and(Sessions::is_paused),
            "failures": status.failures,
        })
    });
    let ended = recording.sessions().map(Sessions::ended).unwrap_or_default();
    let body = json!({
        "state": if session.is_some() { "recording" } else { "stopped" },
        "current": session,
        "ended": ended.iter().map(Session::json).collect::<Vec<_>>(),
        "gaps_since_start": gaps,
    });
    Reply { status, content_type: JSON, body: format!("{body}\n") }
}

fn text(status: StatusCode, body: &str) -> Reply {
    Reply { status, content_type: TEXT, body: body.to_owned() }
}

fn not_found() -> Reply {
    text(StatusCode::NOT_FOUND, "there are /livez, /readyz, /metrics and /recording\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets() {
        assert_eq!(budget(b" \n"), Ok(None));
        let asked = budget(br#"{"duration": "1s", "max-size": "1KiB", "max-exchanges": 5}"#);
        let expected = Budget { elapsed_ns: Some(1_000_000_000), exchanges: Some(5), file_bytes: Some(1_024) };
        assert_eq!(asked, Ok(Some(expected)));
        for bad in [
            "{",
            "[]",
            r#"{"duration": 5}"#,
            r#"{"duration": "soon"}"#,
            r#"{"max-size": "1 shoe"}"#,
            r#"{"max": 1}"#,
            r#"{"duration": "0s"}"#,
            r#"{"max-size": "0"}"#,
            r#"{"max-exchanges": 0}"#,
        ] {
            assert!(budget(bad.as_bytes()).unwrap_err().contains("max-exchanges"), "{bad}");
        }
    }
}
