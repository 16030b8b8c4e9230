//! The heat map: how many requests ended when and how slow. What percentiles hide (two speeds at once, a thin slow band)
//! is seen here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::chart::Places;
use super::frame::{Frame, WIDTH, figure, nothing};
use super::marks;
use super::scale::Scale;
use super::text::{count, float, round_time, span, time};
use super::timeline::Timeline;
use crate::measure::bucket_ns;
use crate::result::drawn::HeatMap;

const ID: &str = "heat";
const TITLE: &str = "Response times over time, every one";
const HEIGHT: f64 = 280.0;
/// Steps of the colour, each a class in `page.css`.
const LEVELS: u32 = 9;

/// The map; columns stand where the charts over time have the same seconds.
pub(super) fn draw(map: &HeatMap, timeline: &Timeline) -> String {
    let (Some(least), Some(most)) = ends(map) else { return nothing(ID, TITLE, "nothing was counted") };
    if timeline.points.is_empty() {
        return nothing(ID, TITLE, "the run has no seconds");
    }
    let largest = map.columns.iter().flat_map(|column| &column.counts).copied().max().unwrap_or(0);
    let place = Places::of(timeline);
    let scale = Scale::logarithmic(us(least), us(most + 1));
    let counts = map.columns.iter().flat_map(|column| &column.counts);
    let (requests, width) = (counts.fold(0, |sum: u64, count| sum.saturating_add(*count)), span(map.width_s));
    let described = format!(
        "A map of {} requests by the time at which they ended, in columns of {width}, and by their response time, from {} to {}. At most {} are in one field.{}",
        count(requests),
        time(us(least)),
        time(us(most + 1)),
        count(largest),
        marks::words(timeline)
    );
    let frame = Frame {
        id: ID,
        title: TITLE,
        described: &described,
        height: HEIGHT,
        axis: "time, logarithmic scale",
        values: scale.marks().into_iter().map(|mark| (scale.share(mark), round_time(mark))).collect(),
        along: place.seconds(),
        marks: place.marks(timeline),
    };
    let swatches: String = (1..=LEVELS).map(|level| format!(r#"<i class="h{level}"></i>"#)).collect();
    let legend = format!(
        r#"<span>1 <b class="ramp" aria-hidden="true">{swatches}</b> {} requests in a field</span>"#,
        count(largest)
    );
    let what = format!(
        "Done − due of each request, by the time at which it ended; a field is {width} wide and a quarter of a doubling high, and its colour the logarithm of its count. Failures count with their full age."
    );
    figure(ID, TITLE, &legend, &frame.draw(&fields(map, largest, &scale, &place)), &what)
}

/// For the read-outs of `page.js`.
pub(super) fn data(map: &HeatMap, timeline: &Timeline) -> Value {
    let (Some(least), Some(most), false) = (ends(map).0, ends(map).1, timeline.points.is_empty()) else {
        return Value::Null;
    };
    let place = Places::of(timeline);
    let scale = Scale::logarithmic(us(least), us(most + 1));
    let columns = map.columns.iter().map(|column| {
        let (from, to) = (place.share(column.t_s), place.share(column.t_s.saturating_add(map.width_s)));
        json!({"t_s": column.t_s, "from": round(from), "to": round(to), "first": column.first, "counts": column.counts})
    });
    let buckets = (least..=most + 1).map(|bucket| json!({"us": us(bucket), "at": round(scale.share(us(bucket)))}));
    json!({
        "id": ID,
        "width_s": map.width_s,
        "least": least,
        "columns": columns.collect::<Vec<_>>(),
        "buckets": buckets.collect::<Vec<_>>(),
    })
}

/// The lowest and the highest bucket that something is in.
fn ends(map: &HeatMap) -> (Option<u64>, Option<u64>) {
    let least = map.columns.iter().map(|column| column.first).min();
    let most = map.columns.iter().map(|column| column.first + (column.counts.len() as u64).saturating_sub(1)).max();
    (least, most)
}

/// Fields by their colour: one path for each.
fn fields(map: &HeatMap, largest: u64, scale: &Scale, place: &Places) -> String {
    let mut paths: BTreeMap<u32, String> = BTreeMap::new();
    for column in &map.columns {
        let left = WIDTH * place.share(column.t_s);
        let wide = WIDTH * place.share(column.t_s.saturating_add(map.width_s)) - left;
        let counts: Vec<(u64, u64)> = (column.first..).zip(column.counts.iter().copied()).collect();
        // Neighbours of one colour are one field.
        let colour = |count: u64| (count > 0).then(|| level(count, largest));
        for run in counts.chunk_by(|(_, one), (_, other)| colour(*one) == colour(*other)) {
            let (Some((first, count)), Some((last, _))) = (run.first(), run.last()) else { continue };
            let Some(colour) = colour(*count) else { continue };
            let [bottom, top] = [*first, last + 1].map(|bucket| HEIGHT * (1.0 - scale.share(us(bucket))));
            *paths.entry(colour).or_default() += &format!("M{left:.1} {top:.1}h{wide:.1}V{bottom:.1}h-{wide:.1}z");
        }
    }
    paths.iter().map(|(level, path)| format!(r#"<path class="field h{level}" d="{path}"/>"#)).collect()
}

/// From 1 to [`LEVELS`], by the logarithm of the count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a few levels")]
fn level(count: u64, largest: u64) -> u32 {
    let share = libm::log1p(float(count - 1)) / libm::log1p(float(largest - 1)).max(f64::MIN_POSITIVE);
    (1 + (share * f64::from(LEVELS)) as u32).min(LEVELS)
}

fn us(bucket: u64) -> f64 {
    float(bucket_ns(bucket)) / 1_000.0
}

fn round(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_count_has_the_deepest_colour_and_one_the_palest() {
        for largest in [2, 3, 50, u64::MAX] {
            assert_eq!((level(1, largest), level(largest, largest)), (1, LEVELS), "{largest}");
        }
        assert_eq!(level(1, 1), 1);
        assert!(level(10, 100) > 2 && level(10, 100) < LEVELS);
    }
}
