//! `reenact compare` and what the answers say: two versions of a real service, whose answers also differ by themselves.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use scripted::{line, read_head, segment, session, target};
use serde_json::{Value, json};
use support::{Process, Said, folder, inside, reenact, reenact_says, run, text, wait_for};

const REQUESTS: u64 = 240;
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A version of the shop, and where it listens.
fn shop(version: &str) -> (Process, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compared/shop.py");
    let process = Process::start(Command::new("python3").args([script, version]).stdin(Stdio::null()));
    let port = wait_for("the shop's port", || {
        let said = process.err();
        said.ends_with('\n').then(|| said.trim().to_owned())
    });
    (process, format!("127.0.0.1:{port}"))
}

/// Requests to three endpoints in turn, one every 4 ms; every tenth search is for something rare.
fn visits(folder: &Path) -> PathBuf {
    let path = |number: u64| match (number % 3, number / 3) {
        (0, n) => format!("/items/{n}"),
        (1, n) => format!("/page?n={}", n % 5),
        (_, n) if n % 10 == 3 => "/search?q=rare&page=1".to_owned(),
        (_, n) => format!("/search?q=word{n}&page=1"),
    };
    let lines: Vec<String> = (0..REQUESTS).map(|n| line(n * 4, n % 8, "GET", &path(n))).collect();
    session(folder, "visits", &lines)
}

#[track_caller]
fn replay(session: &Path, to: &str, out: &Path, more: &[&str]) {
    let (session, to, out) = (text(session), format!("http://{to}"), text(out));
    let said = run(reenact(["replay", &session, "--target", &to, "--out", &out, "--speed", "2x"]).args(more));
    assert_eq!(said.code, 0, "{said:?}");
}

fn compare(before: &Path, after: &Path, more: &[&str]) -> Said {
    run(reenact(["compare", &text(before), &text(after), "--fail-on", "body,header"]).args(more))
}

/// What is said with this word, as `part where kind: endpoints`.
fn said(before: &Path, after: &Path, word: &str, more: &[&str]) -> Vec<String> {
    let said = compare(before, after, &[&["--json"], more].concat());
    let json: Value = serde_json::from_str(&said.out).unwrap();
    let findings = json["answers"]["findings"].as_array().unwrap().iter().filter(|one| one["word"] == word);
    let name = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<String> = findings
        .map(|one| {
            let mut endpoints: Vec<String> =
                one["endpoints"].as_array().unwrap().iter().map(|at| name(&at["endpoint"])).collect();
            endpoints.sort();
            format!("{} {} {}: {}", name(&one["part"]), name(&one["where"]), name(&one["kind"]), endpoints.join(", "))
        })
        .collect();
    found.sort();
    found
}

const CHANGES: [&str; 3] = [
    "body $.price renamed: GET /items/{id}",
    "header header:x-frame-options missing: GET /items/{id}, GET /page, GET /search",
    "status status status: GET /search",
];

