//! `reenact plan`: what a replay would send. Nothing is sent.

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
use crate::units;

/// Columns of the rate's picture on a terminal.
const SPARK_COLUMNS: usize = 60;
/// Endpoints that a person is shown.
const ENDPOINTS_SHOWN: usize = 10;

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

    fn text(&self, analysis: &Analysis) -> String {
        let (plan, summary) = (&self.plan, &self.spool.summary);
        let mut out = String::new();
        let mut line = |name: &str, value: String| out += &format!("  {name:<12}{value}\n");
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = summary.requests as f64 / self.duration_s().max(1e-9);
        let factor = match plan.profile().as_constant() {
            Some(factor) if factor.to_string() == self.rate.to_string() => factor.to_string(),
            Some(factor) => format!("{} ({factor})", self.rate),
            None => format!("{:.2}x on average", self.multiplier()),
        };
        let shard = match self.shard.of {
            1 => String::new(),
            _ => format!(", {} of them in shard {}", units::count(summary.requests), self.shard),
        };
        line(
            "requests",
            format!(
                "{} of {} recorded, at {factor}, {}{shard}",
                units::count(summary.planned),
                units::count(summary.recorded),
                self.method
            ),
        );
        let timing = plan.timing();
        let rounds = match timing.rounds {
            1 => String::new(),
            rounds => format!(", the recording {rounds} times"),
        };
        let speed = match timing.speed.to_string().as_str() {
            "1x" => String::new(),
            speed => format!(", time at {speed}"),
        };
        let duration = units::seconds(self.duration_s());
        line("duration", format!("{duration}, {rate:.1} requests/s on average{rounds}{speed}"));
        for notice in self.part_notices() {
            line("", notice);
        }
        line("bytes", units::bytes(summary.bytes));
        let split = &plan.clients;
        line(
            "clients",
            format!(
                "{} users {} ({:.0} % of the exchanges), {} taken apart ({:.0} %)",
                units::count(split.cloned.clients),
                match self.method.as_str() {
                    "overlay" => "overlaid",
                    "compress" => "compressed",
                    _ => "cloned",
                },
                split.cloned.share_of(&split.recorded) * 100.0,
                units::count(split.warped.clients),
                split.warped.share_of(&split.recorded) * 100.0,
            ),
        );
        if split.pools.clients > 0 {
            line(
                "",
                format!(
                    "{} are pools, whose users cannot be told apart: record with --client-key cookie:NAME, header:NAME or claim:NAME",
                    units::count(split.pools.clients)
                ),
            );
        }
        if let Some(notice) = self.open_notice() {
            line("", notice);
        }
        line("connections", format!("{} recorded", units::count(summary.connections)));
        line(
            "peak",
            format!(
                "{} requests in a second, about {} connections open at once",
                units::count(summary.peak_per_second()),
                units::count(summary.peak_open())
            ),
        );
        for (reason, count) in &summary.left_out {
            line("left out", format!("{}: {}", reason.name(), units::count(*count)));
        }
        for gap in self.gaps_text() {
            line("gap", gap);
        }
        if !self.found.undecided.is_empty() {
            let methods: Vec<_> = self
                .found
                .undecided
                .iter()
                .map(|(method, count)| format!("{method} {}", units::count(*count)))
                .collect();
            line("may change", format!("{} recorded: replay asks for --unsafe-methods send|skip", methods.join(", ")));
        }
        if let Some(notice) = self.sealed_notice() {
            line("sealed", notice);
        }
        if let Some(notice) = self.framing_notice() {
            line("framing", notice);
        }
        line("traces", self.traces_text());
        if let Some(notice) = self.endpoints_notice() {
            line("endpoints", notice);
        }
        line("rate", format!("▕{}▏", units::sparkline(&columns(&analysis.rates.plan))));
        line("plan hash", self.found.hash.clone());
        out += &self.shape_text(&analysis.shape);
        out += &format!("\n  {:<56} {:>10}\n", "endpoint", "requests");
        let endpoints = self.endpoints();
        for (_, row) in endpoints.iter().take(ENDPOINTS_SHOWN) {
            out += &format!("  {:<56} {:>10}\n", row.name, units::count(row.planned));
        }
        if endpoints.len() > ENDPOINTS_SHOWN {
            out += &format!("  … and {} more (--json has all)\n", endpoints.len() - ENDPOINTS_SHOWN);
        }
        out
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

    fn shape_text(&self, shape: &ShapeCheck) -> String {
        let mut out = format!("\n  shape       {}\n", shape.words());
        out += "  index of dispersion of counts, Var N / E N (1 is a Poisson process)\n";
        out += &format!("  {:>10} {:>10} {:>10} {:>10}\n", "window", "recording", "target", "plan");
        let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        for row in &shape.rows {
            #[expect(clippy::cast_precision_loss, reason = "one of five round numbers")]
            let tau = units::micros(row.tau_ns as f64 / 1_000.0);
            let (recording, target, plan) = (shown(row.recording), shown(row.target), shown(row.plan));
            out += &format!("  {tau:>10} {recording:>10} {target:>10} {plan:>10}  {}\n", row.words());
        }
        if let Some(ratio) = self.spool.summary.think_time_ratio() {
            out += &format!("  think times {ratio:.3} times the recorded ones\n");
        }
        out
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

/// Fewer columns for a terminal.
fn columns(counts: &[u64]) -> Vec<u64> {
    counts.chunks(RATE_COLUMNS / SPARK_COLUMNS).map(|some| some.iter().sum()).collect()
}
