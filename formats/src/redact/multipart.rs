//! Forms of parts (RFC 7578): a part is redacted by its name, or looked into by its own type.

use super::body::{Kind, Unreadable};
use super::pass::Pass;
use super::rule::{Action, KeyPlace};

/// Bytes that a boundary may have (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

impl Pass<'_> {
    /// The form with its secrets replaced; `None` when there are none.
    pub(super) fn multipart(&mut self, content_type: &[u8], text: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        let boundary = parameter(content_type, b"boundary").ok_or(Unreadable)?;
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
            return Err(Unreadable);
        }
        let delimiter = [b"--", boundary].concat();
        let finder = memchr::memmem::Finder::new(&delimiter);
        let starts: Vec<usize> = finder.find_iter(text).filter(|at| *at == 0 || begins_line(text, *at)).collect();
        let last = *starts.last().ok_or(Unreadable)?;
        let is_closed = text.get(last + delimiter.len()..).is_some_and(|rest| rest.starts_with(b"--"));
        // A preamble or epilogue may hold anything, and a form that was not closed may go on.
        let is_blank = |range: Option<&[u8]>| range.is_some_and(|text| text.trim_ascii().is_empty());
        if !is_closed
            || !is_blank(text.get(..*starts.first().ok_or(Unreadable)?))
            || !is_blank(text.get(last + delimiter.len() + 2..))
        {
            return Err(Unreadable);
        }
        let mut out = Vec::with_capacity(text.len());
        let mut any = false;
        for pair in starts.windows(2) {
            let &[begin, end] = pair else { continue };
            let part = text.get(begin + delimiter.len()..end).unwrap_or_default();
            match self.part_of(part)? {
                PartBecomes::Same => out.extend_from_slice(text.get(begin..end).unwrap_or_default()),
                PartBecomes::Nothing => any = true,
                PartBecomes::Other(changed) => {
                    any = true;
                    out.extend_from_slice(&delimiter);
                    out.extend_from_slice(&changed);
                }
            }
        }
        out.extend_from_slice(text.get(last..).unwrap_or_default());
        Ok(any.then_some(out))
    }

    /// What stands between two delimiters: the end of a line, a head, an empty line, the value, the end of a line.
    fn part_of(&mut self, part: &[u8]) -> Result<PartBecomes, Unreadable> {
        let (head_len, gap) = match (memchr::memmem::find(part, b"\r\n\r\n"), memchr::memmem::find(part, b"\n\n")) {
            (Some(at), other) if other.is_none_or(|other| at < other) => (at, 4),
            (_, Some(at)) => (at, 2),
            _ => return Err(Unreadable),
        };
        let (head, rest) = part.split_at(head_len + gap);
        let ending = if rest.ends_with(b"\r\n") { 2 } else { usize::from(rest.ends_with(b"\n")) };
        let (value, ending) = rest.split_at(rest.len() - ending);
        let field = |name: &[u8]| {
            let mut lines = head.split(|byte| *byte == b'\n');
            lines.find_map(|line| {
                let colon = memchr::memchr(b':', line)?;
                let (found, value) = line.split_at(colon);
                found.trim_ascii().eq_ignore_ascii_case(name).then(|| value.get(1..).unwrap_or_default().trim_ascii())
            })
        };
        let name = field(b"content-disposition").and_then(|value| parameter(value, b"name")).unwrap_or_default();
        let with = |value: &[u8]| PartBecomes::Other([head, value, ending].concat());
        if let Some(verdict) = self.key(KeyPlace::Form, name) {
            match verdict.action {
                Action::Keep => return Ok(PartBecomes::Same),
                Action::Drop => {
                    self.note("form", name, verdict.rule, Action::Drop, value.len());
                    return Ok(PartBecomes::Nothing);
                }
                _ => {
                    let mut out = Vec::new();
                    let changed = self.put("form", name, verdict, value, value, &mut out);
                    return Ok(if changed { with(&out) } else { PartBecomes::Same });
                }
            }
        }
        // Parts without a type are text, and files that say nothing may be.
        let content_type = field(b"content-type").unwrap_or(b"text/plain");
        let kind = Kind::of(content_type, value);
        // No form in a form: nobody sends that.
        let kind = if kind == Kind::Multipart { Kind::Text } else { kind };
        Ok(self.content(kind, content_type, value)?.map_or(PartBecomes::Same, |changed| with(&changed)))
    }
}

enum PartBecomes {
    Same,
    Nothing,
    Other(Vec<u8>),
}

fn begins_line(text: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'\n')
}

/// A parameter of a header's value, without its quotes.
fn parameter<'a>(value: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut rest = value.get(memchr::memchr(b';', value)?..)?;
    loop {
        rest = rest.strip_prefix(b";")?.trim_ascii_start();
        let equals = memchr::memchr(b'=', rest)?;
        let (name, after) = rest.split_at(equals);
        let after = after.get(1..)?;
        let (value, next) = match after.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = memchr::memchr(b'"', quoted)?;
                (quoted.get(..end)?, quoted.get(end + 1..)?.trim_ascii_start())
            }
            None => {
                let end = memchr::memchr(b';', after).unwrap_or(after.len());
                (after.get(..end)?.trim_ascii(), after.get(end..)?)
            }
        };
        if name.trim_ascii().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next;
    }
}
