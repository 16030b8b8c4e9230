//! `reenact plan`: what a replay would send. Nothing is sent.

use replayer::contexts::hex;
use replayer::load::{self, Recording};
use replayer::plan::{Factor, Method, Options, Plan, shape};
use replayer::rewrite::Rewrite;
use serde_json::json;

use crate::cli::{LoadArgs, PlanArgs, UnsafeMethods};
use crate::outcome::{self, Failure, Outcome};
use crate::read;
use crate::units;

/// Columns of the rate's picture.
const SPARK_COLUMNS: u64 = 60;
/// Endpoints that a person is shown.
const ENDPOINTS_SHOWN: usize = 10;

pub(crate) fn run(args: PlanArgs) -> Result<Outcome, Failure> {
    let planned = Planned::make(&args.load, &Rewrite::default())?;
    if args.json {
        outcome::print(&format!("{}\n", planned.json()));
    } else {
        outcome::print(&planned.text());
    }
    planned.report_problems();
    Ok(planned.outcome())
}

/// A recording and what is to be sent of it.
pub(crate) struct Planned {
    pub(crate) recording: Recording,
    pub(crate) plan: Plan,
    pub(crate) options: Options,
    pub(crate) sessions: Vec<String>,
}

impl Planned {
    /// Checks the options, reads the sessions and plans.
    pub(crate) fn make(args: &LoadArgs, rewrite: &Rewrite) -> Result<Self, Failure> {
        let of = |error: replayer::plan::PlanError| Failure::of(&error);
        let factor: Factor = args.rate.parse().map_err(of)?;
        let method: Method = args.method.parse().map_err(of)?;
        let options = Options { factor, seed: args.seed, method };
        let sessions = read::open(&args.sessions)?;
        let skip_unsafe = args.unsafe_methods == Some(UnsafeMethods::Skip);
        let recording = load::load(&sessions, rewrite, skip_unsafe)?;
        let plan = replayer::plan::plan(&recording.clients, &recording.arrivals, &options).map_err(of)?;
        let sessions = args.sessions.iter().map(|path| path.display().to_string()).collect();
        Ok(Self { recording, plan, options, sessions })
    }

    /// Damage and gaps of the sessions, on standard error.
    pub(crate) fn report_problems(&self) {
        for damage in &self.recording.damage {
            eprintln!("warning: {}", read::damage_text(damage));
        }
        if self.recording.unfinished > 0 {
            eprintln!("note: {} segments end without an index: their recorder was killed", self.recording.unfinished);
        }
        if !self.recording.gaps.is_empty() {
            let bytes = self.recording.gaps.iter().map(|gap| gap.bytes).sum();
            eprintln!(
                "note: the sessions declare {} gaps ({} not captured)",
                self.recording.gaps.len(),
                units::bytes(bytes)
            );
        }
    }

    /// Loss by damage is said by the exit code, declared gaps are not (design §5).
    pub(crate) fn outcome(&self) -> Outcome {
        if self.recording.damage.is_empty() && self.recording.unfinished == 0 { Outcome::Done } else { Outcome::Loss }
    }

