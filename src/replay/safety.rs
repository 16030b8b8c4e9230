//! What stops a run, and who is told of it.

use std::path::Path;
use std::time::Duration;

use log::Level;
use replayer::result::RunResult;
use replayer::safety::{AbortRule, Hook, HookEvent, KillFile};
use serde_json::{Value, json};

use crate::cli::ReplayArgs;
use crate::logging::say;
use crate::outcome::Failure;

/// Everything of it, checked.
pub(super) struct Safety {
    pub(super) abort_if: Vec<AbortRule>,
    pub(super) kill_file: Option<KillFile>,
    on_start: Vec<Hook>,
    on_end: Vec<Hook>,
    timeout: Duration,
}

impl Safety {
    pub(super) fn check(args: &ReplayArgs) -> Result<Self, Failure> {
        let rule = |text: &String| text.parse::<AbortRule>().map_err(|error| Failure::of(&error).hint(error.hint()));
        let hook = |text: &String| text.parse::<Hook>().map_err(|error| Failure::of(&error).hint(error.hint()));
        let kill_file = match &args.kill_file {
            Some(path) => Some(path.display().to_string().parse::<KillFile>().map_err(Failure::new)?),
            None => None,
        };
        if let Some(file) = &kill_file {
            file.may_start(file.is_there()).map_err(|error| Failure::of(&error).hint(error.hint()))?;
        }
        Ok(Self {
            abort_if: args.abort_if.iter().map(rule).collect::<Result<_, _>>()?,
            kill_file,
            on_start: args.on_start.iter().map(hook).collect::<Result<_, _>>()?,
            on_end: args.on_end.iter().map(hook).collect::<Result<_, _>>()?,
            timeout: args.hook_timeout,
        })
    }

    /// Tells everybody that a run begins; the first who does not take it stops the run.
    pub(super) fn tell_start(&self, facts: &Value) -> Result<(), Failure> {
        for hook in &self.on_start {
            hook.run(HookEvent::Start, facts, self.timeout).map_err(|error| Failure::of(&error).hint(error.hint()))?;
        }
        Ok(())
    }

    /// Tells everybody that it is over; who does not take it is said.
    pub(super) fn tell_end(&self, facts: &Value) {
        for hook in &self.on_end {
            if let Err(error) = hook.run(HookEvent::End, facts, self.timeout) {
                say(Level::Warn, &format!("warning: {error}"));
            }
        }
    }
}

/// What hooks are told of a run that begins.
pub(super) fn start_facts(run_id: &str, plan_hash: &str, planned: u64, targets: &[String], out: &Path) -> Value {
    json!({
        "run_id": run_id,
        "plan_hash": plan_hash,
        "planned": planned,
        "target": targets.join(" "),
        "out": out.display().to_string(),
    })
}

/// What hooks are told of a run that is over.
pub(super) fn end_facts(result: &RunResult, out: &Path) -> Value {
    json!({
        "run_id": result.run_id,
        "plan_hash": result.plan_hash,
        "planned": result.planned,
        "target": result.target,
        "out": out.display().to_string(),
        "sent": result.sent,
        "completed": result.completed,
        "errors": result.errors.values().sum::<u64>(),
        "verdict": result.verdict.outcome.name(),
        "aborted": result.aborted,
        "interrupted": result.interrupted,
    })
}
