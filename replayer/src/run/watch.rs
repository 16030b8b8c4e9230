//! What may stop a run besides its plan and a signal: its own figures, a file, and what keeps its credentials fresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::job::Job;
use crate::measure::Distribution;
use crate::rewrite::Secrets;
use crate::safety::{AbortRule, AbortWatch, KillFile, ResponseNs, SecondFacts};
use crate::send::{Counters, Stop};

/// How often credentials are looked up again without anybody having been turned away.
const REFRESH_NS: u64 = 30_000_000_000;
/// How often the thread that does it looks whether it is to be done.
const REFRESH_POLL_NS: u64 = 1_000_000_000;

/// Looks at each outcome and each second.
pub(super) struct Watch {
    rules: Option<Rules>,
    kill_file: Option<KillFile>,
    stop: Arc<Stop>,
    counters: Arc<Counters>,
    reason: Option<String>,
    /// Somebody was answered 401 since the credentials were looked up; the thread that looks them up ends with this.
    turned_away: Option<Arc<AtomicBool>>,
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
        let turned_away = match secrets.authorization {
            Some(secret) => {
                let flag = Arc::new(AtomicBool::new(false));
                let ours = Arc::downgrade(&flag);
                super::spawn("secrets", move || {
                    crate::turns::go_last();
                    let (mut again_ns, mut poll_ns) = (clock.now_ns() + REFRESH_NS, clock.now_ns());
                    // Ends with the run: nobody holds the flag any more.
                    while let Some(flag) = ours.upgrade() {
                        if flag.swap(false, Ordering::Relaxed) || clock.now_ns() >= again_ns {
                            again_ns = clock.now_ns() + REFRESH_NS;
                            if let Err(error) = secret.refresh() {
                                log::warn!("{error}; the last value goes on");
                            }
                        }
                        drop(flag);
                        poll_ns += REFRESH_POLL_NS;
                        clock.sleep_until(poll_ns);
                    }
                })?;
                Some(flag)
            }
            None => None,
        };
        Ok(Self { rules, kill_file, stop, counters, reason: None, turned_away })
    }

    /// Looks at an outcome.
    pub(super) fn take(&mut self, job: &Job) {
        let end = &job.progress;
        if let Some(flag) = &self.turned_away
            && end.status == Some(401)
        {
            flag.store(true, Ordering::Relaxed);
        }
        let Some(rules) = &mut self.rules else { return };
        if end.shed.is_some() {
            return;
        }
        rules.facts.ended += 1;
        rules.facts.errors += u64::from(end.error.is_some());
        rules.facts.status_5xx += u64::from(end.status.is_some_and(|status| (500..600).contains(&status)));
        rules.response.record(end.done_ns.saturating_sub(job.due_ns));
        if let Some(dispatched) = end.dispatched_ns {
            rules.lag.record(dispatched.saturating_sub(end.released_ns));
        }
    }

    /// Another second is over; `elapsed_ns` since due instant 0.
    pub(super) fn second(&mut self, elapsed_ns: u64) {
        let killed = self.kill_file.as_ref().and_then(|file| file.must_stop(file.is_there()));
        let by_rule = match &mut self.rules {
            Some(rules) if elapsed_ns > 0 => rules.second(self.counters.in_flight.load(Ordering::Relaxed)),
            _ => None,
        };
        if let Some(reason) = killed.or(by_rule)
            && self.reason.is_none()
        {
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
