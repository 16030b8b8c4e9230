//! Filters and templates from outside: what cat prints, what plan and replay choose, and what inspect learns.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::path::{Path, PathBuf};

use scripted::{line, ok, session, target};
use serde_json::Value;
use support::{Said, folder, inside, reenact, reenact_says, run, run_json, text};

fn said(arguments: &[&str]) -> Said {
    let said = reenact_says(arguments);
    assert_eq!(said.code, 0, "{arguments:?} {said:?}");
    said
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&said(arguments).out).unwrap()
}

/// Every 10 ms one of: client 1 reads an item, client 2 a user, client 3 posts an order.
fn shop(folder: &Path) -> PathBuf {
    let user = |i: u64| char::from(b'g' + u8::try_from(i % 20).unwrap()).to_string().repeat(3);
    let lines: Vec<String> = (0..300)
        .map(|i| match i % 3 {
            0 => line(i * 10, 1, "GET", &format!("/items/{i}")),
            1 => line(i * 10, 2, "GET", &format!("/users/{}", user(i))),
            _ => line(i * 10, 3, "POST", "/orders"),
        })
        .collect();
    session(folder, "shop", &lines)
}

/// Targets that cat prints.
fn targets(arguments: &[&str]) -> Vec<String> {
    let lines = said(arguments).out;
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| Some(line["request"]["target"].as_str()?.to_owned())).collect()
}

#[test]
fn cat_prints_what_the_filter_describes() {
    let folder = folder();
    let session = text(&shop(folder.path()));
    let count = |filter: &str| targets(&["cat", &session, "--filter", filter]).len();
    assert_eq!(targets(&["cat", &session]).len(), 300);
    assert_eq!(count("method = POST"), 100);
    assert_eq!(count("method = POST and time < 1s"), 33);
    assert_eq!(count("status = 5xx"), 0);
    assert_eq!(targets(&["cat", &session, "--filter", "path = /items/30"]), ["/items/30"]);
    assert_eq!(count("endpoint = \"GET /items/{id}\""), 100);
    assert_eq!(count("endpoint = /users/{name}"), 0);
    let by_template = ["cat", &session, "--filter", "endpoint = /users/{name}", "--template", "/users/{name}"];
    assert_eq!(targets(&by_template).len(), 100);
    // The variable is the flag, and the session's own line stays.
    let by_variable = run(reenact(["cat", &session]).env("REENACT_FILTER", "path = /items/30"));
    let lines: Vec<Value> = by_variable.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["type"].as_str().unwrap()).collect::<Vec<_>>(), ["session", "exchange"]);
}

