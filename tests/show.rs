//! What people are shown of sessions, from outside: the examples of the page, numbers that are not there, and that
//! nothing that traffic or a file said steers a terminal.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::visible::is_steering;
use serde_json::{Value, json};
use support::{Said, folder, inside, reenact, reenact_says, run, text};

const PAGE: &str = "docs/inspecting.md";

/// The session of the page's examples.
fn shop(folder: &Path) -> PathBuf {
    let out = folder.join("shop");
    let made = reenact_says(["import", "--format", "jsonl", "tests/show/shop.jsonl", "-o", &text(&out)]);
    assert_eq!(made.code, 0, "{made:?}");
    out
}

/// A command of the page, run as a user would beside the session.
fn of_page(command: &str, folder: &Path) -> String {
    let words = command.strip_prefix("reenact ").unwrap_or_else(|| panic!("{command}"));
    let mut process = reenact(words.split(' '));
    let said = run(process.current_dir(folder).env("COLUMNS", "80").env("NO_COLOR", "1"));
    said.out + &said.err
}

#[test]
fn the_examples_of_the_page_say_what_they_show() {
    let folder = folder();
    shop(folder.path());
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut parts = page.split("```console\n$ ");
    let (mut written, mut examples) = (parts.next().unwrap().to_owned(), 0);
    for part in parts {
        let (example, rest) = part.split_once("```").unwrap();
        let (command, _) = example.split_once('\n').unwrap();
        written += &format!("```console\n$ {command}\n{}```{rest}", of_page(command, folder.path()));
        examples += 1;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PAGE, &written).unwrap();
    }
    assert!(examples >= 6, "{examples}");
    for (number, (is, should)) in written.lines().zip(page.lines()).enumerate() {
        assert_eq!(is, should, "{PAGE} line {}; UPDATE_GOLDEN=1 writes it again", number + 1);
    }
    assert_eq!(written, page);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let folder = folder();
    let shop = text(&shop(folder.path()));
    let check = |more: &[&str], code: i32, said: &str| {
        let result = reenact_says(["cat", &shop].iter().chain(more));
        assert!(result.code == code && result.err.contains(said), "{more:?}: {result:?}");
        result.out
    };
    check(&["--show", "99"], 2, "there is no exchange 99\nhint: ");
    check(&["--show", "99"], 2, "has 0..38");
    let some = check(&["--show", "2", "--show", "50..60"], 2, "there is no exchange 50..60");
    assert!(some.starts_with("exchange 2 of ") && some.matches("── timeline").count() == 1, "{some}");
    let range = check(&["--show", "1..3,38", "--show", "2"], 0, "");
    let titles: Vec<&str> =
        range.lines().filter_map(|line| line.strip_prefix("exchange ")?.split(' ').next()).collect();
    assert_eq!(titles, ["1", "2", "3", "38"]);
    check(&["--show", "3-5"], 2, "is no exchange; write a number");
    check(&["--show-bytes", "1KiB"], 2, "--show");
    check(&["-n", "3", "--show", "1"], 2, "cannot be used with");
}

#[test]
fn a_limit_counts_exchanges_over_all_sessions() {
    let folder = folder();
    let shop = text(&shop(folder.path()));
    let printed = |limit: &str| {
        let said = reenact_says(["cat", &shop, &shop, "-n", limit]);
        assert_eq!(said.code, 0, "{said:?}");
        let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
        (count("session"), count("exchange"))
    };
    assert_eq!(printed("0"), (1, 0));
    assert_eq!(printed("39"), (1, 39));
    assert_eq!(printed("40"), (2, 40));
    assert_eq!(printed("1000"), (2, 78));
}

#[test]
fn bytes_that_are_shown_are_bounded_as_asked() {
    let folder = folder();
    let shop = text(&shop(folder.path()));
    let rows = |more: &[&str]| {
        let said = reenact_says(["cat", &shop, "--show", "2"].iter().chain(more));
        (said.out.lines().filter(|line| line.starts_with("000000")).count(), said.out.contains("are shown"))
    };
    assert_eq!(
        (rows(&[]), rows(&["--show-bytes", "16"]), rows(&["--show-bytes", "97B"])),
        ((7, false), (1, true), (7, false))
    );
}

