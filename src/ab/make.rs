//! Repeats, made one after the other: each is a replay of the same plan.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::log::Level;
use replayer::result::RunResult;
use replayer::safety::{Hook, HookError, HookEvent};
use replayer::scratch::Scratch;
use replayer::verdict::Trust;
use serde_json::json;

use super::order::{Phase, Repeat, Side};
use super::text;
use crate::cli::{AbArgs, ReplayArgs, UnsafeMethods};
use crate::logging::say;
use crate::outcome::{Failure, Outcome};
use crate::replay::{Replay, Say, resolve_of_each};
use crate::signals::Interrupts;

/// A pair of which a run was invalid is made once more.
const ATTEMPTS: usize = 2;
/// What the name of the folder begins with in which an experiment has its plan.
const SPOOL: &str = "reenact-ab-spool-";

/// Why no more repeats are made.
#[derive(Debug)]
pub(super) enum Ended {
    /// As many as were asked for are there.
    AllMade,
    /// A look saw enough.
    Decided,
    /// `--budget`
    TimeIsUp,
    /// A signal.
    Interrupted,
    /// `--abort-if`, the kill file.
    Aborted(String),
    /// This machine was the limit, more than once.
    Invalid(String),
    /// A target or a reset.
    Failed(String),
}

impl Ended {
    /// What that means for the exit code, if anything.
    pub(super) const fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::AllMade | Self::Decided | Self::TimeIsUp => None,
            Self::Interrupted => Some(Outcome::Interrupted),
            Self::Aborted(_) => Some(Outcome::Failed),
            Self::Invalid(_) => Some(Outcome::Invalid),
            Self::Failed(_) => Some(Outcome::Loss),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllMade => f.write_str("all pairs were made"),
            Self::Decided => f.write_str("enough could be said"),
            Self::TimeIsUp => f.write_str("there was no time for another pair (--budget)"),
            Self::Interrupted => f.write_str("it was interrupted (--resume goes on with it)"),
            Self::Aborted(why) | Self::Failed(why) => f.write_str(why),
            Self::Invalid(why) => write!(f, "runs were invalid: {why}"),
        }
    }
}

/// What is known of every repeat before the first.
pub(super) struct Facts {
    pub(super) plan_hash: String,
    /// How long the plan takes.
    pub(super) seconds: f64,
}

/// What makes repeats.
pub(super) struct Maker {
    args: ReplayArgs,
    targets: [String; 2],
    /// What of `--resolve` is for each of them.
    resolve: [Vec<String>; 2],
    reset: Option<Hook>,
    reset_timeout: Duration,
    out: PathBuf,
    plan_hash: String,
    /// Whether somebody wants it to end; during a run the run hears it, too.
    interrupts: Interrupts,
    /// Where the plan's spool is kept between repeats; removed with this.
    _spool: Scratch,
}

impl Maker {
    /// Refuses what would be refused later, of both systems, before anything is sent.
    pub(super) fn check(args: &AbArgs, out: &Path) -> Result<(Self, Facts), Failure> {
        let reset = args.reset.as_ref().map(|text| text.parse::<Hook>());
        let reset = reset.transpose().map_err(|error| Failure::of(&error).hint(error.hint()))?;
        let mut replay = args.replay.clone();
        let spool = spool(replay.load.spool.as_deref())?;
        (replay.load.spool, replay.reuse_spool) = (Some(spool.path().to_owned()), true);
        let mut facts = None;
        let resolve = resolve_of_each(&replay, [&args.before, &args.after])?;
        for (target, resolve) in [&args.before, &args.after].into_iter().zip(&resolve) {
            (replay.load.target, replay.resolve) = (Some(target.clone()), resolve.clone());
            let say = if facts.is_none() { Say::Problems } else { Say::Nothing };
            let checked = Replay::check(replay.clone(), say)?;
            // Whoever was asked about unsafe methods, and said yes, is not asked again.
            replay.load.unsafe_methods = replay.load.unsafe_methods.or(Some(UnsafeMethods::Send));
            facts = Some(Facts { plan_hash: checked.plan_hash().to_owned(), seconds: checked.seconds() });
        }
        let facts = facts.unwrap_or(Facts { plan_hash: String::new(), seconds: 0.0 });
        let maker = Self {
            args: replay,
            targets: [args.before.clone(), args.after.clone()],
            resolve,
            reset,
            reset_timeout: args.reset_timeout,
            out: out.to_owned(),
            plan_hash: facts.plan_hash.clone(),
            interrupts: Interrupts::listen()?,
            _spool: spool,
        };
        Ok((maker, facts))
    }

