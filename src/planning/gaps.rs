//! What the sessions declare to be missing, by reason: nobody can send what was not recorded, and a plan says how much it is.

use std::collections::BTreeMap;

use formats::model::GapReason;
use formats::summary::{GapRow, Summary};
use serde_json::{Value, json};

use super::Planned;
use crate::read::missing_text;

impl Planned {
    /// Each reason, with all that is missing for it.
    fn gaps(&self) -> BTreeMap<GapReason, GapRow> {
        let mut summary = Summary::default();
        self.spool.summary.gaps.iter().for_each(|gap| summary.count_gap(gap));
        summary.gaps
    }

    /// The same in words.
    pub(crate) fn gaps_text(&self) -> Vec<String> {
        let words = |(reason, row): (GapReason, GapRow)| {
            let missing = missing_text(reason, row.connections, row.exchanges, row.bytes);
            // Others are what a recorder came too late for. These it let pass, and a replayer could not send them either.
            let is_foreign = matches!(reason, GapReason::Http2 | GapReason::Upgraded);
            format!("{}: {missing}{}", reason.name(), if is_foreign { "; cannot be replayed yet" } else { "" })
        };
        self.gaps().into_iter().map(words).collect()
    }

    /// The same as sentences of a result.
    pub(super) fn gaps_notices(&self) -> impl Iterator<Item = String> {
        self.gaps_text().into_iter().map(|gap| format!("the sessions have gaps, {gap}"))
    }

    /// The same for `plan.json`. Without instants, since each session has its own clock.
    pub(crate) fn gaps_json(&self) -> Value {
        let row = |(reason, row): (GapReason, GapRow)| {
            let GapRow { gaps, connections, exchanges, bytes, from_ns: _, to_ns: _ } = row;
            json!({"reason": reason.name(), "gaps": gaps, "connections": connections, "exchanges": exchanges, "bytes": bytes})
        };
        self.gaps().into_iter().map(row).collect()
    }
}
