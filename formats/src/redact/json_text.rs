//! Strings of JSON: what they say, and how it is written. Not UTF-8 is no reason to fail: bytes stay what they are.

use std::borrow::Cow;

/// What a string says whose text between the quotes is `raw`; `None` where an escape is none.
#[must_use]
pub fn unescaped(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (kind, after) = escape.get(1..)?.split_first()?;
        rest = after;
        let byte = match kind {
            b'"' | b'\\' | b'/' => *kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (unit, after) = unit(rest)?;
                rest = after;
                let pair = (0xd800..0xdc00).contains(&unit).then(|| unit_pair(unit, rest)).flatten();
                let code = match pair {
                    Some((code, after)) => {
                        rest = after;
                        code
                    }
                    None => unit,
                };
                // Half of a pair is no character.
                let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        };
        out.push(byte);
    }
    out.extend_from_slice(rest);
    Some(Cow::Owned(out))
}

fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let digit = |sum: u32, byte: &u8| Some(sum << 4 | char::from(*byte).to_digit(16)?);
    Some((digits.iter().try_fold(0, digit)?, rest))
}

fn unit_pair(high: u32, text: &[u8]) -> Option<(u32, &[u8])> {
    let (low, rest) = unit(text.strip_prefix(b"\\u")?)?;
    (0xdc00..0xe000).contains(&low).then(|| (0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), rest))
}

/// Appends a string that says `text`.
pub(super) fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// Appends what stands between the quotes of such a string.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            byte => out.push(*byte),
        }
    }
}
