//! Forms of parts (RFC 7578): a part is redacted by its name, or looked into by its own type.

use super::body::Unreadable;
use super::form::decoded;
use super::kind::{Kind, has_wide_charset};
use super::parameter::{parameter, parameters};
use super::pass::Pass;
use super::rule::{Action, KeyPlace};

/// Bytes that a boundary may have (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;
/// Transfer codings that leave bytes as they are (RFC 2045 §6); nobody needs another one over HTTP (RFC 7578 §4.7).
const PLAIN_CODINGS: &[&str] = &["", "7bit", "8bit", "binary", "identity", "none"];

impl Pass<'_> {
    /// The form with its secrets replaced; `None` when there are none.
    pub(super) fn multipart(
        &mut self,
        content_type: &[u8],
        text: &[u8],
        within: usize,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
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
        // What follows a delimiter on its line would be part of the value to some, and of the head to others.
        if starts.iter().any(|at| *at < last && !ends_line(text.get(at + delimiter.len()..).unwrap_or_default())) {
            return Err(Unreadable);
        }
        let is_form = content_type.to_ascii_lowercase().starts_with(b"multipart/form-data");
        let mut out = Vec::with_capacity(text.len());
        let mut any = false;
        for pair in starts.windows(2) {
            let &[begin, end] = pair else { continue };
            let part = text.get(begin + delimiter.len()..end).unwrap_or_default();
            match self.part_of(part, is_form, within)? {
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
    fn part_of(&mut self, part: &[u8], is_form: bool, within: usize) -> Result<PartBecomes, Unreadable> {
        let (head, rest) = part.split_at(head_len(part).ok_or(Unreadable)?);
        let ending = if rest.ends_with(b"\r\n") { 2 } else { usize::from(rest.ends_with(b"\n")) };
        let (value, ending) = rest.split_at(rest.len() - ending);
        let disposition = field(head, b"content-disposition").unwrap_or_default();
        let names = names(&disposition);
        let with = |value: &[u8]| PartBecomes::Other([head, value, ending].concat());
        let verdict = names.iter().find_map(|name| Some((name, self.key(KeyPlace::Form, name)?)));
        if let Some((name, verdict)) = verdict {
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
        let content_type = field(head, b"content-type").unwrap_or_else(|| b"text/plain".to_vec());
        let kind = Kind::of(&content_type, value);
        let is_plain =
            |coding: Vec<u8>| PLAIN_CODINGS.iter().any(|plain| coding.eq_ignore_ascii_case(plain.as_bytes()));
        if kind != Kind::Binary
            && ((is_form && names.is_empty())
                || has_wide_charset(&content_type)
                || !field(head, b"content-transfer-encoding").is_none_or(is_plain))
        {
            return Err(Unreadable);
        }
        let new_value = self.content(kind, &content_type, value, within + 1)?;
        // Parts of batches carry credentials in their own heads.
        let new_head = self.section(head, false);
        if new_value.is_none() && new_head.is_none() {
            return Ok(PartBecomes::Same);
        }
        let head = new_head.as_deref().unwrap_or(head);
        Ok(PartBecomes::Other([head, new_value.as_deref().unwrap_or(value), ending].concat()))
    }
}

/// Length of a head with the empty line that ends it; `None` where none does.
pub(super) fn head_len(text: &[u8]) -> Option<usize> {
    let is_end = |at: &usize| {
        let after = text.get(at + 1..).unwrap_or_default();
        after.starts_with(b"\n") || after.starts_with(b"\r\n")
    };
    let at = memchr::memchr_iter(b'\n', text).find(is_end)?;
    Some(at + if text.get(at + 1) == Some(&b'\n') { 2 } else { 3 })
}

/// The value of a part's field, unfolded.
fn field(head: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    loop {
        let line = lines.next()?;
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (found, value) = line.split_at(colon);
        if found.trim_ascii().eq_ignore_ascii_case(name) {
            let mut value = value.get(1..).unwrap_or_default().trim_ascii().to_vec();
            while let Some(more) = lines.next_if(|next| next.first().is_some_and(|first| matches!(first, b' ' | b'\t')))
            {
                value.push(b' ');
                value.extend_from_slice(more.trim_ascii());
            }
            return Some(value);
        }
    }
}

/// The names that peers may read of a part: any `name`, with and without escapes, and `name*` (RFC 8187).
fn names(disposition: &[u8]) -> Vec<Vec<u8>> {
    let all = parameters(disposition, false).chain(parameters(disposition, true));
    let mut names: Vec<Vec<u8>> = all
        .filter_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            match name.as_slice() {
                b"name" => Some(decoded(value).into_owned()),
                b"name*" => value.rsplit(|byte| *byte == b'\'').next().map(|value| decoded(value).into_owned()),
                _ => None,
            }
        })
        .collect();
    names.dedup();
    names
}

/// Whether nothing but white space stands on the rest of a line, or the end of the form.
fn ends_line(text: &[u8]) -> bool {
    let rest = text.get(text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..).unwrap_or_default();
    rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
}

enum PartBecomes {
    Same,
    Nothing,
    Other(Vec<u8>),
}

fn begins_line(text: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'\n')
}
