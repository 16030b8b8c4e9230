//! How response times of an endpoint are distributed, both sides on one axis.

use serde_json::{Value, json};

use crate::compare::Comparison;
use crate::compare::side::Run;
use crate::compared::words::shown;
use crate::report::frame::{Frame, WIDTH, entry};
use crate::report::scale::Scale;
use crate::report::text::{count, escape, round_number, round_time, time};

/// Endpoints that are drawn.
const ENDPOINTS_MAX: usize = 16;
/// Fields of an axis, each as wide as the others: factors, where it is logarithmic.
const FIELDS: usize = 48;
/// Pixels.
const HEIGHT: f64 = 160.0;
/// Of the requests of both sides, the shares between which the axis reaches: what lies beyond counts in the last field.
const ENDS: [f64; 2] = [0.001, 0.999];

/// The distributions, and their values for `page.js`.
pub(super) fn distributions(of: &Comparison) -> (String, Vec<Value>) {
    let numbers = shown(&of.judged.endpoints, &of.requests, ENDPOINTS_MAX);
    let drawn: Vec<Drawn> = (0..).zip(&numbers).filter_map(|(place, number)| Drawn::of(of, place, *number)).collect();
    if drawn.is_empty() {
        return (String::new(), Vec::new());
    }
    let figures: String = drawn.iter().map(Drawn::html).collect();
    let more = match of.endpoints.len().saturating_sub(drawn.len()) {
        0 => String::new(),
        more => format!(" {} more endpoints are not drawn.", count(more as u64)),
    };
    let page = format!(
        r#"<section id="distributions" aria-labelledby="distributions-h"><h2 id="distributions-h">Distributions</h2><p class="nothing">Shares of all requests of an endpoint in fields of equal factors, all runs of a side together; the first and the last field hold what lies beyond them. Noise that all endpoints share is in both.{more}</p><div class="many">{figures}</div></section>"#
    );
    (page, drawn.iter().map(Drawn::data).collect())
}

/// One endpoint.
struct Drawn {
    id: String,
    name: String,
    /// Microseconds, logarithmic.
    scale: Scale,
    /// Between which times each field is.
    edges: Vec<f64>,
    sides: [Side; 2],
}

struct Side {
    name: &'static str,
    requests: u64,
    median_us: f64,
    /// Shares of its requests by field.
    shares: Vec<f64>,
}

impl Drawn {
    fn of(of: &Comparison, place: usize, number: usize) -> Option<Self> {
        let logs = |runs: &[Run]| {
            let series = runs.iter().filter_map(|run| run.latencies.endpoints.get(number));
            let mut logs: Vec<f64> = series.flat_map(|series| series.iter().map(|(log, _)| log)).collect();
            logs.sort_unstable_by(f64::total_cmp);
            logs
        };
        let [before, after] = [logs(&of.before), logs(&of.after)];
        let ends = [&before, &after].into_iter().filter(|logs| !logs.is_empty());
        let ends: Vec<[f64; 2]> = ends.map(|logs| ENDS.map(|share| at(logs, share))).collect();
        let least = ends.iter().map(|[least, _]| *least).reduce(f64::min)?;
        let most = ends.iter().map(|[_, most]| *most).reduce(f64::max)?;
        let scale = Scale::logarithmic(micros(least), micros(most));
        let edges: Vec<f64> = (0..=FIELDS).map(|edge| scale.value(edge as f64 / FIELDS as f64)).collect();
        let side = |name: &'static str, logs: &[f64]| Side {
            name,
            requests: logs.len() as u64,
            median_us: if logs.is_empty() { 0.0 } else { micros(at(logs, 0.5)) },
            shares: shares(logs, &scale),
        };
        Some(Self {
            id: format!("distribution-{place}"),
            name: of.endpoints.get(number).cloned().unwrap_or_default(),
            sides: [side("before", &before), side("after", &after)],
            scale,
            edges,
        })
    }

    fn html(&self) -> String {
        let Self { id, sides, scale, .. } = self;
        let name = escape(&self.name);
        let most = sides.iter().flat_map(|side| &side.shares).copied().fold(0.0, f64::max) * 100.0;
        let height = Scale::of(std::iter::once(most), false);
        let legend: String = sides.iter().map(|side| entry(side.name, &side.said())).collect();
        let lines: String = sides.iter().map(|side| side.outline(&height)).collect();
        let described: String = sides.iter().map(|side| format!(" {}: {}.", side.name, side.said())).collect();
        let marks = scale.marks();
        let frame = Frame {
            id,
            title: &format!("Response times of {name}"),
            described: &format!("Both distributions on one logarithmic axis.{described}"),
            height: HEIGHT,
            axis: "% of requests",
            values: height.marks().into_iter().map(|mark| (height.share(mark), round_number(mark))).collect(),
            along: marks.into_iter().map(|mark| (scale.share(mark), round_time(mark))).collect(),
            marks: Vec::new(),
        };
        format!(
            r#"<figure id="{id}" class="chart" aria-labelledby="{id}-h"><h3 id="{id}-h">{name}</h3><p class="legend">{legend}</p>{}</figure>"#,
            frame.draw(&lines)
        )
    }

    fn data(&self) -> Value {
        let round = |share: f64| (share * 1e4).round() / 1e2;
        let heads = self.edges.windows(2).map(|ends| match ends {
            [from, to] => format!("{} to {}", time(*from), time(*to)),
            _ => String::new(),
        });
        let series = self.sides.iter().map(|side| {
            let values: Vec<f64> = side.shares.iter().map(|share| round(*share)).collect();
            json!({"name": side.name, "class": side.name, "values": values})
        });
        json!({
            "id": self.id,
            "unit": "percent",
            "heads": heads.collect::<Vec<_>>(),
            "at": (0..FIELDS).map(|field| (field as f64 + 0.5) / FIELDS as f64).collect::<Vec<_>>(),
            "series": series.collect::<Vec<_>>(),
        })
    }
}

impl Side {
    fn said(&self) -> String {
        match self.requests {
            0 => format!("{}: no requests", self.name),
            requests => format!("{}: {} requests, p50 {}", self.name, count(requests), time(self.median_us)),
        }
    }

    /// Steps over the fields; the side after is filled as well.
    fn outline(&self, scale: &Scale) -> String {
        let width = WIDTH / FIELDS as f64;
        let mut path = String::new();
        for (field, share) in self.shares.iter().enumerate() {
            let y = HEIGHT * (1.0 - scale.share(share * 100.0));
            let begin = if field == 0 { "M0 " } else { "V" };
            path += &format!("{begin}{y:.1}H{:.1}", width * (field + 1) as f64);
        }
        let fill = match self.name {
            "after" => format!(r#"<path class="fill" d="{path}V{HEIGHT}H0Z"/>"#),
            _ => String::new(),
        };
        format!(r#"{fill}<path class="line {}" d="{path}"/>"#, self.name)
    }
}

fn shares(logs: &[f64], scale: &Scale) -> Vec<f64> {
    let mut counts = vec![0_u64; FIELDS];
    for log in logs {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the fields")]
        let field = (scale.share(micros(*log)) * FIELDS as f64) as usize;
        if let Some(count) = counts.get_mut(field.min(FIELDS - 1)) {
            *count += 1;
        }
    }
    counts.iter().map(|count| *count as f64 / logs.len().max(1) as f64).collect()
}

/// The value at a share of a sorted list that is not empty.
fn at(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}

/// Of a logarithm of nanoseconds.
fn micros(log_ns: f64) -> f64 {
    log_ns.exp() / 1e3
}
