//! What a spool holds, counted while it is made: for `plan`, and for whoever must know before the first request is sent.

use std::collections::{BTreeMap, BTreeSet};

use formats::model::Gap;
use formats::session::{Damage, Event};
use formats::trace::Recorded;
use serde::{Deserialize, Serialize};

use crate::measure::Distribution;
use crate::rewrite::LeftOut;

/// Seconds of the run that are told apart: 31 days. What comes later counts into the last one.
pub(super) const SECONDS_MAX: usize = 31 * 24 * 3600;

/// What is in a spool, and what is not.
#[derive(Default, Serialize, Deserialize)]
pub struct Summary {
    /// Requests of the whole plan, over all shards.
    pub planned: u64,
    /// Requests of this shard.
    pub requests: u64,
    /// The same by the number of their target, as far as there are any.
    pub targets: Vec<u64>,
    /// Lives of clients that send at least one of them.
    pub recorded: u64,
    /// Of this shard, requests due in each second of the run.
    pub seconds: Vec<u64>,
    /// Connections that are open in each second, as far as the recording tells; those of pools are an estimate.
    pub open: Vec<u64>,
    /// Most that are open at once however fast answers are.
    pub surely_open: u64,
    /// Connections that the recording had.
    pub connections: u64,
    /// Connections of lives that were taken for over because too many were open at once.
    pub connections_forgotten: u64,
    /// Bytes to be sent, without trace headers.
    pub bytes: u64,
    /// The earliest and latest due instant.
    pub first_due_ns: Option<u64>,
    /// See above.
    pub last_due_ns: u64,
    /// Think times, from the end of an answer to the client's next request: as recorded, of clients that are not warped …
    pub thinks_recorded: Mean,
    /// … and in all their lives.
    pub thinks_planned: Mean,
    /// By index.
    pub endpoints: Vec<EndpointPlan>,
    /// Where the sessions came from: upstreams, listeners, authorities.
    pub origins: BTreeSet<String>,
    /// Exchanges that cannot or shall not be sent, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Of the recorded exchanges that can be sent, those whose requests carry sealed values.
    pub sealed: u64,
    /// What these say about their traces.
    pub traces: Traces,
    /// Gaps that the sessions declare.
    #[serde(with = "gaps")]
    pub gaps: Vec<Gap>,
    /// Damage that was found. Spools of damaged sessions are not kept.
    #[serde(skip)]
    pub damage: Vec<Damage>,
    /// Segments without an end whose writer is gone.
    pub unfinished: u64,
}

/// What recorded requests say about their traces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// Requests with a context, by the header that it was read from.
    pub contexts: BTreeMap<String, u64>,
    /// Requests that carry two different ones.
    pub differing: u64,
    /// Requests whose callers left it to whom they called whether the trace is recorded.
    pub deferred: u64,
}

impl Traces {
    pub(super) fn count(&mut self, recorded: &Recorded) {
        if let Some(format) = recorded.format {
            match self.contexts.get_mut(format.name()) {
                Some(count) => *count += 1,
                None => {
                    self.contexts.insert(format.name().to_owned(), 1);
                }
            }
        }
        self.differing += u64::from(recorded.differs);
        self.deferred += u64::from(recorded.is_deferred());
    }

    pub(super) fn add(&mut self, other: Self) {
        for (format, count) in other.contexts {
            *self.contexts.entry(format).or_default() += count;
        }
        self.differing += other.differing;
        self.deferred += other.deferred;
    }
}

/// One endpoint of a plan.
#[derive(Default, Serialize, Deserialize)]
pub struct EndpointPlan {
    /// `GET /items/{id}`
    pub name: String,
    /// Recorded exchanges that can be sent.
    pub recorded: u64,
    /// Requests of this shard.
    pub planned: u64,
    /// The recording's response times, once for each planned request.
    pub response: Distribution,
}

