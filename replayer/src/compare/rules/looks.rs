//! What a value looks like: an instant, a UUID, a number, a digest.

/// A way to write an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instant {
    /// RFC 3339, with a T or a space, with or without a zone.
    DateTime,
    /// `2026-03-01`
    Date,
    /// As in the header `Date`.
    Http,
    /// Since 1970, in seconds, with or without a fraction.
    Seconds,
    /// In milliseconds.
    Millis,
    /// In microseconds.
    Micros,
    /// In nanoseconds.
    Nanos,
}

/// Seconds since 1970 that are instants: from 2001 to 2096.
const SECONDS: std::ops::Range<u64> = 1_000_000_000..4_000_000_000;

/// The text between the quotes of a JSON string, or the value itself.
#[must_use]
pub fn bare(value: &[u8]) -> &str {
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// How an instant is written; `None` where it is none.
#[must_use]
pub fn instant(value: &[u8]) -> Option<Instant> {
    let text = bare(value);
    if text.len() > 40 {
        return None;
    }
    if httpdate::parse_http_date(text).is_ok() {
        return Some(Instant::Http);
    }
    if let Some(form) = calendar(text) {
        return Some(form);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let number: u64 = whole.parse().ok()?;
    let forms = [
        (1, Instant::Seconds),
        (1_000, Instant::Millis),
        (1_000_000, Instant::Micros),
        (1_000_000_000, Instant::Nanos),
    ];
    let is = |(unit, _): &&(u64, Instant)| SECONDS.contains(&(number / unit));
    forms.iter().find(is).map(|(_, form)| *form)
}

fn calendar(text: &str) -> Option<Instant> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<u32> {
        let digits = text.get(from..to)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let is = |at: usize, of: &[u8]| bytes.get(at).is_some_and(|byte| of.contains(byte));
    let is_date = number(0, 4).is_some_and(|year| (1900..=2200).contains(&year))
        && is(4, b"-")
        && number(5, 7).is_some_and(|month| (1..=12).contains(&month))
        && is(7, b"-")
        && number(8, 10).is_some_and(|day| (1..=31).contains(&day));
    if !is_date {
        return None;
    }
    if text.len() == 10 {
        return Some(Instant::Date);
    }
    let is_time = is(10, b"Tt ")
        && number(11, 13).is_some_and(|hour| hour < 24)
        && is(13, b":")
        && number(14, 16).is_some_and(|minute| minute < 60)
        && is(16, b":")
        && number(17, 19).is_some_and(|second| second <= 60);
    let rest = text.get(19..).unwrap_or_default();
    let rest = rest
        .strip_prefix(['.', ','])
        .map_or(rest, |fraction| fraction.trim_start_matches(|character: char| character.is_ascii_digit()));
    let is_zone = matches!(rest, "" | "Z" | "z")
        || (rest.starts_with(['+', '-'])
            && rest.len() <= 6
            && rest.bytes().skip(1).all(|b| b.is_ascii_digit() || b == b':'));
    (is_time && is_zone).then_some(Instant::DateTime)
}

/// Whether it is a UUID, with hyphens.
#[must_use]
pub fn is_uuid(value: &[u8]) -> bool {
    let text = bare(value);
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// How many hexadecimal digits it has, if it is nothing else and has a letter and a digit among at least eight.
#[must_use]
pub fn hex_digits(value: &[u8]) -> Option<usize> {
    let text = bare(value);
    let is = |is: fn(&u8) -> bool| text.bytes().any(|byte| is(&byte));
    let is_hex = text.len() >= 8
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && is(u8::is_ascii_digit)
        && is(u8::is_ascii_alphabetic);
    is_hex.then_some(text.len())
}

/// Bytes of text that is looked at for a shape.
const SHAPE_BYTES_MAX: usize = 200;

/// Text with UUIDs, digests and numbers in it, as a pattern that others of its kind fit; `None` where it has none, or
/// nothing else.
#[must_use]
pub fn shape(value: &[u8]) -> Option<String> {
    const UUID: &str = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    let text = bare(value);
    if text.is_empty() || text.len() > SHAPE_BYTES_MAX || type_name(value) != "string" {
        return None;
    }
    let (mut pattern, mut rest) = ("^".to_owned(), text);
    let (mut has_fixed, mut has_other) = (false, false);
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|one: char| !one.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(run)?;
        if let Some((id, after)) = rest.split_at_checked(36).filter(|(id, _)| is_uuid(id.as_bytes())) {
            pattern += UUID;
            (rest, has_other) = (after, true);
            // Capitals would not fit what is written here.
            if id.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return None;
            }
        } else if let Some(digits) = hex_digits(word.as_bytes()) {
            pattern += &format!("[0-9a-f]{{{digits}}}");
            (rest, has_other) = (after, true);
        } else if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            pattern += "[0-9]+";
            (rest, has_other) = (after, true);
        } else {
            let taken = word.len().max(first.len_utf8());
            let (fixed, after) = rest.split_at_checked(taken)?;
            pattern += &regex::escape(fixed);
            (rest, has_fixed) = (after, true);
        }
    }
    (has_fixed && has_other).then(|| pattern + "$")
}

