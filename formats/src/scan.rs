//! Looking for what should not be in a session: credentials and personal data that nothing replaced, told by kind and place
//! and never by value.
//!
//! It reads as redaction does ([`crate::redact`]), with the same rules and patterns, so that what redaction would replace
//! is found, and what it made is not; `detectors` adds what redaction leaves alone by default. Deliberately not here:
//! reading sessions, and adding up what is found in them.
//!
//! ```
//! use formats::model::{Exchange, Message};
//! use formats::scan::Scanner;
//!
//! let head = "GET /orders?token=correct-horse HTTP/1.1\r\nHost: x\r\n\r\n";
//! let exchange = Exchange { request: Message { head: head.into(), ..Message::default() }, ..Exchange::default() };
//! let found = Scanner::new().scan(exchange).found;
//! assert_eq!((found[0].kind.as_str(), found[0].message, found[0].place.as_str()), ("credential", "request", "query token"));
//! ```

mod detectors;

use crate::model::Exchange;
use crate::redact::{Action, Change, RedactionKey, Redactor, is_secret_key, shown};

/// Something that looks like a credential or like personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `credential` (by the name of its header or key), `cookie`, the name of a default pattern, or `email`, `iban`,
    /// `card_number`, `bearer`, `basic`.
    pub kind: String,
    /// `request`, `informational` or `response`.
    pub message: &'static str,
    /// As in `header authorization`, `target`, `query token`, `body form user`, `body $.user.email`, `body text`.
    pub place: String,
    /// How often.
    pub count: u64,
}

/// What was found in an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scanned {
    /// By place, in the order of the messages.
    pub found: Vec<Found>,
    /// Bodies that could not be looked into as what they are.
    pub unread: u64,
}

/// Looks into exchanges.
#[derive(Debug)]
pub struct Scanner {
    redactor: Redactor,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// With all that it knows.
    #[must_use]
    pub fn new() -> Self {
        // What the redactor makes of an exchange is thrown away, and so needs no secret key.
        let redactor = Redactor::new(&RedactionKey::of_no_secret()).that_scans(detectors::all());
        Self { redactor }
    }

    /// Looks into one exchange, and takes it: what becomes of it is of no use.
    #[must_use]
    pub fn scan(&self, mut exchange: Exchange) -> Scanned {
        let mut scanned = Scanned::default();
        for change in self.redactor.explain(&mut exchange) {
            if change.place == "body" {
                scanned.unread += change.count;
            } else if !is_harmless(&change) {
                scanned.found.push(found(&change));
            }
        }
        scanned
    }
}

/// Whether it is a cookie that is too short to tell anybody apart, and does not say that it is a secret: a language, a
/// theme.
fn is_harmless(change: &Change) -> bool {
    change.place == "cookie" && change.action == Action::Mask.name() && !is_secret_key(change.name.as_bytes())
}

fn found(change: &Change) -> Found {
    let rule = change.rule.strip_prefix("default ").unwrap_or(&change.rule);
    let kind = match (rule, change.place) {
        (_, "cookie") => "cookie",
        ("header" | "key" | "fail closed", _) => "credential",
        (pattern, _) => pattern,
    };
    let name = shown(change.name.as_bytes());
    let named = |place: &str| if name.is_empty() { place.to_owned() } else { format!("{place} {name}") };
    let place = match change.place {
        "header" | "trailer" => format!("{} {}", change.place, name.to_ascii_lowercase()),
        "json" => change.path.clone(),
        "form" => named("body form"),
        "text" => "body text".to_owned(),
        "other" => "(other places)".to_owned(),
        place => named(place),
    };
    Found { kind: kind.to_owned(), message: change.part, place, count: change.count }
}

#[cfg(test)]
mod tests;
