//! `reenact plan`: what a replay would send. Nothing is sent.

mod text;

use std::sync::Arc;

use replayer::clock::Clock;
use replayer::feed::Feed;
use replayer::job::RunFacts;
use replayer::plan::Part;
use replayer::report::plan_svg;
use replayer::shape::{ShapeCheck, ShapeRow};
use replayer::spool::EndpointPlan;
use serde_json::json;

use crate::cli::PlanArgs;
use crate::outcome::{self, Failure, Outcome};
use crate::planning::{Analysis, Planned, Preparation, Propagation, RATE_COLUMNS, seconds};

pub(crate) fn run(args: PlanArgs) -> Result<Outcome, Failure> {
    let propagation = Propagation::check(&args.contexts)?;
    let (planned, analysis) = Planned::make(&args.load, Preparation::check(&args.load)?, args.show.is_some())?;
    if args.json {
        outcome::print(&format!("{}\n", planned.found.json));
    } else if args.show.is_none() {
        outcome::print(&planned.text(&analysis));
    }
    if let Some(path) = &args.svg {
        let picture = planned.svg(&analysis);
        std::fs::write(path, picture)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
    }
    planned.report_problems();
    let result = planned.outcome_with_shape(args.load.require_shape);
    if let Some(count) = args.show {
        show(planned, &propagation, count)?;
    }
    Ok(result)
}

/// Prints the first requests as they would be sent, each after a line that says when and where.
fn show(planned: Planned, propagation: &Propagation, count: u64) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot read the spool: {error}"));
    let facts = RunFacts {
        contexts: propagation.contexts(Clock::start().wall(0))?,
        endpoints: Vec::new(),
        targets: Vec::new(),
        planned: planned.spool.summary.requests,
        multiplier: planned.multiplier(),
    };
    let mut secrets = planned.rewriter.secrets();
    secrets.are_hidden = true;
    let mut list = planned.spool.due().map_err(failed)?;
    let mut feed = Feed::new(planned.spool, planned.plan, planned.survey.clients, Arc::new(facts), secrets, Vec::new());
    for _ in 0..count {
        let Some(job) = feed.next(&mut list).map_err(failed)? else { break };
        let at = seconds(job.due_ns);
        let facts = &job.facts;
        outcome::print(&format!(
            "# at {at:.6} s: client {} copy {}, connection {}, recorded as {} of session {}\n",
            facts.client, facts.copy, job.slot, facts.seq, facts.session
        ));
        outcome::print_traffic(&job.head);
        outcome::print_traffic(&job.body);
        if !job.body.ends_with(b"\n") && !job.body.is_empty() {
            outcome::print("\n");
        }
    }
    Ok(())
}

impl Planned {
    /// What `plan.json` says and `plan --json` prints.
    pub(crate) fn json(&self, analysis: &Analysis) -> serde_json::Value {
        let (plan, summary) = (&self.plan, &self.spool.summary);
        let timing = plan.timing();
        let part = |part: &Part| json!({"clients": part.clients, "exchanges": part.exchanges});
        let left_out = summary.left_out.iter().map(|(reason, count)| (reason.name().to_owned(), json!(count)));
        json!({
            "schema": 2,
            "plan_hash": self.found.hash,
            "options": self.options,
            "profile": self.profile,
            "sessions": self.sessions,
            "rate": self.rate.to_string(),
            "factor": plan.profile().as_constant().map(|factor| factor.to_string()),
            "multiplier": self.multiplier(),
            "speed": timing.speed.to_string(),
            "rounds": timing.rounds,
            "seed": self.seed,
            "method": self.method,
            "shard": self.shard.to_string(),
            "requests": summary.planned,
            "shard_requests": summary.requests,
            "recorded_exchanges": summary.recorded,
            "recorded_connections": summary.connections,
            "recording_s": seconds(timing.recording_ns),
            "duration_s": self.duration_s(),
            "bytes": summary.bytes,
            "peak": {"requests_per_second": summary.peak_per_second(), "connections": summary.peak_open()},
            "clients": {
                "recorded": part(&plan.clients.recorded),
                "cloned": part(&plan.clients.cloned),
                "warped": part(&plan.clients.warped),
                "pools": part(&plan.clients.pools),
            },
            "block_edges_ns": plan.block_edges_ns(),
            "block_trends": plan.block_trends(),
            "block_levels": plan.block_levels().collect::<Vec<_>>(),
            "pool_block_edges_ns": plan.pool_block_edges_ns(),
            "pool_block_trends": plan.pool_block_trends(),
            "pool_block_levels": plan.pool_block_levels().collect::<Vec<_>>(),
            "shape": self.shape_json(&analysis.shape),
            "left_out": left_out.collect::<serde_json::Map<_, _>>(),
            "gaps": self.gaps_json(),
            "unsafe_methods": self.found.undecided,
            "notices": self.notices().chain(self.open_notice()).collect::<Vec<_>>(),
            "sealed_exchanges": summary.sealed,
            "one_chunk_exchanges": self.found.one_chunk,
            "traces": self.traces_json(),
            "endpoints": self.endpoints().into_iter().map(|(index, row)| json!({"index": index, "endpoint": row.name, "requests": row.planned})).collect::<Vec<_>>(),
        })
    }

    fn shape_json(&self, check: &ShapeCheck) -> serde_json::Value {
        let row = |row: &ShapeRow| {
            json!({
                "tau_ns": row.tau_ns,
                "windows": row.windows,
                "recording": row.recording,
                "clients_alone": row.clients_alone,
                "target": row.target,
                "target_error": row.target_error,
                "plan": row.plan,
                "plan_error": row.plan_error,
                "ratio": row.ratio,
                "ratio_error": row.ratio_error,
                "verdict": row.verdict.name(),
                "words": row.words(),
            })
        };
        json!({
            "verdict": check.verdict().name(),
            "words": check.words(),
            "mean_rate": check.mean_rate,
            "rate_correlation_10s": check.rate_correlation_10s,
            "rate_correlation_60s": check.rate_correlation_60s,
            "think_time_ratio": self.spool.summary.think_time_ratio(),
            "endpoint_divergence_bits": check.endpoint_divergence_bits,
            "gap_distance": check.gap_distance.ok(),
            "gaps_not_compared": check.gap_distance.err().map(|why| why.to_string()),
            "scales": check.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    fn svg(&self, Analysis { rates, shape }: &Analysis) -> String {
        let span_ns = self.plan.timing().end_ns / RATE_COLUMNS as u64 + 1;
        plan_svg(&rates.recording, &rates.plan, span_ns, shape)
    }

    /// With their indexes, by which histograms are called; most requests first.
    fn endpoints(&self) -> Vec<(u32, &EndpointPlan)> {
        let mut rows: Vec<_> = (0..).zip(&self.spool.summary.endpoints).filter(|(_, row)| row.planned > 0).collect();
        rows.sort_by(|(_, a), (_, b)| b.planned.cmp(&a.planned).then_with(|| a.name.cmp(&b.name)));
        rows
    }
}
