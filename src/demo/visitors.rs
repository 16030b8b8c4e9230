//! The demo's production traffic: many visitors who come unevenly, look at a few pages each, think, and sometimes buy.
//!
//! `plan` says who does what when, for a seed the same on every machine; `browser` does it. The recorder and the replayer
//! are deliberately not known here: visitors see an address.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use self::browser::{Browser, Outcome};
use self::plan::Visit;
use crate::demo::clock::now;

mod browser;
mod plan;
mod random;

#[cfg(test)]
mod tests;

/// Visitors at once; the next one waits until somebody leaves. Far above what the plan's rates lead to, so it is only
/// reached when the target hangs.
const VISITORS_MAX: usize = 400;

/// What the visitors did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Visits {
    pub(crate) visitors: u64,
    /// Requests sent, answered or not.
    pub(crate) requests: u64,
    /// Of these, requests that were answered with 503, as the shop does to one checkout in some.
    pub(crate) turned_away: u64,
    /// Of these, requests without a whole answer, or with a status that a shop in good health never gives its visitors.
    pub(crate) failures: u64,
}

/// Sends the traffic of a seed to an address, and ends after the duration as soon as the last requests are answered.
pub(crate) async fn drive(target: SocketAddr, seed: u64, duration: Duration) -> Visits {
    let start = now();
    let mut visiting = JoinSet::new();
    let mut visits = Visits::default();
    for visit in plan::visits(seed, duration) {
        if let Some(first) = visit.pages.first() {
            sleep_until(start + first.at).await;
        }
        while let Some(left) = visiting.try_join_next() {
            visits.add(left);
        }
        if visiting.len() >= VISITORS_MAX
            && let Some(left) = visiting.join_next().await
        {
            visits.add(left);
        }
        visiting.spawn(stroll(target, visit, start));
    }
    while let Some(left) = visiting.join_next().await {
        visits.add(left);
    }
    visits
}

/// One visitor, from the first page to the last. Page views have absolute times, so a slow shop takes from the thinking.
async fn stroll(target: SocketAddr, visit: Visit, start: Instant) -> Vec<Outcome> {
    let mut browser = Browser::new(target, &visit);
    let mut outcomes = Vec::new();
    for page in &visit.pages {
        sleep_until(start + page.at).await;
        outcomes.extend(browser.view(page).await);
    }
    outcomes
}

impl Visits {
    fn add(&mut self, visitor: Result<Vec<Outcome>, JoinError>) {
        self.visitors += 1;
        // A visitor that panicked is a mistake of ours: it must show as a failure, not vanish.
        let outcomes = visitor.unwrap_or_else(|_| vec![Outcome::Failed]);
        let count = |outcome| outcomes.iter().filter(|other| **other == outcome).count() as u64;
        self.requests += outcomes.len() as u64;
        self.turned_away += count(Outcome::TurnedAway);
        self.failures += count(Outcome::Failed);
    }
}