    /// Makes a pair; `Some` when that was not to be done, and there will be no other.
    pub(super) fn pair(&self, phase: Phase, number: u32, repeats: &[Repeat; 2]) -> Result<Option<Ended>, Failure> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            // What an experiment that was killed left of this pair is no whole pair.
            self.set_aside(repeats)?;
            last = self.attempt(phase, number, repeats);
            match &last {
                None => return Ok(None),
                Some(Ended::Invalid(why)) => say(
                    Level::Warn,
                    &format!("warning: {} {number}: a run was invalid, and is set aside: {why}", phase.name()),
                ),
                Some(_) => break,
            }
        }
        self.set_aside(repeats)?;
        Ok(last)
    }

    fn attempt(&self, phase: Phase, number: u32, repeats: &[Repeat; 2]) -> Option<Ended> {
        for repeat in repeats {
            if let Some(ended) = self.repeat(phase, number, repeat) {
                return Some(ended);
            }
        }
        None
    }

    fn repeat(&self, phase: Phase, number: u32, repeat: &Repeat) -> Option<Ended> {
        if self.interrupts.count() > 0 {
            return Some(Ended::Interrupted);
        }
        let (side, target, resolve) = match repeat.to {
            Side::Before => ("before", &self.targets[0], &self.resolve[0]),
            Side::After => ("after", &self.targets[1], &self.resolve[1]),
        };
        let at = format!("{} {number}, {side}", phase.name());
        if let Some(hook) = &self.reset {
            let facts = json!({"side": side, "target": target, "phase": phase.word(), "pair": number});
            let mut interrupts = self.interrupts.clone();
            match hook.run(HookEvent::Reset, &facts, self.reset_timeout, interrupts.next()) {
                Ok(()) => {}
                Err(HookError::Interrupted { .. }) => return Some(Ended::Interrupted),
                Err(error) => return Some(Ended::Failed(format!("{at}: {error}"))),
            }
        }
        let mut args = self.args.clone();
        (args.load.target, args.results.out) = (Some(target.clone()), Some(repeat.out.clone()));
        args.resolve.clone_from(resolve);
        let replayed = Replay::check(args, Say::Nothing).and_then(Replay::send);
        if self.interrupts.count() > 0 {
            return Some(Ended::Interrupted);
        }
        let result = match replayed {
            Ok(replayed) => replayed.result,
            Err(failure) => return Some(Ended::Failed(format!("{at}: {}", failure.message()))),
        };
        text::repeat(phase, number, repeat, &result);
        self.judge(&at, &result)
    }

    /// Whether a repeat can be compared.
    fn judge(&self, at: &str, result: &RunResult) -> Option<Ended> {
        if result.interrupted {
            return Some(Ended::Interrupted);
        }
        if let Some(why) = &result.aborted {
            return Some(Ended::Aborted(format!("{at}: {why}")));
        }
        if result.verdict.outcome == Trust::Invalid {
            return Some(Ended::Invalid(format!("{at}: {}", result.verdict.reasons.join("; "))));
        }
        if let Some((file, why)) = result.unwritten.first_key_value() {
            return Some(Ended::Failed(format!("{at}: {file} could not be written: {why}")));
        }
        if !result.changes.is_empty() {
            return Some(Ended::Invalid(format!("{at}: the plan was changed while it was sent")));
        }
        if result.plan_hash != self.plan_hash {
            return Some(Ended::Failed(format!("{at}: the plan is another one: what it is made of was changed")));
        }
        let failed: u64 = result.errors.values().sum();
        if failed > result.completed {
            let kinds: Vec<String> = result.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            return Some(Ended::Failed(format!(
                "{at}: the target answered only {} of {} requests ({})",
                result.completed,
                result.settled,
                kinds.join(", ")
            )));
        }
        None
    }

    /// Moves what there is of these repeats out of the way of those that count.
    fn set_aside(&self, repeats: &[Repeat; 2]) -> Result<(), Failure> {
        for repeat in repeats.iter().filter(|repeat| repeat.out.exists()) {
            let inside = repeat.out.strip_prefix(&self.out).unwrap_or(&repeat.out).display().to_string();
            let folder = self.out.join("set-aside");
            let moved = fs::create_dir_all(&folder).and_then(|()| {
                let free = |attempt: &u32| !folder.join(format!("{}-{attempt}", inside.replace('/', "-"))).exists();
                let attempt = (1..).find(free).unwrap_or(0);
                fs::rename(&repeat.out, folder.join(format!("{}-{attempt}", inside.replace('/', "-"))))
            });
            moved.map_err(|error| Failure::new(format!("cannot move {} aside: {error}", repeat.out.display())))?;
        }
        Ok(())
    }
}

/// A folder of its own for the plan, which every repeat takes its requests from.
fn spool(given: Option<&Path>) -> Result<Scratch, Failure> {
    let parent = given.map_or_else(std::env::temp_dir, Path::to_owned);
    let made = fs::create_dir_all(&parent).and_then(|()| Scratch::create(&parent, SPOOL));
    made.map_err(|error| Failure::new(format!("cannot create a folder in {}: {error}", parent.display())))
}
