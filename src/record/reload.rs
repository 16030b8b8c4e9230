//! The config file, read again while the recorder works: on SIGHUP, and when the file changes.
//!
//! Only what can change without touching a connection is taken over. The rest is named, and stays as it is until a restart.
//! A file that cannot be used changes nothing. Flags and environment come before the file, as at the start.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use formats::redact::RedactionKey;

use super::keep::{Keep, Secrecy};
use super::pairs;
use crate::cli::{Command, KeepArgs, LogArgs, OperateArgs, PairArgs, RecordArgs, Switch};
use crate::command_line::{self, CommandLine, Values};
use crate::outcome::Failure;
use crate::redaction;

/// How often the file is looked at.
const LOOK_INTERVAL_NS: u64 = 2_000_000_000;

/// Options that hold at once when they change.
const AT_ONCE: [&str; 3] = ["log_level", "drain", "drain_max"];
/// Options that hold from the next session on; what [`Keep::take_over`] takes.
const NEXT_SESSION: [&str; 25] = [
    "out",
    "client_key",
    "sample",
    "only",
    "exclude",
    "record_replays",
    "body_max",
    "backlog_bytes",
    "breaker_cpu",
    "breaker_memory",
    "breaker_pause",
    "flush_interval",
    "fsync",
    "level",
    "block_size",
    "rotate_size",
    "rotate_every",
    "keep_size",
    "keep_for",
    "free_min",
    "duration",
    "max_size",
    "max_exchanges",
    "seal",
    "encrypt_to",
];
/// How the listeners of the file are called.
const PAIRS: &str = "[[pair]]";
/// And its rules of redaction.
const RULES: &str = "[[redact]]";

/// What is in use, and when the file was last looked at.
pub(super) struct Reload {
    file: PathBuf,
    seen: Option<Fingerprint>,
    look_at_ns: u64,
    values: Values,
    tables: Vec<PairArgs>,
    rules: Option<toml::Value>,
}

/// What the file says now.
pub(super) struct Reread {
    pub(super) log: LogArgs,
    pub(super) operate: OperateArgs,
    pub(super) keep: Option<Keep>,
    /// Names of options that changed, by when they hold.
    pub(super) changes: Changes,
}

/// Names of options that changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    at_once: Vec<String>,
    next_session: Vec<String>,
    restart: Vec<String>,
}

/// When a file was written, and which file it is: a mounted ConfigMap changes by another file in its place.
type Fingerprint = (u64, u64, i64, i64, u64);

impl Reload {
    /// `None` without a file: flags and environment do not change.
    pub(super) fn new(args: &RecordArgs, values: Values) -> Result<Option<Self>, Failure> {
        let Some(file) = args.config.clone() else { return Ok(None) };
        let tables = pairs::tables(&file)?;
        let rules = redaction::tables(&file)?;
        Ok(Some(Self { seen: fingerprint(&file), file, look_at_ns: 0, values, tables, rules }))
    }

    /// Whether the file is another than when it was last read; looked at every two seconds, however often it is asked.
    pub(super) fn is_due(&mut self, now_ns: u64) -> bool {
        if now_ns < self.look_at_ns {
            return false;
        }
        self.look_at_ns = now_ns.saturating_add(LOOK_INTERVAL_NS);
        let now = fingerprint(&self.file);
        // While it is replaced there may be none for a moment.
        now.is_some() && now != self.seen
    }

    /// Reads it. Without a session ever, and so without the `key` of pseudonyms, nothing can wait for the next one.
    pub(super) fn read(&mut self, key: Option<&RedactionKey>) -> Result<Reread, Failure> {
        let has_sessions = key.is_some();
        // Before reading: what is written while it is read is seen as another change.
        self.seen = fingerprint(&self.file);
        let CommandLine { cli, values } = command_line::read()?;
        let Command::Record(args) = cli.command else {
            return Err(Failure::new("the command line is no longer that of `reenact record`"));
        };
        let tables = pairs::tables(&self.file)?;
        pairs::all(args.pair, Some(&self.file))?;
        let rules = redaction::tables(&self.file)?;
        // The key and whether a session begins stay; they need not be looked up again.
        let keep = KeepArgs { redact_key: None, capture: Switch::Off, ..args.keep };
        let secrecy = Secrecy { seal: &args.seal, encrypt_to: &args.encrypt_to };
        let keep = Keep::check(keep, secrecy, Some(&self.file), key.cloned())?;
        if has_sessions && keep.is_none() {
            return Err(Failure::new("there is no --out for the next session"));
        }
        let mut changes = Changes::between(&self.values, &values, has_sessions);
        if tables != self.tables {
            changes.restart.push(PAIRS.to_owned());
        }
        if rules != self.rules {
            changes.next_session.push(RULES.to_owned());
            self.rules = rules;
        }
        // What needs a restart stays different from what is in use, and is named each time.
        let is_taken = |id: &str| AT_ONCE.contains(&id) || has_sessions && NEXT_SESSION.contains(&id);
        self.values.retain(|id, _| !is_taken(id));
        self.values.extend(values.into_iter().filter(|(id, _)| is_taken(id)));
        Ok(Reread { log: cli.log, operate: args.operate, keep, changes })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

impl Changes {
    fn between(before: &Values, now: &Values, has_sessions: bool) -> Self {
        let mut changes = Self::default();
        let ids: std::collections::BTreeSet<_> = before.keys().chain(now.keys()).collect();
        for id in ids.into_iter().filter(|id| before.get(*id) != now.get(*id)) {
            let list = match id.as_str() {
                id if AT_ONCE.contains(&id) => &mut changes.at_once,
                id if has_sessions && NEXT_SESSION.contains(&id) => &mut changes.next_session,
                _ => &mut changes.restart,
            };
            list.push(id.replace('_', "-"));
        }
        changes
    }

    /// Which options hold when, in a line; nothing if none changed.
    pub(super) fn text(&self) -> Option<String> {
        let parts: Vec<_> = [
            (&self.at_once, "now in use"),
            (&self.next_session, "from the next session on"),
            (&self.restart, "only after a restart"),
        ]
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, when)| format!("{}: {when}", names.join(", ")))
        .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

fn fingerprint(file: &Path) -> Option<Fingerprint> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_name_is_an_option() {
        let mut command = crate::cli::Cli::command();
        command.build();
        let record = command.find_subcommand("record").unwrap();
        for id in AT_ONCE.iter().chain(&NEXT_SESSION) {
            assert!(record.get_arguments().any(|option| option.get_id() == id), "{id}");
        }
    }

    #[test]
    fn changes_are_sorted_by_when_they_hold() {
        let values = |given: &[(&str, &str)]| -> Values {
            given.iter().map(|(id, value)| ((*id).to_owned(), vec![(*value).into()])).collect()
        };
        let before = values(&[("listen", "a"), ("sample", "10%"), ("drain_max", "1h"), ("threads", "1")]);
        let now = values(&[("listen", "b"), ("drain_max", "2h"), ("threads", "1"), ("keep_size", "1GiB")]);
        let text = |has_sessions| Changes::between(&before, &now, has_sessions).text().unwrap();
        assert_eq!(
            text(true),
            "drain-max: now in use; keep-size, sample: from the next session on; listen: only after a restart"
        );
        assert_eq!(text(false), "drain-max: now in use; keep-size, listen, sample: only after a restart");
        assert_eq!(Changes::between(&now, &now, true).text(), None);
    }
}
