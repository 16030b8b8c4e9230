//! The raw lines of a head, as any peer might tell them apart: a line ends in CRLF, in LF, or in a CR alone.

use memchr::memchr2;

use super::names::is_token_byte;

/// One line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Where it begins.
    pub(super) at: usize,
    /// Without its end.
    pub(super) text: &'a [u8],
    /// `\r\n`, `\n`, `\r`, or nothing at the end of the section.
    pub(super) ending: &'a [u8],
}

/// The lines of a section, in order.
pub(super) struct Lines<'a> {
    section: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(section: &'a [u8]) -> Self {
        Self { section, at: 0 }
    }

    /// The next line, if it can be read as more of the value on `line`.
    ///
    /// That is whatever follows a lone CR, and text that has not the form of a field: folded text, which begins with white
    /// space, or a value that was wrapped by hand, with the rest of a secret in it.
    pub(super) fn next_if_continues(&mut self, line: &Line<'_>) -> Option<Line<'a>> {
        let next = self.peek()?;
        let continues = !next.text.is_empty() && (line.ending == b"\r" || !is_field(next.text));
        continues.then(|| self.step(next))
    }

    fn peek(&self) -> Option<Line<'a>> {
        let rest = self.section.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let (text, after) = rest.split_at(length);
        let ending = if after.starts_with(b"\r\n") { 2 } else { after.len().min(1) };
        Some(Line { at: self.at, text, ending: after.get(..ending).unwrap_or_default() })
    }

    fn step(&mut self, line: Line<'a>) -> Line<'a> {
        self.at = line.at + line.text.len() + line.ending.len();
        line
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let line = self.peek()?;
        Some(self.step(line))
    }
}

/// Whether a line is, from its first byte, a name and a colon.
fn is_field(text: &[u8]) -> bool {
    let name = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    name > 0 && text.get(name..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
}
