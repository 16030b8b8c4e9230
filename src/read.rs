//! Opening sessions, and saying what is missing in them, once for all commands that read.

use std::path::PathBuf;
use std::sync::Arc;

use formats::model::GapReason;
use formats::seal::Identities;
use formats::session::{Damage, Event, Session, SessionError};
use log::Level;

use crate::logging::say;
use crate::outcome::{Failure, Outcome};
use crate::secret::Reference;
use crate::units;

/// Opens sessions; what `identity` refers to opens those that are encrypted.
pub(crate) fn open(paths: &[PathBuf], identity: Option<&Reference>) -> Result<Vec<Session>, Failure> {
    let identities = identities(identity)?.map(Arc::new);
    Ok(paths.iter().map(|path| Session::open_with(path, identities.clone())).collect::<Result<_, _>>()?)
}

/// What `--identity` refers to.
pub(crate) fn identities(reference: Option<&Reference>) -> Result<Option<Identities>, Failure> {
    let Some(reference) = reference else { return Ok(None) };
    Identities::parse(&reference.resolve()?).map(Some).map_err(|error| {
        let failure = Failure::new(format!("--identity: {error}"));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// What reading found wrong, for standard error and for the exit code.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    damaged: u64,
    unfinished: u64,
}

impl Problems {
    /// Reports `event` if it is a problem; gives it back if it is not, and where it says what is missing, that as a gap.
    pub(crate) fn note(&mut self, event: Result<Event, SessionError>) -> Result<Option<Event>, Failure> {
        match event? {
            Event::Damage(damage) => {
                self.damaged += 1;
                say(Level::Warn, &format!("warning: {}", damage_text(&damage)));
                Ok(None)
            }
            Event::Unfinished { path, writing, missing } => {
                self.unfinished += u64::from(!writing);
                let why = match (writing, &missing) {
                    (true, _) => "is being written",
                    (false, Some(_)) => "ends without its index: its recorder was killed",
                    (false, None) => {
                        "ends without its index: it could not be written on, and what was lost the next segment says"
                    }
                };
                say(Level::Info, &format!("note: {} {why}; everything up to its last flush is here", path.display()));
                Ok(missing.map(Event::Gap))
            }
            event => Ok(Some(event)),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        if self.damaged + self.unfinished > 0 { Outcome::Loss } else { Outcome::Done }
    }
}

/// How much is missing in a gap, or in all of one reason. That a number is not known is said; 0 would be untrue.
pub(crate) fn missing_text(reason: GapReason, connections: u64, exchanges: u64, bytes: u64) -> String {
    let mut parts = Vec::new();
    if connections > 0 {
        parts.push(units::plural(connections, "connection"));
    }
    if exchanges > 0 {
        let bodies = if reason == GapReason::BodiesDropped { " without bodies" } else { "" };
        parts.push(units::plural(exchanges, "exchange") + bodies);
    }
    if bytes > 0 {
        parts.push(format!("{} not captured", units::bytes(bytes)));
    }
    if exchanges == 0 {
        parts.push("how many exchanges is not known".to_owned());
    }
    parts.join(", ")
}

/// When something is missing; `instant` is the text of an instant.
pub(crate) fn missing_when(reason: GapReason, from_ns: u64, to_ns: u64, instant: impl Fn(u64) -> String) -> String {
    match instant(from_ns) {
        // Until when is not known.
        from if reason == GapReason::Unfinished && from_ns == to_ns => format!("after {from}"),
        from => format!("from {from} to {}", instant(to_ns)),
    }
}

pub(crate) fn damage_text(damage: &Damage) -> String {
    let lost = match damage.exchanges {
        Some(exchanges) => format!("{} exchanges are lost", units::count(exchanges)),
        None => "how many exchanges are lost is unknown".to_owned(),
    };
    format!("{} byte {}: {} ({} bytes); {lost}", damage.path.display(), damage.at, damage.what, damage.len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_a_gap_is_said_and_what_is_nothing_is_not() {
        let check = |reason, numbers: [u64; 3], expected: &str| {
            let [connections, exchanges, bytes] = numbers;
            assert_eq!(missing_text(reason, connections, exchanges, bytes), expected);
        };
        check(
            GapReason::QueueFull,
            [2, 0, 4_096],
            "2 connections, 4.0 KiB not captured, how many exchanges is not known",
        );
        check(GapReason::BacklogFull, [0, 1, 7], "1 exchange, 7 B not captured");
        check(GapReason::BodiesDropped, [0, 3, 7], "3 exchanges without bodies, 7 B not captured");
        check(GapReason::Unfinished, [0, 0, 0], "how many exchanges is not known");
    }

    #[test]
    fn until_when_a_killed_recorder_missed_something_is_not_said() {
        let check = |reason, from_ns, to_ns, expected: &str| {
            assert_eq!(missing_when(reason, from_ns, to_ns, |at_ns| format!("+{at_ns}")), expected);
        };
        check(GapReason::QueueFull, 3, 5, "from +3 to +5");
        check(GapReason::QueueFull, 3, 3, "from +3 to +3");
        check(GapReason::Unfinished, 3, 3, "after +3");
        // Of several sessions as one.
        check(GapReason::Unfinished, 3, 5, "from +3 to +5");
    }
}
