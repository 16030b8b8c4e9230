//! `docs/run.schema.json` says exactly what is written.

use serde_json::{Value, json};

use super::drawn::{Curves, HeatColumn, HeatMap};
use super::recounted::Recounted;
use super::samples::{ErrorSamples, Sample};
use super::services::{Band, ClockOffset, EndpointServices, ReceivedMessages, Services, Step};
use super::shape::{Shape, ShapeScale};
use super::thresholds::{Judged, Threshold, ThresholdUnit};
use super::*;
use crate::health::{Machine, Moment, Sampler, Thread, TimerNoise};

fn schema() -> jsonschema::Validator {
    let text: Value = serde_json::from_str(include_str!("../../../docs/run.schema.json")).unwrap();
    jsonschema::validator_for(&text).unwrap()
}

/// Whether a result is what the schema says; what is not is named.
#[track_caller]
pub(crate) fn is_valid(value: &Value) {
    let errors: Vec<String> =
        schema().iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
}

/// The same result with every whole number as large as its field can be, but for fields of these names.
pub(crate) fn largest(of: &RunResult, kept: &[&str]) -> RunResult {
    let mut value = serde_json::to_value(of).unwrap();
    let mut places = Vec::new();
    numbers(&value, "", kept, &mut places);
    for place in places {
        let fits = [u64::MAX, u32::MAX.into(), u16::MAX.into()].into_iter().any(|number| {
            *value.pointer_mut(&place).unwrap() = number.into();
            RunResult::deserialize(&value).is_ok()
        });
        assert!(fits, "{place}");
    }
    serde_json::from_value(value).unwrap()
}

/// Where whole numbers stand.
fn numbers(value: &Value, place: &str, kept: &[&str], places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| !kept.contains(&name.as_str())) {
                numbers(value, &format!("{place}/{name}"), kept, places);
            }
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(at, value)| numbers(value, &format!("{place}/{at}"), kept, places));
        }
        Value::Number(number) if number.is_u64() => places.push(place.to_owned()),
        _ => {}
    }
}

/// A result in which every list and map has something.
pub(crate) fn full() -> RunResult {
    let quantiles = Quantiles { count: 3, p50: 1.0, p90: 2.0, p99: 3.0, p999: 4.0, max: 5.5 };
    // Two of each, so that they have a sum.
    let counts = || BTreeMap::from([("timeout".to_owned(), 3), ("refused".to_owned(), 3)]);
    let codes = || BTreeMap::from([("200".to_owned(), 3), ("204".to_owned(), 3)]);
    let classes = || BTreeMap::from([("2xx".to_owned(), Class { response_us: quantiles, service_us: quantiles })]);
    let shard = ShardOf { number: 1, of: 2 };
    let steady = EndpointSteady { status: codes(), response_us: quantiles, ..EndpointSteady::default() };
    let sample = Sample {
        trace_id: "0123456789abcdef".repeat(2),
        span_id: "0123456789abcdef".into(),
        error: Some("timeout".into()),
        ..Sample::default()
    };
    let some = ErrorSamples { count: 1, samples: vec![sample.clone()], ..ErrorSamples::default() };
    let curve = || vec![[0.0, 1.0], [1.0, 2.5]];
    let scale = ShapeScale { target: Some(1.5), verdict: "kept".into(), ..ShapeScale::default() };
    RunResult {
        schema: SCHEMA,
        loop_model: "causal".into(),
        shard: Some(shard),
        shards: vec![Part { run_id: "00".into(), shard, verdict: Verdict::default(), services: true }],
        thresholds: vec![Threshold {
            window: "any 10s".into(),
            outcome: Judged::CannotTell,
            unit: ThresholdUnit::PerS,
            measured: Some(1.5),
            traces: vec!["00112233445566778899aabbccddeeff".into()],
            ..Threshold::default()
        }],
        recounted: Some(Recounted { from: vec!["begun.json".into()], unknown: vec!["spans".into()] }),
        changes: vec![Change {
            at_ns: 2,
            plan_ns: 1,
            kind: crate::tempo::ChangeKind::Scale,
            factor: 1.5,
            by: "key".into(),
        }],
        left_out: counts(),
        unwritten: BTreeMap::from([("latency.hlog".to_owned(), "the disk is full".to_owned())]),
        shed: counts(),
        errors: counts(),
        status: codes(),
        classes: classes(),
        steady: Steady { shed: counts(), errors: counts(), status: codes(), classes: classes(), ..Steady::default() },
        fidelity: Fidelity { gap_ks: Some(0.5), ..Fidelity::default() },
        asked: BTreeMap::from([("rate".into(), "3x".into())]),
        shape: Some(Shape { verdict: "kept".into(), scales: vec![scale], ..Shape::default() }),
        trace_url: Some("https://traces/{trace_id}".into()),
        heat_map: HeatMap { width_s: 1, columns: vec![HeatColumn { t_s: 3, first: 40, counts: vec![1, 0, 2] }] },
        curves: Curves { response_us: curve(), service_us: curve(), lag_us: curve(), recorded_response_us: curve() },
        slowest: vec![sample.clone()],
        error_samples: BTreeMap::from([("timeout".into(), some)]),
        endpoints: vec![Endpoint { status: codes(), steady, slowest: vec![sample], ..Endpoint::default() }],
        timeline_s: 2,
        timeline: vec![Second { response_us: quantiles, ..Second::default() }],
        generator: Generator {
            threads: vec![Thread::default()],
            timeline: vec![Moment::default()],
            timer_noise: Some(TimerNoise::default()),
            ..Generator::default()
        },
        watched: vec![crate::watched::Watched {
            why: Some("gone".into()),
            timeline: vec![crate::watched::Moment::default()],
            timeline_s: 1,
            ..Default::default()
        }],
        spans: Spans {
            exported: 1,
            rejected: counts(),
            dropped: counts(),
            sampled_out: counts(),
            kept_at_end: counts(),
            messages: counts(),
        },
        services: Some(Services {
            listening: vec!["127.0.0.1:4317".into()],
            messages: ReceivedMessages { refused: counts(), ..ReceivedMessages::default() },
            clocks: vec![ClockOffset { offset_us: -0.5, ..ClockOffset::default() }],
            endpoints: vec![EndpointServices {
                median: Band { response_us: 1.5, ..Band::default() },
                steps: vec![Step { kind: "network".into(), tail_share: 1.0, ..Step::default() }],
                ..EndpointServices::default()
            }],
            ..Services::default()
        }),
        answers: Some(Answers { kept: "digest".into(), failure: Some("full".into()), ..Answers::default() }),
        ..RunResult::default()
    }
}

