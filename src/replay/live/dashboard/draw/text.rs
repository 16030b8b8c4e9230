//! The lines of the dashboard.

use ratatui::text::{Line, Span};
use replayer::result::Quantiles;
use replayer::run::Live;

use super::{NAME_COLUMNS, Role, View};
use crate::replay::live::Facts;
use crate::units;

const SECOND_NS: u64 = 1_000_000_000;
/// Of the plan: when so much less is sent, that is said.
const BEHIND_PERCENT: u64 = 95;

/// `reenact 3f2a… 3x → http://…`
pub(super) fn title(facts: &Facts) -> String {
    let factor = if facts.multiplier > 0.0 { format!("{}x  ", facts.multiplier) } else { String::new() };
    let target = formats::visible::line(&facts.target).into_owned();
    format!("reenact  {factor}to {target}  {} loop  run {}", facts.loop_model, facts.run_id)
}

/// What the run does.
pub(super) fn state(live: &Live) -> (Role, &'static str) {
    match live {
        Live { is_over: true, .. } => (Role::Good, "FINISHING"),
        Live { is_draining: true, .. } => (Role::Doubtful, "DRAINING"),
        Live { number: 0, .. } | Live { waiting_ns: 1.., .. } => (Role::Doubtful, "WAITING"),
        Live { is_paused: true, .. } => (Role::Doubtful, "PAUSED"),
        _ => (Role::Good, "RUNNING"),
    }
}

/// A bar, and what is left.
pub(super) fn progress<'a>(view: &View<'a>, columns: u16) -> Line<'a> {
    let live = view.live;
    let words = said(live);
    let (done, of) = match live.length_ns {
        0 => (live.totals.settled, live.planned),
        length => (live.elapsed_ns.min(length), length),
    };
    let columns = usize::from(columns);
    let width = columns.saturating_sub(words.chars().count() + 2);
    if width < 4 {
        return Line::from(Span::raw(words));
    }
    let share = u128::from(done) * width as u128 / u128::from(of.max(1));
    let full = usize::try_from(share).unwrap_or(width).min(width);
    Line::from(vec![
        view.span(Role::Good, "━".repeat(full)),
        view.span(Role::Remark, "─".repeat(width - full)),
        Span::raw(format!("  {words}")),
    ])
}

fn said(live: &Live) -> String {
    if live.number == 0 {
        return "begins".to_owned();
    }
    if live.waiting_ns > 0 {
        return format!("begins in {}", clock(live.waiting_ns.div_ceil(SECOND_NS)));
    }
    let (elapsed, length) = (live.elapsed_ns / SECOND_NS, live.length_ns.div_ceil(SECOND_NS));
    match live.length_ns {
        _ if live.is_over => "exporting what is left".to_owned(),
        _ if live.is_draining => "waiting for answers".to_owned(),
        0 => format!("{} of {}, {}", units::count(live.totals.settled), units::count(live.planned), clock(elapsed)),
        _ if live.is_paused => format!("{} of the plan to go", clock(length.saturating_sub(elapsed))),
        _ if elapsed >= length => "waiting for answers".to_owned(),
        _ => format!("{} of {}, {} to go", clock(elapsed), clock(length), clock(length - elapsed)),
    }
}

/// `1:02:03`, `2:03`
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// The figures, most important first.
pub(super) fn fact_lines<'a>(view: &View<'a>, columns: u16) -> Vec<Line<'a>> {
    let live = view.live;
    let (second, totals) = (&live.second, &live.totals);
    let is_behind = live.length_ns > 0 && !live.is_over && second.dispatched * 100 < second.planned * BEHIND_PERCENT;
    let count = units::count;
    let zero_is_good = |count: u64| if count > 0 { Role::Bad } else { Role::Value };
    let is_changed = live.number > 0 && (live.speed - 1.0).abs() > f64::EPSILON;
    let speed = if is_changed { format!("at {} times the plan's speed", live.speed) } else { String::new() };
    let mut lines = vec![
        line(
            view,
            "rate",
            vec![
                (if is_behind { Role::Doubtful } else { Role::Strong }, format!("{}/s", count(second.dispatched))),
                (
                    Role::Remark,
                    match live.length_ns {
                        0 => "as fast as the target takes it".to_owned(),
                        _ => format!("of {}/s planned", count(second.planned)),
                    },
                ),
                (Role::Doubtful, speed),
            ],
        ),
        line(
            view,
            "requests",
            vec![
                (Role::Strong, format!("{} sent", count(totals.sent))),
                (Role::Remark, format!("of {}", count(live.planned))),
                (Role::Value, format!("{} in flight", count(live.in_flight))),
                (Role::Value, format!("{} waiting", count(live.waiting))),
            ],
        ),
        line(
            view,
            "failed",
            vec![
                (zero_is_good(totals.failed()), count(totals.failed())),
                (zero_is_good(totals.all_shed()), format!("{} not sent", count(totals.all_shed()))),
                (Role::Value, statuses(live)),
            ],
        ),
        line(view, "response", quantiles(&live.response_us, columns)),
        line(view, "lag", quantiles(&live.lag_us, columns)),
    ];
    let spans = &live.spans;
    if spans.is_exporting || live.is_over {
        let lost = spans.rejected + spans.dropped;
        lines.push(line(
            view,
            "spans",
            vec![
                (Role::Value, format!("{} exported", count(spans.exported))),
                (zero_is_good(lost), format!("{} lost", count(lost))),
                (Role::Remark, format!("{} sampled out", count(spans.sampled_out))),
            ],
        ));
    }
    lines.push(line(
        view,
        "generator",
        vec![
            (Role::Value, format!("{:.2} CPUs", live.cpu)),
            (Role::Value, units::bytes(live.rss_bytes)),
            (Role::Value, format!("{} connections", count(live.connections))),
        ],
    ));
    lines
}

fn line<'a>(view: &View<'a>, name: &'static str, parts: Vec<(Role, String)>) -> Line<'a> {
    let name = view.span(Role::Name, format!("{name:<NAME_COLUMNS$}"));
    let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
    let parts = parts.map(|(role, text)| view.span(role, format!("{text}  ")));
    Line::from_iter(std::iter::once(name).chain(parts))
}

fn quantiles(of: &Quantiles, columns: u16) -> Vec<(Role, String)> {
    if of.count == 0 {
        return vec![(Role::Remark, "–".to_owned())];
    }
    let one = |name: &str, us: f64| format!("{name} {}", units::micros(us));
    let all = [
        (Role::Strong, one("p50", of.p50), 0),
        (Role::Value, one("p90", of.p90), 64),
        (Role::Strong, one("p99", of.p99), 0),
        (Role::Value, one("p99.9", of.p999), 78),
        (Role::Value, one("max", of.max), 52),
    ];
    all.into_iter().filter(|(.., from)| columns >= *from).map(|(role, text, _)| (role, text)).collect()
}

/// `2xx 1,200  5xx 3`
fn statuses(live: &Live) -> String {
    let mut classes = std::collections::BTreeMap::new();
    for (status, count) in &live.totals.status {
        *classes.entry(status / 100).or_insert(0) += count;
    }
    let each: Vec<String> = classes.iter().map(|(class, sum)| format!("{class}xx {}", units::count(*sum))).collect();
    each.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_on_a_clock() {
        assert_eq!([0, 59, 61, 3_600, 90_061].map(clock), ["0:00", "0:59", "1:01", "1:00:00", "25:01:01"]);
    }
}
