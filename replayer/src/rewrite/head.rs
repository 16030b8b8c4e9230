//! A request's head while it is changed: the start line and the field lines, each with its own bytes around what changes.

use std::borrow::Cow;
use std::ops::Range;

use formats::{head, trace};

use super::LeftOut;
use super::text::Text;

/// Lines that most heads have no more of.
const LINES: usize = 24;
/// What ends a head that is sent.
pub(super) const END: &[u8] = b"\r\n";

/// A head without the empty line that ends it.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// As it was read.
    recorded: &'a [u8],
    /// `GET `
    before_target: &'a [u8],
    pub(super) target: Text<'a>,
    /// ` HTTP/1.1` and the line's end.
    after_target: &'a [u8],
    lines: Vec<Line<'a>>,
}

/// A field line.
#[derive(Debug)]
pub(super) struct Line<'a> {
    name: Cow<'a, [u8]>,
    /// Name, colon and white space.
    before: Cow<'a, [u8]>,
    pub(super) value: Text<'a>,
    /// White space and the line's end.
    after: &'a [u8],
    /// Where it stood.
    at: Range<usize>,
}

impl<'a> Line<'a> {
    /// Its name, and its value to be changed.
    pub(super) fn parts_mut(&mut self) -> (&[u8], &mut Text<'a>) {
        (&self.name, &mut self.value)
    }

    /// Whether it is still what stood in the head that it was read from.
    fn stays_in(&self, recorded: &[u8]) -> bool {
        let value_at = self.at.start + self.before.len()..self.at.end.saturating_sub(self.after.len());
        recorded.get(value_at).is_some_and(|value| self.value.is_part(value))
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl<'a> Head<'a> {
    /// Reads a recorded head without its trace headers, and without credentials for a proxy: those of the recorded client
    /// are nobody's business on another way to another server. All of its lines have to be fields (see
    /// [`head::has_only_trailer_fields`]): what is none would be lost when the head is made anew, and servers do not agree
    /// on what it means.
    pub(super) fn read(recorded: &'a [u8]) -> Result<Self, LeftOut> {
        Self::read_whole(recorded).map(|mut head| {
            let goes = |line: &Line<'_>| {
                line.is("proxy-authorization") || trace::is_trace_field(&line.name, line.value.bytes())
            };
            head.lines.retain(|line| !goes(line));
            head
        })
    }

    /// The same, with all of its headers.
    pub(super) fn read_whole(recorded: &'a [u8]) -> Result<Self, LeftOut> {
        let line = head::request_line(recorded).ok_or(LeftOut::IncompleteRequest)?;
        let start = memchr::memchr(b'\n', recorded).map_or(recorded.len(), |at| at + 1);
        let part = |from, to| recorded.get(from..to).unwrap_or_default();
        let mut lines = Vec::with_capacity(LINES);
        let mut end = start;
        for field in head::fields(recorded) {
            if field.line.start != end {
                return Err(LeftOut::Ambiguous);
            }
            end = field.line.end;
            lines.push(Line {
                name: Cow::Borrowed(field.name),
                before: Cow::Borrowed(part(field.line.start, field.value_at.start)),
                value: Text::from(field.value),
                after: part(field.value_at.end, field.line.end),
                at: field.line,
            });
        }
        if !matches!(part(end, recorded.len()), b"" | b"\n" | b"\r" | b"\r\n") {
            return Err(LeftOut::Ambiguous);
        }
        let target_at = line.method.len() + 1;
        Ok(Self {
            recorded,
            before_target: part(0, target_at),
            target: Text::from(line.target),
            after_target: part(target_at + line.target.len(), start),
            lines,
        })
    }

    pub(super) fn is_http_1_0(&self) -> bool {
        self.after_target.trim_ascii() == b"HTTP/1.0"
    }

    /// The lines of the fields called `name`.
    pub(super) fn lines_mut<'b>(&'b mut self, name: &'b str) -> impl Iterator<Item = &'b mut Line<'a>> {
        self.lines.iter_mut().filter(move |line| line.is(name))
    }