/// A session in which everything that can be said says something that steers.
fn hostile(folder: &Path) -> PathBuf {
    let odd = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{2066}\u{7f}\u{8}";
    let of = |head: String| json!({"head_base64": STANDARD.encode(head)});
    let request = |target: &str| {
        of(format!(
            "GE{odd}T {target} HTTP/1.1\r\nHost: h{odd}\r\nUser-Agent: kube-probe/{odd}\r\nX{odd}: a\rb\r\n\r\n"
        ))
    };
    let plain = |target: String| {
        of(format!("GET {target} HTTP/1.1\r\nHost: h{odd}\r\nContent-Type: {odd}\r\nContent-Encoding: {odd}\r\n\r\n"))
    };
    let answer = |body: Value| {
        let head = format!("HTTP/1.1 503 {odd}\r\nServer: {odd}\r\nContent-Type: text/html{odd}\r\n\r\n");
        let trailers = STANDARD.encode(format!("T{odd}: {odd}\r\n"));
        json!({"head_base64": STANDARD.encode(head), "framing": "until_close", "body": body, "trailers_base64": trailers})
    };
    let mut lines = vec![json!({"type": "session", "header": {
        "created_by": odd, "started_unix_ns": 1_764_082_800_000_000_000u64, "listen": odd, "upstream": odd, "client_keys": [odd],
        "redaction": {"key_id": odd, "headers": [odd], "rules": [odd]}, "only": [odd], "exclude": [odd],
    }})];
    let bodies = [
        json!({"text": format!("{{\"a\":\"{}\"}}", "\u{9b}\u{202e}")}),
        json!({"text": odd}),
        json!({"base64": STANDARD.encode([0x1b, 0x9b, 0xff])}),
    ];
    for (seq, body) in bodies.into_iter().enumerate() {
        let at = 1_000_000 * seq as u64;
        let instants = json!({"request_start": at, "request_head": at, "request_end": at, "response_start": at + 5, "response_end": at + 9});
        let request = match seq {
            0 => request(&format!("/a{odd}")),
            1 => plain(format!("/b/{odd}")),
            // One that can be sent.
            _ => json!({"method": "GET", "target": "/c", "version": "HTTP/1.1",
                        "headers": [["Host", "h"], ["X-Odd", "\u{9b}2J\u{202e}"]]}),
        };
        lines.push(json!({
            "type": "exchange", "seq": seq, "client": "named-01", "connection": 1, "instants_ns": instants,
            "request": request, "response": answer(body),
        }));
    }
    let (file, out) = (folder.join("hostile.jsonl"), folder.join("hostile"));
    std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let made = reenact_says(["import", "--format", "jsonl", &text(&file), "-o", &text(&out)]);
    assert_eq!(made.code, 0, "{made:?}");
    out
}

/// What a command says on a terminal, where it may colour what it says.
fn on_a_terminal(arguments: &[&str]) -> Said {
    let quoted: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let command = format!("stty cols 100; exec '{}' {}", env!("CARGO_BIN_EXE_reenact"), quoted.join(" "));
    let mut said =
        run(Command::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR"));
    said.out = said.out.replace("\r\n", "\n");
    said
}

/// Without our own colours: ESC [ digits m.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| {
        match part.split_once('m').filter(|(code, _)| code.len() <= 2 && code.bytes().all(|byte| byte.is_ascii_digit()))
        {
            Some((_, rest)) => text + rest,
            None => text + "\u{1b}[" + part,
        }
    })
}

#[test]
fn nothing_that_traffic_said_steers_a_terminal() {
    let folder = folder();
    let hostile = text(&hostile(folder.path()));
    let missing = format!("{hostile}/\u{1b}[2J\u{202e}");
    for (arguments, is_coloured) in [
        (vec!["cat", &hostile], false),
        (vec!["cat", &hostile, "--show", "0..9"], true),
        (vec!["cat", &hostile, "--show", "7"], false),
        (vec!["inspect", &hostile], true),
        (vec!["inspect", "--json", &hostile], false),
        (vec!["verify", &hostile], false),
        (vec!["plan", &hostile], false),
        (vec!["plan", &hostile, "--json"], false),
        (vec!["plan", &hostile, "--show", "3"], false),
        (vec!["record", "--explain-redaction", &hostile], false),
        (vec!["inspect", &missing], false),
        (vec!["--log-format", "json", "inspect", &missing], false),
    ] {
        let (piped, shown) = (reenact_says(&arguments), on_a_terminal(&arguments));
        assert!(
            !piped.out.contains("\u{1b}[") || arguments.contains(&"plan"),
            "{arguments:?} coloured a pipe: {}",
            piped.out
        );
        assert_eq!(shown.out.contains("\u{1b}["), is_coloured, "{arguments:?}: {}", shown.out);
        // Requests as they would be sent are bytes for another program, where they go to one.
        let of_pipe = if arguments[0] == "plan" && arguments.contains(&"--show") {
            String::new()
        } else {
            piped.out + &piped.err
        };
        for said in [of_pipe, without_colours(&shown.out)] {
            let found = said.chars().find(|character| is_steering(*character) && !matches!(character, '\n' | '\t'));
            assert_eq!(found, None, "{arguments:?}: {said:?}");
        }
        assert!(!shown.out.trim().is_empty(), "{arguments:?} says nothing");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let folder = folder();
    let shop = text(&shop(folder.path()));
    let shown = |before: &str| {
        let command = format!("{before} '{}' cat '{shop}' --show 0", env!("CARGO_BIN_EXE_reenact"));
        run(Command::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR"))
            .out
    };
    assert!(shown("").contains("\u{1b}[1mexchange 0 of"));
    for before in ["env NO_COLOR=1", "env TERM=dumb", "env -u TERM"] {
        assert!(!shown(before).contains('\u{1b}'), "{before}");
    }
}

#[test]
fn what_cat_prints_is_read_back_whatever_was_spelled_out() {
    let folder = folder();
    let hostile = hostile(folder.path());
    let (lines, again) = (inside(&folder, "lines"), inside(&folder, "again"));
    let printed = reenact_says(["cat", &text(&hostile)]).out;
    assert!(printed.contains(r"\u202e") && printed.contains(r"\u009b"), "{printed}");
    std::fs::write(&lines, &printed).unwrap();
    assert_eq!(reenact_says(["import", "--format", "jsonl", &text(&lines), "-o", &text(&again)]).code, 0);
    assert_eq!(support::exchanges(&again), support::exchanges(&hostile));
}
