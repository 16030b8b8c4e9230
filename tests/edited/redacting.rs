//! Redaction of a session that is there already: the recorder's rules, failing closed, under a key that is said.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use formats::model::{Body, Exchange, Framing, Instants, Message};
use formats::redact::{RedactionKey, Redactor};
use serde_json::{Value, json};

use crate::edited::{edit, edited, header, header_of, write};
use crate::support::{exchanges, files, folder, inside, text};

const CANARY: &str = "Canary7-q9XzT2-and-more";
const KEYS: [&str; 2] = [
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
];
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// A request with secrets in a header, in JSON, and in a place that only an own rule knows.
fn exchange(at_ns: u64) -> Exchange {
    let body = json!({"password": CANARY, "note": format!("for {CANARY}"), "n": at_ns}).to_string();
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {CANARY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Exchange {
        request: Message {
            head: Bytes::from(head),
            framing: Framing::Length,
            body: Body { total_len: body.len() as u64, bytes: Bytes::from(body), ..Body::default() },
            ..Message::default()
        },
        instants: Instants {
            request_start: at_ns,
            request_head: at_ns,
            request_end: Some(at_ns),
            ..Instants::default()
        },
        ..Exchange::default()
    }
}

struct Place {
    folder: tempfile::TempDir,
    keys: [String; 2],
    config: String,
}

fn place() -> Place {
    let folder = folder();
    let config = inside(&folder, "rules.toml");
    fs::write(&config, "[[redact]]\nname = \"notes\"\njson_path = \"$.note\"\n").unwrap();
    let key = |number: usize| {
        let path = inside(&folder, &format!("key-{number}"));
        fs::write(&path, KEYS[number]).unwrap();
        format!("file:{}", path.display())
    };
    Place { keys: [key(0), key(1)], config: text(&config), folder }
}

impl Place {
    fn session(&self, name: &str, exchanges: &[Exchange]) -> PathBuf {
        write(&inside(&self.folder, name), header(name), exchanges, &[])
    }

    fn redacted(&self, from: &Path, name: &str, key: usize) -> PathBuf {
        let options = ["--redact", "--config", &self.config, "--redact-key", &self.keys[key]];
        edited(&[from], &inside(&self.folder, name), &options)
    }
}

fn has_canary(session: &Path) -> bool {
    files(session).iter().any(|file| fs::read(file).unwrap().windows(7).any(|bytes| bytes == b"Canary7"))
        || exchanges(session).iter().any(|line| line.to_string().contains("Canary7"))
}

#[test]
fn secrets_are_replaced_as_a_recorder_with_that_key_would() {
    let place = place();
    let first = place.session("first", &[exchange(1), exchange(2)]);
    assert!(has_canary(&first));
    let second = place.redacted(&first, "second", 0);
    assert!(!has_canary(&second));
    let key = RedactionKey::from_secret(KEYS[0].as_bytes()).unwrap();
    let mut expected = exchange(1);
    Redactor::new(&key).redact(&mut expected);
    let authorization = |line: &Value| line["request"]["headers"][1][1].as_str().unwrap().to_owned();
    let pseudonym = authorization(&exchanges(&second)[0]);
    assert!(String::from_utf8_lossy(&expected.request.head).contains(&pseudonym), "{pseudonym}");
    let header = header_of(&second);
    assert_eq!(header["redaction"]["key_id"], key.key_id());
    assert_eq!(header["redaction"]["rules"], json!(["1 (\"notes\", line 1): pseudonym"]));
    let options = &header["history"][0]["options"];
    assert_eq!(*options, json!(["--redact", format!("--redact-key ({})", key.key_id())]));
    assert!(header["history"][0]["sources"][0].get("redaction").is_none());

    // A second pass under another key changes nothing that is replaced, and says what that means.
    let third = inside(&place.folder, "third");
    let said = edit([&*text(&second), "-o", &text(&third), "--redact", "--redact-key", &place.keys[1]]);
    assert!(said.code == 0 && said.err.contains("keeps the pseudonyms of key"), "{said:?}");
    assert_eq!(authorization(&exchanges(&third)[0]), pseudonym);
    let other = RedactionKey::from_secret(KEYS[1].as_bytes()).unwrap();
    let ids = format!("{}, {}", key.key_id(), other.key_id());
    assert_eq!(header_of(&third)["redaction"]["key_id"], ids);
}

#[test]
fn what_was_cut_off_and_could_hold_a_secret_is_dropped() {
    let place = place();
    let mut cut = exchange(1);
    cut.request.body.total_len += 1_000;
    let second = place.redacted(&place.session("first", &[cut]), "second", 0);
    assert!(!has_canary(&second));
    assert_eq!(exchanges(&second)[0]["request"]["body"]["dropped"], "truncated");
}

#[test]
fn sessions_redacted_apart_can_be_merged_and_that_is_said() {
    let place = place();
    let a = place.redacted(&place.session("first", &[exchange(1)]), "a", 0);
    let b = place.redacted(&place.session("other", &[exchange(2)]), "b", 1);
    let out = inside(&place.folder, "both");
    let said = edit([&*text(&a), &*text(&b), "-o", &text(&out)]);
    assert!(said.code == 0 && said.err.contains("redacted with different keys"), "{said:?}");
    let header = header_of(&out);
    assert_eq!(header["history"].as_array().unwrap().len(), 3, "{header}");
    assert!(header["redaction"]["headers"].as_array().unwrap().len() > 3);
    let mixed =
        edit([&*text(&a), &*text(&inside(&place.folder, "other")), "-o", &text(&inside(&place.folder, "mixed"))]);
    assert!(mixed.code == 0 && mixed.err.contains("not all of the sessions were redacted"), "{mixed:?}");
    assert!(header_of(&inside(&place.folder, "mixed"))["redaction"].is_null());
}

#[test]
fn one_session_has_one_key_of_sealed_values() {
    let place = place();
    let first = place.session("first", &[exchange(1)]);
    let other = place.session("other", &[exchange(2)]);
    let seal = ["--redact", "--seal", RECIPIENT];
    let a = edited(&[&first], &inside(&place.folder, "a"), &seal);
    let b = edited(&[&other], &inside(&place.folder, "b"), &seal);
    assert!(header_of(&a)["sealing"]["key"].is_string());
    assert!(exchanges(&a)[0].to_string().contains("reenact-sealed-1."));
    let out = text(&inside(&place.folder, "out"));
    let said = edit([&*text(&a), &*text(&b), "-o", &out]);
    assert!(said.code == 2 && said.err.contains("sealed with different keys"), "{said:?}");
    let said = edit([&*text(&a), "-o", &out, "--redact", "--seal", RECIPIENT]);
    assert!(said.code == 2 && said.err.contains("sealed with another key"), "{said:?}");
    // Parts of one sealed session have one key, and so has what is made of them.
    let cut = edited(&[&a], &inside(&place.folder, "cut"), &["--to", "1s"]);
    assert_eq!(header_of(&cut)["sealing"], header_of(&a)["sealing"]);
    // Rules that cannot be followed are refused as a recorder refuses them.
    fs::write(&place.config, "[[redact]]\nheader = \"X\"\naction = \"seal\"\n").unwrap();
    let said = edit([&*text(&first), "-o", &out, "--redact", "--config", &place.config]);
    assert!(said.code == 2 && said.err.contains("redact rule 1 (line 1)"), "{said:?}");
}