/// How many durations, and how long they are together.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Mean {
    count: u64,
    sum_ns: u128,
}

impl Mean {
    pub(super) fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.sum_ns += u128::from(nanos);
    }

    /// In nanoseconds; `None` of nothing.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio's part")]
    pub fn ns(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ns as f64 / self.count as f64)
    }
}

impl Summary {
    /// Mean think time of the plan over that of the recording; `None` where no client keeps any.
    #[must_use]
    pub fn think_time_ratio(&self) -> Option<f64> {
        let (recorded, planned) = (self.thinks_recorded.ns()?, self.thinks_planned.ns()?);
        (recorded > 0.0).then(|| planned / recorded)
    }

    /// The row of an endpoint.
    pub(super) fn endpoint(&mut self, index: u32) -> &mut EndpointPlan {
        let at = index as usize;
        if self.endpoints.len() <= at {
            self.endpoints.resize_with(at + 1, EndpointPlan::default);
        }
        #[expect(clippy::indexing_slicing, reason = "the rows were made above")]
        &mut self.endpoints[at]
    }

    /// Adds what is no exchange.
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Gap(gap) => self.gaps.push(gap),
            Event::Damage(damage) => self.damage.push(damage),
            Event::Unfinished { writing, missing, .. } => {
                self.unfinished += u64::from(!writing);
                self.gaps.extend(missing);
            }
            Event::Exchange(_) | Event::Index(_) | Event::Ended { .. } => {}
        }
    }

    /// Counts one planned request of this shard.
    pub(crate) fn plan(&mut self, endpoint: u32, target: u16, due_ns: u64, response_ns: Option<u64>) {
        self.requests += 1;
        grow(&mut self.targets, usize::from(target));
        if let Some(count) = self.targets.get_mut(usize::from(target)) {
            *count += 1;
        }
        let second = usize::try_from(due_ns / 1_000_000_000).unwrap_or(usize::MAX).min(SECONDS_MAX - 1);
        grow(&mut self.seconds, second);
        if let Some(count) = self.seconds.get_mut(second) {
            *count += 1;
        }
        self.first_due_ns = Some(self.first_due_ns.map_or(due_ns, |first| first.min(due_ns)));
        self.last_due_ns = self.last_due_ns.max(due_ns);
        let row = self.endpoint(endpoint);
        row.planned += 1;
        if let Some(nanos) = response_ns {
            row.response.record(nanos);
        }
    }

    /// Most requests in one second.
    #[must_use]
    pub fn peak_per_second(&self) -> u64 {
        self.seconds.iter().copied().max().unwrap_or(0)
    }

    /// Most connections that are open in one second.
    #[must_use]
    pub fn peak_open(&self) -> u64 {
        self.open.iter().copied().max().unwrap_or(0)
    }
}

fn grow(list: &mut Vec<u64>, at: usize) {
    if list.len() <= at {
        list.resize(at + 1, 0);
    }
}

/// Gaps as rows: the model knows no file.
mod gaps {
    use formats::model::{Gap, GapReason};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Row<'a> = (std::borrow::Cow<'a, str>, [u64; 5]);

    pub(super) fn serialize<S: Serializer>(gaps: &[Gap], to: S) -> Result<S::Ok, S::Error> {
        let row = |gap: &Gap| -> Row<'_> {
            (gap.reason.name().into(), [gap.from_ns, gap.to_ns, gap.connections, gap.exchanges, gap.bytes])
        };
        gaps.iter().map(row).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Gap>, D::Error> {
        let gap = |(reason, [from_ns, to_ns, connections, exchanges, bytes]): Row<'_>| {
            let reason = GapReason::from_name(&reason).ok_or_else(|| D::Error::custom("unknown reason of a gap"))?;
            Ok(Gap { reason, from_ns, to_ns, connections, exchanges, bytes })
        };
        Vec::<Row<'_>>::deserialize(from)?.into_iter().map(gap).collect()
    }
}
