//! What may stop a run besides its plan and a signal: its own figures, a file, and what keeps its credentials fresh.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::job::Job;
use crate::measure::{Distribution, LoopModel};
use crate::rewrite::Secrets;
use crate::safety::{AbortRule, AbortWatch, KillFile, ResponseNs, SecondFacts};
use crate::secret::Renewal;
use crate::send::{Counters, Stop};

/// Looks at each outcome and each second.
pub(super) struct Watch {
    rules: Option<Rules>,
    /// From when on response times count.
    loop_model: LoopModel,
    kill_file: Option<KillFile>,
    stop: Arc<Stop>,
    counters: Arc<Counters>,
    reason: Option<String>,
    /// Looks the credentials up again; ends with this.
    renewal: Option<Renewal>,
}

/// Rules, and the second that is being counted for them.
struct Rules {
    watch: AbortWatch,
    facts: SecondFacts,
    response: Distribution,
    lag: Distribution,
}

impl Watch {
    /// Begins to watch. The kill file must not be there yet.
    ///
    /// # Errors
    /// When it is, or no thread can be started.
    pub(super) fn new(
        rules: Vec<AbortRule>,
        loop_model: LoopModel,
        kill_file: Option<KillFile>,
        secrets: Secrets,
        clock: Clock,
        stop: Arc<Stop>,
        counters: Arc<Counters>,
    ) -> Result<Self, ReplayError> {
        let rules = (!rules.is_empty()).then(|| Rules {
            watch: AbortWatch::new(rules),
            facts: SecondFacts::default(),
            response: Distribution::new(),
            lag: Distribution::new(),
        });
        let renewal = match secrets.authorization {
            Some(secret) => Some(Renewal::start("secrets", vec![secret], clock)?),
            None => None,
        };
        Ok(Self { rules, loop_model, kill_file, stop, counters, reason: None, renewal })
    }

    /// Looks at an outcome.
    pub(super) fn take(&mut self, job: &Job) {
        let end = &job.progress;
        if let Some(renewal) = &self.renewal
            && end.status == Some(401)
        {
            renewal.turned_away();
        }
        let Some(rules) = &mut self.rules else { return };
        if end.shed.is_some() {
            return;
        }
        rules.facts.ended += 1;
        rules.facts.errors += u64::from(end.error.is_some());
        rules.facts.status_5xx += u64::from(end.status.is_some_and(|status| (500..600).contains(&status)));
        rules.response.record(self.loop_model.response_ns(job.due_ns, end));
        if let Some(lag) = end.lag_ns() {
            rules.lag.record(lag);
        }
    }

    /// Another second is over; `elapsed_ns` since due instant 0.
    pub(super) fn second(&mut self, elapsed_ns: u64) {
        // Whoever stopped it had a reason already: what the last answers show is none.
        if self.stop.is_draining() {
            return;
        }
        let killed = self.kill_file.as_ref().and_then(|file| file.must_stop(file.is_there()));
        let by_rule = match &mut self.rules {
            Some(rules) if elapsed_ns > 0 => rules.second(self.counters.in_flight.load(Ordering::Relaxed)),
            _ => None,
        };
        if let Some(reason) = killed.or(by_rule) {
            log::warn!("{reason}");
            self.reason = Some(reason);
            self.stop.drain();
        }
    }

    /// Why the run was stopped, if it was.
    pub(super) fn finish(self) -> Option<String> {
        self.reason
    }
}

impl Rules {
    fn second(&mut self, in_flight: u64) -> Option<String> {
        let (response, lag) = (std::mem::take(&mut self.response), std::mem::take(&mut self.lag));
        let mut facts = std::mem::take(&mut self.facts);
        facts.in_flight = in_flight;
        facts.response_ns = (facts.ended > 0).then(|| ResponseNs {
            p50: response.value_ns(0.5),
            p90: response.value_ns(0.9),
            p99: response.value_ns(0.99),
            p999: response.value_ns(0.999),
        });
        let has_lag = lag.count() > 0;
        facts.lag_p99_ns = has_lag.then(|| lag.value_ns(0.99));
        facts.lag_max_ns = has_lag.then(|| lag.value_ns(1.0));
        self.watch.second(&facts)
    }
}
