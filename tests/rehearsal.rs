//! A migration rehearsed: docs/migration.md, command by command. Two frameworks that are not ours, four changes, and noise:
//! the four are found and nothing else, and the old version against itself differs in nothing.

mod peers;
mod support;
mod told;

use std::path::{Path, PathBuf};

use support::{folder, inside};
use told::Page;

/// How findings begin, up to their figures; what else is found is one too many.
const CHANGES: [&str; 4] = [
    "SLOWER  GET /readers/{id}/loans: p",
    "STATUS  GET /search: 500 instead of 200 in ",
    "BODY  GET /books/{id}: $.fine_per_day is called late_fee now in ",
    "HEADER  GET /books: header:x-total-count is gone in ",
];
const WORDS: [&str; 6] = ["SLOWER", "FASTER", "STATUS", "BODY", "HEADER", "TRAILER"];

/// Lines with findings.
fn findings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| WORDS.iter().any(|word| line.starts_with(&format!("{word}  ")))).collect()
}

#[track_caller]
fn check_changes(text: &str, whose: &str) {
    let found = findings(text);
    for change in CHANGES {
        assert!(found.iter().any(|line| line.starts_with(change)), "{whose}: {change} is missing:\n{text}");
    }
    for line in found {
        assert!(CHANGES.iter().any(|change| line.starts_with(change)), "{whose}: {line}\n{text}");
    }
}

#[test]
fn a_migration_shows_its_four_changes_and_nothing_else() {
    let folder = folder();
    std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), inside(&folder, "tests")).unwrap();
    let parent = |program: PathBuf| program.parent().unwrap().to_owned();
    let programs = [parent(env!("CARGO_BIN_EXE_reenact").into()), parent(peers::venv("python"))];
    let page = Page::read("migration.md");
    let told = page.run(folder.path(), &programs);

    for (command, said) in &told.commands {
        let expected = i32::from(command.starts_with("reenact ab") && command.contains("--rules"));
        assert_eq!(said.code, expected, "{command}: {said:?}");
    }
    let recorded = told.said(&["kill -INT"]);
    assert!(recorded.out.contains("captured   500 exchanges"), "{recorded:?}");

    let again = told.said(&["reenact ab", "again"]);
    assert!(again.out.contains("Nothing changed that can be told from noise."), "{}", again.out);
    assert_eq!(findings(&again.out), Vec::<&str>::new(), "{}", again.out);
    let rules = std::fs::read_to_string(inside(&folder, "library/rules.toml")).unwrap();
    assert!(rules.contains("where = \"header:server\"") && rules.contains("matcher = \"uuid\""), "{rules}");

    check_changes(&told.said(&["reenact ab", "--rules"]).out, "what the experiment says");
    check_changes(&page.blocks("text").concat(), "what the page says that it says");
    told.end();
}
