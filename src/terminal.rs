//! What output is for: a terminal of a width, with colours or without, or a pipe.

use std::io::IsTerminal as _;

/// Columns where nothing says how many there are.
const COLUMNS: usize = 80;
/// Fewest columns that are laid out for; what is narrower wraps.
const COLUMNS_MIN: usize = 40;
/// Most columns that are laid out for: longer lines are hard to read.
const COLUMNS_MAX: usize = 200;

/// Columns of standard output: what `COLUMNS` says, else what the terminal has, else 80.
pub(crate) fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let has = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    said.or_else(has).unwrap_or(COLUMNS).clamp(COLUMNS_MIN, COLUMNS_MAX)
}

/// Columns at which lines of text are broken: those of a terminal, or what `COLUMNS` says; a pipe gets them whole.
pub(crate) fn wraps_at(columns: usize) -> usize {
    let is_piped = !std::io::stdout().is_terminal() && std::env::var_os("COLUMNS").is_none();
    if is_piped { usize::MAX } else { columns }
}

/// A text in lines of at most so many columns, broken at spaces; a word that is longer has a line to itself.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut from, mut end, mut width) = (0, 0, 0);
    for word in text.split_inclusive(' ') {
        if width > 0 && width + word.trim_end().chars().count() > columns {
            lines.push(text.get(from..end).unwrap_or_default().trim_end());
            (from, width) = (end, 0);
        }
        (end, width) = (end + word.len(), width + word.chars().count());
    }
    lines.push(text.get(from..).unwrap_or_default().trim_end());
    lines
}

/// Colours on a terminal that has them, unless `NO_COLOR` is set (no-color.org).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    is_on: bool,
}

/// What a text is, and so how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A heading.
    Heading,
    /// A name before a value.
    Name,
    /// What is said about the content, and is not it.
    Remark,
    /// What went well.
    Good,
    /// What went elsewhere or was refused.
    Doubtful,
    /// What went wrong.
    Bad,
}

impl Paint {
    /// As standard output wants it.
    pub(crate) fn of_output() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self { is_on: std::io::stdout().is_terminal() && !refused && !is_dumb }
    }

    /// A text, which holds nothing that steers a terminal, in the colour of its role.
    pub(crate) fn text(self, role: Role, text: &str) -> String {
        let code = match role {
            Role::Heading => "1",
            Role::Name => "36",
            Role::Remark => "2",
            Role::Good => "32",
            Role::Doubtful => "33",
            Role::Bad => "31",
        };
        if self.is_on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
impl Paint {
    pub(crate) const OFF: Self = Self { is_on: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("a: 1  b: 2", 10), ["a: 1  b: 2"]);
        assert_eq!(wrapped("a: 1  b: 2", 9), ["a: 1  b:", "2"]);
        assert_eq!(wrapped("ab cdefghi jé", 4), ["ab", "cdefghi", "jé"]);
        assert_eq!(wrapped("éé éé", 5), ["éé éé"]);
    }
}
