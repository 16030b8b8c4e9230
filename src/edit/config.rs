//! What was asked for, checked: what can be refused without reading a session is refused here.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use formats::endpoint::Templates;
use formats::filter::Filter;
use formats::redact::Redactor;
use formats::sample::Sample;
use formats::seal::{Recipients, Sealing};
use formats::session::{Session, WriterOptions};

use super::rewriting::Rewriting;
use super::words::{DropBodies, Shift, SplitBy};
use crate::cli::{EditArgs, VerifyArgs};
use crate::command_line::Values;
use crate::outcome::Failure;
use crate::secret::Reference;
use crate::{names, redaction, secret, units};

/// What `--compact` stands for. Higher levels take many times the memory and time for less than a hundredth of the size.
const COMPACT_LEVEL: i32 = 19;
const COMPACT_BLOCK_BYTES: u64 = 16 << 20;

/// Options that say what a session is made of, in the order in which they are told in its history.
const TOLD: [&str; 13] = [
    "from",
    "to",
    "filter",
    "exclude",
    "template",
    "sample",
    "drop_bodies",
    "redact",
    "redact_key",
    "seal",
    "shift",
    "start",
    "split_by",
];

/// An edit that can be done.
pub(super) struct Asked {
    pub(super) sessions: Vec<PathBuf>,
    pub(super) out: PathBuf,
    pub(super) from: Option<units::When>,
    pub(super) to: Option<units::When>,
    pub(super) filter: Option<Filter>,
    pub(super) exclude: Option<Filter>,
    /// How filters name endpoints.
    pub(super) templates: Templates,
    pub(super) sample: Option<Sample>,
    pub(super) drop_bodies: Vec<DropBodies>,
    pub(super) rewriting: Option<Rewriting>,
    pub(super) redaction: Option<Again>,
    pub(super) clock: Option<MoveClock>,
    pub(super) split_by: Option<SplitBy>,
    pub(super) writer: WriterOptions,
    pub(super) encryption: Encrypted,
    pub(super) identity: Option<Reference>,
    pub(super) words: Vec<String>,
    pub(super) json: bool,
}

/// Rules that are applied again.
pub(super) struct Again {
    pub(super) redactor: Redactor,
    pub(super) sealing: Option<Sealing>,
}

/// Where the session goes on the wall clock.
#[derive(Debug, Clone, Copy)]
pub(super) enum MoveClock {
    By(Shift),
    To(SystemTime),
}

impl Asked {
    pub(super) fn check(args: EditArgs, values: &Values) -> Result<Self, Failure> {
        if !args.redact && (args.redact_key.is_some() || !args.seal.is_empty()) {
            return Err(Failure::new("--redact-key and --seal say how to redact, and --redact is not there")
                .hint("add --redact, or leave them out"));
        }
        let clock = match (args.shift, args.start) {
            (Some(_), Some(_)) => {
                return Err(Failure::new("--shift and --start both move the clock").hint("give one of them"));
            }
            (Some(shift), None) => Some(MoveClock::By(shift)),
            (None, start) => start.map(MoveClock::To),
        };
        let writer = writer(&args)?;
        let mut words = words(values);
        let redaction = if args.redact {
            let key = secret::redaction_key(args.redact_key.as_ref())?;
            // What was given refers to the key; this says which one it was.
            words.push(format!("--redact-key ({})", key.key_id()));
            let built = redaction::build(&key, &args.seal, args.config.as_deref())?;
            Some(Again { redactor: built.redactor, sealing: built.sealing })
        } else {
            None
        };
        let rewriting = match args.config.as_deref().filter(|_| args.rewrite) {
            Some(path) => {
                let rewriting = Rewriting::read(path)?;
                // Rules are as long as they like; this says which ones they were.
                words.push(format!("--rewrite ({} rules)", rewriting.rules()));
                Some(rewriting)
            }
            None => None,
        };
        Ok(Self {
            sessions: args.sessions,
            out: args.out,
            from: args.from,
            to: args.to,
            filter: args.filter,
            exclude: args.exclude,
            templates: names::given(&args.template)?,
            sample: args.sample,
            drop_bodies: args.drop_bodies,
            rewriting,
            redaction,
            clock,
            split_by: args.split_by,
            writer,
            encryption: Encrypted::check(&args.encrypt_to, args.decrypt)?,
            identity: args.identity,
            words,
            json: args.json,
        })
    }

