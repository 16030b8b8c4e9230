//! What was known of a run when it began: `begun.json`, which a run that ended has no more, or else its `plan.json`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ENDPOINTS_MAX;
use crate::measure::{LoopModel, Window};
use crate::result::{Endpoint, RunResult, SCHEMA, ShardOf};
use crate::run_directory::{BEGUN, PLAN};
use crate::thresholds::Budget;

/// Largest file that is read.
const BYTES_MAX: u64 = 64 << 20;

/// What is known of a run before its first request.
pub(super) struct Begun {
    /// With nothing counted; its endpoints are those of the plan, by index.
    pub(super) result: RunResult,
    /// What is missing because the file is.
    pub(super) missing: Option<String>,
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
    endpoints: Vec<PlanEndpoint>,
}

#[derive(Deserialize)]
struct PlanEndpoint {
    endpoint: String,
    requests: u64,
}

impl Begun {
    /// Reads it; what cannot be read is nothing.
    pub(super) fn read(directory: &Path) -> Self {
        let begun: Option<RunResult> = json(&directory.join(BEGUN)).filter(|begun: &RunResult| begun.schema == SCHEMA);
        if let Some(mut result) = begun {
            result.endpoints.truncate(ENDPOINTS_MAX);
            return Self { result, missing: None };
        }
        let plan: Plan = json(&directory.join(PLAN)).unwrap_or_default();
        let missing = format!(
            "{BEGUN} is missing or cannot be read: the loop is taken for an open one and no window for steady, the default limits of lag are taken, and neither run, target, start nor thresholds are known"
        );
        let endpoints = (0..).zip(plan.endpoints).take(ENDPOINTS_MAX).map(|(index, row)| Endpoint {
            index,
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
            endpoints: endpoints.collect(),
            ..RunResult::default()
        };
        (result.steady.from_ns, result.steady.to_ns) = (Window::ALL.from_ns, Window::ALL.to_ns);
        Self { result, missing: Some(missing) }
    }

    /// The rules that the run was to be judged by.
    pub(super) fn budgets(&self) -> Vec<Budget> {
        let budgets = self.result.thresholds.iter().filter_map(|one| {
            let rule = one.rule.parse().ok()?;
            Some(Budget { rule, name: one.name.clone(), why: one.why.clone(), link: one.link.clone() })
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
