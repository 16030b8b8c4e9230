//! What a path segment looks like: an id, or a word.

/// Fewest digits that make hexadecimal an id.
const HEX_ID_LEN_MIN: usize = 8;
/// Longest file extension that stays beside an id.
const EXTENSION_LEN_MAX: usize = 8;

/// The file extension (with its dot, or nothing) beside the id that this segment is; `None` where it is a word.
pub(super) fn beside_id(segment: &[u8]) -> Option<&[u8]> {
    let dot = segment.iter().position(|byte| *byte == b'.');
    let (stem, extension) = segment.split_at(dot.unwrap_or(segment.len()));
    (is_id(stem) && (extension.is_empty() || is_extension(extension))).then_some(extension)
}

/// Whether a segment is all digits, a UUID, or hexadecimal of at least 8 digits with a decimal digit among them.
#[must_use]
pub fn is_id(segment: &[u8]) -> bool {
    let has_digit = segment.iter().any(u8::is_ascii_digit);
    let is_hex = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    let is_decimal = segment.iter().all(u8::is_ascii_digit);
    let is_uuid = || {
        segment.split(|byte| *byte == b'-').map(<[u8]>::len).eq([8, 4, 4, 4, 12])
            && segment.split(|byte| *byte == b'-').all(is_hex)
    };
    (has_digit && (is_decimal || (segment.len() >= HEX_ID_LEN_MIN && is_hex(segment)))) || is_uuid()
}

/// Whether this is `.png` or `.tar.gz`, and not the rest of a number such as `1.25`.
fn is_extension(extension: &[u8]) -> bool {
    extension.split(|byte| *byte == b'.').skip(1).all(|part| {
        part.first().is_some_and(u8::is_ascii_alphabetic)
            && part.len() <= EXTENSION_LEN_MAX
            && part.iter().all(u8::is_ascii_alphanumeric)
    })
}