#[test]
fn changes_are_found_over_noise_and_learned_rules_silence_it() {
    let folder = folder();
    let session = visits(folder.path());
    let ((_old, old), (_new, new)) = (shop("old"), shop("new"));
    let sides = [("before", &old), ("after", &new), ("again", &old)];
    let [before, after, again] = sides.map(|(name, to)| {
        let side = inside(&folder, name);
        (0..3).for_each(|number| replay(&session, to, &side.join(number.to_string()), &["--answers", "all"]));
        side
    });

    // Repeats tell noise, without any rule.
    assert_eq!(said(&before, &after, "changed", &[]), CHANGES);
    let noise = said(&before, &after, "noise", &[]);
    for place in ["$.updated_at value", "$.request value", "$.tags order"] {
        assert!(noise.iter().any(|one| one.contains(place)), "{place}: {noise:?}");
    }
    assert_eq!(said(&before, &after, "too_few", &[]), Vec::<String>::new());
    let differ = compare(&before, &after, &["--trace-url", "https://traces/{trace_id}/x"]);
    assert_eq!(differ.code, 1, "{differ:?}");
    for expected in [
        "STATUS  GET /search: 500 instead of 200 in 10 % of 240 pairs",
        "all of them have ?q = rare",
        "BODY  GET /items/{id}: $.price is called price_eur now in 100 % of 240 pairs",
        "0 % of 160 within a side",
        "HEADER  GET /items/{id}, GET /page, GET /search: header:x-frame-options is gone in 100 % of 696 pairs",
        &format!("curl 'http://{new}/search?q=rare&page=1'"),
        "traces: before https://traces/",
    ] {
        assert!(differ.out.contains(expected), "{expected}: {}", differ.out);
    }

    // The same against the same: nothing.
    for word in ["changed", "too_few"] {
        assert_eq!(said(&before, &again, word, &[]), Vec::<String>::new(), "{word}");
    }
    assert_eq!(compare(&before, &again, &[]).code, 0);

    // One run a side: everything differs until rules say what noise is, and those can be learned.
    let [one, other, changed] = [&before, &again, &after].map(|side| side.join("0"));
    assert_eq!(compare(&one, &other, &[]).code, 1);
    let rules = text(&inside(&folder, "rules.toml"));
    let out = inside(&folder, "compared");
    let learned = compare(&one, &other, &["--learn", &rules, "--out", &text(&out), "--output", "junit,html"]);
    assert_eq!(learned.code, 0, "{learned:?}");
    // Who learns judges nothing: the files say what the exit code does.
    let junit = std::fs::read_to_string(out.join("junit.xml")).unwrap();
    assert!(junit.contains("failures=\"0\"") && !junit.contains("failures=\"1"), "{junit}");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("fails on: nothing") && !page.contains("body,header"), "{page}");
    let written = std::fs::read_to_string(&rules).unwrap();
    for expected in [
        "# GET /items/{id}: 80 of 80 pairs differ; UUIDs, as in \"",
        "where = \"$.request\"\nmatcher = \"uuid\"",
        "where = \"$.updated_at\"\nmatcher = \"timestamp\"",
        "where = \"$.tags\"\nmatcher = \"set\"",
    ] {
        assert!(written.contains(expected), "{expected}: {written}");
    }
    let silent = compare(&one, &other, &["--rules", &rules]);
    assert_eq!(silent.code, 0, "{silent:?}");
    assert_eq!(said(&one, &changed, "differs", &["--rules", &rules]), CHANGES);
    assert_eq!(compare(&one, &changed, &["--rules", &rules]).code, 1);
    let again = compare(&one, &other, &["--learn", &rules]);
    assert!(again.code == 2 && again.err.contains("is there already"), "{again:?}");
}

#[test]
fn a_run_is_held_against_the_recording_that_it_sent_again() {
    let folder = folder();
    let ((_old, old), (_new, new)) = (shop("old"), shop("new"));
    let recorded = inside(&folder, "recorded");
    let (recorder, address) = support::recorder(&old, &recorded, &[]);
    let urls: Vec<String> = (0..40).map(|n| format!("http://{address}/{}", path(n))).collect();
    let asked = Command::new("curl").arg("--silent").args(&urls).output().unwrap();
    assert!(asked.status.success(), "{asked:?}");
    recorder.signal("INT");
    assert_eq!(recorder.finish().code, 0);
    let [same, changed] = [("same", &old), ("changed", &new)].map(|(name, to)| {
        let out = inside(&folder, name);
        replay(&recorded, to, &out, &["--answers", "all", "--rate", "2x", "--allow-origin"]);
        out
    });
    let rules = inside(&folder, "rules.toml");
    let learned = compare(&recorded, &same, &["--learn", &text(&rules)]);
    assert_eq!(learned.code, 0, "{learned:?}");
    let rules = text(&rules);
    let same = compare(&recorded, &same, &["--rules", &rules]);
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.out.contains("NOTE: before is a recording") && same.out.contains("40 pairs across sides"), "{same:?}");
    assert!(same.out.contains("answers to copies of recorded clients"), "{same:?}");
    assert_eq!(
        said(&recorded, &changed, "differs", &["--rules", &rules]),
        [CHANGES[0], "header header:x-frame-options missing: GET /items/{id}, GET /search", CHANGES[2]]
    );
    let wrong_way = compare(&changed, &recorded, &[]);
    assert!(wrong_way.code == 2 && wrong_way.err.contains("is a recording: it is the side before"), "{wrong_way:?}");
}

