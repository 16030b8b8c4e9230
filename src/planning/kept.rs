//! Under which key a spool is kept: everything that decides its requests, known without reading a session.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use replayer::spool::SpoolKey;

use super::Preparation;
use super::asked::Asked;
use crate::cli::LoadArgs;
use crate::outcome::Failure;
use crate::plan_file;

pub(super) fn key(args: &LoadArgs, preparation: &Preparation) -> Result<SpoolKey, Failure> {
    let profile = Asked::of(args)?.profile_text.map(|profile| profile.text).unwrap_or_default();
    let secrets = preparation.rewriter.secrets();
    let columns = secrets.credentials.as_ref().map(|credentials| credentials.columns().to_vec());
    let options = format!("{:?}", plan_file::options(args));
    let hosts = format!("{:?} {:?} {} {}", args.target, args.map, args.keep_host, secrets.authorization.is_some());
    // Places of sealed values are in the spool only where they are to be opened.
    let sealed = args.identity.is_some().to_string();
    let mut files = String::new();
    for session in &args.sessions {
        for file in segments(session) {
            // What is no file is somebody else's to refuse.
            let Ok(metadata) = file.metadata() else { continue };
            let file = file.canonicalize().unwrap_or(file);
            files += &format!("{} {} {}.{}\n", file.display(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        }
        files.push('\n');
    }
    let columns = format!("{columns:?}");
    Ok(SpoolKey::of(&[&files, &options, &profile, &args.shard, &hosts, &sealed, &columns, &preparation.rules]))
}

/// The files of a session, in order.
fn segments(session: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(session) else { return vec![session.to_owned()] };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}
