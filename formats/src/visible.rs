//! Text from traffic and files made harmless for a terminal: what would steer it is spelled out.
//!
//! The one place that knows which characters do. Everything is written as in JSON (`\u001b`), so that what was JSON
//! stays JSON, and means the same. Deliberately not here: pages, which have escapes of their own, and widths.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character steers a terminal, or makes text look like other text: control characters (C0, DEL and C1), what
/// turns the direction of the text around it, and line ends that only some know.
#[must_use]
pub fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line: line ends and tabs are spelled out, too.
///
/// ```
/// # use formats::visible::line;
/// assert_eq!(line("a\u{1b}[2Jb\n\u{202e}c"), r"a\u001b[2Jb\u000a\u202ec");
/// ```
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_steering)
}

/// Text of many lines, in which LF and TAB stay.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_steering(character) && !matches!(character, '\n' | '\t'))
}

/// As [`line()`], of what may not be UTF-8: a byte that is not is `\xff`.
#[must_use]
pub fn line_of_bytes(bytes: &[u8]) -> String {
    of_bytes(bytes, line)
}

/// As [`lines`], of what may not be UTF-8. CR LF is one line end.
#[must_use]
pub fn lines_of_bytes(bytes: &[u8]) -> String {
    of_bytes(bytes, |text| match text.contains("\r\n") {
        true => Cow::Owned(lines(&text.replace("\r\n", "\n")).into_owned()),
        false => lines(text),
    })
}

fn escaped(text: &str, steers: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&steers) else { return Cow::Borrowed(text) };
    let (clean, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(clean);
    for character in rest.chars() {
        if steers(character) {
            // Writing to a string cannot fail. All of them are in the first plane, and one escape each.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

fn of_bytes(bytes: &[u8], shown: impl for<'a> Fn(&'a str) -> Cow<'a, str>) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&shown(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_is_spelled_out_and_nothing_else() {
        assert!(matches!(lines("a\tb\nc – é 漢 \u{200d}"), Cow::Borrowed(_)));
        assert_eq!(lines("\r\0\u{7f}\u{85}\u{9b}31m\u{2066}"), r"\u000d\u0000\u007f\u0085\u009b31m\u2066");
        assert_eq!(line_of_bytes(b"a\xff\x9b\x1b\xc3\xa9"), r"a\xff\x9b\u001bé");
        assert_eq!(lines_of_bytes(b"a\r\nb\rc\n\xc2"), "a\nb\\u000dc\n\\xc2");
    }

    proptest! {
        #[test]
        fn nothing_steers_and_json_means_the_same(text: String, bytes: Vec<u8>, odd in "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{200e}\u{202e}a\"\\\\]{0,20}") {
            for text in [&text, &odd] {
                prop_assert!(!line(text).contains(is_steering));
                let steers = |character: char| is_steering(character) && !matches!(character, '\n' | '\t');
                prop_assert!(!lines(text).contains(steers));
                let json = serde_json::Value::from(text.as_str()).to_string();
                let read: serde_json::Value = serde_json::from_str(&lines(&json)).unwrap();
                prop_assert_eq!(read.as_str(), Some(text.as_str()));
            }
            prop_assert!(!line_of_bytes(&bytes).contains(is_steering));
        }
    }
}
