//! What stops a run, and who is told of it.

use std::path::Path;
use std::time::Duration;

use log::Level;
use replayer::result::RunResult;
use replayer::safety::{AbortRule, Hook, HookError, HookEvent, KillFile};
use serde_json::{Value, json};

use crate::cli::ReplayArgs;
use crate::logging::say;
use crate::outcome::{Failure, Outcome};
use crate::signals::Interrupts;

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

    /// Tells everybody that a run begins; the first who does not take it stops the run, and so does a signal.
    pub(super) fn tell_start(&self, facts: &Value, interrupts: &mut Interrupts) -> Result<(), Failure> {
        for hook in &self.on_start {
            hook.run(HookEvent::Start, facts, self.timeout, interrupts.next()).map_err(|error| {
                let failure = Failure::of(&error).hint(error.hint());
                if matches!(error, HookError::Interrupted { .. }) { interrupted(failure) } else { failure }
            })?;
        }
        Ok(())
    }

    /// Tells everybody that it is over; who does not take it is said. Whether all were waited for: the second signal of a
    /// run ends that, when it comes while they are told.
    pub(super) fn tell_end(&self, facts: &Value, interrupts: &mut Interrupts) -> bool {
        // What came before ended the run.
        interrupts.pass();
        for (told, hook) in (1..).zip(&self.on_end) {
            let Err(error) = hook.run(HookEvent::End, facts, self.timeout, second(interrupts)) else { continue };
            say(Level::Warn, &format!("warning: {error}"));
            if matches!(error, HookError::Interrupted { .. }) {
                let untold = self.on_end.len() - told;
                if untold > 0 {
                    say(Level::Warn, &format!("warning: {untold} more end hooks were not run"));
                }
                return false;
            }
        }
        true
    }
}

/// The same as what a signal brought about.
pub(super) fn interrupted(mut failure: Failure) -> Failure {
    failure.code = Outcome::Interrupted as u8;
    failure
}

/// Waits for a signal that is not the run's first.
async fn second(interrupts: &mut Interrupts) {
    loop {
        interrupts.next().await;
        if interrupts.count() > 1 {
            return;
        }
        say(Level::Info, "interrupted: telling everybody that the run is over; once more to wait no longer");
    }
}

/// What hooks are told of a run that begins, and of one that did not come to its end.
pub(super) fn start_facts(run_id: &str, plan_hash: &str, planned: u64, targets: &[String], out: &Path) -> Value {
    json!({
        "run_id": run_id,
        "plan_hash": plan_hash,
        "planned": planned,
        "target": targets.join(" "),
        "out": out.display().to_string(),
    })
}

/// What hooks are told of a run that is over, besides what they were told at its start.
pub(super) fn end_facts(start_facts: Value, result: &RunResult) -> Value {
    let mut facts = start_facts;
    let came_of_it = json!({
        "sent": result.sent,
        "completed": result.completed,
        "errors": result.errors.values().sum::<u64>(),
        "verdict": result.verdict.outcome.name(),
        "aborted": result.aborted,
        "interrupted": result.interrupted,
    });
    if let (Some(facts), Value::Object(came_of_it)) = (facts.as_object_mut(), came_of_it) {
        facts.extend(came_of_it);
    }
    facts
}
