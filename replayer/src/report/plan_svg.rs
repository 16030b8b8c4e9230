//! A plan as one picture: its rate beside the recording's, and how bursty both are at every scale. A file of its own, which
//! any browser and any image viewer opens; nothing is fetched and nothing runs in it.

use super::scale::{Scale, second_marks};
use super::text::{escape, float, rate, round_number, span};
use super::timeline::POINTS_MAX;
use crate::shape::{ShapeCheck, ShapeRow, TAUS_NS, Verdict};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 852.0;
/// Where the plots begin and end.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 936.0;
const RATE: Plot = Plot { top: 132.0, height: 190.0 };
const CURVES: Plot = Plot { top: 432.0, height: 230.0 };
/// The first line of the verdicts, and their distance.
const VERDICTS: (f64, f64) = (736.0, 24.0);
/// Target and plan stand this far left and right of their scale, so that neither's error bar hides the other's.
const APART: f64 = 5.0;
/// An axis of dispersions spans at least the square of this factor, so that small differences look small.
const SPREAD_MIN: f64 = 8.0;

/// The colours are those of the report (`page.css`); each line has its own dashes, too, and each verdict its mark.
const STYLE: &str = "
svg { --paper: #fff; --ink: #1b2430; --soft: #566173; --grid: #e9ecf0; --recording: #7b8695; --area: #dfe4ea; --target: #b45309; --plan: #1660c9; --kept: #0b7d72; --bad: #b42318 }
@media (prefers-color-scheme: dark) { svg { --paper: #11161c; --ink: #e5eaf0; --soft: #9dabbb; --grid: #232c36; --recording: #8996a5; --area: #27313c; --target: #f5a85a; --plan: #6cb0ff; --kept: #4fd1bd; --bad: #ff8f85 } }
text { font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; fill: var(--soft) }
.paper { fill: var(--paper) } .title { font-size: 20px; font-weight: 600; fill: var(--ink) } .head { font-size: 15px; font-weight: 600; fill: var(--ink) } .said { font-size: 13px; fill: var(--ink) }
.end { text-anchor: end } .mid { text-anchor: middle } .grid { stroke: var(--grid) } .area { fill: var(--area) }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round }
.recording { stroke: var(--recording); stroke-dasharray: 1 4; stroke-width: 2 } .rate.recording { stroke-dasharray: none; stroke-width: 1.25 }
.target { stroke: var(--target); stroke-dasharray: 6 4 } .plan { stroke: var(--plan) } .bar { stroke-dasharray: none; stroke-width: 1.25 } .dot { fill: var(--paper) }
.kept { fill: var(--kept) } .not_kept, .unknown { fill: var(--bad) } .mark { font-weight: 700; font-size: 14px }
";

/// A plot's place in the picture; its width is from [`LEFT`] to [`RIGHT`].
struct Plot {
    top: f64,
    height: f64,
}

impl Plot {
    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn y(&self, scale: &Scale, value: f64) -> f64 {
        self.top + self.height * (1.0 - scale.share(value))
    }

    fn grid(&self, scale: &Scale) -> String {
        let line = |mark: f64| {
            let (y, label) = (self.y(scale, mark), round_number(mark));
            let text = text(LEFT - 8.0, y + 4.0, "end", &label);
            format!(r#"<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}"/>{text}"#)
        };
        scale.marks().into_iter().map(line).collect()
    }
}

/// The picture of a plan: above, the requests a second of recording and plan, whose counts in buckets of `bucket_ns` from
/// time 0 are given (the last bucket counts as a whole one); below, the dispersion of `check` at each of [`TAUS_NS`] with
/// bars of two standard errors, and the verdicts in words. Over 600 buckets are merged. Its size does not depend on the input.
#[must_use]
pub fn plan_svg(rate_recording: &[u64], rate_plan: &[u64], bucket_ns: u64, check: &ShapeCheck) -> String {
    let words = escape(&check.words());
    let mean = check.mean_rate.map_or(String::new(), |ratio| format!("mean rate {ratio:.3} of what was asked for; "));
    [
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="t d"><title id="t">Recording and plan</title><desc id="d">Rate and dispersion of a recording and its plan. Shape: {words}.</desc><style>{STYLE}</style><rect class="paper" width="100%" height="100%"/>"#
        ),
        text(24.0, 36.0, "title", "Recording and plan"),
        text(24.0, 60.0, "said", &format!("{mean}shape {words}")),
        rates(rate_recording, rate_plan, bucket_ns),
        curves(check),
        verdicts(check),
        "</svg>\n".to_owned(),
    ]
    .concat()
}

/// Requests a second over time.
fn rates(recording: &[u64], plan: &[u64], bucket_ns: u64) -> String {
    let buckets = recording.len().max(plan.len()) as u64;
    let merged = buckets.div_ceil(POINTS_MAX).max(1);
    let bucket_s = float(bucket_ns) / 1e9;
    let title = text(24.0, 96.0, "head", "Requests a second");
    if buckets == 0 || bucket_ns == 0 {
        return title + &text(LEFT, RATE.top + 20.0, "", "Nothing to draw.");
    }
    let lines =
        [("recording", recording), ("plan", plan)].map(|(name, counts)| (name, points(counts, merged, bucket_s)));
    let values = lines.iter().flat_map(|(_, points)| points.iter().map(|(_, _, per_s)| *per_s));
    let scale = Scale::of(values, false);
    let whole_s = float(buckets) * bucket_s;
    let x = |at_s: f64| LEFT + (RIGHT - LEFT) * (at_s / whole_s);
    let outline = |points: &[(f64, f64, f64)]| {
        let step = |(from_s, to_s, per_s): &(f64, f64, f64)| {
            format!("L{:.1} {:.1}H{:.1}", x(*from_s), RATE.y(&scale, *per_s), x(*to_s))
        };
        points.iter().map(step).collect::<String>().replacen('L', "M", 1)
    };
    let drawn: String = lines
        .iter()
        .filter(|(_, points)| !points.is_empty())
        .map(|(name, points)| {
            let path = outline(points);
            let end = points.last().map_or(LEFT, |(_, to_s, _)| x(*to_s));
            let bottom = RATE.bottom();
            // The recording is an area, since in traffic that only grew the two lines look the same.
            let area = if *name == "recording" {
                format!(r#"<path class="area" d="{path}L{end:.1} {bottom:.1}H{LEFT:.1}Z"/>"#)
            } else {
                String::new()
            };
            format!(r#"{area}<path class="line rate {name}" d="{path}"/>"#)
        })
        .collect();
    let whole = bucket_ns.saturating_mul(buckets) / 1_000_000_000;
    let mark = |at_s: u64| text(x(float(at_s)), RATE.bottom() + 20.0, "mid", &span(at_s));
    let seconds: String = second_marks(0, whole).into_iter().map(mark).collect();
    let each = if merged > 1 { format!("each step is the mean of {merged} buckets") } else { String::new() };
    [
        title,
        legend(&[("rate recording", "recording"), ("rate plan", "plan")], 96.0),
        RATE.grid(&scale),
        drawn,
        seconds,
        text(RIGHT, RATE.top - 12.0, "end", &each),
    ]
    .concat()
}

/// From when to when, in seconds, there were how many requests a second.
fn points(counts: &[u64], merged: u64, bucket_s: f64) -> Vec<(f64, f64, f64)> {
    let size = usize::try_from(merged).unwrap_or(usize::MAX);
    let mut from_s = 0.0;
    let mut point = |some: &[u64]| {
        let width_s = some.len() as f64 * bucket_s;
        let start_s = from_s;
        from_s += width_s;
        (start_s, from_s, some.iter().map(|count| float(*count)).sum::<f64>() / width_s)
    };
    counts.chunks(size.max(1)).map(&mut point).collect()
}

/// One curve over the scales: what it is called, and its value and standard error in a row.
struct Curve {
    class: &'static str,
    name: &'static str,
    apart: f64,
    of: fn(&ShapeRow) -> Option<(f64, f64)>,
}

const THREE: [Curve; 3] = [
    Curve { class: "recording", name: "recording", apart: 0.0, of: |row| Some((row.recording?, 0.0)) },
    Curve {
        class: "target",
        name: "target of the plan, ±2 standard errors",
        apart: -APART,
        of: |row| Some((row.target?, row.target_error.unwrap_or(0.0))),
    },
    Curve {
        class: "plan",
        name: "plan, ±2 standard errors",
        apart: APART,
        of: |row| Some((row.plan?, row.plan_error.unwrap_or(0.0))),
    },
];

/// Index of dispersion of counts over the width of the windows, both logarithmic.
fn curves(check: &ShapeCheck) -> String {
    let title = text(24.0, 382.0, "head", "Dispersion of counts, Var N / E N, by the width of the windows");
    let of_row = |row| THREE.iter().filter_map(move |curve| (curve.of)(row));
    let ends = |(value, error): (f64, f64)| [value, value + 2.0 * error];
    let values: Vec<f64> =
        check.rows.iter().flat_map(of_row).flat_map(ends).filter(|value| value.is_finite() && *value > 0.0).collect();
    let (Some(least), Some(most)) = (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max))
    else {
        return title + &text(LEFT, CURVES.top + 20.0, "", "Nothing to draw: no window to count in.");
    };
    let middle = (least * most).sqrt();
    let scale = Scale::of(values.into_iter().chain([middle / SPREAD_MIN, middle * SPREAD_MIN]), true);
    let drawn: String = THREE.iter().map(|curve| draw(curve, check, &scale)).collect();
    let labels: String = check
        .rows
        .iter()
        .map(|row| {
            let (x, bottom) = (tau_x(row.tau_ns), CURVES.bottom());
            let (tick, label) = (bottom + 20.0, text(x, bottom + 20.0, "mid", &tau(row.tau_ns)));
            let class = format!("mid mark {}", row.verdict.name());
            label + &text(x, tick + 18.0, &class, mark(&row.verdict))
        })
        .collect();
    let entries = THREE.map(|curve| (curve.class, curve.name));
    [title, legend(&entries, 408.0), CURVES.grid(&scale), labels, drawn].concat()
}

/// Bars first, so that the line and its dots lie above them.
fn draw(curve: &Curve, check: &ShapeCheck, scale: &Scale) -> String {
    let class = curve.class;
    let (mut bars, mut path, mut dots) = (String::new(), String::new(), String::new());
    for row in &check.rows {
        // A value that has no place on a logarithmic axis leaves a hole.
        let Some((value, error)) = (curve.of)(row).filter(|(value, _)| *value > 0.0) else { continue };
        let (x, y) = (tau_x(row.tau_ns) + curve.apart, CURVES.y(scale, value));
        if error > 0.0 {
            let (low, high) = (CURVES.y(scale, value - 2.0 * error), CURVES.y(scale, value + 2.0 * error));
            let (left, right) = (x - 3.0, x + 3.0);
            bars += &format!(
                r#"<path class="line bar {class}" d="M{x:.1} {low:.1}V{high:.1}M{left:.1} {low:.1}H{right:.1}M{left:.1} {high:.1}H{right:.1}"/>"#
            );
        }
        path += &format!("{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
        dots += &format!(r#"<circle class="line bar dot {class}" cx="{x:.1}" cy="{y:.1}" r="3"/>"#);
    }
    if path.is_empty() { path } else { format!(r#"{bars}<path class="line {class}" d="{path}"/>{dots}"#) }
}

/// What the check says of each scale.
fn verdicts(check: &ShapeCheck) -> String {
    let row = |(number, row): (f64, &ShapeRow)| {
        let y = VERDICTS.0 + VERDICTS.1 * number;
        let class = format!("mid mark {}", row.verdict.name());
        [
            text(LEFT - 14.0, y, "end", &tau(row.tau_ns)),
            text(LEFT, y, &class, mark(&row.verdict)),
            text(LEFT + 16.0, y, "said", &escape(&row.words())),
        ]
        .concat()
    };
    let rows: String = [0.0, 1.0, 2.0, 3.0, 4.0].into_iter().zip(&check.rows).map(row).collect();
    let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
    let rate = format!(
        "{} requests recorded, {} planned; correlation of the rates {} in windows of 10 s, {} of 60 s",
        rate(float(check.recorded)),
        rate(float(check.planned)),
        shown(check.rate_correlation_10s),
        shown(check.rate_correlation_60s),
    );
    rows + &text(RIGHT, 36.0, "end", &rate)
}

/// A sign for each verdict, for those who cannot tell its colour.
fn mark(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Kept => "✓",
        Verdict::NotKept => "✗",
        Verdict::CannotTell(_) => "○",
        Verdict::Unknown(_) => "?",
    }
}

/// The scales from end to end, logarithmically, with room for what stands beside them.
fn tau_x(tau_ns: u64) -> f64 {
    let [least, .., most] = TAUS_NS.map(|tau_ns| libm::log(float(tau_ns)));
    let share = (libm::log(float(tau_ns.max(1))) - least) / (most - least);
    LEFT + 40.0 + (RIGHT - LEFT - 80.0) * share
}

/// `10 ms`, `60 s`.
fn tau(tau_ns: u64) -> String {
    match tau_ns / 1_000_000 {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms => format!("{} s", ms / 1_000),
    }
}

/// The names of lines, one after the other from the right end.
fn legend(entries: &[(&str, &str)], y: f64) -> String {
    let mut right = RIGHT;
    let mut drawn = String::new();
    for (class, name) in entries.iter().rev() {
        // Texts have no measure here: about the width of a letter at 12 px.
        let start = right - 6.4 * name.chars().count() as f64;
        let (from, to, line) = (start - 38.0, start - 8.0, y - 4.0);
        drawn += &format!(r#"<path class="line {class}" d="M{from:.1} {line:.1}H{to:.1}"/>"#);
        drawn += &text(start, y, "", name);
        right = from - 24.0;
    }
    drawn
}

/// A text whose content is harmless.
fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    format!(r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{content}</text>"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{ShapeCounter, ShapeFacts};

    /// A picture of a recording of `duration_s`, whose seconds differ, and of a plan of twice that.
    fn picture(duration_s: u64, bucket_ns: u64) -> (String, ShapeCheck) {
        let facts =
            ShapeFacts { factor: 2.0, obstacle: None, endpoints_recorded: Vec::new(), endpoints_planned: Vec::new() };
        let mut counter = ShapeCounter::new(duration_s * 1_000_000_000, 10);
        let (mut recorded, mut planned) = (Vec::new(), Vec::new());
        for second in 0..duration_s {
            let busy = 5 + second * second % 11;
            (0..10).for_each(|client| counter.is_user(client));
            (0..busy).for_each(|at| counter.recorded(at as u32 % 10, (second * 100 + at * 9) * 10_000_000));
            (0..2 * busy).for_each(|at| counter.planned((second * 100 + at * 4) * 10_000_000));
            recorded.push(busy);
            planned.push(2 * busy);
        }
        let check = counter.finish(&facts);
        (plan_svg(&recorded, &planned, bucket_ns, &check), check)
    }

    #[test]
    fn every_verdict_is_in_the_picture() {
        let (svg, check) = picture(700, 1_000_000_000);
        for row in &check.rows {
            assert!(svg.contains(&escape(&row.words())), "{} is missing", row.words());
            assert!(svg.contains(&format!(">{}</text>", tau(row.tau_ns))));
        }
        assert!(svg.contains(&format!("shape {}</text>", check.words())));
        assert!(svg.contains("each step is the mean of 2 buckets"));
        // Dots: three curves over the scales that have a number. Bars: target and plan.
        let (dots, bars) = (svg.matches("<circle").count(), svg.matches(r#"class="line bar "#).count());
        assert_eq!(
            dots,
            check
                .rows
                .iter()
                .map(|row| THREE.iter().filter_map(|curve| (curve.of)(row)).filter(|of| of.0 > 0.0).count())
                .sum::<usize>()
        );
        assert!(dots >= 9 && bars > dots, "{dots} dots, {bars} with bars");
    }

    #[test]
    fn whatever_is_drawn_is_a_number_and_bounded() {
        for (duration_s, bucket_ns) in
            [(0, 0), (0, 1), (1, 0), (1, 1), (3, 1_000_000_000), (5, u64::MAX), (30_000, 1_000_000_000)]
        {
            let (svg, _) = picture(duration_s, bucket_ns);
            assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf "), "{duration_s}: {svg}");
            assert!(svg.len() < 64 * 1024, "{} bytes", svg.len());
            assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
            assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        }
    }
}
