//! Changing requests by the rules of a replay: the same tables, once, for everything that is made of the session later.

use std::path::Path;

use formats::endpoint::Templates;
use formats::model::Exchange;
#[cfg(feature = "replay")]
use replayer::rewrite::{Rewritten, Rules};

use crate::outcome::Failure;
use crate::units::count;

/// The rules, and what they did.
#[cfg(feature = "replay")]
#[derive(Debug)]
pub(super) struct Rewriting(Rules);

#[cfg(feature = "replay")]
impl Rewriting {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Failure::new(format!("cannot read the config {shown}: {error}")))?;
        let rules = Rules::from_toml(&text);
        let rules = rules.map_err(|error| Failure::of(&error).in_file(path).hint(error.hint()))?;
        if rules.is_empty() {
            return Err(Failure::new(format!("--rewrite: {shown} has no [[rewrite]] table"))
                .hint("docs/rewriting.md says what stands in one"));
        }
        if let Some(rule) = rules.with_placeholder() {
            return Err(Failure::new(format!(
                "--rewrite: {shown}: rewrite rule {rule} puts in what differs between copies, and a recording has none"
            ))
            .hint("leave that rule to the config of the replay"));
        }
        Ok(Self(rules))
    }

    pub(super) fn rules(&self) -> usize {
        self.0.len()
    }

    pub(super) fn apply(&self, templates: &Templates, exchange: &mut Exchange, did: &mut Did) {
        match self.0.rewrite(templates, exchange) {
            Rewritten::Changed => did.changed += 1,
            Rewritten::Unchanged => {}
            Rewritten::NotRead => did.not_read += 1,
        }
    }

    pub(super) fn unused(&self) -> Vec<String> {
        self.0.unused().collect()
    }
}

/// Of a program without a replayer, which has the rules.
#[cfg(not(feature = "replay"))]
#[derive(Debug)]
pub(super) enum Rewriting {}

#[cfg(not(feature = "replay"))]
impl Rewriting {
    pub(super) fn read(_: &Path) -> Result<Self, Failure> {
        Err(Failure::new("--rewrite: this program was built without the replayer, which has the rules")
            .hint("edit with one that has it (cargo feature `replay`)"))
    }

    pub(super) fn rules(&self) -> usize {
        match *self {}
    }

    pub(super) fn apply(&self, _: &Templates, _: &mut Exchange, _: &mut Did) {
        match *self {}
    }

    pub(super) fn unused(&self) -> Vec<String> {
        match *self {}
    }
}

/// How many requests became others, and how many were left as they are since they cannot be read in one way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Did {
    pub(super) changed: u64,
    pub(super) not_read: u64,
}

impl Did {
    /// What whoever uses the session should know.
    pub(super) fn warning(self) -> Option<String> {
        let not_read = count(self.not_read);
        (self.not_read > 0).then(|| {
            format!("{not_read} requests were not rewritten, since they can be read in more than one way or not at all")
        })
    }
}