fn path(n: u64) -> String {
    match n % 4 {
        0 => "search?q=rare".to_owned(),
        1 => format!("search?q=word{n}"),
        _ => format!("items/{n}"),
    }
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = folder();
    let session = visits(folder.path());
    let (_old, old) = shop("old");
    let [digest, other, none, cut] = ["digest", "other", "none", "cut"].map(|name| inside(&folder, name));
    let key = ["--redact-key", "env:TEST_KEY"];
    let replay = |out: &Path, more: &[&str]| {
        let (session, to, out) = (text(&session), format!("http://{old}"), text(out));
        let arguments = ["replay", &session, "--target", &to, "--out", &out, "--speed", "4x"];
        let said = run(reenact(arguments).args(more).env("TEST_KEY", KEY));
        assert_eq!(said.code, 0, "{said:?}");
    };
    replay(&digest, &key);
    replay(&other, &key);
    replay(&none, &["--answers", "none"]);
    replay(&cut, &["--answers", "all"]);

    let said = compare(&digest, &other, &[]);
    assert!(said.out.contains("bodies were not kept: where they differ is not known"), "{said:?}");
    assert!(
        said.out.contains("BODY  GET /items/{id}: body is another, no more is known in 100 % of 80 pairs"),
        "{said:?}"
    );
    assert!(!said.out.contains("BODY  GET /page") && !said.out.contains("BODY  GET /search"), "{said:?}");
    let said = compare(&digest, &none, &[]);
    assert!(said.code == 0 && said.out.contains("kept no answers (--answers none)"), "{said:?}");
    // Where nothing was learned, nothing says that there is no noise.
    let rules = inside(&folder, "rules.toml");
    for (other, why) in [(&none, "no answers were kept"), (&inside(&folder, "nowhere"), "cannot read ")] {
        let said = compare(&digest, other, &["--learn", &text(&rules)]);
        assert!(said.code == 2 && said.err.contains(why) && !rules.exists(), "{said:?}");
    }

    // A cut session: what can be read is compared.
    let answers = segment(&cut.join("answers"));
    let bytes = std::fs::read(&answers).unwrap();
    std::fs::write(&answers, &bytes[..bytes.len() - 40]).unwrap();
    let said = compare(&digest, &cut, &[]);
    assert!(said.out.contains("cut/answers ends without its index"), "{said:?}");

    let check = |rules: &str, expected: &str| {
        let file = inside(&folder, "bad.toml");
        std::fs::write(&file, rules).unwrap();
        let said = compare(&digest, &other, &["--rules", &text(&file)]);
        assert!(said.err.contains(expected) || said.out.contains(expected), "{expected}: {said:?}");
        said.code
    };
    assert_eq!(
        check("[[rule]]\nwhere = \"$.a\"\nmatcher = \"magic\"", "bad.toml, line 1: there is no matcher `magic`"),
        2
    );
    assert_eq!(
        check("[[rule]]\nwhere = \"$.a\"\nmatcher = \"uuid\"", "the rule on line 1 (`$.a`, uuid) matches nothing"),
        1
    );
    assert_eq!(check("[[rule]]\nwhere = \"body\"\nmatcher = \"ignore\"", "what changes there is not seen"), 0);
    let missing = compare(&digest, &other, &["--rules", "/nowhere.toml"]);
    assert!(missing.code == 2 && missing.err.contains("cannot read the rules /nowhere.toml"), "{missing:?}");
    let printed = reenact_says(["compare", "--print-rules"]);
    assert!(printed.code == 0 && printed.out.contains("where = \"header:date\""), "{printed:?}");
}

