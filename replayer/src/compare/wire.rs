//! A comparison as JSON: what `reenact compare --json` prints.

use serde_json::{Value, json};

use super::Comparison;
use super::answers::{self, Answers};
use super::judge::{Answer, Row};
use super::over_time::OverTime;
use super::repeats::{Design, Estimate};
use super::side::Run;

/// Version of this layout.
const SCHEMA: u32 = 1;

/// All of it, with what the answers say if they were compared; times are microseconds, changes are relative (0.05: 5 % more).
#[must_use]
pub fn json(of: &Comparison, answers: Option<&Answers>) -> Value {
    let confidence = of.asked.confidence;
    let row = |row: &Row| self::row(row, confidence);
    let endpoint = |(number, name): (usize, &String)| {
        json!({
            "endpoint": name,
            "requests": of.requests.get(number),
            "moved": of.judged.moved.get(number),
            "response": of.judged.endpoints.get(number).map(|rows| rows.iter().map(row).collect::<Vec<_>>()),
        })
    };
    let outcomes = of.outcomes.iter().map(|change| {
        let (low, high) = change.estimate.interval(confidence);
        json!({
            "endpoint": of.endpoints.get(change.endpoint),
            "outcome": change.outcome,
            "before": change.before,
            "after": change.after,
            "interval": [low, high],
        })
    });
    json!({
        "schema": SCHEMA,
        "min_effect": of.asked.min_effect,
        "min_change": of.min_change,
        "confidence": confidence,
        "design": match of.asked.design {
            Design::Paired => "paired",
            Design::Unpaired => "unpaired",
        },
        "before": of.before.iter().map(run).collect::<Vec<_>>(),
        "after": of.after.iter().map(run).collect::<Vec<_>>(),
        "notices": of.notices,
        "system": of.judged.system.iter().map(row).collect::<Vec<_>>(),
        "endpoints": of.endpoints.iter().enumerate().map(endpoint).collect::<Vec<_>>(),
        "outcomes": outcomes.collect::<Vec<_>>(),
        "answers": answers.map(answers::json),
        "throughput": of.throughput.as_ref().map(|estimate| change(estimate, confidence)),
    })
}

/// Runs over time; times are microseconds where the line begins and ends, changes are relative and of the whole line.
#[must_use]
pub fn over_time_json(of: &OverTime) -> Value {
    let confidence = of.asked.confidence;
    let row = |row: &Row| {
        let mut value = self::row(row, confidence);
        if let Some(object) = value.as_object_mut() {
            object.remove("plain");
            let change = object.remove("relative").unwrap_or(Value::Null);
            object.insert("change".to_owned(), change);
            object.insert("answer".to_owned(), trend_word(row.answer).into());
        }
        value
    };
    let endpoint = |(number, name): (usize, &String)| {
        json!({
            "endpoint": name,
            "requests": of.requests.get(number),
            "response": of.trend.endpoints.get(number).map(|rows| rows.iter().map(row).collect::<Vec<_>>()),
        })
    };
    json!({
        "schema": SCHEMA,
        "min_effect": of.asked.min_effect,
        "min_change": of.min_change,
        "confidence": confidence,
        "runs": of.runs.iter().map(run).collect::<Vec<_>>(),
        "points": of.trend.points,
        "notices": of.notices,
        "system": of.trend.system.iter().map(row).collect::<Vec<_>>(),
        "endpoints": of.endpoints.iter().enumerate().map(endpoint).collect::<Vec<_>>(),
        "target": of.trend.target.iter().map(|(what, row)| json!({
            "figure": what,
            "change": row.relative.as_ref().map(|estimate| change(estimate, confidence)),
            "answer": trend_word(row.answer),
        })).collect::<Vec<_>>(),
        "errors": of.trend.errors.as_ref().map(|estimate| {
            let (low, high) = estimate.interval(confidence);
            json!({"change": estimate.mean, "interval": [low, high]})
        }),
    })
}

fn trend_word(answer: Answer) -> &'static str {
    match answer {
        Answer::Slower => "rises",
        Answer::Faster => "falls",
        Answer::OneRun => "too_few_points",
        other => word(other),
    }
}

fn run(run: &Run) -> Value {
    json!({
        // JSON is Unicode, and paths are not.
        "path": run.path.to_string_lossy(),
        "run_id": run.result.run_id,
        "plan_hash": run.result.plan_hash,
        "target": run.result.target,
        "started_at": run.result.started_at,
        "verdict": run.result.verdict.outcome.name(),
    })
}

fn row(row: &Row, confidence: f64) -> Value {
    let micros = |logarithm: Option<f64>| logarithm.map(|logarithm| libm::exp(logarithm) / 1e3);
    let mut value = json!({
        "quantile": row.quantile,
        "before_us": micros(row.before),
        "after_us": micros(row.after),
        "plain": row.plain.as_ref().map(|estimate| change(estimate, confidence)),
        "relative": row.relative.as_ref().map(|estimate| change(estimate, confidence)),
        "answer": word(row.answer),
    });
    if let (Answer::CannotTell { more_repeats }, Some(object)) = (row.answer, value.as_object_mut()) {
        object.insert("more_repeats".to_owned(), more_repeats.into());
    }
    value
}

fn change(estimate: &Estimate, confidence: f64) -> Value {
    let (low, high) = estimate.interval(confidence);
    json!({"change": libm::expm1(estimate.mean), "interval": [libm::expm1(low), libm::expm1(high)]})
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Slower => "slower",
        Answer::Faster => "faster",
        Answer::Same => "same",
        Answer::CannotTell { .. } => "cannot_tell",
        Answer::TooFew => "too_few",
        Answer::OneRun => "one_run",
    }
}
