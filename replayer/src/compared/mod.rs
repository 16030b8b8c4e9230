//! What is written of a comparison: a page for people, Markdown for a pull request, JUnit for a CI; and the sentences in
//! which all of them, and the terminal, say what was found. Nothing is judged here but by what `--fail-on` names.
//!
//! ```text
//! compare  what was found ─▶ questions  what --fail-on makes of each ─▶ headline ─▶ page/, markdown, junit
//!                            words, answers, curl, links  how it is said
//! ```

pub mod answers;
pub mod curl;
pub mod headline;
mod junit;
pub mod links;
mod markdown;
mod page;
pub mod questions;
#[cfg(test)]
mod tests;
pub mod words;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::compare::Comparison;
use crate::compare::answers::Answers;
use crate::compare::over_time::OverTime;
use crate::compare::side::Run;
use crate::error::ReplayError;
use crate::report::TraceUrl;
use crate::run_directory::{self, RESULT};
use questions::Concern;

/// What was compared.
#[derive(Clone, Copy)]
pub enum Compared<'a> {
    /// Two sides.
    Sides(Sides<'a>),
    /// Runs over time, or one long run.
    OverTime(&'a OverTime),
}

/// Two sides, and what their answers say.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// Times and outcomes.
    pub of: &'a Comparison,
    /// `None` where a side kept none.
    pub answers: Option<&'a Answers>,
}

impl<'a> Compared<'a> {
    fn notices(&self) -> Vec<String> {
        match self {
            Self::Sides(sides) => {
                let of_answers = sides.answers.map(answers::notes).unwrap_or_default();
                sides.of.notices.iter().cloned().chain(of_answers).collect()
            }
            Self::OverTime(of) => of.notices.clone(),
        }
    }

    /// All runs, each with the word for its side.
    fn runs(&self) -> Vec<(&'static str, &'a Run)> {
        match self {
            Self::Sides(Sides { of, .. }) => {
                let before = of.before.iter().map(|run| ("before", run));
                before.chain(of.after.iter().map(|run| ("after", run))).collect()
            }
            Self::OverTime(of) => of.runs.iter().map(|run| ("", run)).collect(),
        }
    }
}

/// What was asked for besides.
pub struct Asked<'a> {
    /// What fails it.
    pub fail_on: &'a [Concern],
    /// Where traces open; else where each run says.
    pub trace_url: Option<&'a TraceUrl>,
    /// Options by the names of their flags.
    pub options: Vec<(&'static str, String)>,
}

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    /// `report.html`
    Page,
    /// `summary.md`, for a comment on a pull request.
    Markdown,
    /// `junit.xml`: a test for each question.
    Junit,
}

impl Output {
    /// Its file, in full.
    #[must_use]
    pub fn file(self, of: Compared<'_>, asked: &Asked<'_>) -> (&'static str, String) {
        match self {
            Self::Page => ("report.html", page::html(of, asked)),
            Self::Markdown => ("summary.md", markdown::markdown(of, asked)),
            Self::Junit => ("junit.xml", junit::junit(of, asked)),
        }
    }
}

/// A directory into which comparisons are written.
pub struct Directory(PathBuf);

impl Directory {
    /// Makes it, if it is not there.
    ///
    /// # Errors
    /// When it is a run directory, whose files would be replaced, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        let failed = |doing, source| ReplayError::RunDirectory { doing, path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed("create", error))?;
        if path.join(RESULT).exists() {
            let taken = "it is the directory of a run, which has a report.html of its own";
            return Err(failed(
                "write a comparison into",
                std::io::Error::new(std::io::ErrorKind::AlreadyExists, taken),
            ));
        }
        Ok(Self(path.to_owned()))
    }

    /// Writes forms of a comparison, in place of those that are there. Returns the files.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, of: Compared<'_>, asked: &Asked<'_>, outputs: &[Output]) -> Result<Vec<PathBuf>, ReplayError> {
        let mut outputs = outputs.to_vec();
        outputs.sort_unstable();
        outputs.dedup();
        let write = |output: &Output| {
            let (name, text) = output.file(of, asked);
            run_directory::replace(&self.0, name, text.as_bytes())
        };
        outputs.iter().map(write).collect()
    }
}
