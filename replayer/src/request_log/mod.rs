//! `requests.jsonl.zst`: a line of JSON for each planned request, in the order in which they ended.
//!
//! It is written while the run goes on, and read again by whoever counts or compares what is over. Ten million lines are
//! nothing out of the ordinary, so neither way uses the machinery of a format: a line is put together from its parts, and
//! one that has the parts that are written here is taken apart by them ([`known`]). Lines of other versions and other
//! programs have their own reader, which takes members in any order ([`mod@line`]).

mod known;
mod line;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use line::Line;
pub(crate) use read::{Ending, Lines, LogLines};
pub use write::KeepRequests;
pub(crate) use write::RequestLog;