#[test]
fn cat_counts_time_from_the_earliest_session() {
    let folder = folder();
    let at = |name: &str, started: &str| {
        let header = format!(r#"{{"type":"session","header":{{"started_unix_ns":{started}}}}}"#);
        text(&session(folder.path(), name, &[header, line(0, 1, "GET", &format!("/{name}"))]))
    };
    let (late, early) = (at("late", "1784021460000000000"), at("early", "1784021400000000000"));
    assert_eq!(targets(&["cat", &late, &early, "--filter", "time >= 1m"]), ["/late"]);
    assert_eq!(targets(&["cat", &late, "--filter", "time >= 1m"]), [""; 0]);
    assert_eq!(targets(&["cat", &late, &early, "--filter", "time < 2026-07-14T09:30:30Z"]), ["/early"]);
    let plan = json(&["plan", &late, &early, "--filter", "time >= 1m", "--json"]);
    assert_eq!(plan["requests"], 1);
}

#[test]
fn what_is_no_filter_or_template_is_refused_with_its_place() {
    let folder = folder();
    let session = text(&shop(folder.path()));
    for command in ["cat", "plan", "replay"] {
        let said = reenact_says([command, &session, "--filter", "status = teapot"]);
        assert_eq!(said.code, 2, "{said:?}");
        for expected in ["--filter", "column 10", "5xx", "  status = teapot\n           ^"] {
            assert!(said.err.contains(expected), "{command} {expected}: {}", said.err);
        }
    }
    for command in ["cat", "plan", "replay", "inspect"] {
        let said = reenact_says([command, &session, "--template", "users/{id}"]);
        assert!(said.code == 2 && said.err.contains("begins with `/`"), "{command} {said:?}");
        let target = if command == "replay" { &["--target", "http://127.0.0.1:1"][..] } else { &[] };
        let two = [command, &session, "--template", "/u/{id}", "--template", "/u/{name}"];
        let said = reenact_says(two.iter().chain(target));
        assert!(said.code == 2 && said.err.contains("the same place"), "{command} {said:?}");
    }
    let said = reenact_says(["replay", &session, "--target", "http://127.0.0.1:1", "--filter", "method = BREW"]);
    assert!(said.code == 2 && said.err.contains("in the chosen part (--from, --to, --filter)"), "{said:?}");
}

#[test]
fn a_plan_is_of_the_chosen_exchanges_alone() {
    let folder = folder();
    let whole = shop(folder.path());
    let whole = text(&whole);
    let file = text(&inside(&folder, "plan.json"));
    let plan = |more: &[&str]| json(&[&["plan", &whole, "--json", "--unsafe-methods", "send"], more].concat());
    let (all, chosen) = (plan(&[]), plan(&["--filter", "method=GET and not path like /users/*"]));
    assert_eq!((all["requests"].as_u64(), chosen["requests"].as_u64()), (Some(300), Some(100)));
    assert_eq!(
        (all["clients"]["recorded"]["clients"].as_u64(), chosen["clients"]["recorded"]["clients"].as_u64()),
        (Some(3), Some(1))
    );
    assert_eq!(chosen["recording_s"], 2.97);
    assert_eq!(chosen["endpoints"].as_array().unwrap().len(), 1);
    assert_ne!(all["plan_hash"], chosen["plan_hash"]);
    // However it is written, it is the same filter.
    let spelled = plan(&["--filter", "(method == 'GET') and not (path like \"/users/*\")"]);
    assert_eq!(spelled["plan_hash"], chosen["plan_hash"]);
    assert_eq!(chosen["options"]["filter"], "method = GET and not path like /users/*");
    // One that chooses the same exchanges is another one all the same.
    assert_ne!(plan(&["--filter", "path like /items/*"])["plan_hash"], chosen["plan_hash"]);
    // The same exchanges alone in a session make the same clients and blocks.
    let cat = said(&["cat", &whole, "--filter", "path like /items/*"]).out;
    let alone: Vec<String> = cat.lines().map(str::to_owned).collect();
    let alone = json(&["plan", &text(&session(folder.path(), "alone", &alone)), "--json"]);
    for part in ["clients", "block_edges_ns", "requests", "recording_s", "bytes", "shape"] {
        assert_eq!(alone[part], chosen[part], "{part}");
    }
    // Shards and later plans choose the same.
    std::fs::write(&file, chosen.to_string()).unwrap();
    let shards: Vec<Value> =
        ["1/3", "2/3", "3/3"].map(|shard| json(&["plan", &whole, "--json", "--plan", &file, "--shard", shard])).into();
    assert!(shards.iter().all(|shard| shard["plan_hash"] == chosen["plan_hash"]));
    assert_eq!(shards.iter().map(|shard| shard["shard_requests"].as_u64().unwrap()).sum::<u64>(), 100);
    let other = reenact_says(["plan", &whole, "--plan", &file, "--filter", "method = GET"]);
    assert!(other.code == 2 && other.err.contains("hash"), "{other:?}");
    // A rate a second is reckoned with the chosen ones, and the config file has the flag as a key.
    let config = text(&inside(&folder, "config.toml"));
    std::fs::write(&config, "[plan]\nfilter = 'path like /items/*'\ntemplate = ['/a/{b}', '/c/{d}']\n").unwrap();
    let rated = plan(&["--config", &config, "--rate", "100/s"]);
    assert_eq!(rated["options"]["template"], "/a/{b} /c/{d}");
    let factor: f64 = rated["factor"].as_str().unwrap().trim_end_matches('x').parse().unwrap();
    assert!((factor - 2.97).abs() < 0.01, "{factor}");
}

#[test]
fn a_replay_sends_what_the_filter_describes_under_the_given_names() {
    let folder = folder();
    let session = text(&shop(folder.path()));
    let (to, out) = (format!("http://{}", target(ok)), inside(&folder, "run"));
    let base = ["replay", &session, "--target", &to, "--speed", "10x"];
    let given = ["--filter", "path like /users/*", "--template", "/users/{name}", "--template", "/x/{y}"];
    said(&[&base[..], &given, &["--out", &text(&out)]].concat());
    let run = run_json(&out);
    assert_eq!((run["planned"].as_u64(), run["completed"].as_u64()), (Some(100), Some(100)));
    let names = |run: &Value| -> Vec<String> {
        let rows = run["endpoints"].as_array().unwrap().iter();
        rows.map(|row| row["endpoint"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&run), ["GET /users/{name}"]);
    // Filter and templates go with the plan.
    let again = inside(&folder, "again");
    said(&[&base[..4], &["--plan", &text(&out.join("plan.json")), "--out", &text(&again)]].concat());
    assert_eq!((&run_json(&again)["plan_hash"], names(&run_json(&again))), (&run["plan_hash"], names(&run)));
}

#[test]
fn rules_and_decisions_see_the_given_names() {
    let folder = folder();
    let session = text(&shop(folder.path()));
    let config = text(&inside(&folder, "config.toml"));
    std::fs::write(
        &config,
        "[[unsafe]]\nendpoint = 'GET /users/{name}'\ndecision = 'skip'\n\
         [[rewrite]]\nendpoint = 'GET /items/{item}'\nset_header = { X-Item = 'yes' }\n",
    )
    .unwrap();
    let base = ["plan", &session, "--config", &config, "--unsafe-methods", "skip"];
    let given = ["--template", "/users/{name}", "--template", "/items/{item}"];
    let plan = json(&[&base[..], &given, &["--json"]].concat());
    assert_eq!(plan["requests"], 100);
    let shown = said(&[&base[..], &given, &["--show", "1"]].concat());
    assert!(shown.out.contains("X-Item: yes") && !shown.err.contains("no request"), "{shown:?}");
}

/// 80 user names, and paths below them.
fn users(folder: &Path) -> PathBuf {
    let letter = |digit: u64| char::from(b'g' + u8::try_from(digit % 20).unwrap());
    let name = |i: u64| [letter(i / 20), letter(i), 'z'].iter().collect::<String>();
    let lines: Vec<String> = (0..160)
        .map(|i| line(i, 1, "GET", &format!("/users/{}{}", name(i % 80), if i < 80 { "" } else { "/pets" })))
        .collect();
    session(folder, "users", &lines)
}

#[test]
fn inspect_learns_templates_and_says_so() {
    let folder = folder();
    let session = text(&users(folder.path()));
    let endpoints = |report: &Value| -> Vec<(String, u64)> {
        let rows = report[0]["endpoints"].as_array().unwrap().iter();
        rows.map(|row| (row["endpoint"].as_str().unwrap().to_owned(), row["exchanges"].as_u64().unwrap())).collect()
    };
    let report = json(&["inspect", &session, "--json"]);
    let expected = |name: &str| [(format!("GET /users/{{{name}}}"), 80), (format!("GET /users/{{{name}}}/pets"), 80)];
    assert_eq!(endpoints(&report), expected("id"));
    let learned = serde_json::json!([{"template": "/users/{id}", "exchanges": 160, "values": 80}]);
    assert_eq!(report[0]["templates"], serde_json::json!({"learned": learned, "from_rows_only": false}));
    let shown = said(&["inspect", &session]).out;
    let row = shown.lines().skip_while(|line| !line.contains("learned template")).nth(1).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["/users/{id}", "160", "80"]);
    // What is given is not learned.
    let given = json(&["inspect", &session, "--json", "--template", "/users/{name}"]);
    assert_eq!(endpoints(&given), expected("name"));
    assert_eq!(given[0]["templates"]["learned"], serde_json::json!([]));
    assert!(!said(&["inspect", &session, "--template", "/users/{name}"]).out.contains("learned"));
}

#[test]
fn a_plan_learns_templates_where_it_is_asked_to() {
    let folder = folder();
    let session = text(&users(folder.path()));
    let plan = |more: &[&str]| json(&[&["plan", &session, "--json"], more].concat());
    let names = |plan: &Value| plan["endpoints"].as_array().unwrap().len();
    let (without, with) = (plan(&[]), plan(&["--learn-templates"]));
    assert_eq!((names(&without), names(&with)), (160, 2));
    assert_ne!(without["plan_hash"], with["plan_hash"]);
    // A part of the sessions has the names of the whole, and the filter may ask for them.
    let part = plan(&["--learn-templates", "--filter", "endpoint = /users/{id}/pets and time < 100ms"]);
    assert_eq!((names(&part), part["requests"].as_u64()), (1, Some(20)));
    let file = text(&inside(&folder, "plan.json"));
    std::fs::write(&file, part.to_string()).unwrap();
    assert_eq!(plan(&["--plan", &file])["plan_hash"], part["plan_hash"]);
}
