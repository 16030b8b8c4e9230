//! What redaction did, or would do, told without any value.

/// One value that was changed, or one body that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `request`, `informational` or `response`.
    pub part: &'static str,
    /// `header`, `trailer`, `cookie`, `target`, `query`, `form`, `json`, `text` or `body`.
    pub place: &'static str,
    /// Of the header, cookie or key. May be empty.
    pub name: String,
    /// Where in JSON, as in `body $.user.card`; only told by a scan, with keys that may be values themselves as `*`.
    pub path: String,
    /// Which rule.
    pub rule: String,
    /// What was done: the name of an action, or `dropped: ` and why for a body.
    pub action: &'static str,
    /// Length of what was there, in bytes.
    pub bytes: usize,
    /// How often; more than once only in a scan.
    pub count: u64,
}

impl Change {
    /// Longest [`Self::name`]: names come from peers.
    pub const NAME_CHARS_MAX: usize = 120;

    /// Whether this is the same as another, but for what was there.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.part, one.place, one.action);
        key(self) == key(other) && self.rule == other.rule && self.name == other.name && self.path == other.path
    }
}
