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

pub(crate) fn open(paths: &[PathBuf]) -> Result<Vec<Session>, Failure> {
    open_with(paths, None)
}

/// With the identities that open encrypted sessions, by reference.
pub(crate) fn open_with(paths: &[PathBuf], identity: Option<&Reference>) -> Result<Vec<Session>, Failure> {
    let parse = |reference: &Reference| {
        let identities = Identities::parse(&reference.resolve()?);
        let identities = identities.map_err(|error| Failure::new(format!("--identity: {error}")))?;
        Ok::<_, Failure>(Arc::new(identities))
    };
    let identities = identity.map(parse).transpose()?;
    Ok(paths.iter().map(|path| Session::open_with(path, identities.clone())).collect::<Result<_, _>>()?)
}

/// What reading found wrong, for standard error and for the exit code.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    damaged: u64,
    unfinished: u64,
}

impl Problems {
    /// Reports `event` if it is a problem; gives it back if it is not.
    pub(crate) fn note(&mut self, event: Result<Event, SessionError>) -> Result<Option<Event>, Failure> {
        match event? {
            Event::Damage(damage) => {
                self.damaged += 1;
                say(Level::Warn, &format!("warning: {}", damage_text(&damage)));
                Ok(None)
            }
            Event::Unfinished { path, writing } => {
                self.unfinished += u64::from(!writing);
                let why = if writing { "is being written" } else { "ends without its index: its recorder was killed" };
                say(Level::Info, &format!("note: {} {why}; everything up to its last flush is here", path.display()));
                Ok(None)
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
