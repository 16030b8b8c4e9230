//! Encrypted sessions and repaired ones from outside: who has the identity reads them with every command, nobody else reads
//! a word, and what can be saved of a damaged session is saved.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod edited;
mod scripted;
mod support;
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};

use edited::{edited, header, lines, parts, random, write};
use serde_json::Value;
use support::{Said, files, folder, inside, reenact_says, text};

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// A session, the same one encrypted, and a file with the identity.
fn sessions(folder: &tempfile::TempDir) -> (PathBuf, PathBuf, String) {
    let plain = write(&inside(folder, "plain"), header("0011223344556677"), &random(3), &[]);
    let sealed = edited(&[&plain], &inside(folder, "sealed"), &["--encrypt-to", RECIPIENT, "--block-size", "4KiB"]);
    let identity = inside(folder, "identity.txt");
    fs::write(&identity, format!("# for tests\n{IDENTITY}\n")).unwrap();
    (plain, sealed, format!("file:{}", text(&identity)))
}

fn says(arguments: &[&str]) -> Said {
    let said = reenact_says(arguments);
    assert!(!said.err.contains("panicked"), "{said:?}");
    said
}

fn exchanges_of(said: &Said) -> Vec<Value> {
    let lines = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["type"] == "exchange").collect()
}

#[test]
fn every_command_reads_with_the_identity_and_none_without() {
    let folder = folder();
    let (plain, sealed, identity) = sessions(&folder);
    let path = text(&sealed);
    let with = says(&["cat", &path, "--identity", &identity]);
    assert_eq!(with.code, 0, "{with:?}");
    assert_eq!(exchanges_of(&with), lines(&plain));
    for command in [&["cat", &path][..], &["inspect", &path], &["verify", &path], &["plan", &path]] {
        let without = says(command);
        assert_eq!(without.code, 2, "{command:?}: {without:?}");
        assert!(without.err.contains("is encrypted") && without.err.contains("--identity"), "{without:?}");
        let with = says(&[command, &["--identity", &identity]].concat());
        assert_eq!(with.code, 0, "{command:?}: {with:?}");
    }
    let bytes: Vec<u8> = files(&sealed).iter().flat_map(|file| fs::read(file).unwrap()).collect();
    for word in ["HTTP/1.1", "Content-Length", "started_unix_ns\":1795"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} can be read");
    }
}

#[test]
fn an_output_is_not_left_open_by_mistake() {
    let folder = folder();
    let (plain, sealed, identity) = sessions(&folder);
    let (path, out) = (text(&sealed), text(&inside(&folder, "out")));
    let refused = says(&["edit", &path, "--identity", &identity, "-o", &out]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--encrypt-to") && refused.err.contains("--decrypt"), "{refused:?}");
    assert!(!Path::new(&out).exists() && parts(Path::new(&out)).is_empty());
    let wrong = says(&["edit", &text(&plain), "--encrypt-to", "age1nonsense", "-o", &out]);
    assert!(wrong.code == 2 && wrong.err.contains("--encrypt-to: "), "{wrong:?}");
    let opened = says(&["edit", &path, "--identity", &identity, "--decrypt", "-o", &out]);
    assert_eq!(opened.code, 0, "{opened:?}");
    assert_eq!(lines(Path::new(&out)), lines(&plain));
}

#[test]
fn what_can_be_saved_of_a_damaged_session_is_saved() {
    let folder = folder();
    let (plain, sealed, identity) = sessions(&folder);
    for (session, more) in [(&plain, vec![]), (&sealed, vec!["--identity", &identity, "--encrypt-to", RECIPIENT])] {
        let file = files(session).remove(0);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, &bytes).unwrap();
        let out = text(&inside(&folder, &format!("saved-{}", session.file_name().unwrap().display())));
        let said = says(&[&["verify", &text(session), "--repair", &out], &more[..]].concat());
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.contains(&format!("{} byte ", text(&file))), "{said:?}");
        let identity = if more.is_empty() { vec![] } else { vec!["--identity", &identity] };
        assert_eq!(says(&[&["verify", &out], &identity[..]].concat()).code, 0);
        let saved = says(&[&["cat", &out], &identity[..]].concat());
        assert!(saved.out.contains(r#""reason":"damaged_block""#), "{saved:?}");
        let kept = exchanges_of(&saved).len();
        let all = random(3).len();
        assert!(kept < all && kept > all / 2, "{kept} of {all}");
    }
}
