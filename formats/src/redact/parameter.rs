//! Parameters of a header's value: `form-data; name="a b"; x`, read leniently, since what a peer reads must be read here.

/// A parameter's value, without its quotes; the first of that name.
pub(super) fn parameter<'a>(value: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    parameters(value, false).find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then_some(value))
}

/// All parameters in order, with their names. A backslash before a quote either `escapes` it or stands for itself: peers
/// differ, so whoever looks for secrets asks for both.
pub(super) fn parameters(value: &[u8], escapes: bool) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = memchr::memchr(b';', value).and_then(|at| value.get(at + 1..));
    std::iter::from_fn(move || {
        loop {
            let piece = rest.filter(|rest| !rest.is_empty())?;
            let name_end = piece.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(piece.len());
            let name = piece.get(..name_end)?.trim_ascii();
            let after = piece.get(name_end..)?;
            let Some(given) = after.strip_prefix(b"=") else {
                // A word without a value.
                rest = after.get(1..);
                continue;
            };
            let given = given.trim_ascii_start();
            let (value, next) = match given.strip_prefix(b"\"") {
                Some(quoted) => {
                    let end = closing_quote(quoted, escapes);
                    (quoted.get(..end)?, quoted.get(end..)?)
                }
                None => {
                    let end = memchr::memchr(b';', given).unwrap_or(given.len());
                    (given.get(..end)?.trim_ascii(), given.get(end..)?)
                }
            };
            rest = memchr::memchr(b';', next).and_then(|at| next.get(at + 1..));
            return Some((name, value));
        }
    })
}

fn closing_quote(quoted: &[u8], escapes: bool) -> usize {
    let mut is_escaped = false;
    let closes = |byte: &u8| {
        let closes = *byte == b'"' && !is_escaped;
        is_escaped = escapes && *byte == b'\\' && !is_escaped;
        closes
    };
    quoted.iter().position(closes).unwrap_or(quoted.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_write() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(parameter(value.as_bytes(), b"name"), expected.map(str::as_bytes), "{value}");
        };
        check("form-data; name=\"a b\"", Some("a b"));
        check("form-data;NAME = a ;x=y", Some("a"));
        check("form-data; odd; name=a", Some("a"));
        check("form-data; filename=\"x; name=b\"; name= \"a\"", Some("a"));
        check("form-data; name=\"a", Some("a"));
        check("form-data", None);
        check("name=a", None);
        let both = |escapes| -> Vec<_> {
            parameters(br#"f; filename="C:\"; name="b""#, escapes).map(|(name, _)| name).collect()
        };
        assert_eq!((both(false), both(true)), (vec![&b"filename"[..], b"name"], vec![&b"filename"[..]]));
    }
}
