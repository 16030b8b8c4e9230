//! Server-sent events: what the `data` lines of an event say together is looked into as JSON, and all lines as text.

use super::json::Depth;
use super::lines::Lines;
use super::pass::Pass;

const FIELD: &[u8] = b"data:";

impl Pass<'_> {
    /// The events with their secrets replaced; `None` when there are none. Of events without any no byte changes.
    pub(super) fn events(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        if !self.may_have_secrets(text) {
            return None;
        }
        let mut out = Vec::new();
        let mut copied = 0;
        let mut lines = Lines::new(text).peekable();
        while let Some(line) = lines.next() {
            let Some(first) = data(line.text) else {
                if self.may_have_pattern(line.text)
                    && let Some(changed) = self.text("text", b"", line.text)
                {
                    out.extend_from_slice(text.get(copied..line.at).unwrap_or_default());
                    out.extend_from_slice(&changed);
                    copied = line.at + line.text.len();
                }
                continue;
            };
            let mut said = first.to_vec();
            let mut last = line;
            while let Some(more) = lines.next_if(|next| data(next.text).is_some()) {
                said.push(b'\n');
                said.extend_from_slice(data(more.text).unwrap_or_default());
                last = more;
            }
            let Some(changed) = self.embedded("text", b"", &said, Depth::default()) else { continue };
            out.extend_from_slice(text.get(copied..line.at).unwrap_or_default());
            for (index, part) in changed.split(|byte| *byte == b'\n').enumerate() {
                if index > 0 {
                    out.extend_from_slice(line.ending);
                }
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(part);
            }
            copied = last.at + last.text.len();
        }
        if copied == 0 {
            return None;
        }
        out.extend_from_slice(text.get(copied..).unwrap_or_default());
        Some(out)
    }

    /// Text inside of something else: JSON in it is looked into, and patterns are looked for.
    pub(super) fn embedded(&mut self, place: &'static str, name: &[u8], text: &[u8], depth: Depth) -> Option<Vec<u8>> {
        let nested = self.nested(place, name, text, depth);
        if nested.is_some() || !self.may_have_pattern(text) { nested } else { self.text(place, name, text) }
    }
}

/// What a `data` line says. A byte order mark may stand before the first one.
fn data(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let said = line.strip_prefix(FIELD)?;
    Some(said.strip_prefix(b" ").unwrap_or(said))
}