/// What a target was asked: heads with their bodies.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// Of `?n=3`.
fn number(head: &str) -> u16 {
    head.split_once("n=").unwrap().1.split([' ', '&']).next().unwrap().parse().unwrap()
}

/// A target that keeps what it is asked; a new one answers `?n=3` with 503.
fn keeps(is_new: bool) -> (String, Asked) {
    let asked = Asked::default();
    let all = Arc::clone(&asked);
    let to = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8(head).unwrap();
            let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            socket.read_exact(&mut body).unwrap();
            let status = if is_new { 500 + number(&head) } else { 200 };
            all.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
            if write!(socket, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").is_err() {
                break;
            }
        }
    });
    (to.to_string(), asked)
}

#[test]
fn a_curl_command_asks_what_was_asked() {
    let folder = folder();
    let requests = [
        ("GET", "/list?n=0&b[]={1,2}", vec![], ""),
        ("GET", "/a/../b/./c?n=1", vec![("X-Empty", String::new())], ""),
        ("HEAD", "/head?n=2", vec![], ""),
        ("GET", "/search?n=3", vec![], "@/etc/hostname"),
        ("POST", "/cart?n=4", vec![("Content-Type", "text/plain".to_owned())], "it's\n\"two\" lines"),
        ("GET", "/long?n=5", vec![("X-Long", "x".repeat(5_000)), ("X-Last", "1".to_owned())], ""),
    ];
    let lines: Vec<String> = (0..)
        .zip(&requests)
        .map(|(at, (method, path, fields, body))| {
            let mut one: Value = serde_json::from_str(&line(at * 10, at, method, path)).unwrap();
            let own = [("Host", "recorded.invalid".to_owned())];
            one["request"]["headers"] = own.iter().chain(fields).map(|(name, value)| json!([name, value])).collect();
            if !body.is_empty() {
                one["request"]["body"] = json!({"text": body});
            }
            one.to_string()
        })
        .collect();
    let session = session(folder.path(), "odd", &lines);
    let ((old, _), (new, asked)) = (keeps(false), keeps(true));
    let [before, after] = [("before", &old), ("after", &new)].map(|(name, to)| {
        let out = inside(&folder, name);
        replay(&session, to, &out, &["--answers", "all", "--unsafe-methods", "send"]);
        out
    });
    let mut sent = std::mem::take(&mut *asked.lock().unwrap());
    let said = compare(&before, &after, &[]);
    let commands: Vec<&str> = said.out.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(commands.len(), requests.len(), "{said:?}");
    for command in &commands {
        let said = run(Command::new("bash").args(["-c", command]));
        assert_eq!(said.code, 0, "{command}: {said:?}");
    }
    let mut again = std::mem::take(&mut *asked.lock().unwrap());
    for asked in [&mut sent, &mut again] {
        asked.sort_by_key(|(head, _)| number(head));
    }
    assert_eq!((sent.len(), again.len()), (requests.len(), requests.len()), "{commands:?}");
    for ((sent, body), (again, body_again)) in sent.iter().zip(&again) {
        assert_eq!((sent.lines().next(), body), (again.lines().next(), body_again), "{commands:?}");
        for name in ["content-type", "content-length", "x-empty"] {
            assert_eq!(field(sent, name), field(again, name), "{name}: {commands:?}");
        }
    }
    // What has no room is said.
    let long = commands.iter().find(|command| command.contains("/long?n=5")).unwrap();
    assert!(long.ends_with(" # its head is too long for a line") && !long.contains("xxx"), "{long}");
}
