//! What a newcomer sees: the demo keeps its promises, a replay says first what must be known first, and what `cat` prints
//! comes back through `import`.

mod scripted;
mod support;

use std::io::Write;

use scripted::{gets, ok, read_head, target};
use support::{cat, folder, inside, reenact_says, run_json, text};

#[test]
fn the_demo_keeps_its_promises() {
    let folder = folder();
    let said = reenact_says(["demo", "--out", &text(folder.path())]);
    assert_eq!(said.code, 0, "{said:?}");
    let result = run_json(&inside(&folder, "run"));
    let number = |name: &str| result[name].as_u64().unwrap();
    let recorded = support::exchanges(&inside(&folder, "session")).len() as u64;
    assert!(recorded > 1_000, "{recorded}");
    assert_eq!((number("planned"), number("sent"), number("completed")), (3 * recorded, 3 * recorded, 3 * recorded));
    assert_eq!(result["spans"]["exported"], number("planned"));
    for promise in
        ["$ reenact record --listen", "$ reenact replay ", "all that there were", "report.html", "are children of them"]
    {
        assert!(said.out.contains(promise), "{promise}: {}", said.out);
    }
    // Nobody watches it on a terminal here.
    assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{said:?}");
    assert!(std::fs::metadata(inside(&folder, "run/report.html")).unwrap().len() > 10_000);
}

#[test]
fn a_replay_that_is_turned_away_says_so_in_its_first_line() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 20));
    let answer = |answer: &'static [u8]| {
        let address =
            target(move |mut socket| while read_head(&mut socket).is_some() && socket.write_all(answer).is_ok() {});
        format!("http://{address}")
    };
    let away: [&[u8]; 3] = [
        b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Go\r\nLocation: https://x/login?next=y\r\nContent-Length: 0\r\n\r\n",
    ];
    for (number, answer) in away.map(answer).into_iter().chain([format!("http://{}", target(ok))]).enumerate() {
        let out = text(&inside(&folder, &format!("run{number}")));
        let said = reenact_says(["replay", &session, "--target", &answer, "--out", &out]);
        let first = said.out.lines().next().unwrap();
        assert_eq!(first.starts_with("NOTE: the target turned the replay away: 20 of 20"), number < 3, "{said:?}");
    }
}

#[test]
fn what_cat_prints_import_reads_back() {
    let folder = folder();
    let session = gets(folder.path(), "s", 30);
    let printed = reenact_says(["cat", &text(&session)]).out;
    let (file, copy) = (inside(&folder, "copy.jsonl"), inside(&folder, "copy"));
    std::fs::write(&file, &printed).unwrap();
    let said = reenact_says(["import", "--format", "jsonl", &text(&file), "-o", &text(&copy)]);
    assert_eq!(said.code, 0, "{said:?}");
    let rest =
        |lines: Vec<serde_json::Value>| lines.into_iter().filter(|line| line["type"] != "session").collect::<Vec<_>>();
    assert_eq!(rest(cat(&copy)), rest(cat(&session)));
    assert_eq!(rest(cat(&copy)).len(), 30);
}

#[test]
fn the_same_options_give_the_same_plan_and_another_seed_another() {
    let folder = folder();
    let session = text(&gets(folder.path(), "s", 100));
    let hash = |seed: &str| {
        let said = reenact_says(["plan", &session, "--rate", "2.5x", "--seed", seed, "--json"]);
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()["plan_hash"].clone()
    };
    assert_eq!(hash("1"), hash("1"));
    assert_ne!(hash("1"), hash("2"));
}
