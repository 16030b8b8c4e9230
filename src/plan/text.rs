//! A plan in words, for people.

use replayer::plan::Rate;
use replayer::shape::ShapeCheck;

use crate::planning::{Analysis, Planned, RATE_COLUMNS};
use crate::units;

/// Columns of the rate's picture on a terminal.
const SPARK_COLUMNS: usize = 60;
/// Endpoints that a person is shown.
const ENDPOINTS_SHOWN: usize = 10;

impl Planned {
    pub(super) fn text(&self, analysis: &Analysis) -> String {
        let (plan, summary) = (&self.plan, &self.spool.summary);
        let mut out = String::new();
        let mut line = |name: &str, value: String| out += &format!("  {name:<12}{value}\n");
        // What is only known of the requests of a shard says so.
        let (shard, of_shard) = match self.shard.of {
            1 => (String::new(), String::new()),
            _ => {
                let shard = self.shard;
                (format!(", {} of them in shard {shard}", units::count(summary.requests)), format!(" in shard {shard}"))
            }
        };
        line(
            "requests",
            format!(
                "{} of {} recorded, at {}, {}{shard}",
                units::count(summary.planned),
                units::count(summary.recorded),
                self.factor_text(),
                self.method
            ),
        );
        line("duration", self.duration_text(&of_shard));
        for notice in self.part_notices() {
            line("", notice);
        }
        line("bytes", format!("{} without trace headers{of_shard}", units::bytes(summary.bytes)));
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
        if self.rate != Rate::Max {
            let (most, open) = (units::count(summary.peak_per_second()), units::count(summary.peak_open()));
            line("peak", format!("{most} requests in a second, about {open} connections open at once{of_shard}"));
        }
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
        if self.rate != Rate::Max {
            line("rate", format!("▕{}▏", units::sparkline(&columns(&analysis.rates.plan))));
        }
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

    /// How many times the recorded rate.
    fn factor_text(&self) -> String {
        match self.plan.profile().as_constant() {
            // It is time that is changed, which the duration says, or nothing is.
            Some(_) if self.rate == Rate::Max || self.method == "compress" => self.rate.to_string(),
            Some(factor) if factor.to_string() == self.rate.to_string() => factor.to_string(),
            Some(factor) => format!("{} ({factor})", self.rate),
            None => format!("{:.2}x on average", self.multiplier()),
        }
    }

    fn duration_text(&self, of_shard: &str) -> String {
        let (timing, summary) = (self.plan.timing(), &self.spool.summary);
        let rounds = match timing.rounds {
            1 => String::new(),
            rounds => format!(", the recording {rounds} times"),
        };
        let duration = units::seconds(self.duration_s());
        if self.rate == Rate::Max {
            return format!("as fast as answers come: {duration} of due instants are only an order{rounds}");
        }
        let speed = match timing.speed.to_string().as_str() {
            "1x" => String::new(),
            speed => format!(", time at {speed}"),
        };
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = summary.requests as f64 / self.duration_s().max(1e-9);
        format!("{duration}, {rate:.1} requests/s on average{of_shard}{rounds}{speed}")
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
        if let Ok(distance) = shape.gap_distance {
            out += &format!(
                "  gaps between requests are {distance:.3} from the recorded ones (Kolmogorov–Smirnov; more clients change them)\n"
            );
        }
        if let Some(ratio) = self.spool.summary.think_time_ratio() {
            out += &format!("  think times {ratio:.3} times the recorded ones\n");
        }
        out
    }
}

/// Fewer columns for a terminal.
fn columns(counts: &[u64]) -> Vec<u64> {
    counts.chunks(RATE_COLUMNS / SPARK_COLUMNS).map(|some| some.iter().sum()).collect()
}
