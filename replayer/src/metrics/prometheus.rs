//! Metrics as text for Prometheus: its own format 0.0.4, and OpenMetrics 1.0.0.

use std::fmt::Write as _;

use super::{Attribute, Histogram, Kind, Point, Reading, Value};

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The better of the two that an `Accept` header takes; Prometheus' own where it does not say.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let mut best = (Self::Prometheus, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let mut quality = 1_000;
            let mut version = None;
            for parameter in parts {
                match parameter.split_once('=') {
                    Some(("q", q)) => quality = thousandths(q),
                    Some(("version", given)) => version = Some(given.trim_matches('"')),
                    _ => {}
                }
            }
            let format = match name.as_str() {
                "application/openmetrics-text" if version.is_none_or(|version| version == "1.0.0") => Self::OpenMetrics,
                "text/plain" | "text/*" | "*/*" => Self::Prometheus,
                _ => continue,
            };
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// For the `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A weight (RFC 9110 §12.4.2) in thousandths; 0 for what is none.
fn thousandths(text: &str) -> u32 {
    let weight: f64 = text.parse().unwrap_or(0.0);
    if (0.0..=1.0).contains(&weight) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        let thousandths = (weight * 1_000.0) as u32;
        return thousandths;
    }
    0
}

/// A reading as text. `target` are labels of the run itself, which `target_info` has.
#[must_use]
pub fn text(reading: &Reading, format: Format, target: &[(String, String)]) -> String {
    let mut out = String::with_capacity(16 * 1024);
    let is_open = format == Format::OpenMetrics;
    // Writing into memory does not fail, here and below.
    let (name, kind) = if is_open { ("target", "info") } else { ("target_info", "gauge") };
    let _ = writeln!(out, "# HELP {name} The run that these metrics are of.\n# TYPE {name} {kind}");
    let labels: Vec<_> = target.iter().map(|(name, value)| label(name, value)).collect();
    let _ = writeln!(out, "target_info{{{}}} 1", labels.join(","));
    for family in &reading.families {
        let instrument = family.instrument;
        let total = if instrument.kind == Kind::Counter { "_total" } else { "" };
        let named = if is_open { "" } else { total };
        let kind = match instrument.kind {
            Kind::Counter => "counter",
            Kind::UpDownCounter | Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let name = instrument.prometheus;
        let _ = writeln!(out, "# HELP {name}{named} {}\n# TYPE {name}{named} {kind}", instrument.description);
        if is_open && let Some(unit) = unit(instrument.unit) {
            let _ = writeln!(out, "# UNIT {name} {unit}");
        }
        for point in &family.points {
            write_point(&mut out, name, total, point);
        }
    }
    if is_open {
        out.push_str("# EOF\n");
    }
    out
}

/// The unit's name, which is then the end of the metric's.
fn unit(ucum: &str) -> Option<&'static str> {
    match ucum {
        "s" => Some("seconds"),
        "By" => Some("bytes"),
        _ => None,
    }
}

fn write_point(out: &mut String, name: &str, total: &str, point: &Point) {
    let labels: Vec<_> = point.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    let labels = labels.join(",");
    let all = |labels: &str| if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = match &point.value {
        Value::Count(count) => writeln!(out, "{name}{total}{} {count}", all(&labels)),
        Value::Number(number) => writeln!(out, "{name}{total}{} {number:?}", all(&labels)),
        Value::Histogram(histogram) => write_histogram(out, name, &labels, &all(&labels), histogram),
    };
}

fn write_histogram(out: &mut String, name: &str, labels: &str, all: &str, histogram: &Histogram) -> std::fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut below = 0;
    let bounds = histogram.bounds_s().iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(histogram.buckets()) {
        below += count;
        writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}")?;
    }
    writeln!(out, "{name}_sum{all} {:?}\n{name}_count{all} {}", histogram.sum_s(), histogram.count())
}

fn attribute(name: &str, value: &Attribute) -> String {
    match value {
        Attribute::Text(text) => label(name, text),
        Attribute::Number(number) => label(name, &number.to_string()),
        Attribute::True => label(name, "true"),
    }
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{}=\"{value}\"", name.replace('.', "_"))
}
