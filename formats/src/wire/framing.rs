//! What a head's fields say about the message, read in one pass and in exactly one way (RFC 9112 §5, §6.3).

use memchr::{memchr, memchr2};

use super::message::Kind;
use crate::model::{Ambiguity, Framing};

/// What matters of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) framing: Framing,
    /// The Content-Length, where that is the framing.
    pub(super) length: u64,
    /// Whether there is an Upgrade.
    pub(super) upgrade: bool,
}

/// How a list of transfer codings ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// In `chunked`.
    Chunked,
    /// In a coding that does not say where the body ends.
    Other,
}

/// Where line ends must be CRLF, and where LF alone is one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// A recipient may take LF for a line end in a head (RFC 9112 §2.2). Whoever does not, refuses the message.
    CrlfOrLf,
    /// Implementations that take a bare LF for a line end here find another end of the message than those that do not.
    Crlf,
}

/// Reads the field lines of a head, which are what follows its start line. Without a body nothing can be wrong about
/// where it ends.
pub(super) fn read_head(lines: &[u8], is_http_1_1: bool, kind: Kind, is_bodyless: bool) -> Result<Fields, Ambiguity> {
    let mut length: Option<u64> = None;
    let mut coding: Option<Coding> = None;
    let mut upgrade = false;
    read_lines(lines, LineEnds::CrlfOrLf, |name, value| {
        match name.len() {
            7 => upgrade |= name.eq_ignore_ascii_case(b"upgrade"),
            14 if !is_bodyless && name.eq_ignore_ascii_case(b"content-length") => {
                let number = decimal(trim(value)).ok_or(Ambiguity::BadLength)?;
                if length.is_some_and(|known| known != number) {
                    return Err(Ambiguity::LengthsDiffer);
                }
                length = Some(number);
            }
            17 if !is_bodyless && name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if coding.is_some() || !is_http_1_1 {
                    return Err(Ambiguity::OddTransferCoding);
                }
                coding = Some(transfer_coding(value).ok_or(Ambiguity::OddTransferCoding)?);
            }
            _ => {}
        }
        Ok(())
    })?;
    let (framing, length) = match (coding, length) {
        _ if is_bodyless => (Framing::None, 0),
        (Some(_), Some(_)) => return Err(Ambiguity::BothLengths),
        (Some(Coding::Chunked), None) => (Framing::Chunked, 0),
        // Only a response can end with its connection.
        (Some(Coding::Other), None) if kind == Kind::Request => return Err(Ambiguity::OddTransferCoding),
        (Some(Coding::Other), None) => (Framing::UntilClose, 0),
        (None, Some(length)) => (Framing::Length, length),
        (None, None) if kind == Kind::Request => (Framing::None, 0),
        (None, None) => (Framing::UntilClose, 0),
    };
    Ok(Fields { framing, length, upgrade })
}

/// Shows each field line's name and raw value, and refuses lines that are none.
pub(super) fn read_lines(
    lines: &[u8],
    ends: LineEnds,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Ambiguity>,
) -> Result<(), Ambiguity> {
    let mut rest = lines;
    while let Some((line, after)) = memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) {
        rest = after.get(1..).unwrap_or_default();
        let line = match line.strip_suffix(b"\r") {
            Some(line) => line,
            None if ends == LineEnds::Crlf => return Err(Ambiguity::BareLf),
            None => line,
        };
        if line.is_empty() {
            continue;
        }
        let (name, value) =
            memchr(b':', line).and_then(|colon| line.split_at_checked(colon)).ok_or_else(|| no_field(line))?;
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(no_field(line));
        }
        if let Some(at) = memchr2(b'\r', 0, value) {
            return Err(if value.get(at) == Some(&0) { Ambiguity::Nul } else { Ambiguity::BareCr });
        }
        each(name, value.get(1..).unwrap_or_default())?;
    }
    Ok(())
}

/// What is wrong with a line that is no field.
fn no_field(line: &[u8]) -> Ambiguity {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let word = name.trim_ascii_end();
    if matches!(line.first(), Some(b' ' | b'\t')) {
        Ambiguity::ObsFold
    } else if line.contains(&b'\r') {
        Ambiguity::BareCr
    } else if line.contains(&0) {
        Ambiguity::Nul
    } else if name.len() < line.len() && !word.is_empty() && word.iter().all(|byte| is_token(*byte)) {
        Ambiguity::SpaceBeforeColon
    } else {
        Ambiguity::BadFieldLine
    }
}

/// How a Transfer-Encoding's list ends; `None` when it is not known codings of which only the last may be `chunked`. Then
/// there are implementations that find `chunked` in it, and others that do not.
pub(crate) fn transfer_coding(value: &[u8]) -> Option<Coding> {
    const KNOWN: [&str; 5] = ["gzip", "x-gzip", "deflate", "compress", "x-compress"];
    let value = trim(value);
    if value.eq_ignore_ascii_case(b"chunked") {
        return Some(Coding::Chunked);
    }
    let mut last = None;
    for coding in value.split(|byte| *byte == b',').map(trim) {
        last = match last {
            Some(Coding::Chunked) => return None,
            _ if coding.eq_ignore_ascii_case(b"chunked") => Some(Coding::Chunked),
            _ if KNOWN.iter().any(|known| coding.eq_ignore_ascii_case(known.as_bytes())) => Some(Coding::Other),
            _ => return None,
        };
    }
    last
}

/// The size in a chunk's line, which ends in its line end (RFC 9112 §7.1).
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, Ambiguity> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").ok_or(Ambiguity::BareLf)?;
    let size = trim_end(line.split(|byte| *byte == b';').next().unwrap_or_default());
    // 16 digits are 64 bits. There are implementations that keep only the last digits of longer numbers.
    if size.is_empty() || size.len() > 16 || !size.iter().all(u8::is_ascii_hexdigit) || line.contains(&b'\r') {
        return Err(Ambiguity::BadChunk);
    }
    let digit = |byte: &u8| u64::from(char::from(*byte).to_digit(16).unwrap_or_default());
    Ok(size.iter().fold(0, |sum, byte| (sum << 4) | digit(byte)))
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    const BYTES: &[u8] = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const TOKEN: u128 = {
        let (mut bits, mut left) = (0, BYTES);
        while let [byte, rest @ ..] = left {
            bits |= 1_u128 << *byte;
            left = rest;
        }
        bits
    };
    byte < 128 && TOKEN >> byte & 1 == 1
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// Without the white space that HTTP allows around a value. Other white space is part of it: a length with a form feed
/// before it is no length.
fn trim(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
    trim_end(value.get(start..).unwrap_or_default())
}

fn trim_end(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    value.get(..end).unwrap_or_default()
}