    /// Nothing but to write again what can be read.
    pub(super) fn repair(args: &VerifyArgs, out: &Path) -> Result<Self, Failure> {
        Ok(Self {
            sessions: args.sessions.clone(),
            out: out.to_owned(),
            from: None,
            to: None,
            filter: None,
            exclude: None,
            templates: Templates::default(),
            sample: None,
            drop_bodies: Vec::new(),
            rewriting: None,
            redaction: None,
            clock: None,
            split_by: None,
            writer: WriterOptions::default(),
            encryption: Encrypted::check(&args.encrypt_to, args.decrypt)?,
            identity: args.identity.clone(),
            words: vec!["--repair".to_owned()],
            json: args.json,
        })
    }
}

/// Whether what is written can be read by anybody.
#[derive(Debug)]
pub(super) enum Encrypted {
    /// As long as all inputs can.
    AsInputs,
    /// By whoever has the file.
    No,
    For(Recipients),
}

impl Encrypted {
    fn check(recipients: &[String], decrypt: bool) -> Result<Self, Failure> {
        Ok(match redaction::recipients("--encrypt-to", recipients)? {
            Some(recipients) => Self::For(recipients),
            None if decrypt => Self::No,
            None => Self::AsInputs,
        })
    }

    /// For whom the output of these inputs is encrypted.
    pub(super) fn recipients(&self, inputs: &[Session]) -> Result<Option<Recipients>, Failure> {
        match self {
            Self::For(recipients) => Ok(Some(recipients.clone())),
            Self::AsInputs if inputs.iter().any(Session::is_encrypted) => {
                Err(Failure::new("an input is encrypted, and nobody is named who may read the output")
                    .hint("name its recipients with --encrypt-to age1…, or say --decrypt to write it for everybody"))
            }
            Self::AsInputs | Self::No => Ok(None),
        }
    }
}

impl Asked {
    /// Whether not all exchanges of a stretch of time are kept.
    pub(super) fn chooses_exchanges(&self) -> bool {
        self.filter.is_some() || self.exclude.is_some() || self.sample.is_some()
    }
}

fn writer(args: &EditArgs) -> Result<WriterOptions, Failure> {
    let default = WriterOptions::default();
    let one_for_all = matches!(args.split_by, Some(SplitBy::Time(_) | SplitBy::ClientHash(_)));
    if args.compact && one_for_all {
        return Err(Failure::new("--compact takes more memory than there may be for all parts at the same time")
            .hint("split first, and then compact each part by itself"));
    }
    let (level, block_bytes) = match args.compact {
        true => (COMPACT_LEVEL, COMPACT_BLOCK_BYTES),
        false => (default.level, default.block_bytes as u64),
    };
    let block_bytes = args.block_size.unwrap_or(block_bytes);
    Ok(WriterOptions {
        level: args.level.unwrap_or(level),
        block_bytes: usize::try_from(block_bytes).unwrap_or(default.block_bytes),
        ..default
    })
}

/// The options as they are written on a command line, whoever gave them.
fn words(values: &Values) -> Vec<String> {
    let mut words = Vec::new();
    for id in TOLD {
        for value in values.get(id).into_iter().flatten() {
            let (flag, value) = (id.replace('_', "-"), value.to_string_lossy());
            match id {
                // References are nobody's business, and recipients are in what they sealed.
                "redact_key" => {}
                "seal" => words.push("--seal".to_owned()),
                "redact" if value == "true" => words.push("--redact".to_owned()),
                "redact" => {}
                _ => words.push(format!("--{flag} {value}")),
            }
        }
    }
    words
}