    pub(crate) fn duration_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
        let nanos = self.plan.duration_ns as f64;
        nanos / 1e9
    }

    /// What `plan.json` says and `plan --json` prints.
    pub(crate) fn json(&self) -> serde_json::Value {
        let plan = &self.plan;
        let part = |part: &replayer::plan::Part| json!({"clients": part.clients, "exchanges": part.exchanges});
        let left_out = self.recording.left_out.iter().map(|(reason, count)| (reason.name().to_owned(), json!(count)));
        let shape: Vec<_> = shape(&self.recording.arrivals, plan)
            .into_iter()
            .map(|row| json!({"tau_ns": row.tau_ns, "recording": row.recording, "plan": row.plan}))
            .collect();
        json!({
            "schema": 1,
            "plan_hash": hex(&plan.hash),
            "sessions": self.sessions,
            "rate": self.options.factor.to_string(),
            "multiplier": self.options.factor.as_f64(),
            "seed": self.options.seed,
            "method": self.options.method.to_string(),
            "requests": plan.items.len(),
            "recorded_exchanges": self.recording.requests.len(),
            "recorded_connections": self.recording.connections,
            "duration_s": self.duration_s(),
            "clients": {
                "recorded": part(&plan.clients.recorded),
                "cloned": part(&plan.clients.cloned),
                "warped": part(&plan.clients.warped),
                "pools": part(&plan.clients.pools),
            },
            "block_edges_ns": plan.block_edges_ns,
            "pool_block_edges_ns": plan.pool_block_edges_ns,
            "left_out": left_out.collect::<serde_json::Map<_, _>>(),
            "unsafe_methods": self.recording.unsafe_methods,
            "endpoints": self.endpoints().into_iter().map(|(name, count)| json!({"endpoint": name, "requests": count})).collect::<Vec<_>>(),
            "dispersion": shape,
        })
    }

    fn text(&self) -> String {
        let (plan, recording) = (&self.plan, &self.recording);
        let mut out = String::new();
        let mut line = |name: &str, value: String| out += &format!("  {name:<12}{value}\n");
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = plan.items.len() as f64 / self.duration_s().max(1e-9);
        line(
            "requests",
            format!(
                "{} of {} recorded, at {}",
                units::count(plan.items.len() as u64),
                units::count(recording.requests.len() as u64),
                self.options.factor
            ),
        );
        line("duration", format!("{}, {rate:.1} requests/s on average", units::seconds(self.duration_s())));
        let split = &plan.clients;
        line(
            "clients",
            format!(
                "{} users cloned ({:.0} % of the exchanges), {} pools taken apart ({:.0} %)",
                units::count(split.cloned.clients),
                split.cloned.share_of(&split.recorded) * 100.0,
                units::count(split.warped.clients),
                split.warped.share_of(&split.recorded) * 100.0,
            ),
        );
        if split.pools.clients > 0 {
            line(
                "",
                "the pools' users cannot be told apart: record with --client-key cookie:NAME or header:NAME".to_owned(),
            );
        }
        for (reason, count) in &recording.left_out {
            line("left out", format!("{}: {}", reason.name(), units::count(*count)));
        }
        if !recording.unsafe_methods.is_empty() {
            let methods: Vec<_> = recording
                .unsafe_methods
                .iter()
                .map(|(method, count)| format!("{method} {}", units::count(*count)))
                .collect();
            line("may change", format!("{} recorded: replay asks for --unsafe-methods send|skip", methods.join(", ")));
        }
        line("rate", format!("▕{}▏", units::sparkline(&self.rate())));
        line("plan hash", hex(&plan.hash));
        out += "\n  index of dispersion of counts, Var N / E N (1 is a Poisson process)\n";
        out += &format!("  {:>10} {:>12} {:>12}\n", "window", "recording", "plan");
        for row in shape(&recording.arrivals, plan) {
            let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
            #[expect(clippy::cast_precision_loss, reason = "one of five round numbers")]
            let tau = units::micros(row.tau_ns as f64 / 1_000.0);
            out += &format!("  {tau:>10} {:>12} {:>12}\n", shown(row.recording), shown(row.plan));
        }
        out += &format!("\n  {:<56} {:>10}\n", "endpoint", "requests");
        let endpoints = self.endpoints();
        for (name, count) in endpoints.iter().take(ENDPOINTS_SHOWN) {
            out += &format!("  {name:<56} {:>10}\n", units::count(*count));
        }
        if endpoints.len() > ENDPOINTS_SHOWN {
            out += &format!("  … and {} more (--json has all)\n", endpoints.len() - ENDPOINTS_SHOWN);
        }
        out
    }

    fn endpoints(&self) -> Vec<(&str, u64)> {
        let mut counts = vec![0u64; self.recording.endpoints.len()];
        for item in &self.plan.items {
            let recorded = self.recording.requests.get(item.arrival as usize);
            if let Some(count) = recorded.and_then(|recorded| counts.get_mut(recorded.endpoint as usize)) {
                *count += 1;
            }
        }
        let mut rows: Vec<_> =
            self.recording.endpoints.iter().map(String::as_str).zip(counts).filter(|row| row.1 > 0).collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        rows
    }

    fn rate(&self) -> Vec<u64> {
        let width = (self.plan.duration_ns / SPARK_COLUMNS + 1).max(1);
        let mut columns = vec![0; usize::try_from(self.plan.duration_ns / width + 1).unwrap_or(1)];
        for item in &self.plan.items {
            if let Some(column) = columns.get_mut(usize::try_from(item.due_ns / width).unwrap_or(0)) {
                *column += 1;
            }
        }
        columns
    }
}
