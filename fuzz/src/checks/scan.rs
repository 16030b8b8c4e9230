//! Looking for credentials and personal data.

use std::sync::LazyLock;

use formats::scan::Scanner;

use super::redact::exchange;

static SCANNER: LazyLock<Scanner> = LazyLock::new(Scanner::new);

/// Any exchange: what is found was there at least once, is said in words that steer no terminal, and is the same again.
pub fn scan(data: &[u8]) {
    let given = exchange(data);
    let scanned = SCANNER.scan(given.clone());
    for found in &scanned.found {
        assert!(found.count > 0, "{found:?}");
        assert!(!found.kind.is_empty() && !found.place.chars().any(char::is_control), "{found:?}");
    }
    assert_eq!(SCANNER.scan(given), scanned);
}
