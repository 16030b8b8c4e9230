//! Heads that their readable fields give back to the byte: `METHOD SP target SP version CRLF`, `name: value CRLF`…, CRLF.
//!
//! Writing and reading judge by the same predicates, so what is printed readable is accepted readable.

use std::str;

use super::text::has_no_controls;
use crate::head;
use crate::redact::is_token_byte;
use crate::wire;

/// The lines of such a head.
pub(super) struct Plain<'a> {
    pub(super) start_line: &'a str,
    /// Field lines, each with its CRLF.
    pub(super) fields: &'a str,
}

impl<'a> Plain<'a> {
    pub(super) fn of(head: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(head).ok()?.strip_suffix("\r\n")?;
        let (start_line, fields) = text.split_once("\r\n")?;
        Some(Self { start_line, fields })
    }
}

/// Name and value of each field line; `None` in place of one that is not `name: value CRLF`.
pub(super) fn plain_fields(mut lines: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    std::iter::from_fn(move || {
        if lines.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', lines.as_bytes()).map_or(lines.len(), |at| at + 1);
        let (line, rest) = lines.split_at_checked(end)?;
        lines = rest;
        Some(plain_field(line))
    })
}

fn plain_field(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_suffix("\r\n")?;
    let (name, rest) = line.split_at_checked(memchr::memchr(b':', line.as_bytes())?)?;
    let value = rest.strip_prefix(": ")?;
    (is_token(name) && is_value(value) && value.trim_ascii() == value).then_some((name, value))
}

/// Method, target and version of a plain request line.
pub(super) fn plain_request_line(line: &str) -> Option<(&str, &str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.split_once(' ')?;
    (is_token(method) && is_target(target) && is_version(version)).then_some((method, target, version))
}

/// Version, status and reason of a plain status line.
pub(super) fn plain_status_line(line: &str) -> Option<(&str, u16, &str)> {
    let (version, rest) = line.split_once(' ')?;
    let (status, reason) = rest.split_once(' ')?;
    let number = status.parse().ok().filter(|number| status.len() == 3 && is_status(*number))?;
    (is_version(version) && is_value(reason)).then_some((version, number, reason))
}

pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// No white space and no control characters.
pub(super) fn is_target(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte > b' ' && byte != 0x7f)
}

/// No control characters but the tab.
pub(super) fn is_value(text: &str) -> bool {
    has_no_controls(text)
}

/// `HTTP/1.1`, with any digits.
pub(super) fn is_version(text: &str) -> bool {
    matches!(text.as_bytes(), [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
}

pub(super) fn is_status(number: u16) -> bool {
    (100..=999).contains(&number)
}

/// Whether `bytes` are one head and no more: an empty line ends them, and none comes before.
pub(super) fn is_one_head(bytes: &[u8]) -> bool {
    let first_empty = empty_line_end(bytes);
    first_empty == Some(bytes.len()) && !bytes.starts_with(b"\n") && !bytes.starts_with(b"\r\n")
}

/// Whether `bytes` are field lines only: no empty line, and the last one is ended.
pub(super) fn is_section(bytes: &[u8]) -> bool {
    bytes.is_empty() || (bytes.ends_with(b"\n") && empty_line_end(bytes).is_none())
}

/// Index after the first empty line.
fn empty_line_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            return Some(at);
        }
    }
    None
}

/// What a head says about its body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    Nothing,
    Length(u64),
    Chunked,
}

impl Declared {
    /// # Errors
    /// What can be read in two ways, as that is how requests are smuggled (RFC 9112 §6.3).
    pub(super) fn of(head: &[u8]) -> Result<Self, &'static str> {
        let length = |value: &[u8]| {
            let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = digits.and_then(|text| text.parse().ok()).map(Self::Length);
            length.ok_or("content-length is no number")
        };
        let coding = |value: &[u8]| match wire::transfer_coding(value) {
            Some(wire::Coding::Chunked) => Ok(Self::Chunked),
            _ => Err("the only transfer-encoding that is understood ends in chunked"),
        };
        let lengths = head::values(head, "content-length").map(length);
        let mut declared = Self::Nothing;
        for said in lengths.chain(head::values(head, "transfer-encoding").map(coding)) {
            let said = said?;
            if declared != Self::Nothing && declared != said {
                return Err("content-length and transfer-encoding contradict each other");
            }
            declared = said;
        }
        Ok(declared)
    }
}
