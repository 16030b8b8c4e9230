//! What an edit did: for people on standard error, as JSON on standard output.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::bodies::DroppedBodies;
use super::chosen::LeftOut;
use super::output::Made;
use super::rewriting::Did;
use crate::units::{bytes, count};

/// What was counted.
#[derive(Default)]
pub(super) struct Summary {
    /// Exchanges of the inputs.
    pub(super) read: u64,
    pub(super) kept: u64,
    pub(super) left_out: BTreeMap<LeftOut, u64>,
    pub(super) gaps_kept: u64,
    pub(super) gaps_left_out: u64,
    /// Gaps that stand for damage, of those that were kept.
    pub(super) gaps_found: u64,
    /// What rules did to requests; nothing where there are none.
    pub(super) rewritten: Did,
    pub(super) bodies: DroppedBodies,
    pub(super) bytes_before: u64,
    pub(super) made: Vec<Made>,
    /// What whoever uses the result should know.
    pub(super) warnings: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Summary {
    fn bytes_after(&self) -> u64 {
        self.made.iter().map(|made| made.written.file_bytes).sum()
    }

    pub(super) fn text(&self) -> String {
        let mut out = format!("kept {} of {} exchanges", count(self.kept), count(self.read));
        for (why, exchanges) in &self.left_out {
            out += &format!(", {} left out by {}", count(*exchanges), why.options());
        }
        out.push('\n');
        if self.gaps_kept + self.gaps_left_out > 0 {
            out += &format!("gaps: {} kept", count(self.gaps_kept));
            if self.gaps_found > 0 {
                out += &format!(" ({} of them for what is damaged or unfinished)", count(self.gaps_found));
            }
            out += &format!(", {} left out\n", count(self.gaps_left_out));
        }
        if self.rewritten.changed > 0 {
            out += &format!("rewritten: {} requests\n", count(self.rewritten.changed));
        }
        let DroppedBodies { requests, responses, bytes: dropped } = self.bodies;
        if requests + responses > 0 {
            out += &format!(
                "bodies dropped: {} of requests, {} of responses, {} in all\n",
                count(requests),
                count(responses),
                bytes(dropped)
            );
        }
        out += &format!("{} before, {} after\n", bytes(self.bytes_before), bytes(self.bytes_after()));
        for Made { path, label, gaps, written } in &self.made {
            let label = label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
            let (exchanges, size) = (count(written.exchanges), bytes(written.file_bytes));
            let gaps = if *gaps == 1 { "1 gap".to_owned() } else { format!("{} gaps", count(*gaps)) };
            out += &format!("{}{label}: {exchanges} exchanges, {gaps}, {size}\n", path.display());
        }
        out
    }

    pub(super) fn json(&self) -> Value {
        let left_out: BTreeMap<&str, u64> = self.left_out.iter().map(|(why, count)| (why.name(), *count)).collect();
        let made = |made: &Made| {
            json!({
                "session": made.path,
                "part": made.label,
                "exchanges": made.written.exchanges,
                "gaps": made.gaps,
                "bytes": made.written.file_bytes,
                "segments": made.written.segments,
            })
        };
        json!({
            "read": self.read,
            "kept": self.kept,
            "left_out": left_out,
            "gaps": {"kept": self.gaps_kept, "found": self.gaps_found, "left_out": self.gaps_left_out},
            "rewritten": self.rewritten.changed,
            "bodies_dropped": {
                "requests": self.bodies.requests,
                "responses": self.bodies.responses,
                "bytes": self.bodies.bytes,
            },
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after(),
            "made": self.made.iter().map(made).collect::<Vec<_>>(),
            "warnings": self.warnings,
            "notes": self.notes,
        })
    }
}
