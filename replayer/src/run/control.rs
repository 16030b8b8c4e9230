//! What somebody may do to a run while it goes on: stop it, or change how the time of its plan goes.

use std::sync::Arc;

use crate::clock::Clock;
use crate::send::Stop;
use crate::tempo::{Asked, Change, LEAD_NS, Tempo, Unchanged};

/// A handle on a run, for any thread.
#[derive(Clone)]
pub struct Control {
    pub(super) tempo: Arc<Tempo>,
    pub(super) stop: Arc<Stop>,
    pub(super) clock: Clock,
    /// The clock at due instant 0.
    pub(super) start_ns: u64,
    /// Due instants are ignored but for their order.
    pub(super) at_once: bool,
    /// It is one of several that make up a plan.
    pub(super) is_shard: bool,
}

impl Control {
    /// Changes how the plan's time goes, a little later, and says what was noted. `by` is who asks; `alone`: this run is
    /// changed although it is a shard.
    ///
    /// # Errors
    /// When it changes nothing, or may not.
    pub fn change(&self, asked: Asked, by: &str, alone: bool) -> Result<Change, Unchanged> {
        if self.stop.is_draining() {
            return Err(Unchanged::Over);
        }
        if self.is_shard && !alone {
            return Err(Unchanged::Shard);
        }
        if self.at_once && matches!(asked, Asked::Scale(_)) {
            return Err(Unchanged::NoInstants);
        }
        let at_ns = self.clock.now_ns().saturating_add(LEAD_NS).saturating_sub(self.start_ns);
        self.tempo.change(asked, at_ns, by)
    }

    /// Whether the plan's time stands still, or will in a moment, and how fast it goes outside pauses.
    #[must_use]
    pub fn speed(&self) -> (bool, f64) {
        self.tempo.speed()
    }

    /// Ends the run early.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }
}
