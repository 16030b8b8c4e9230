//! Why runs cannot be compared.

use std::path::PathBuf;

use formats::session::SessionError;

use crate::merge::MergeError;

/// What is wrong with what was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Neither a run nor a folder of runs.
    #[error("{} is no run, and no folder of runs", path.display())]
    NoRun {
        /// What was given.
        path: PathBuf,
    },
    /// `run.json` cannot be read.
    #[error(transparent)]
    Result(#[from] MergeError),
    /// Nothing is known of single requests.
    #[error("{} has no requests.jsonl.zst", path.display())]
    NoRequests {
        /// Which run.
        path: PathBuf,
    },
    /// The generator was the limit.
    #[error("{} is an invalid run: {reasons}", path.display())]
    Invalid {
        /// Which run.
        path: PathBuf,
        /// Why, in its own words.
        reasons: String,
    },
    /// More than memory is meant for.
    #[error("there are more than {limit} {what} in these runs")]
    TooMany {
        /// Requests or endpoints.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// The same run on both sides.
    #[error("{} is there twice", path.display())]
    Twice {
        /// Which run.
        path: PathBuf,
    },
    /// Two runs are two sides.
    #[error("{runs} runs make no trend")]
    NoTrend {
        /// How many there are.
        runs: usize,
    },
    /// A run that cannot be cut into stretches.
    #[error("{} is too short to say what changes during it", path.display())]
    TooShort {
        /// Which run.
        path: PathBuf,
    },
    /// A recording that cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A recording that no run before it sent again.
    #[error("{} is a recording: it is the side before", path.display())]
    RecordingAfter {
        /// What was given.
        path: PathBuf,
    },
    /// The recording is none of those that the run sent again.
    #[error("{} is none of the sessions that the run sent again ({sessions})", path.display())]
    OtherSession {
        /// What was given.
        path: PathBuf,
        /// Those of the run.
        sessions: String,
    },
    /// Two that are the same session of the run.
    #[error("{} and {} are the same session of the run", other.display(), path.display())]
    SameSession {
        /// One of them.
        path: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A recording where only runs can be.
    #[error("{} is a recording, and a trend is one of runs", path.display())]
    RecordingInTrend {
        /// What was given.
        path: PathBuf,
    },
    /// Pairs of unequal sides.
    #[error("there are {before} runs before and {after} after, which make no pairs")]
    NoPairs {
        /// On one side.
        before: usize,
        /// On the other.
        after: usize,
    },
}

impl CompareError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { .. } => Some("give run directories (those with a run.json), or folders of them"),
            Self::NoRun { .. } => Some("a run directory has a run.json; `reenact replay --out DIR` makes one"),
            Self::Result(error) => error.hint(),
            Self::NoRequests { .. } => {
                Some("it was made with --requests none or sampled; make the run again with --requests all")
            }
            Self::Invalid { .. } => Some(
                "its figures say more about the machine that sent than about the target; repeat it at a lower rate or on a larger machine",
            ),
            Self::TooMany { .. } => Some("compare shorter runs, or fewer of them"),
            Self::Twice { .. } => Some("each run can be on one side, once"),
            Self::NoTrend { .. } => Some("give two as BEFORE and AFTER, or at least three"),
            Self::TooShort { .. } => Some("its steady window must be at least 40 s long; a soak is hours"),
            Self::Session(error) => error.hint(),
            Self::RecordingAfter { .. } => Some("give the recording first, and then runs that sent it again"),
            Self::OtherSession { .. } => {
                Some("give the session under the path, or at least the name, that the run was given")
            }
            Self::SameSession { .. } => Some("give each of its sessions once, under the path that the run was given"),
            Self::RecordingInTrend { .. } => {
                Some("give the sessions first, and then one run (or a folder of runs) that sent them again")
            }
            Self::NoPairs { .. } => Some("leave --paired out, or give as many runs on each side"),
        }
    }
}
