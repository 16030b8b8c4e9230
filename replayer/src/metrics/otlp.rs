//! A reading as a whole `ExportMetricsServiceRequest`.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProtoValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram as ProtoHistogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::{Attribute, Family, Histogram, Kind, Point, Reading, Value};

/// Over which time counts are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Temporality {
    /// From the beginning of the run.
    #[default]
    Cumulative,
    /// Since the last export; up-down counters from the beginning.
    Delta,
    /// As [`Self::Delta`], for those who want the least memory: all that is exported here is kept anyway.
    LowMemory,
}

impl Temporality {
    /// By the names of `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [("cumulative", Self::Cumulative), ("delta", Self::Delta), ("lowmemory", Self::LowMemory)]
            .into_iter()
            .find_map(|(known, one)| name.eq_ignore_ascii_case(known).then_some(one))
    }

    fn is_delta(self, kind: Kind) -> bool {
        self != Self::Cumulative && matches!(kind, Kind::Counter | Kind::Histogram)
    }
}

/// What all exports of a run have in common.
pub(super) struct Frame {
    pub(super) resource: Resource,
    pub(super) resource_schema_url: String,
    pub(super) scope_schema_url: &'static str,
    pub(super) scope: InstrumentationScope,
    pub(super) temporality: Temporality,
}

/// The instants of an export, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// When the run began.
    pub(super) began_ns: u64,
    /// When the export before this was read.
    pub(super) before_ns: u64,
    /// When this was read.
    pub(super) now_ns: u64,
}

impl Frame {
    /// What is to be exported, and how many points it has. `before` is what the export before had, if there was one.
    pub(super) fn request(
        &self,
        reading: &Reading,
        before: Option<&Reading>,
        span: Span,
    ) -> (ExportMetricsServiceRequest, u64) {
        let metrics: Vec<Metric> = reading.families.iter().map(|family| self.metric(family, before, span)).collect();
        let points = reading.families.iter().map(|family| family.points.len() as u64).sum();
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(self.scope.clone()),
                    metrics,
                    schema_url: self.scope_schema_url.to_owned(),
                }],
                schema_url: self.resource_schema_url.clone(),
            }],
        };
        (request, points)
    }

    fn metric(&self, family: &Family, before: Option<&Reading>, span: Span) -> Metric {
        let instrument = family.instrument;
        let is_delta = self.temporality.is_delta(instrument.kind);
        let before = before.filter(|_| is_delta).and_then(|reading| {
            reading.families.iter().find(|one| one.instrument.name == instrument.name).map(|one| &one.points)
        });
        let start_ns = if is_delta { span.before_ns } else { span.began_ns };
        let of_before = |point: &Point| {
            before.and_then(|points| points.iter().find(|one| one.attributes == point.attributes)).map(|one| &one.value)
        };
        let number = |point: &Point| NumberDataPoint {
            attributes: attributes(point),
            start_time_unix_nano: start_ns,
            time_unix_nano: span.now_ns,
            value: Some(match (&point.value, of_before(point)) {
                (Value::Count(count), Some(Value::Count(before))) => whole(count.saturating_sub(*before)),
                (Value::Count(count), _) => whole(*count),
                (Value::Number(number), _) => number_data_point::Value::AsDouble(*number),
                (Value::Histogram(histogram), _) => whole(histogram.count()),
            }),
            ..NumberDataPoint::default()
        };
        let temporality = match is_delta {
            true => AggregationTemporality::Delta,
            false => AggregationTemporality::Cumulative,
        };
        let temporality = i32::from(temporality);
        let points = &family.points;
        let data = match instrument.kind {
            Kind::Gauge => metric::Data::Gauge(Gauge { data_points: points.iter().map(number).collect() }),
            Kind::Counter | Kind::UpDownCounter => metric::Data::Sum(Sum {
                data_points: points.iter().map(number).collect(),
                aggregation_temporality: temporality,
                is_monotonic: instrument.kind == Kind::Counter,
            }),
            Kind::Histogram => {
                let data_points = points.iter().filter_map(|point| match (&point.value, of_before(point)) {
                    (Value::Histogram(now), Some(Value::Histogram(before))) => {
                        Some(histogram(point, &now.since(before), start_ns, span.now_ns))
                    }
                    (Value::Histogram(now), _) => Some(histogram(point, now, start_ns, span.now_ns)),
                    _ => None,
                });
                metric::Data::Histogram(ProtoHistogram {
                    data_points: data_points.collect(),
                    aggregation_temporality: temporality,
                })
            }
        };
        Metric {
            name: instrument.name.to_owned(),
            description: instrument.description.to_owned(),
            unit: instrument.unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    }
}

fn histogram(point: &Point, of: &Histogram, start_ns: u64, now_ns: u64) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(point),
        start_time_unix_nano: start_ns,
        time_unix_nano: now_ns,
        count: of.count(),
        sum: Some(of.sum_s()),
        bucket_counts: of.buckets().to_vec(),
        explicit_bounds: of.bounds_s().to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn whole(count: u64) -> number_data_point::Value {
    number_data_point::Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX))
}

fn attributes(point: &Point) -> Vec<KeyValue> {
    let value = |value: &Attribute| match value {
        Attribute::Text(text) => ProtoValue::StringValue(text.as_ref().to_owned()),
        Attribute::Number(number) => ProtoValue::IntValue(i64::from(*number)),
        Attribute::True => ProtoValue::BoolValue(true),
    };
    let one = |(name, of): &(&'static str, Attribute)| KeyValue {
        key: (*name).to_owned(),
        value: Some(AnyValue { value: Some(value(of)) }),
        ..KeyValue::default()
    };
    point.attributes.iter().map(one).collect()
}
