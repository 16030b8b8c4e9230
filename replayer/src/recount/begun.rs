//! What was known of a run when it began: `begun.json`, which a run that ended has no more, or else its `plan.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ENDPOINTS_MAX;
use crate::measure::{LoopModel, Window};
use crate::result::shape::Shape;
use crate::result::{Endpoint, RunResult, SCHEMA, ShardOf};
use crate::run_directory::{BEGUN, HISTOGRAMS, PLAN};
use crate::thresholds::Budget;

/// Largest file that is read.
const BYTES_MAX: u64 = 64 << 20;

/// What is known of a run before its first request.
pub(super) struct Begun {
    /// With nothing counted; its endpoints are those of the plan, by index.
    pub(super) result: RunResult,
    /// What is missing because the file is.
    pub(super) missing: Option<String>,
    /// Which file says what was planned, if one does.
    pub(super) known_from: Option<&'static str>,
    /// Whether the endpoints' indexes are those that `histograms.hlog` has.
    pub(super) has_order: bool,
    /// Requests a second by the plan; 0 where nobody says.
    pub(super) planned_per_s: f64,
    /// When the plan ends, if somebody says.
    pub(super) ends_ns: Option<u64>,
}

/// What is read of `plan.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Plan {
    plan_hash: String,
    seed: u64,
    method: String,
    multiplier: f64,
    sessions: Vec<String>,
    shard: String,
    shard_requests: u64,
    duration_s: f64,
    left_out: BTreeMap<String, u64>,
    shape: Option<Shape>,
    endpoints: Vec<PlanEndpoint>,
}

#[derive(Deserialize)]
struct PlanEndpoint {
    /// In plans of earlier versions it is missing.
    index: Option<u32>,
    endpoint: String,
    requests: u64,
}

impl Plan {
    fn per_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let requests = self.shard_requests as f64;
        let per_s = requests / self.duration_s;
        if per_s.is_finite() { per_s } else { 0.0 }
    }

    fn ends_ns(&self) -> Option<u64> {
        let length = Duration::try_from_secs_f64(self.duration_s).ok().filter(|length| !length.is_zero())?;
        u64::try_from(length.as_nanos()).ok()
    }
}

impl Begun {
    /// Reads it; what cannot be read is nothing.
    pub(super) fn read(directory: &Path) -> Self {
        let begun: Option<RunResult> = json(&directory.join(BEGUN)).filter(|begun: &RunResult| begun.schema == SCHEMA);
        let plan: Option<Plan> = json(&directory.join(PLAN));
        let planned_per_s = plan.as_ref().map_or(0.0, Plan::per_s);
        let ends_ns = plan.as_ref().and_then(Plan::ends_ns);
        if let Some(mut result) = begun {
            result.endpoints.truncate(ENDPOINTS_MAX);
            return Self { result, missing: None, known_from: Some(BEGUN), has_order: true, planned_per_s, ends_ns };
        }
        // A file of another kind has none of its fields.
        let known_from = plan.as_ref().filter(|plan| !plan.plan_hash.is_empty()).map(|_| PLAN);
        let plan = plan.unwrap_or_default();
        let has_order = !plan.endpoints.is_empty() && plan.endpoints.iter().all(|row| row.index.is_some());
        let mut missing = format!(
            "{BEGUN} is missing or cannot be read: the loop is taken for an open one and no window for steady, the default limits of lag are taken, and neither run, target, start nor thresholds are known"
        );
        if !has_order {
            missing += &format!(", nor which endpoint is which in {HISTOGRAMS}");
        }
        let endpoints = (0..).zip(plan.endpoints).take(ENDPOINTS_MAX).map(|(at, row)| Endpoint {
            index: row.index.filter(|_| has_order).unwrap_or(at),
            endpoint: row.endpoint,
            planned: row.requests,
            ..Endpoint::default()
        });
        let shard = plan.shard.split_once('/').and_then(|(number, of)| {
            let shard = ShardOf { number: number.parse().ok()?, of: of.parse().ok()? };
            (shard.of > 1).then_some(shard)
        });
        let mut result = RunResult {
            schema: SCHEMA,
            plan_hash: plan.plan_hash,
            seed: plan.seed,
            method: plan.method,
            multiplier: plan.multiplier,
            sessions: plan.sessions,
            shard,
            planned: plan.shard_requests,
            loop_model: LoopModel::Open.name().to_owned(),
            left_out: plan.left_out,
            shape: plan.shape,
            endpoints: endpoints.collect(),
            ..RunResult::default()
        };
        (result.steady.from_ns, result.steady.to_ns) = (Window::ALL.from_ns, Window::ALL.to_ns);
        Self { result, missing: Some(missing), known_from, has_order, planned_per_s, ends_ns }
    }

    /// The rules that the run was to be judged by.
    pub(super) fn budgets(&self) -> Vec<Budget> {
        let budgets = self.result.thresholds.iter().filter_map(|one| {
            let rule = one.rule.parse().ok()?;
            Some(Budget { rule, name: one.name.clone(), why: one.why.clone(), link: one.link.clone(), place: None })
        });
        budgets.collect()
    }

    /// Names of endpoints by index; empty where there is none.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for row in &self.result.endpoints {
            let at = row.index as usize;
            if at >= ENDPOINTS_MAX {
                continue;
            }
            if names.len() <= at {
                names.resize(at + 1, String::new());
            }
            if let Some(name) = names.get_mut(at) {
                name.clone_from(&row.endpoint);
            }
        }
        names
    }

    /// Endpoints with their indexes.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = (u32, &str)> + Clone {
        self.result.endpoints.iter().map(|row| (row.index, row.endpoint.as_str()))
    }

    pub(super) fn has_steady(&self) -> bool {
        self.steady() != Window::ALL
    }

    pub(super) fn steady(&self) -> Window {
        Window { from_ns: self.result.steady.from_ns, to_ns: self.result.steady.to_ns }
    }

    pub(super) fn loop_model(&self) -> LoopModel {
        LoopModel::of(&self.result.loop_model)
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
