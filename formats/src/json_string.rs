//! Where a string of JSON ends: what cuts bodies apart and what compares them look for it in every one.

use memchr::memchr2;

const QUOTE: u64 = u64::from_le_bytes([b'"'; 8]);
const BACKSLASH: u64 = u64::from_le_bytes([b'\\'; 8]);

/// The place of the quote that ends the string whose text begins at `from`; `None` if it does not end.
///
/// ```
/// assert_eq!(formats::json_string::end(br#"["a\"b"]"#, 2), Some(6));
/// ```
#[must_use]
#[inline]
pub fn end(text: &[u8], mut from: usize) -> Option<usize> {
    // Most are short: eight bytes at once, without the way into a function that is made for long ones.
    while let Some(eight) = text.get(from..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let found = zeros(word ^ QUOTE) | zeros(word ^ BACKSLASH);
        let place = found.trailing_zeros() as usize / 8;
        match eight.get(place) {
            None => from += 8,
            Some(b'"') => return Some(from + place),
            // What is escaped ends nothing.
            Some(_) => from += place + 2,
        }
    }
    loop {
        from += memchr2(b'"', b'\\', text.get(from..)?)?;
        if text.get(from) == Some(&b'"') {
            return Some(from);
        }
        from += 2;
    }
}

/// The first bit that is set is that of the first byte that is zero (Mycroft 1987).
const fn zeros(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_their_quote_wherever_it_stands() {
        for len in 0..40 {
            for (byte, escaped) in [("x", 1), ("\\\"", 2), ("\u{1f4a9}", 4), ("\u{a2}", 2), ("\u{5c5c}", 3)] {
                let text = format!("\"{}{}\" \" \\", "y".repeat(len), byte);
                assert_eq!(end(text.as_bytes(), 1), Some(1 + len + escaped), "{text}");
                assert_eq!(end(text.as_bytes().get(..1 + len + escaped).unwrap(), 1), None, "{text}");
            }
        }
    }
}
