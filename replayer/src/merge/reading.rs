//! `run.json` read as what it is, without anything in between, so that a large one takes no more than its result does.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::MergeError;
use crate::result::{RunResult, SCHEMA};
use crate::run_directory::RESULT;

/// Largest `run.json` that is read. That of a run of eight hours with as many endpoints as a plan names has
/// about 10 MB.
pub const RESULT_BYTES_MAX: u64 = 128 << 20;
/// What is read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// What every version of a result says.
#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    schema: u64,
}

/// Reads the result of a run.
///
/// # Errors
/// When it cannot be read, is too large, is no result, or one of another version.
pub fn read(directory: &Path) -> Result<RunResult, MergeError> {
    let path = directory.join(RESULT);
    let open = || -> Result<_, MergeError> {
        let failed = |source| MergeError::Read { path: path.clone(), source };
        let file = File::open(&path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes > RESULT_BYTES_MAX {
            return Err(MergeError::TooLarge { path: path.clone(), bytes, limit: RESULT_BYTES_MAX });
        }
        // A file that grows, or that has no length, comes to its end here.
        Ok(BufReader::with_capacity(BUFFER_BYTES, file.take(RESULT_BYTES_MAX)))
    };
    let failed = |source: serde_json::Error| match source.io_error_kind() {
        Some(kind) => MergeError::Read { path: path.clone(), source: std::io::Error::new(kind, source) },
        None => MergeError::Json { path: path.clone(), source },
    };
    let found = serde_json::from_reader::<_, RunResult>(open()?);
    if let Ok(result) = &found
        && result.schema == SCHEMA
    {
        return found.map_err(failed);
    }
    // Another version may lack what this one needs: then that it is another one is what is wrong with it.
    let version: Version = serde_json::from_reader(open()?).map_err(failed)?;
    match found {
        Err(error) if version.schema == u64::from(SCHEMA) => Err(failed(error)),
        _ => Err(MergeError::Schema { path, found: version.schema, known: SCHEMA }),
    }
}
