//! The spool: a plan's requests, made ready and put where sending finds them one after the other.
//!
//! A copy may stand far from its original, so sending in the order of the recording would jump about in it. The spool
//! holds each client's requests in small pages (`pages.rs`), each page once, and a list in the order of due instants of
//! which page is needed when and for which copy (`due.rs`, sorted outside of memory). It is made before the run by one
//! pass over the sessions (`build.rs`) and read during it by the feed. Small spools stay in memory; larger ones are files
//! without a name, which the system removes whatever happens to this process.

mod ahead;
mod alive;
mod authorities;
mod build;
mod choose;
mod connections;
mod due;
mod kept;
mod limit;
mod names;
mod open;
mod order;
mod pages;
mod record;
mod store;
mod summary;
mod warped;

pub use build::{Builder, Seen, SpoolOptions, Watch};
pub use choose::Prepare;
pub use due::{DueEntry, DueList, DueReader};
pub use kept::SpoolKey;
pub use record::Record;
pub use summary::{EndpointPlan, Mean, Summary, Traces};

use std::path::{Path, PathBuf};

use store::Store;
pub(crate) use store::nameless;

/// A connection of a client that is warped is taken for over when it had no request for so long: of copies that were drawn
/// one by one nobody knows ahead which is the last one.
pub(crate) const WARPED_IDLE_NS: u64 = 30_000_000_000;

/// A plan's requests.
pub struct Spool {
    directory: PathBuf,
    /// Where it was kept, if it was found there.
    kept_in: Option<PathBuf>,
    pages: Store,
    due: DueList,
    /// What is in it.
    pub summary: Summary,
}

impl Spool {
    /// Where its files are, if it needs any.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What of it somebody can look at: the folder in which it was kept, or the directory of its files.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.kept_in.as_deref().unwrap_or(&self.directory)
    }

    /// The list of pages in the order of their first due instants.
    ///
    /// # Errors
    /// When a file of it cannot be read.
    pub fn due(&self) -> std::io::Result<DueReader> {
        self.due.read()
    }

    /// The page that an entry of the list names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn page(&self, entry: &DueEntry) -> std::io::Result<bytes::Bytes> {
        self.pages.read(entry.page_at, entry.page_len)
    }

    /// Bytes that it takes, in memory or on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pages.len() + self.due.bytes()
    }
}

/// What was read is not what was written.
pub(crate) fn damaged(why: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned())
}
