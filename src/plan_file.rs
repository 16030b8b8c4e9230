//! `--plan plan.json`: a run is planned again as another one was, on another machine or for another shard.
//!
//! The file's options become the flags' defaults; what was planned must then have the file's hash, or nothing is sent.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::LoadArgs;
use crate::outcome::Failure;
use crate::units::When;

/// What a `plan.json` says to whoever plans again.
#[derive(Debug, Deserialize)]
pub(crate) struct PlanFile {
    /// In hex.
    pub(crate) plan_hash: String,
    /// By the flags' names, with underscores.
    pub(crate) options: BTreeMap<String, String>,
    /// What `--profile` named.
    #[serde(default)]
    pub(crate) profile: Option<ProfileText>,
}

/// The text of a profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProfileText {
    pub(crate) is_toml: bool,
    pub(crate) text: String,
}

impl PlanFile {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("cannot read the plan {shown}: {error}")).hint("check the path given with --plan")
        })?;
        serde_json::from_str(&text).map_err(|error| {
            Failure::new(format!("{shown} is no plan: {error}"))
                .hint("give the plan.json of a run, or what `reenact plan --json` printed")
        })
    }

    /// Whether a plan is that of this file.
    pub(crate) fn check(&self, path: &Path, hash: &str) -> Result<(), Failure> {
        if self.plan_hash == hash {
            return Ok(());
        }
        Err(Failure::new(format!("this plan's hash is {hash}, and that of {} is {}", path.display(), self.plan_hash))
            .hint("sessions, rules and flags must be those of that run; only target, shard and resources may differ"))
    }
}

/// The given templates as their flag's variable has them.
pub(crate) fn templates(args: &LoadArgs) -> String {
    args.template.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What [`PlanFile::options`] keeps of the options of a plan.
pub(crate) fn options(args: &LoadArgs) -> BTreeMap<String, Value> {
    let when = |when: When| match when {
        When::After(duration) => humantime::format_duration(duration).to_string(),
        When::At(time) => humantime::format_rfc3339_nanos(time).to_string(),
    };
    let decision =
        |decision: crate::cli::UnsafeMethods| decision.to_possible_value().map(|value| value.get_name().to_owned());
    [
        ("rate", Some(args.rate.clone())),
        ("method", Some(args.method.clone())),
        ("ramp", args.ramp.clone()),
        ("speed", Some(args.speed.clone())),
        ("repeat", args.repeat.map(|rounds| rounds.to_string())),
        ("duration", args.duration.map(|duration| humantime::format_duration(duration).to_string())),
        ("from", args.from.map(when)),
        ("to", args.to.map(when)),
        ("filter", args.filter.as_ref().map(ToString::to_string)),
        ("template", (!args.template.is_empty()).then(|| templates(args))),
        ("learn_templates", args.learn_templates.then(|| true.to_string())),
        ("seed", Some(args.seed.to_string())),
        ("unsafe_methods", args.unsafe_methods.and_then(decision)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
    .collect()
}
