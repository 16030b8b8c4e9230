//! A request's head while it is changed: the start line and the field lines, each with its own bytes around what changes.

use std::borrow::Cow;

use formats::{head, trace};

use super::text::Text;

/// A head without the empty line that ends it.
#[derive(Debug)]
pub(super) struct Head<'a> {
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
}

impl<'a> Line<'a> {
    /// Its name, and its value to be changed.
    pub(super) fn parts_mut(&mut self) -> (&[u8], &mut Text<'a>) {
        (&self.name, &mut self.value)
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl<'a> Head<'a> {
    /// Reads a recorded head, all of whose lines are fields, without its trace headers.
    pub(super) fn read(recorded: &'a [u8]) -> Option<Self> {
        let line = head::request_line(recorded)?;
        let start = recorded.iter().position(|byte| *byte == b'\n').map_or(recorded.len(), |at| at + 1);
        let target_at = line.method.len() + 1;
        let lines = head::fields(recorded).filter(|field| !trace::is_trace_header(field.name)).map(|field| Line {
            name: Cow::Borrowed(field.name),
            before: Cow::Borrowed(recorded.get(field.line.start..field.value_at.start).unwrap_or_default()),
            value: Text::from(field.value),
            after: recorded.get(field.value_at.end..field.line.end).unwrap_or_default(),
        });
        Some(Self {
            before_target: recorded.get(..target_at)?,
            target: Text::from(line.target),
            after_target: recorded.get(target_at + line.target.len()..start)?,
            lines: lines.collect(),
        })
    }

    pub(super) fn is_http_1_0(&self) -> bool {
        self.after_target.trim_ascii() == b"HTTP/1.0"
    }

    /// The lines of the fields called `name`.
    pub(super) fn lines_mut<'b>(&'b mut self, name: &'b str) -> impl Iterator<Item = &'b mut Line<'a>> {
        self.lines.iter_mut().filter(move |line| line.is(name))
    }

    pub(super) fn all_lines_mut(&mut self) -> impl Iterator<Item = &mut Line<'a>> {
        self.lines.iter_mut()
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

    pub(super) fn into_text(self) -> Text<'static> {
        let mut out = Text::of(Vec::with_capacity(512));
        out.push(self.before_target);
        out.push_text(&self.target);
        out.push(self.after_target);
        for line in &self.lines {
            out.push(&line.before);
            out.push_text(&line.value);
            out.push(line.after);
        }
        out
    }
}
