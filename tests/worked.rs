//! The examples of docs/editing.md, encrypting.md and redaction.md, run in their order: what they print is what stands
//! there, but for sizes. `UPDATE_GOLDEN=1` writes what is printed into the pages.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod edited;
mod scripted;
mod support;
mod traffic;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use formats::model::{Body, ClientKey, Exchange, Framing, Instants, KeySource, Message};

use edited::{MS, gap, header, write};
use support::{folder, inside, reenact, run};

const FENCE: &str = "```console\n";

/// One every three seconds for half an hour, of `clients` users; every fifth sends a form.
fn half_an_hour(clients: u64, from: u64) -> Vec<Exchange> {
    let message = |head: String, body: String| Message {
        head: Bytes::from(head),
        framing: Framing::Length,
        body: Body { total_len: body.len() as u64, bytes: Bytes::from(body), ..Body::default() },
        ..Message::default()
    };
    let exchange = |n: u64| {
        let at = n * 3_000 * MS;
        let form = if n.is_multiple_of(5) { format!("name=n{n}&text={}", "x".repeat(2_000)) } else { String::new() };
        let page = format!("<p>page {n}</p>\n").repeat(50);
        let method = if form.is_empty() { "GET" } else { "POST" };
        let request = format!(
            "{method} /page/{n} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer token-of-user-{}\r\nContent-Length: {}\r\n\r\n",
            n % clients,
            form.len()
        );
        let response = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
        let instants = Instants {
            request_start: at,
            request_head: at,
            request_end: Some(at),
            connected: None,
            response_start: Some(at + MS),
            response_head: Some(at + MS),
            response_end: Some(at + 2 * MS),
        };
        let id = (from + n % clients + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Exchange {
            client: ClientKey { source: KeySource::Peer, id },
            connection: n % clients,
            request: message(request, form),
            response: Some(message(response, page)),
            instants,
            ..Exchange::default()
        }
    };
    (0..600).map(exchange).collect()
}

fn make(folder: &Path) {
    let sessions = folder.join("sessions");
    let gaps = [(100, gap(299_000 * MS, 300_000 * MS, 5_000)), (300, gap(890_000 * MS, 905_000 * MS, 70_000))];
    write(&sessions.join("monday"), header("1000000000000001"), &half_an_hour(40, 0), &gaps);
    write(&sessions.join("node-a"), header("1000000000000002"), &half_an_hour(40, 0), &[]);
    write(&sessions.join("node-b"), header("1000000000000003"), &half_an_hour(30, 100), &[]);
    fs::write(folder.join("redact.key"), "01".repeat(32)).unwrap();
    // Of the recipient in docs/encrypting.md; it opens nothing else.
    fs::write(
        folder.join("replay.key"),
        "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33\n",
    )
    .unwrap();
    let staging = "[[rewrite]]\nname = \"staging has no CDN\"\nendpoint = \"GET /page/*\"\nremove_header = [\"Authorization\"]\nreplace_path = { from = '^/page/', to = '/v2/page/' }\n";
    fs::write(folder.join("staging.toml"), staging).unwrap();
    fs::write(folder.join("rules.toml"), "[[redact]]\nform = \"text\"\naction = \"mask\"\n").unwrap();
}

/// Sizes belong to the format, not to these examples.
fn without_sizes(text: &str) -> String {
    let size = |word: &str| ["B", "KiB", "MiB"].iter().find_map(|unit| word.strip_prefix(unit)).map(str::to_owned);
    let ends_word = |rest: &str| rest.chars().next().is_none_or(|next| matches!(next, '\n' | ','));
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let after = size(word).filter(|rest| ends_word(rest));
        match (words.last_mut().filter(|last| last.ends_with(|c: char| c.is_ascii_digit())), after) {
            (Some(last), Some(after)) => {
                let kept = last.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').len();
                last.truncate(kept);
                last.push_str("SIZE");
                last.push_str(&after);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

/// Runs the examples of a page in a folder with the sessions; whether they print what stands there.
#[track_caller]
fn check(page: &str, examples: usize) -> tempfile::TempDir {
    let folder = folder();
    make(folder.path());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let page = fs::read_to_string(&path).unwrap();
    let mut out = String::new();
    let mut rest = page.as_str();
    let mut count = 0;
    while let Some((before, block)) = rest.split_once(FENCE) {
        let (block, after) = block.split_once("```").unwrap();
        out += &format!("{before}{FENCE}");
        for command in block.lines().filter_map(|line| line.strip_prefix("$ reenact ")) {
            let said = run(reenact(command.split_whitespace()).current_dir(folder.path()));
            out += &format!("$ reenact {command}\n{}{}", said.err, said.out);
            if said.code != 0 {
                out += &format!("# exit code {}\n", said.code);
            }
            count += 1;
        }
        out += "```";
        rest = after;
    }
    out += rest;
    assert!(count >= examples, "{count} examples");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &out).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap();
    assert_eq!(without_sizes(&page), without_sizes(&out), "UPDATE_GOLDEN=1 writes it anew; read the difference");
    folder
}

#[test]
fn editing() {
    let folder = check("editing.md", 9);
    assert!(inside(&folder, "cut").join("two-days").exists());
}

#[test]
fn encrypting() {
    check("encrypting.md", 4);
}

#[test]
fn redacting() {
    check("redaction.md", 4);
}
