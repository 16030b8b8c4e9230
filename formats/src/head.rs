//! Reading a message head (start line and field lines) from its bytes, without copying and without changing it.
//!
//! Lenient where peers are lenient: a line may end in LF alone, and white space around a value is trimmed. Whoever needs
//! the exact bytes has them: every [`Field`] says where its line stands in the head.

use std::ops::Range;

/// One field line of a head or trailer section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as sent.
    pub name: &'a [u8],
    /// The value without the white space around it.
    pub value: &'a [u8],
    /// Where the whole line stands, its line end included.
    pub line: Range<usize>,
    /// Where the value stands.
    pub value_at: Range<usize>,
}

impl Field<'_> {
    /// Whether the name is `name`, by ASCII case-insensitive comparison (RFC 9110 §5.1).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The field lines of `head`, which begins with a start line.
pub fn fields(head: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let start = line_end(head, 0);
    field_lines(head, start)
}

/// The field lines of a trailer section, which has no start line.
pub fn trailer_fields(section: &[u8]) -> impl Iterator<Item = Field<'_>> {
    field_lines(section, 0)
}

/// Whether every line of a trailer section is a field: none is folded (RFC 9112 §5.2), lacks its colon, or stands behind
/// an empty line.
#[must_use]
pub fn has_only_trailer_fields(section: &[u8]) -> bool {
    let mut end = 0;
    for field in trailer_fields(section) {
        if field.line.start != end {
            return false;
        }
        end = field.line.end;
    }
    trim_line_end(section.get(end..).unwrap_or_default()).is_empty()
}

/// The value of the first field called `name`.
#[must_use]
pub fn value<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    values(head, name).next()
}

/// The values of all fields called `name`, which is a token. What [`fields`] would find, without taking other lines apart.
pub fn values<'a>(head: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = head.get(line_end(head, 0)..).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            let (line, after) = rest.split_at_checked(line_end(rest, 0))?;
            let text = trim_line_end(line);
            if text.is_empty() {
                return None;
            }
            rest = after;
            let Some((start, more)) = text.split_at_checked(name.len()) else { continue };
            if start.eq_ignore_ascii_case(name.as_bytes())
                && let Some(value) = more.trim_ascii_start().strip_prefix(b":")
            {
                return Some(value.trim_ascii());
            }
        }
    })
}

/// The first letters of `names`, which are in lower case: a bit each, from `a` on.
pub(crate) const fn letters(mut names: &[&str]) -> u32 {
    let mut bits = 0;
    while let [name, rest @ ..] = names {
        if let [first, ..] = name.as_bytes() {
            bits |= 1 << (*first - b'a');
        }
        names = rest;
    }
    bits
}

/// Names and values of the fields whose names begin with one of these [`letters`]. What [`fields`] would find, without
/// taking other lines apart.
pub(crate) fn fields_by_letter(head: &[u8], letters: u32) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = head.get(line_end(head, 0)..).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            let (line, after) = rest.split_at_checked(line_end(rest, 0))?;
            let text = trim_line_end(line);
            let first = text.first()?.to_ascii_lowercase();
            rest = after;
            if first.is_ascii_lowercase()
                && letters >> (first - b'a') & 1 == 1
                && let Some((name, value)) = memchr::memchr(b':', text).and_then(|colon| text.split_at_checked(colon))
            {
                return Some((name.trim_ascii_end(), value.get(1..).unwrap_or_default().trim_ascii()));
            }
        }
    })
}

/// A request's start line (RFC 9112 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// `GET`
    pub method: &'a [u8],
    /// `/item/7?x=y`
    pub target: &'a [u8],
    /// `HTTP/1.1`
    pub version: &'a [u8],
}

/// Splits the start line of a request's head.
#[must_use]
pub fn request_line(head: &[u8]) -> Option<RequestLine<'_>> {
    let line = start_line(head);
    let mut parts = line.splitn(2, |byte| *byte == b' ');
    let (method, rest) = (parts.next()?, parts.next()?);
    let at = rest.iter().rposition(|byte| *byte == b' ')?;
    let (target, version) = (rest.get(..at)?, rest.get(at + 1..)?);
    (!method.is_empty() && !target.is_empty()).then_some(RequestLine { method, target, version })
}

/// A response's start line (RFC 9112 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusLine<'a> {
    /// `HTTP/1.1`
    pub version: &'a [u8],
    /// 100 to 999
    pub status: u16,
    /// `OK`; may be empty.
    pub reason: &'a [u8],
}

