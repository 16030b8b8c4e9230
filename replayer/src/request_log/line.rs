//! What a line says, as far as anybody counts it; its members in any order, with others between them.

use std::borrow::Cow;

use serde::Deserialize;

/// A line, as far as it is counted. Instants are nanoseconds since the start of the run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    #[serde(default)]
    pub(crate) session: u32,
    #[serde(default)]
    pub(crate) copy: u32,
    pub(crate) due_ns: u64,
    pub(crate) released_ns: u64,
    pub(crate) held_by_seq: Option<u64>,
    #[serde(default)]
    pub(crate) busy_ns: u64,
    #[serde(default)]
    pub(crate) connect_ns: u64,
    pub(crate) dispatched_ns: Option<u64>,
    pub(crate) written_ns: Option<u64>,
    pub(crate) first_byte_ns: Option<u64>,
    pub(crate) done_ns: Option<u64>,
    pub(crate) status: Option<u16>,
    #[serde(borrow)]
    pub(crate) error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) shed: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) endpoint: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) bytes_in: u64,
    #[serde(default)]
    pub(crate) bytes_out: u64,
    #[serde(borrow)]
    pub(crate) trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) span_id: Option<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none of a log.
    pub(crate) fn read(text: &'a [u8]) -> serde_json::Result<Self> {
        Self::known(text).map_or_else(|| serde_json::from_slice(text), Ok)
    }
}
