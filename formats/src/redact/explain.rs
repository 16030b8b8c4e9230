//! What redaction did, or would do, told without any value.

/// One value that was changed, or one body that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `request`, `informational` or `response`.
    pub part: &'static str,
    /// `header`, `cookie`, `target`, `query`, `form`, `json`, `text` or `body`.
    pub place: &'static str,
    /// Of the header, cookie or key; the path of a value in JSON. May be empty.
    pub name: String,
    /// Which rule.
    pub rule: String,
    /// What was done: the name of an action, or `dropped: ` and why for a body.
    pub action: &'static str,
    /// Length of what was there, in bytes.
    pub bytes: usize,
}

impl Change {
    /// Longest [`Self::name`]: names come from peers.
    pub const NAME_CHARS_MAX: usize = 120;
}