/// Splits the start line of a response's head.
#[must_use]
pub fn status_line(head: &[u8]) -> Option<StatusLine<'_>> {
    let line = start_line(head);
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let version = parts.next()?;
    let digits = parts.next()?;
    if digits.len() != 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let status = digits.iter().fold(0u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    (status >= 100).then_some(StatusLine { version, status, reason: parts.next().unwrap_or_default() })
}

/// The start line without its line end.
#[must_use]
pub fn start_line(head: &[u8]) -> &[u8] {
    trim_line_end(head.get(..line_end(head, 0)).unwrap_or_default())
}

fn field_lines(head: &[u8], mut at: usize) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        loop {
            let end = line_end(head, at);
            let line = at..end;
            let text = trim_line_end(head.get(line.clone())?);
            if text.is_empty() {
                return None;
            }
            at = end;
            // A line without a colon, or a folded one, is no field of its own: it stays in the bytes and is passed over here.
            let Some(colon) = memchr::memchr(b':', text) else { continue };
            let name = text.get(..colon)?.trim_ascii_end();
            if name.is_empty() || name.first().is_some_and(u8::is_ascii_whitespace) {
                continue;
            }
            let raw = text.get(colon + 1..)?;
            let led = raw.trim_ascii_start();
            let value = led.trim_ascii_end();
            let from = line.start + colon + 1 + (raw.len() - led.len());
            return Some(Field { name, value, line, value_at: from..from + value.len() });
        }
    })
}

/// Index after the line that begins at `at`.
fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |newline| at + newline + 1)
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_keep_order_case_and_place() {
        let head = b"GET /a b HTTP/1.1\r\nHost:  x \r\nX-Y:\nodd line\r\n folded: 1\r\nLast: z\r\n\r\n";
        let line = request_line(head).unwrap();
        assert_eq!((line.method, line.target, line.version), (&b"GET"[..], &b"/a b"[..], &b"HTTP/1.1"[..]));
        let got: Vec<_> =
            fields(head).map(|f| (f.name, f.value, &head[f.value_at.clone()], head[f.line.clone()].len())).collect();
        assert_eq!(
            got,
            [
                (&b"Host"[..], &b"x"[..], &b"x"[..], 11),
                (&b"X-Y"[..], &b""[..], &b""[..], 5),
                (&b"Last"[..], &b"z"[..], &b"z"[..], 9)
            ]
        );
    }

    #[test]
    fn lines_that_are_no_fields_are_found() {
        let check = |lines: &str, expected: bool| {
            assert_eq!(has_only_trailer_fields(lines.as_bytes()), expected, "{lines:?}");
        };
        for fine in ["", "\r\n", "A: b\r\n", "A: b\r\n\r\n", "A:\n\n", "A: b\r\nC : d\r\n\r\n"] {
            check(fine, true);
        }
        for odd in [
            " x\r\n",
            "A: b\r\n c: d\r\n",
            "A: b\r\n\tc\r\nD: e\r\n\r\n",
            "odd\r\nA: b\r\n\r\n",
            ": b\r\n",
            "A: b\r\n\r\nC: d\r\n",
        ] {
            check(odd, false);
        }
    }

    proptest! {
        #[test]
        fn values_are_those_of_the_fields(lines in "(([aA]|b|bc| |\t)(:| :|\t: |\x0b:)?[ x:]{0,3}(\r|\n|\r\n)?){0,8}") {
            let head = format!("GET / HTTP/1.1\r\n{lines}");
            for name in ["a", "b", "bc"] {
                let found: Vec<_> = fields(head.as_bytes()).filter(|field| field.is(name)).map(|field| field.value).collect();
                prop_assert_eq!(values(head.as_bytes(), name).collect::<Vec<_>>(), found);
            }
            let found: Vec<_> = fields(head.as_bytes())
                .filter(|field| field.name[0].eq_ignore_ascii_case(&b'a'))
                .map(|field| (field.name, field.value))
                .collect();
            prop_assert_eq!(fields_by_letter(head.as_bytes(), letters(&["a"])).collect::<Vec<_>>(), found);
        }
    }

    #[test]
    fn status_lines() {
        let check =
            |head: &[u8], expected: Option<u16>| assert_eq!(status_line(head).map(|line| line.status), expected);
        check(b"HTTP/1.1 200 OK\r\n\r\n", Some(200));
        check(b"HTTP/1.1 204\r\n\r\n", Some(204));
        check(b"HTTP/1.1 99 x\r\n", None);
        check(b"HTTP/1.1 2000 x\r\n", None);
        check(b"", None);
    }
}
