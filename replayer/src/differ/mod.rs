//! What differs between two answers to the same request: status, header, trailers, body.
//!
//! Pure: two [`Answer`]s in, [`Differences`] out, each with its place and its kind. `head` holds fields against each other,
//! `body` decodes and chooses how to compare, `json` walks two texts in step, `form`, `lines` and `markup` do the other
//! types. Whether a difference matters is not decided here.

pub mod answer;
mod body;
mod form;
pub mod found;
mod head;
mod json;
mod kind;
mod lines;
mod markup;
mod place;

pub use answer::Answer;
pub use body::LOOKED_INTO_BYTES_MAX;
pub use found::{Difference, Differences, Incomparable, Kind};

/// Holds answers against each other, one pair after the other.
#[derive(Debug, Default)]
pub struct Differ {
    differences: Differences,
}

impl Differ {
    /// How two answers differ. With another status nothing else is looked at: such answers have nothing in common.
    /// `same_key` says whether pseudonyms of both sides were made under the same key; `element_key` names the member by
    /// which the elements of the array at a place are told apart.
    pub fn compare(
        &mut self,
        before: &Answer,
        after: &Answer,
        same_key: bool,
        element_key: &dyn Fn(&str) -> Option<String>,
    ) -> &Differences {
        let differences = &mut self.differences;
        differences.clear();
        differences.same_key = same_key;
        if before.status != after.status {
            let kind = Kind::Status { before: before.status, after: after.status };
            let said = |status: u16| if status == 0 { "no answer".to_owned() } else { status.to_string() };
            let (a, b) = (said(before.status), said(after.status));
            differences.add(kind, a.as_bytes(), b.as_bytes(), |out| out.push_str("status"));
            return differences;
        }
        if before.head() != after.head() {
            head::heads(before.head(), after.head(), differences);
        }
        body::bodies(before, after, element_key, differences);
        head::trailers(before.trailers(), after.trailers(), differences);
        differences
    }
}

#[cfg(test)]
mod tests;
