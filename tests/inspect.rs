//! `reenact inspect`: what it says of who is in a session, from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod support;

use formats::summary::Ranked;
use serde_json::Value;
use support::{folder, inside, reenact_says, text};

/// A session of these requests, a second apart: client, User-Agent, method and path.
fn session(folder: &tempfile::TempDir, requests: &[(&str, &str, &str)]) -> std::path::PathBuf {
    let lines: Vec<String> = requests
        .iter()
        .enumerate()
        .map(|(second, (client, agent, line))| {
            let (method, path) = line.split_once(' ').unwrap();
            let at = second as u64 * 1_000_000_000;
            serde_json::json!({
                "type": "exchange", "client": client, "connection": 1,
                "instants_ns": {"request_start": at, "request_head": at, "request_end": at},
                "request": {"method": method, "target": path, "version": "HTTP/1.1",
                            "headers": [["Host", "shop"], ["User-Agent", agent]]},
            })
            .to_string()
        })
        .collect();
    let (file, out) = (inside(folder, "lines"), inside(folder, "session"));
    std::fs::write(&file, lines.join("\n")).unwrap();
    let made = reenact_says(["import", "--format", "jsonl", &text(&file), "-o", &text(&out)]);
    assert_eq!(made.code, 0, "{made:?}");
    out
}

fn inspected(session: &std::path::Path) -> (String, Value) {
    let (shown, json) =
        (reenact_says(["inspect", &text(session)]), reenact_says(["inspect", "--json", &text(session)]));
    assert_eq!((shown.code, json.code), (0, 0));
    let json: Value = serde_json::from_str(&json.out).unwrap();
    (shown.out, json[0].clone())
}

#[test]
fn pools_are_named_and_users_are_not() {
    let folder = folder();
    let (pool, user) = ("peer-00000000000000aa", "named-00000000000000bb");
    let (shown, json) = inspected(&session(
        &folder,
        &[
            (pool, "curl/8", "GET /a"),
            (pool, "Firefox", "GET /b"),
            (user, "curl/8", "GET /c"),
            (user, "curl/8", "GET /d"),
        ],
    ));
    let pools: Vec<&str> =
        json["pools"].as_array().unwrap().iter().map(|one| one["client"].as_str().unwrap()).collect();
    assert_eq!(pools, [pool]);
    assert!(
        shown.contains("50.0 %") && shown.contains("several User-Agents") && shown.contains("--client-key"),
        "{shown}"
    );
    let alone = inspected(&session(&self::folder(), &[(user, "curl/8", "GET /a"), (user, "curl/8", "GET /b")]));
    assert!(!alone.0.contains("pools"), "{}", alone.0);
}

#[test]
fn health_checks_are_offered_to_be_left_out() {
    let folder = folder();
    let user = "named-00000000000000bb";
    let (shown, json) = inspected(&session(
        &folder,
        &[
            (user, "kube-probe/1.29", "GET /internal/state?full"),
            (user, "kube-probe/1.29", "GET /internal/state"),
            (user, "Firefox", "GET /healthz"),
            (user, "Firefox", "POST /healthz"),
            (user, "Firefox", "GET /health-food"),
        ],
    ));
    assert!(shown.contains("--exclude 'GET /internal/state'"), "{shown}");
    let checks: Vec<(&str, u64)> = json["health_checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["exclude"].as_str().unwrap(), one["exchanges"].as_u64().unwrap()))
        .collect();
    assert_eq!(checks, [("GET /healthz", 1), ("GET /internal/state", 2)]);
}

#[test]
fn the_busiest_endpoint_is_told_among_more_than_have_rows() {
    let folder = folder();
    // Who has a row is drawn by lot, and this one never wins.
    let busy = (0..1_000).map(|number| format!("GET /busy/n{number}z")).max_by_key(|name| Ranked::new(name)).unwrap();
    let paths: Vec<String> =
        (0..4_000).map(|number| if number % 4 == 0 { busy.clone() } else { format!("GET /p/x{number}z") }).collect();
    let requests: Vec<(&str, &str, &str)> = paths.iter().map(|line| ("named-01", "Firefox", line.as_str())).collect();
    let (shown, json) = inspected(&session(&folder, &requests));
    let endpoints = json["endpoints"].as_array().unwrap();
    let counted: u64 = endpoints.iter().map(|row| row["exchanges"].as_u64().unwrap()).sum();
    assert_eq!((endpoints.len(), counted, &json["exchanges"]), (1_001, 4_000, &4_000.into()));
    let busiest = shown.lines().skip_while(|line| !line.contains("endpoint ")).nth(1).unwrap();
    let about = busiest.split_whitespace().last().unwrap().replace(',', "").parse::<u64>().unwrap();
    assert!(busiest.contains(&busy) && busiest.contains('≈') && about.abs_diff(1_000) < 350, "{busiest}");
    assert_eq!(json["endpoints_without_a_row"][0]["endpoint"], *busy);
}

#[test]
fn lines_fit_a_terminal_of_any_width() {
    let folder = folder();
    let long = format!("GET /{}", "long/".repeat(60));
    let path = session(&folder, &[("named-01", "Firefox", &long), ("named-02", "kube-probe/1", "GET /internal/state")]);
    for columns in [60, 80, 140] {
        let said = support::run(support::reenact(["inspect", &text(&path)]).env("COLUMNS", columns.to_string()));
        // The path of the session is one word.
        let widest = said.out.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns.max(72), "{columns}: {}", said.out);
    }
}
