//! What content is read as: by the type that its message names, and where that says little, by how the content begins.
//!
//! It also tells text that cannot be read byte by byte, as UTF-16 is. Deliberately not here: the reading itself.

use super::json::looks_like;
use super::parameter::parameter;

/// What a body is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    Multipart,
    /// Server-sent events.
    Events,
    /// A message in a message, as the parts of a batch are.
    Http,
    Text,
    /// Not looked into.
    Binary,
}

#[rustfmt::skip]
const BINARY: &[&str] = &[
    "application/zip", "application/gzip", "application/x-gzip", "application/x-tar", "application/zstd", "application/pdf",
    "application/wasm", "application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf",
    "application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpc-web+proto", "application/x-7z-compressed",
    "application/java-archive", "application/vnd.ms-fontobject", "application/x-font-ttf", "application/msgpack",
    "application/x-msgpack", "application/cbor", "application/avro", "application/vnd.apache.parquet",
    "application/ogg", "application/dash+xml", "application/vnd.apple.mpegurl",
];

/// Beginnings of the names of character sets in which ASCII text is not made of ASCII's bytes.
const WIDE_CHARSETS: &[&str] = &[
    "utf-16",
    "utf16",
    "utf-32",
    "utf32",
    "utf-7",
    "utf7",
    "ucs-",
    "ucs2",
    "ucs4",
    "iso-10646",
    "unicode",
    "ebcdic",
    "ibm037",
    "cp037",
    "ibm1047",
    "ibm500",
];

/// Characters at the beginning that decide how wide all are.
const SAMPLE_CHARS: usize = 4;

impl Kind {
    /// By the type that a message names, or, where it says little, by how the content begins. Of several types the first
    /// that is not binary counts, since peers differ in which they believe.
    pub(super) fn of(content_type: &[u8], content: &[u8]) -> Self {
        let mut types = content_type.split(|byte| *byte == b',').map(|one| Self::of_one(one, content));
        let first = types.next().unwrap_or(Self::Text);
        if first != Self::Binary {
            return first;
        }
        let mut others = content_type.split(|byte| *byte == b',').skip(1).filter(|one| one.contains(&b'/'));
        others.find_map(|one| Some(Self::of_one(one, content)).filter(|kind| *kind != Self::Binary)).unwrap_or(first)
    }

    fn of_one(content_type: &[u8], content: &[u8]) -> Self {
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let essence = String::from_utf8_lossy(essence).to_ascii_lowercase();
        let (family, subtype) = essence.split_once('/').unwrap_or(("", ""));
        let is_binary = BINARY.contains(&essence.as_str())
            || (matches!(family, "image" | "video" | "audio" | "font") && !subtype.starts_with("svg"));
        if is_binary {
            // No binary format begins so.
            return if looks_like(content) { Self::Json } else { Self::Binary };
        }
        if family == "multipart" {
            return Self::Multipart;
        }
        if subtype.contains("json") {
            return Self::Json;
        }
        match essence.as_str() {
            // What curl sends as a form without being told otherwise.
            "application/x-www-form-urlencoded" if looks_like(content) => return Self::Json,
            "application/x-www-form-urlencoded" => return Self::Form,
            "text/event-stream" => return Self::Events,
            "application/http" | "message/http" => return Self::Http,
            _ => {}
        }
        let says_little = matches!(essence.as_str(), "" | "text/plain" | "application/octet-stream");
        if says_little && looks_like(content) {
            return Self::Json;
        }
        if matches!(essence.as_str(), "" | "application/octet-stream") && has_nul(content) && !is_wide(content) {
            return Self::Binary;
        }
        if says_little && looks_like_form(content) { Self::Form } else { Self::Text }
    }
}

/// Whether a type names a character set that is not read here.
pub(super) fn has_wide_charset(content_type: &[u8]) -> bool {
    let Some(charset) = parameter(content_type, b"charset") else { return false };
    let charset = charset.strip_prefix(b"'").unwrap_or(charset).to_ascii_lowercase();
    WIDE_CHARSETS.iter().any(|wide| charset.starts_with(wide.as_bytes()))
}

/// Whether text has two or four bytes a character: by its byte order mark, or by the NULs of its first letters.
pub(super) fn is_wide(content: &[u8]) -> bool {
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") || content.starts_with(b"\0\0\xfe\xff") {
        return true;
    }
    let is_letter = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let is_of = |width: usize, letter_at: usize| {
        let chars = content.chunks_exact(width).take(SAMPLE_CHARS);
        let fits = |char: &[u8]| {
            char.iter().enumerate().all(|(at, byte)| if at == letter_at { is_letter(byte) } else { *byte == 0 })
        };
        content.len() >= 2 * width && chars.clone().all(fits)
    };
    is_of(2, 0) || is_of(2, 1) || is_of(4, 0) || is_of(4, 3)
}

/// Text has none; UTF-16 and most binary formats have many.
fn has_nul(content: &[u8]) -> bool {
    memchr::memchr(0, content.get(..512).unwrap_or(content)).is_some()
}

/// Whether a text of no known type is one line of pairs.
fn looks_like_form(content: &[u8]) -> bool {
    let name = content.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(byte)).count();
    name > 0 && content.get(name) == Some(&b'=') && !content.iter().any(|byte| matches!(byte, b' ' | b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_beginnings() {
        let check = |content_type: &str, content: &[u8], expected: Kind| {
            assert_eq!(Kind::of(content_type.as_bytes(), content), expected, "{content_type} {content:?}");
        };
        check("image/png", b"\x89PNG", Kind::Binary);
        check("image/png", br#"{"a":1}"#, Kind::Json);
        check("image/png, application/json", b"", Kind::Json);
        check("image/png; name=\"a,b\"", b"\x89PNG", Kind::Binary);
        check("Multipart/Related; boundary=\"a,b\"", b"", Kind::Multipart);
        check("Text/Event-Stream;charset=utf-8", b"", Kind::Events);
        check("application/http; msgtype=request", b"", Kind::Http);
        check("application/octet-stream", b"\0\x01\x02\x03", Kind::Binary);
        check("application/octet-stream", b"{\0\"\0a\0\"\0", Kind::Json);
        check("", b"a\0b\0c\0d\0", Kind::Text);
        check("text/html", br#"{"a":1}"#, Kind::Text);
    }

    #[test]
    fn wide_text() {
        let check = |content: &[u8], expected: bool| assert_eq!(is_wide(content), expected, "{content:?}");
        for wide in
            [&b"\xff\xfe{\0"[..], b"\xfe\xff\0{", b"{\0\"\0", b"\0{\0\"", b"{\0\0\0\"\0\0\0", b"\0\0\0{\0\0\0\""]
        {
            check(wide, true);
        }
        for plain in [&b""[..], b"{", b"{}", b"{\"a\"", b"\0\0\0\x05\x00\x00", b"\xef\xbb\xbf{}"] {
            check(plain, false);
        }
        for name in ["UTF-16", "\"utf-16le\"", "utf32", "UCS-2", "ibm037"] {
            assert!(has_wide_charset(format!("text/plain; x; Charset={name}").as_bytes()), "{name}");
        }
        for name in ["utf-8", "iso-8859-1", "shift_jis", ""] {
            assert!(!has_wide_charset(format!("text/plain; charset={name}").as_bytes()), "{name}");
        }
    }
}
