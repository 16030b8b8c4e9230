//! Why a text is no filter, and where.

use std::fmt;

/// Characters of the line that are shown around the place.
const SHOWN_BEFORE: usize = 60;
const SHOWN_AFTER: usize = 30;

/// A text that is no filter. Prints what was expected, and the line with a mark below the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Line of the text, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    /// What is expected there, or what is wrong.
    pub expected: String,
    /// A part of the line, on one line without control characters.
    shown: String,
    /// Characters of it before the place.
    mark_at: usize,
}

impl FilterError {
    /// At a byte of the text.
    pub(super) fn new(text: &str, at: usize, expected: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_before = before.get(start..).unwrap_or_default();
        let after = text.get(before.len()..).unwrap_or_default().lines().next().unwrap_or_default();
        let column = line_before.chars().count() + 1;
        let skipped = (column - 1).saturating_sub(SHOWN_BEFORE);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let mut shown: String = if skipped > 0 { "…".to_owned() } else { String::new() };
        shown.extend(line_before.chars().skip(skipped).map(plain));
        let mark_at = shown.chars().count();
        shown.extend(after.chars().take(SHOWN_AFTER).map(plain));
        if after.chars().nth(SHOWN_AFTER).is_some() {
            shown.push('…');
        }
        Self { line: before.matches('\n').count() + 1, column, expected: expected.into(), shown, mark_at }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = if self.line > 1 { format!("line {}, ", self.line) } else { String::new() };
        let Self { column, expected, shown, mark_at, .. } = self;
        write!(f, "the filter, {line}column {column}: {expected}\n  {shown}\n  {:mark_at$}^", "")
    }
}

impl std::error::Error for FilterError {}