    /// The lines that are not what was recorded, and where that has something to look at, all of them.
    pub(super) fn lines_to_look_at(
        &mut self,
        has_some: impl FnOnce(&[u8]) -> bool,
    ) -> impl Iterator<Item = &mut Line<'a>> {
        let recorded = self.recorded;
        let all = has_some(recorded);
        self.lines.iter_mut().filter(move |line| all || !line.stays_in(recorded))
    }

    pub(super) fn lines<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b Line<'a>> {
        self.lines.iter().filter(move |line| line.is(name))
    }

    pub(super) fn line(&self, name: &str) -> Option<&Line<'a>> {
        self.lines.iter().find(|line| line.is(name))
    }

    /// The first field of this name gets the value and keeps place and case, others of the name go; without any, a new
    /// line comes last.
    pub(super) fn set(&mut self, name: &str, value: Text<'static>) {
        let mut value = Some(value);
        self.lines.retain_mut(|line| {
            if !line.is(name) {
                return true;
            }
            value.take().map(|value| line.value = value).is_some()
        });
        if let Some(value) = value {
            let before = [name.as_bytes(), b": "].concat();
            self.lines.push(Line {
                name: Cow::Owned(name.as_bytes().to_vec()),
                before: Cow::Owned(before),
                value,
                after: b"\r\n",
                at: 0..0,
            });
        }
    }

    /// Takes all fields of this name out; whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| !line.is(name));
        self.lines.len() < before
    }

    /// Makes the values of the fields of this name end in `suffix`, which begins with a space; those that do stay.
    pub(super) fn end_in(&mut self, name: &str, suffix: &[u8]) {
        let ends = |line: &Line<'_>| {
            let value = line.value.bytes();
            value.ends_with(suffix) || value == suffix.trim_ascii_start()
        };
        self.lines_mut(name).filter(|line| !ends(line)).for_each(|line| line.value.push(suffix));
    }

    /// All of it, and besides the empty line that ends it.
    pub(super) fn into_text(self) -> Text<'static> {
        let lines = self.lines.iter().map(|line| line.before.len() + line.value.bytes().len() + line.after.len());
        let start = self.before_target.len() + self.target.bytes().len() + self.after_target.len();
        let mut out = Text::of(Vec::with_capacity(start + lines.sum::<usize>() + END.len()));
        out.push(self.before_target);
        out.push_text(&self.target);
        out.push(self.after_target);
        // What stays as it was goes with what stays beside it.
        let mut same = 0..0;
        for line in &self.lines {
            let stays = line.stays_in(self.recorded);
            if stays && line.at.start == same.end {
                same.end = line.at.end;
                continue;
            }
            out.push(self.recorded.get(same).unwrap_or_default());
            same = if stays { line.at.clone() } else { 0..0 };
            if !stays {
                out.push(&line.before);
                out.push_text(&line.value);
                out.push(line.after);
            }
        }
        out.push(self.recorded.get(same).unwrap_or_default());
        out.push(END);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_with_lines_that_are_no_fields_are_not_read() {
        let check = |lines: &str, expected: Option<LeftOut>| {
            let head = format!("GET / HTTP/1.1\r\n{lines}");
            assert_eq!(Head::read(head.as_bytes()).err(), expected, "{lines:?}");
        };
        for fine in ["", "\r\n", "A: b\r\n", "A: b\r\n\r\n", "A:\n\n", "A: b\r\nC : d\r\n\r\n"] {
            check(fine, None);
        }
        for odd in [
            " x\r\n",
            "A: b\r\n c: d\r\n",
            "A: b\r\n\tc\r\nD: e\r\n\r\n",
            "odd\r\nA: b\r\n\r\n",
            ": b\r\n",
            "A: b\r\n\r\nC: d\r\n",
        ] {
            check(odd, Some(LeftOut::Ambiguous));
        }
        assert_eq!(Head::read(b"GET\r\n").err(), Some(LeftOut::IncompleteRequest));
    }
}