/// Its value, if it is a number; in quotes, too.
#[must_use]
pub fn number(value: &[u8]) -> Option<f64> {
    let text = bare(value);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    if text.is_empty() || !is_plain { None } else { text.parse().ok().filter(|number: &f64| number.is_finite()) }
}

/// What kind of JSON a value is, by its first byte; text of anything else is a string.
#[must_use]
pub fn type_name(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') if matches!(value, b"true" | b"false") => "boolean",
        Some(b'n') if value == b"null" => "null",
        Some(b'-' | b'0'..=b'9') if number(value).is_some() => "number",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, expected) in [
            ("\"2026-03-01T10:11:12Z\"", Some(Instant::DateTime)),
            ("2026-03-01 10:11:12.123456+02:00", Some(Instant::DateTime)),
            ("2026-03-01T10:11:12", Some(Instant::DateTime)),
            ("2026-03-01", Some(Instant::Date)),
            ("2026-13-01", None),
            ("2026-03-01T25:11:12Z", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(Instant::Http)),
            ("1767225600", Some(Instant::Seconds)),
            ("1767225600.25", Some(Instant::Seconds)),
            ("1767225600123", Some(Instant::Millis)),
            ("1767225600123456789", Some(Instant::Nanos)),
            ("17", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(instant(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn shapes_are_patterns_of_what_stays() {
        let uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
        for (text, expected) in [
            ("/loans/6f9619ff-8b86-d011-b42d-00c04fc964ff", Some(format!("^/loans/{uuid}$"))),
            ("\"job-17.a\"", Some("^job\\-[0-9]+\\.a$".to_owned())),
            ("sha:0a1b2c3d4e", Some("^sha:[0-9a-f]{10}$".to_owned())),
            ("\"é 7\"", Some("^é [0-9]+$".to_owned())),
            ("/loans/6F9619FF-8b86-d011-b42d-00c04fc964ff", None),
            ("6f9619ff-8b86-d011-b42d-00c04fc964ff", None),
            ("Berlin", None),
            ("v2beta", None),
            ("17.5", None),
            ("", None),
        ] {
            let shape = shape(text.as_bytes());
            assert_eq!(shape, expected, "{text}");
            let fits = |pattern: String| regex::Regex::new(&pattern).unwrap().is_match(bare(text.as_bytes()));
            assert!(shape.is_none_or(fits), "{text}");
        }
    }

    #[test]
    fn ids_and_numbers() {
        assert!(is_uuid(b"\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"") && !is_uuid(b"6f9619ff"));
        assert_eq!(
            (hex_digits(b"\"0a1b2c3d4e\""), hex_digits(b"deadbeef"), hex_digits(b"12345678")),
            (Some(10), None, None)
        );
        assert_eq!(
            (number(b"\"1.5\""), number(b"-2e3"), number(b"nan"), number(b"")),
            (Some(1.5), Some(-2000.0), None, None)
        );
    }
}
