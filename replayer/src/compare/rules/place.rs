//! Which places a rule is about: `$.items[*].at`, `$..updated_at`, `$.prices.*`, `header:x-*`.

use regex::Regex;

/// Places that a rule is about.
#[derive(Debug, Clone)]
pub(super) struct Places {
    exact: Regex,
    below: Regex,
}

/// How a place belongs to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Covers {
    /// It is one of the rule's places.
    Exactly,
    /// It stands inside of one.
    Below,
    Not,
}

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1_000;
/// A key in a place.
const KEY: &str = r"(?:\.[^.\[\]]+|\['(?:[^'\\]|\\.)*'\])";

impl Places {
    /// # Errors
    /// When the text describes no place.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            return Err(format!("`where` has 1 to {PATTERN_BYTES_MAX} bytes"));
        }
        let is_json = text.starts_with('$');
        let (mut out, mut rest) = ("^".to_owned(), text);
        while let Some(character) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("[*]") {
                out += r"\[\*\]";
                rest = after;
            } else if let Some(after) = rest.strip_prefix("..").filter(|_| is_json) {
                if after.is_empty() || after.starts_with(['.', '[']) {
                    return Err("after .. comes a key, as in $..updated_at".to_owned());
                }
                out += r".*\.";
                rest = after;
            } else if let Some(after) = rest.strip_prefix(".*").filter(|_| is_json) {
                out += KEY;
                rest = after;
            } else if is_json && is_index(rest) {
                return Err("elements of arrays have no numbers here: [*] stands for all of them".to_owned());
            } else {
                match character {
                    '*' if !is_json => out += ".*",
                    '*' => return Err("a * stands for a whole key, as in $.prices.*".to_owned()),
                    _ => out += &regex::escape(&character.to_string()),
                }
                rest = rest.get(character.len_utf8()..).unwrap_or_default();
            }
        }
        let compiled = |end: &str| Regex::new(&format!("{out}{end}")).map_err(|error| error.to_string());
        Ok(Self { exact: compiled("$")?, below: compiled(r"[.\[/@]")? })
    }

    pub(super) fn cover(&self, place: &str) -> Covers {
        if self.exact.is_match(place) {
            Covers::Exactly
        } else if self.below.is_match(place) {
            Covers::Below
        } else {
            Covers::Not
        }
    }
}

fn is_index(text: &str) -> bool {
    text.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .is_some_and(|(index, _)| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, place: &str, expected: Covers) {
        assert_eq!(Places::parse(pattern).unwrap().cover(place), expected, "{pattern} {place}");
    }

    #[test]
    fn patterns_name_places_and_what_is_inside_of_them() {
        check("$.items[*].at", "$.items[*].at", Covers::Exactly);
        check("$.items[*].at", "$.items[*].at.x", Covers::Below);
        check("$.items[*].at", "$.items[*].attic", Covers::Not);
        check("$..at", "$.a[*].b.at", Covers::Exactly);
        check("$..at", "$.a[*].bat", Covers::Not);
        check("$.prices.*", "$.prices.eur", Covers::Exactly);
        check("$.prices.*", "$.prices['a.b']", Covers::Exactly);
        check("$.prices.*", "$.prices", Covers::Not);
        check("$.prices.*.net", "$.prices.eur.net", Covers::Exactly);
        check("$", "$.a", Covers::Below);
        check("header:x-*", "header:x-a", Covers::Exactly);
        check("header:x-a", "header:x-ab", Covers::Not);
        check("/html/body/p[*]", "/html/body/p[*]/@class", Covers::Below);
    }

    #[test]
    fn what_describes_no_place_is_refused() {
        for (pattern, expected) in [
            ("$.items[0].at", "[*] stands for all"),
            ("$.it*ms", "a whole key"),
            ("$..", "after .. comes a key"),
            ("", "1 to 1000 bytes"),
        ] {
            assert!(Places::parse(pattern).unwrap_err().contains(expected), "{pattern}");
        }
    }
}
