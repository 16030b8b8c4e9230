//! Opening sessions, and saying what is missing in them, once for all commands that read.

use std::path::PathBuf;
use std::sync::Arc;

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
                    (false, None) => "ends without its index: it could not be written on, as the next segment says",
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

pub(crate) fn damage_text(damage: &Damage) -> String {
    let lost = match damage.exchanges {
        Some(exchanges) => format!("{} exchanges are lost", units::count(exchanges)),
        None => "how many exchanges are lost is unknown".to_owned(),
    };
    format!("{} byte {}: {} ({} bytes); {lost}", damage.path.display(), damage.at, damage.what, damage.len)
}
