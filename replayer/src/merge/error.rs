//! Why runs cannot be merged.

use std::path::PathBuf;

/// What is wrong with the run directories that were given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A file cannot be read, or is damaged.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what a run writes.
    #[error("{} is not what a run writes", path.display())]
    Json {
        /// Which one.
        path: PathBuf,
        /// Where.
        source: serde_json::Error,
    },
    /// A result that no run writes, by its size.
    #[error("{} has {bytes} bytes, and at most {limit} are read", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How many it has.
        bytes: u64,
        /// How many are read.
        limit: u64,
    },
    /// More endpoints than a plan can name.
    #[error("{} counts an endpoint with the number {index}, and at most {limit} endpoints are read", path.display())]
    TooManyEndpoints {
        /// Which directory.
        path: PathBuf,
        /// Its number.
        index: u32,
        /// How many are read.
        limit: u32,
    },
    /// The result of another version.
    #[error("{} has schema {found}, and this version reads schema {known}", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// What it says; 0 if nothing.
        found: u64,
        /// What can be read.
        known: u32,
    },
    /// Of more shards than a plan can have.
    #[error("{} is of {of} shards, and a plan has at most {limit}", path.display())]
    TooManyShards {
        /// Which directory.
        path: PathBuf,
        /// How many there are to be.
        of: u32,
        /// How many there can be.
        limit: u32,
    },
    /// A run of a whole plan.
    #[error("{} is no shard: it sent its whole plan", path.display())]
    NotShard {
        /// Which one.
        path: PathBuf,
    },
    /// Runs of different plans.
    #[error("{} and {} are runs of different plans", one.display(), other.display())]
    DifferentPlans {
        /// One.
        one: PathBuf,
        /// Another.
        other: PathBuf,
    },
    /// The same shard twice.
    #[error("shard {number} is there twice: {} and {}", one.display(), other.display())]
    Twice {
        /// Its number.
        number: u32,
        /// One.
        one: PathBuf,
        /// Another.
        other: PathBuf,
    },
    /// Not all shards.
    #[error("of {of} shards these are missing: {}", list(missing))]
    Missing {
        /// Their numbers.
        missing: Vec<u32>,
        /// How many there should be.
        of: u32,
    },
    /// Shards that were not made or measured in the same way.
    #[error("{what} in {} does not fit the other shards", path.display())]
    Differs {
        /// What.
        what: String,
        /// Where.
        path: PathBuf,
    },
    /// A run that says itself that a file of it is not whole.
    #[error("{} is not whole: the run could not write it ({why})", path.display())]
    Unwritten {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// No directory.
    #[error("there is nothing to merge")]
    Nothing,
}

impl MergeError {
    /// Whether it is about a result that is missing or cut, so that the other files of the run may say what it would have.
    #[must_use]
    pub fn is_recountable(&self) -> bool {
        match self {
            Self::Read { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            Self::Json { .. } => true,
            _ => false,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Read { .. } | Self::Json { .. } => "give directories that `reenact replay` wrote to their end",
            Self::TooLarge { .. } | Self::TooManyEndpoints { .. } => {
                "a run names about 500 endpoints, and its run.json has some megabytes: this was not written by one"
            }
            Self::TooManyShards { .. } => "no run has so many: its run.json was not written by one",
            Self::Schema { .. } => "use the version of reenact that wrote it",
            Self::NotShard { .. } => "runs that are no shards of one plan are compared, not merged",
            Self::DifferentPlans { .. } => "shards of one plan have the same plan_hash in their run.json",
            Self::Twice { .. } => "leave one of the two out",
            Self::Missing { .. } => "add them, or merge what there is with --partial",
            Self::Differs { .. } => "all shards must run with the same options and the same version",
            Self::Unwritten { .. } => "its own run.json and report.html have what it counted; send that shard again",
            Self::Nothing => return None,
        })
    }
}

fn list(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