#[test]
fn a_full_result_is_what_the_schema_says() {
    is_valid(&serde_json::to_value(full()).unwrap());
}

#[test]
fn whatever_a_result_counts_can_be_written_and_judged() {
    let result = RunResult { recounted: None, ..largest(&full(), &[]) };
    assert_eq!((result.planned, result.errors["refused"]), (u64::MAX, u64::MAX));
    let page = crate::report::html(&result);
    assert!(page.contains("18,446,744,073,709,551,615 failed"), "{page}");
    use crate::outputs::Output;
    for output in [Output::Markdown, Output::Junit, Output::Csv, Output::OpenMetrics] {
        assert!(output.files(&result).iter().all(|(_, text)| !text.is_empty()), "{output:?}");
    }
    assert_ne!(crate::verdict::judge(&result).outcome, crate::verdict::Trust::Valid);
}

#[test]
fn a_result_of_this_machine_is_what_the_schema_says() {
    let mut sampler = Sampler::new(Machine::this());
    [1, 2, 3].into_iter().for_each(|second| sampler.sample(second * 1_000_000_000, 0));
    let result = RunResult { generator: sampler.generator(), shard: None, ..full() };
    is_valid(&serde_json::to_value(result).unwrap());
}

#[test]
fn what_is_missing_added_or_of_another_kind_is_found() {
    let schema = schema();
    let whole = serde_json::to_value(full()).unwrap();
    for name in whole.as_object().unwrap().keys() {
        let mut less = whole.clone();
        less.as_object_mut().unwrap().remove(name);
        assert!(!schema.is_valid(&less), "{name} is not required");
    }
    let changes: [(&str, Value); 6] = [
        ("/unknown", json!(1)),
        ("/schema", json!(1)),
        ("/planned", json!(-1)),
        ("/verdict/outcome", json!("green")),
        ("/steady/response_us/p50", json!("1 ms")),
        ("/status/teapot", json!(1)),
    ];
    for (place, value) in changes {
        let mut other = whole.clone();
        let (object, name) = place.rsplit_once('/').unwrap();
        other.pointer_mut(object).unwrap().as_object_mut().unwrap().insert(name.into(), value);
        assert!(!schema.is_valid(&other), "{place}");
    }
}
