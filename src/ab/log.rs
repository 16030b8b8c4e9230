//! `experiment.json`: what was asked for, and what has been made of it so far, so that an experiment can go on.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::order::Phase;
use crate::outcome::Failure;

/// Name of the file.
const NAME: &str = "experiment.json";
/// Version of this layout.
const SCHEMA: u32 = 1;

/// What does not change while an experiment goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) before: String,
    pub(super) after: String,
    /// SHA-256 of the plan of every repeat, in hex.
    pub(super) plan_hash: String,
    /// Of the order inside pairs, too.
    pub(super) seed: u64,
    pub(super) pairs_least: u32,
    pub(super) pairs_most: u32,
    pub(super) look_every: u32,
    pub(super) aa_pairs: u32,
}

/// A pair that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    /// `aa` or `pairs`.
    pub(super) phase: String,
    /// From 1.
    pub(super) number: u32,
    /// The run directories, in the order in which they were made, inside the experiment's.
    pub(super) runs: [PathBuf; 2],
}

/// A look at what there was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Look {
    pub(super) pairs: u32,
    /// That its intervals hold the truth.
    pub(super) confidence: f64,
    /// Medians of which nothing could be said.
    pub(super) undecided: usize,
    /// Whether something was found that `--fail-on` names.
    pub(super) found: bool,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Log {
    schema: u32,
    pub(super) asked: Asked,
    pub(super) made: Vec<Made>,
    pub(super) looks: Vec<Look>,
    /// Time that repeats have taken so far, those that were set aside included.
    pub(super) elapsed_s: f64,
    /// Why no more repeats are made.
    pub(super) ended: Option<String>,
}

impl Log {
    pub(super) fn new(asked: Asked) -> Self {
        Self { schema: SCHEMA, asked, made: Vec::new(), looks: Vec::new(), elapsed_s: 0.0, ended: None }
    }

    /// Reads that of an experiment that was begun.
    pub(super) fn read(out: &Path) -> Result<Self, Failure> {
        let path = out.join(NAME);
        let bytes = fs::read(&path).map_err(|error| {
            Failure::new(format!("cannot read {}: {error}", path.display()))
                .hint("--resume goes on with an experiment; leave it out to begin one")
        })?;
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(format!("{} is no experiment: {error}", path.display())))?;
        let schema = value.get("schema").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if schema != u64::from(SCHEMA) {
            return Err(Failure::new(format!(
                "{} has schema {schema}, and this version of reenact reads {SCHEMA}",
                path.display()
            )));
        }
        serde_json::from_value(value)
            .map_err(|error| Failure::new(format!("{} is no experiment: {error}", path.display())))
    }

    /// Writes it in place of what is there: whole, or not at all.
    pub(super) fn write(&self, out: &Path) -> Result<(), Failure> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| Failure::of(&error))?;
        bytes.push(b'\n');
        let (path, unfinished) = (out.join(NAME), out.join(".experiment.json.unfinished"));
        let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
        file.and_then(|mut file| file.write_all(&bytes)).map_err(failed)?;
        fs::rename(&unfinished, &path).map_err(failed)
    }

    /// Pairs of a phase that are whole.
    pub(super) fn pairs(&self, phase: Phase) -> u32 {
        let of_phase = self.made.iter().filter(|made| made.phase == phase.word());
        u32::try_from(of_phase.count()).unwrap_or(u32::MAX)
    }

    /// Goes on only with what was asked for when it began.
    pub(super) fn check(&self, asked: &Asked) -> Result<(), Failure> {
        let of = |asked: &Asked| -> Vec<(&'static str, String)> {
            vec![
                ("--before", asked.before.clone()),
                ("--after", asked.after.clone()),
                ("the plan", asked.plan_hash.clone()),
                ("--seed", asked.seed.to_string()),
                ("--pairs", format!("{}..{}", asked.pairs_least, asked.pairs_most)),
                ("--look-every", asked.look_every.to_string()),
                ("--aa", asked.aa_pairs.to_string()),
            ]
        };
        let differs = of(&self.asked).into_iter().zip(of(asked)).find(|(then, now)| then != now);
        match differs {
            None => Ok(()),
            Some(((what, then), (_, now))) => Err(Failure::new(format!(
                "the experiment was begun with other words: {what} was {then}, and is {now} now"
            ))
            .hint("what is promised of it holds for what was asked first; begin another with a new --out")),
        }
    }
}
