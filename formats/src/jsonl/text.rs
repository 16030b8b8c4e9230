//! Strings of JSON, looked at eight bytes at a time.
//!
//! A word holds eight bytes, the first lowest. A mask has the high bit set in bytes of which something is true; where
//! several are set, only the lowest is sure, since subtracting borrows from those above.

/// Appends `text` as a JSON string.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((bytes, after)) = rest.split_first_chunk::<8>() {
        let special = escaped(u64::from_le_bytes(*bytes));
        if special == 0 {
            out.extend_from_slice(bytes);
            rest = after;
        } else {
            let (clean, from) = rest.split_at((special.trailing_zeros() / 8) as usize);
            out.extend_from_slice(clean);
            let Some((byte, after)) = from.split_first() else { break };
            escape(*byte, out);
            rest = after;
        }
    }
    for byte in rest {
        if *byte < b' ' || matches!(byte, b'"' | b'\\') { escape(*byte, out) } else { out.push(*byte) }
    }
    out.push(b'"');
}

/// Appends `bytes` as a JSON string, with U+FFFD for what is no UTF-8.
pub(super) fn lossy_string(bytes: &[u8], out: &mut Vec<u8>) {
    string(&String::from_utf8_lossy(bytes), out);
}

/// Whether there are no control characters but the tab.
pub(super) fn has_no_controls(text: &str) -> bool {
    let is_fine = |byte: u8| (byte >= b' ' && byte != 0x7f) || byte == b'\t';
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    words.iter().all(|bytes| control(u64::from_le_bytes(*bytes)) == 0 || bytes.iter().copied().all(is_fine))
        && rest.iter().copied().all(is_fine)
}

/// Bytes that stand escaped in a JSON string.
fn escaped(word: u64) -> u64 {
    below_space(word) | equal(word, b'"') | equal(word, b'\\')
}

/// Control characters of ASCII.
fn control(word: u64) -> u64 {
    below_space(word) | equal(word, 0x7f)
}

fn below_space(word: u64) -> u64 {
    word.wrapping_sub(each(b' ')) & !word & each(0x80)
}

fn equal(word: u64, byte: u8) -> u64 {
    let zero_where_equal = word ^ each(byte);
    zero_where_equal.wrapping_sub(each(1)) & !zero_where_equal & each(0x80)
}

const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex_digit(byte >> 4), hex_digit(byte & 15)]),
    }
}

/// Appends two hex digits for each byte.
pub(super) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_come_back_and_are_what_serde_json_writes(text in "([ -~]|[\u{0}-\u{21}\\\\\u{7e}-\u{82}ü🦀]){0,40}") {
            let mut out = Vec::new();
            string(&text, &mut out);
            let ours = String::from_utf8(out).unwrap();
            prop_assert_eq!(&serde_json::from_str::<String>(&ours).unwrap(), &text);
            // Of the escapes for which JSON has short forms, \b and \f are written long.
            if !text.contains(['\\', '\u{8}', '\u{c}']) {
                prop_assert_eq!(ours, serde_json::to_string(&text).unwrap());
            }
        }

        #[test]
        fn controls_are_found_wherever_they_are(clean in "[ -~\tü\u{80}🦀]{0,40}", at: prop::sample::Index, control in "[\u{0}-\u{8}\u{a}-\u{1f}\u{7f}]") {
            prop_assert!(has_no_controls(&clean));
            let mut text = clean;
            let places: Vec<_> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
            text.insert_str(places[at.index(places.len())], &control);
            prop_assert!(!has_no_controls(&text));
        }
    }
}
