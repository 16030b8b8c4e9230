//! The files of `--out`: the directory is looked at before anything is compared.

pub(crate) mod options;

use std::path::Path;

use replayer::compared::questions::Concern;
use replayer::compared::{Asked, Compared, Directory, Output};
use replayer::report::TraceUrl;

use crate::cli::{AbArgs, CompareArgs};
use crate::outcome::{self, Failure};

/// Where, and as what.
pub(crate) struct Written {
    directory: Directory,
    outputs: Vec<Output>,
    fail_on: Vec<Concern>,
    trace_url: Option<TraceUrl>,
    /// Standard output is for JSON.
    is_quiet: bool,
}

impl Written {
    /// `None` without `--out`.
    pub(super) fn check(args: &CompareArgs) -> Result<Option<Self>, Failure> {
        let Some(out) = &args.out else {
            return match args.output.is_empty() {
                true => Ok(None),
                false => Err(Failure::new("--output needs a directory")
                    .hint("name it with --out, as in --out compared --output html,markdown,junit")),
            };
        };
        let outputs = args.output.iter().map(|form| (*form).into());
        let outputs = if args.output.is_empty() { vec![Output::Page] } else { outputs.collect() };
        Ok(Some(Self {
            directory: Directory::open(out)?,
            outputs,
            // Who learns judges nothing: the files say what the exit code does.
            fail_on: if args.answers.learn.is_some() { Vec::new() } else { super::concerns(&args.judge) },
            trace_url: args.answers.trace_url.clone(),
            is_quiet: args.json,
        }))
    }

    /// Into the directory of an experiment.
    pub(crate) fn of_experiment(out: &Path, outputs: Vec<Output>, args: &AbArgs) -> Result<Self, Failure> {
        Ok(Self {
            directory: Directory::open(out)?,
            outputs,
            fail_on: super::concerns(&args.judge),
            // Each run says where its traces open.
            trace_url: None,
            is_quiet: args.replay.results.json,
        })
    }

    /// Writes them, and says where they are.
    pub(crate) fn write(&self, of: Compared<'_>, options: Vec<(&'static str, String)>) -> Result<(), Failure> {
        let asked = Asked { fail_on: &self.fail_on, trace_url: self.trace_url.as_ref(), options };
        let files = self.directory.write(of, &asked, &self.outputs)?;
        if !self.is_quiet {
            let said: String = files.iter().map(|file| format!("  written    {}\n", file.display())).collect();
            outcome::print(&format!("\n{said}"));
        }
        Ok(())
    }
}
