//! Sealed values of the sessions: what opens them, and what is said of them.

use formats::seal::{Identities, Opener, SealError};
use formats::session::Session;
use replayer::rewrite::{Rewriter, Seals};

use super::Planned;
use crate::outcome::Failure;
use crate::units;

/// Makes `rewriter` open the values of the sessions whose headers say how, if there is something to open them with.
pub(super) fn open_with(
    rewriter: &mut Rewriter,
    identities: Option<&Identities>,
    sessions: &[Session],
) -> Result<(), Failure> {
    let Some(identities) = identities else { return Ok(()) };
    let opener = |session: &Session| {
        let opener = session.header().sealing.as_ref().map(|sealing| Opener::new(identities, sealing));
        opener.transpose().map_err(|error| failure(&session.path().display().to_string(), &error))
    };
    rewriter.open_with(Seals::new(sessions.iter().map(opener).collect::<Result<_, _>>()?));
    Ok(())
}

fn failure(what: &str, error: &SealError) -> Failure {
    let failure = Failure::new(format!("{what}: {error}"));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

impl Planned {
    /// What a reader of the result must know first.
    pub(crate) fn notices(&self) -> impl Iterator<Item = String> {
        let found = self.sealed_notice().into_iter().chain(self.traces_notice()).chain(self.endpoints_notice());
        let found = found.chain(self.framing_notice());
        self.found
            .unused
            .iter()
            .cloned()
            .chain(self.part_notices())
            .chain(self.rate_notices())
            .chain(self.gaps_notices())
            .chain(found)
    }

    /// Sealed values that are not opened, or an identity that opens nothing.
    pub(crate) fn sealed_notice(&self) -> Option<String> {
        let summary = &self.spool.summary;
        match (self.rewriter.secrets().seals.is_some(), summary.sealed) {
            (false, 0) => None,
            (true, 0) => Some("--identity was given, but no request carries a sealed value".to_owned()),
            (false, some) => Some(format!(
                "{} of {} recorded requests carry sealed values, which are sent as they are: --identity opens them",
                units::count(some),
                units::count(summary.recorded)
            )),
            (true, _) => None,
        }
    }
}
