//! What is kept of the traffic, checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use formats::clients::KeyRule;
use formats::redact::RedactionKey;
use formats::seal::Recipients;
use formats::session::WriterOptions;
use formats::wire::Limits;
use recorder::breaker::BreakerOptions;
use recorder::capture::{Budget, DiskOptions, StoreOptions, free_bytes};
use recorder::selection::Selection;
use recorder::tap::TapLimits;

use crate::cli::{Fsync, KeepArgs, Switch, WhenTaken};
use crate::outcome::Failure;
use crate::redaction::{self, Redaction};
use crate::{secret, units};

/// More often, and writing would be all that happens.
const FLUSH_INTERVAL_MIN: Duration = Duration::from_millis(10);
/// Exchanges under way may hold this many times the queue's bytes.
const PARSER_SHARE: usize = 4;

/// Recipients as they were given: those that secrets are sealed for, and those that may read the segments.
#[derive(Clone, Copy)]
pub(super) struct Secrecy<'a> {
    pub(super) seal: &'a [String],
    pub(super) encrypt_to: &'a [String],
}

/// What is kept, where, and how much of the machine that may take.
pub(super) struct Keep {
    pub(super) out: PathBuf,
    /// Whether a session begins at once.
    pub(super) at_once: bool,
    /// Whether the first session may be beside `out`; later ones always may.
    pub(super) may_rename: bool,
    pub(super) key: RedactionKey,
    pub(super) redaction: Redaction,
    /// Who may read the segments; `None`: everybody who has the files.
    pub(super) recipients: Option<Recipients>,
    pub(super) rules: Vec<KeyRule>,
    pub(super) selection: Selection,
    pub(super) limits: Limits,
    pub(super) tap: TapLimits,
    pub(super) parser_bytes_max: usize,
    pub(super) backlog_bytes_max: usize,
    pub(super) breaker: BreakerOptions,
    pub(super) writer: WriterOptions,
    pub(super) store: StoreOptions,
}

impl Keep {
    /// `None` when nothing is to be captured, now or later.
    pub(super) fn check(
        args: KeepArgs,
        secrecy: Secrecy<'_>,
        config: Option<&Path>,
        key: Option<RedactionKey>,
    ) -> Result<Option<Self>, Failure> {
        // Checked also where no session may ever begin: who asks for encryption is not to learn of a mistake later.
        let recipients = redaction::recipients("--encrypt-to", secrecy.encrypt_to)?;
        let at_once = args.capture == Switch::On;
        let out = match args.out.clone() {
            Some(out) => out,
            None if at_once => {
                return Err(Failure::new("a recording needs --out").hint("as in --out sessions/monday"));
            }
            None => return Ok(None),
        };
        bounds(&args)?;
        if let Some(free) = free_bytes(&out).filter(|free| at_once && *free < args.free_min) {
            let (free, least) = (units::bytes(free), units::bytes(args.free_min));
            let message = format!("only {free} are free for {}, and {least} are to stay free", out.display());
            return Err(Failure::new(message).hint("make room, or allow less with --free-min"));
        }
        let key = key.map_or_else(|| secret::redaction_key(args.redact_key.as_ref()), Ok)?;
        let queue_bytes_max = to_usize(args.queue_bytes);
        Ok(Some(Self {
            out,
            at_once,
            may_rename: args.when_taken == WhenTaken::Beside,
            redaction: redaction::build(&key, secrecy.seal, config)?,
            recipients,
            key,
            rules: args.client_key,
            selection: Selection {
                record_replays: args.record_replays,
                sample: args.sample,
                only: args.only,
                exclude: args.exclude,
            },
            limits: Limits { body_bytes_max: to_usize(args.body_max), ..Limits::default() },
            tap: TapLimits { queue_bytes_max, ..TapLimits::default() },
            parser_bytes_max: queue_bytes_max.saturating_mul(PARSER_SHARE),
            backlog_bytes_max: to_usize(args.backlog_bytes),
            breaker: BreakerOptions {
                cpu_percent_max: args.breaker_cpu,
                memory_percent_max: args.breaker_memory,
                pause_ns: units::nanos(args.breaker_pause),
            },
            writer: WriterOptions {
                segment_bytes_max: args.rotate_size,
                block_bytes: to_usize(args.block_size),
                level: args.level,
                sync: args.fsync == Fsync::Flush,
                ..WriterOptions::default()
            },
            store: StoreOptions {
                flush_interval_ns: units::nanos(args.flush_interval),
                disk: DiskOptions {
                    // Only what is closed grows old.
                    rotate_interval_ns: args.rotate_every.or(args.keep_for).map(units::nanos),
                    keep_bytes_max: args.keep_size,
                    keep_for: args.keep_for,
                    free_bytes_min: args.free_min,
                },
                budget: Budget {
                    elapsed_ns: args.duration.map(units::nanos),
                    exchanges: args.max_exchanges,
                    file_bytes: args.max_size,
                },
            },
        }))
    }

    /// Takes what may change while the recorder works. By name and without a rest, so that whoever adds something decides.
    pub(super) fn take_over(&mut self, now: Self) {
        let Self {
            out,
            rules,
            selection,
            limits,
            backlog_bytes_max,
            breaker,
            writer,
            store,
            redaction,
            recipients,
            // The tap has its size, pseudonyms their key, and whether to begin was asked at the start.
            at_once: _,
            may_rename: _,
            key: _,
            tap: _,
            parser_bytes_max: _,
        } = now;
        (self.out, self.rules, self.selection, self.limits) = (out, rules, selection, limits);
        (self.backlog_bytes_max, self.breaker) = (backlog_bytes_max, breaker);
        (self.writer, self.store, self.redaction, self.recipients) = (writer, store, redaction, recipients);
    }
}

/// Refuses bounds within which nothing can be kept.
fn bounds(args: &KeepArgs) -> Result<(), Failure> {
    if args.flush_interval < FLUSH_INTERVAL_MIN {
        let least = humantime::format_duration(FLUSH_INTERVAL_MIN);
        return Err(Failure::new(format!("--flush-interval is at least {least}"))
            .hint("each flush waits for the disk; the default is 1s"));
    }
    let is_zero = |duration: Option<Duration>| duration.is_some_and(|duration| duration.is_zero());
    let zeros = [
        ("--queue-bytes", args.queue_bytes == 0),
        ("--backlog-bytes", args.backlog_bytes == 0),
        ("--rotate-size", args.rotate_size == 0),
        ("--rotate-every", is_zero(args.rotate_every)),
        ("--keep-for", is_zero(args.keep_for)),
        ("--duration", is_zero(args.duration)),
        ("--max-size", args.max_size == Some(0)),
        ("--max-exchanges", args.max_exchanges == Some(0)),
    ];
    if let Some((flag, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
        return Err(Failure::new(format!("{flag} must be above zero"))
            .hint("--capture off records nothing; leave the bound out for its default"));
    }
    if let Some(keep) = args.keep_size.filter(|keep| *keep < args.rotate_size) {
        let (keep, rotate) = (units::bytes(keep), units::bytes(args.rotate_size));
        return Err(Failure::new(format!("--keep-size {keep} is less than one segment, --rotate-size {rotate}")).hint(
            "segments are deleted whole, and the one that is being written never is: give a --rotate-size of a part of it",
        ));
    }
    Ok(())
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
