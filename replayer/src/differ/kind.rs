//! What a body is compared as: by the type that its answer names, and where that says little, by how it begins.

/// How bodies are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Form,
    Xml,
    Html,
    Text,
    Binary,
}

impl Media {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Form => "form",
            Self::Xml => "XML",
            Self::Html => "HTML",
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }

    pub(super) fn of(content_type: &[u8], content: &[u8]) -> Self {
        let essence = content_type.split(|byte| matches!(byte, b';' | b',')).next().unwrap_or_default().trim_ascii();
        let essence = String::from_utf8_lossy(essence).to_ascii_lowercase();
        let begins = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
        let is_text = || std::str::from_utf8(content).is_ok() && !content.contains(&0);
        match essence.as_str() {
            "text/html" | "application/xhtml+xml" => return Self::Html,
            "application/x-www-form-urlencoded" => return Self::Form,
            "application/xml" | "text/xml" => return Self::Xml,
            _ if essence.ends_with("+xml") => return Self::Xml,
            _ if essence.contains("json") && !essence.contains("seq") => return Self::Json,
            _ => {}
        }
        match begins {
            [b'{' | b'[', ..] => Self::Json,
            [b'<', b'?', b'x' | b'X', ..] => Self::Xml,
            _ if starts_like_html(begins) => Self::Html,
            _ if is_text() => Self::Text,
            _ => Self::Binary,
        }
    }
}

fn starts_like_html(text: &[u8]) -> bool {
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    begins(b"<!doctype html") || begins(b"<html")
}
