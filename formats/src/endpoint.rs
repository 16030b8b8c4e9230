//! The low-cardinality name of a request, such as `GET /items/{id}`: for rows of a report and names of spans.
//!
//! Deliberately not here: templates learned from a session or given by the user; this is what holds without any.

/// Longest name, in characters; a longer one is cut and ends in `…`.
const NAME_CHARS_MAX: usize = 200;
/// Most path segments that are named; the rest is one `…`.
const SEGMENTS_MAX: usize = 16;
/// Fewest digits that make hexadecimal an id.
const HEX_ID_LEN_MIN: usize = 8;
/// Longest file extension that stays beside an id.
const EXTENSION_LEN_MAX: usize = 8;

/// Names the endpoint that a request with this method and target asks for.
///
/// - Query and fragment are cut, and of the absolute form only the path stays.
/// - A segment is `{id}` when it is all digits, a UUID, or hexadecimal of at least 8 digits with a decimal digit among
///   them (so `deadbeef` and `facade` stay words). A file extension stays: `/img/12345.png` is `/img/{id}.png`.
/// - Path parameters (`;jsessionid=…`) are cut: they are a session's, and secret.
/// - What is not UTF-8, white space and control characters are percent-escaped; at most 16 segments and 200 characters.
///
/// ```
/// # use formats::endpoint::endpoint;
/// assert_eq!(endpoint(b"GET", b"/items/42/photo.png?size=2"), "GET /items/{id}/photo.png");
/// ```
#[must_use]
pub fn endpoint(method: &[u8], target: &[u8]) -> String {
    let mut name = String::with_capacity(64);
    escape(method, &mut name);
    name.push(' ');
    for (index, segment) in path(target).split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            name.push('/');
        }
        // The first segment is the nothing before the first slash.
        if index > SEGMENTS_MAX || name.len() > 4 * NAME_CHARS_MAX {
            name.push('…');
            break;
        }
        push_segment(segment.split(|byte| *byte == b';').next().unwrap_or_default(), &mut name);
    }
    bounded(name)
}

/// The target's path, also of a target in absolute form, without its query; a target that is no path and no URL (`*`,
/// `host:443`) stays as it is.
#[must_use]
pub fn path(target: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    if target.starts_with(b"/") {
        return target;
    }
    let Some(scheme) = target.windows(3).position(|window| window == b"://") else { return target };
    let authority = target.get(scheme + 3..).unwrap_or_default();
    let slash = authority.iter().position(|byte| *byte == b'/');
    slash.and_then(|slash| authority.get(slash..)).unwrap_or(b"/")
}

fn push_segment(segment: &[u8], name: &mut String) {
    let dot = segment.iter().position(|byte| *byte == b'.');
    let (stem, extension) = segment.split_at(dot.unwrap_or(segment.len()));
    if is_id(stem) && (extension.is_empty() || is_extension(extension)) {
        name.push_str("{id}");
        escape(extension, name);
    } else {
        escape(segment, name);
    }
}

fn is_id(segment: &[u8]) -> bool {
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

fn escape(bytes: &[u8], name: &mut String) {
    // Nearly everything is printable ASCII, of which nothing is escaped.
    if bytes.iter().all(u8::is_ascii_graphic)
        && let Ok(plain) = std::str::from_utf8(bytes)
    {
        name.push_str(plain);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character.is_whitespace() {
                percent(character.encode_utf8(&mut [0; 4]).as_bytes(), name);
            } else {
                name.push(character);
            }
        }
        percent(chunk.invalid(), name);
    }
}

fn percent(bytes: &[u8], name: &mut String) {
    for byte in bytes {
        name.push('%');
        name.extend(
            [byte >> 4, byte & 15].map(|digit| char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 })),
        );
    }
}

fn bounded(mut name: String) -> String {
    if name.len() <= NAME_CHARS_MAX {
        return name;
    }
    if let Some((at, _)) = name.char_indices().nth(NAME_CHARS_MAX) {
        name.truncate(at);
        name.push('…');
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        let check =
            |target: &str, expected: &str| assert_eq!(endpoint(b"GET", target.as_bytes()), format!("GET {expected}"));
        check("/", "/");
        check("/items/42", "/items/{id}");
        check("/items/42/", "/items/{id}/");
        check("/items?id=42", "/items");
        check("/items/7#top", "/items/{id}");
        check("/v1/2024/03/x", "/v1/{id}/{id}/x");
        check("/u/7f9c24e8-3b5a-4c1e-9b1d-0a1b2c3d4e5f/x", "/u/{id}/x");
        check("/u/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "/u/{id}");
        check("/u/7F9C24E8-3B5A-4C1E-9B1D-0A1B2C3D4E5F", "/u/{id}");
        check("/u/7f9c24e8-3b5a-4c1e-9b1d", "/u/7f9c24e8-3b5a-4c1e-9b1d");
        check("/o/507f1f77bcf86cd799439011", "/o/{id}");
        check("/o/deadbeef", "/o/deadbeef");
        check("/o/dead1bee", "/o/{id}");
        check("/o/dead1be", "/o/dead1be");
        check("/img/12345.png", "/img/{id}.png");
        check("/img/12345.tar.gz", "/img/{id}.tar.gz");
        check("/api/1.25/x", "/api/1.25/x");
        check("/img/12345.", "/img/12345.");
        check("/user-42/ab1z", "/user-42/ab1z");
        check("/shop;jsessionid=0123456789abcdef/7;v=1", "/shop/{id}");
        check("http://example.com:80/a/1?x", "/a/{id}");
        check("http://example.com", "/");
        check("http://example.com?x", "/");
        check("/go/http://x/1", "/go/http://x/{id}");
        check("*", "*");
        check("example.com:443", "example.com:443");
        check("", "");
        check("//a//b", "//a//b");
        check("/grüße/a\u{85}b c", "/grüße/a%C2%85b%20c");
        check("/items/{id}", "/items/{id}");
    }

    #[test]
    fn bounds_are_kept_at_the_limit_and_past_it() {
        let path = |segments: usize| "/a".repeat(segments);
        assert_eq!(endpoint(b"GET", path(SEGMENTS_MAX).as_bytes()), format!("GET {}", path(SEGMENTS_MAX)));
        assert_eq!(endpoint(b"GET", path(SEGMENTS_MAX + 1).as_bytes()), format!("GET {}/…", path(SEGMENTS_MAX)));
        let long = |chars: usize| endpoint(b"GET", format!("/{}", "ä".repeat(chars)).as_bytes());
        assert_eq!(long(195).chars().count(), 200);
        assert!(!long(195).ends_with('…'));
        assert_eq!(long(196).chars().count(), 201);
        assert!(long(196).ends_with("ä…"));
        assert_eq!(endpoint(b"G\xff\n", b"/\xff\x00\x7f"), "G%FF%0A /%FF%00%7F");
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_bounded_printable_name(method: Vec<u8>, target in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let name = endpoint(&method, &target);
            prop_assert!(name.chars().count() <= NAME_CHARS_MAX + 1);
            prop_assert!(!name.chars().any(char::is_control));
        }
    }
}
