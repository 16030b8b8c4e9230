//! The facts of a session for a person. Nothing is counted here.

use formats::session::Session;
use formats::summary::{GapRow, Histogram, Ranking, Summary, TAUS_NS};
use formats::visible;

use super::json::seconds;
use super::made::made;
use super::{Contents, Endpoints, QUANTILES, tables};
use crate::read::{missing_text, missing_when};
use crate::terminal::{self, Paint, Role};
use crate::units;

/// Columns that the names of lines take, with the two before them.
const NAME: usize = 18;
/// Most columns of the rate's picture.
const PICTURE_MAX: usize = 100;
/// Hosts, tunnels and health checks that a person is shown.
const KINDS_SHOWN: usize = 5;
/// The names of [`TAUS_NS`].
const WINDOWS: [&str; TAUS_NS.len()] = ["100 ms", "1 s", "10 s"];

pub(super) struct Lines {
    out: String,
    wraps_at: usize,
    paint: Paint,
}

impl Lines {
    pub(super) fn line(&mut self, name: &str, value: &str) {
        self.coloured(name, None, value);
    }

    fn coloured(&mut self, name: &str, role: Option<Role>, value: &str) {
        let value = visible::line(value);
        let mut name = name;
        for part in terminal::wrapped(&value, self.wraps_at.saturating_sub(NAME)) {
            let part = role.map_or_else(|| part.to_owned(), |role| self.paint.text(role, part));
            self.out += &format!("  {}{part}\n", self.paint.text(Role::Name, &format!("{name:<16}")));
            name = "";
        }
    }
}

pub(super) fn report(
    contents: &Contents,
    endpoints: &Endpoints,
    session: &Session,
    columns: usize,
    paint: Paint,
) -> String {
    let path = session.path().display().to_string();
    let title = format!("session  {}\n", visible::line(&path));
    let mut lines =
        Lines { out: paint.text(Role::Heading, title.trim_end()) + "\n", wraps_at: terminal::wraps_at(columns), paint };
    let summary = &contents.summary;
    made(session, &mut lines);
    amounts(contents, &mut lines);
    traffic(summary, &mut lines);
    doubts(contents, &mut lines);
    rate(summary, session.header().started_unix_ns, columns, &mut lines);
    gaps(summary, session.header().started_unix_ns, &mut lines);
    unchecked(contents, &mut lines);
    lines.out + &tables::endpoints(endpoints, summary.exchanges, columns, paint)
}

fn amounts(contents: &Contents, lines: &mut Lines) {
    let summary = &contents.summary;
    let (exchanges, span_s) = (summary.exchanges, seconds(summary.duration_ns()));
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = exchanges as f64 / span_s.max(1e-9);
    let rate = if exchanges > 1 && span_s > 0.0 { format!(", {rate:.1} requests/s") } else { String::new() };
    lines.line("exchanges", &format!("{} in {}{rate}", units::count(exchanges), units::seconds(span_s)));
    let about = if summary.connections.is_exact() { "" } else { "about " };
    let (clients, connections) = (contents.clients.count() as u64, summary.connections.len());
    lines.line("clients", &format!("{} on {about}{} connections", units::count(clients), units::count(connections)));
    let mut bodies = format!(
        "{} of requests, {} of responses",
        units::bytes(summary.request_bytes),
        units::bytes(summary.response_bytes)
    );
    for (count, what) in
        [(summary.truncated, "truncated"), (summary.redacted, "redacted"), (summary.in_pieces, "in pieces")]
    {
        if count > 0 {
            bodies += &format!("; {} {what}", units::count(count));
        }
    }
    lines.line("bodies", &bodies);
    let sizes = |histogram: &Histogram| {
        let at = |part| histogram.quantile(part, 100).map_or_else(|| "–".to_owned(), units::bytes);
        format!("p50 {} p99 {}", at(50), at(99))
    };
    if exchanges > 0 {
        let (requests, responses) = (sizes(&summary.request_size), sizes(&summary.response_size));
        lines.line("sizes", &format!("requests {requests}, responses {responses}"));
    }
}

fn traffic(summary: &Summary, lines: &mut Lines) {
    let numbered = |(name, count): (String, u64)| format!("{name}: {}", units::count(count));
    let join = |counts: Vec<(String, u64)>| match counts.is_empty() {
        true => "–".to_owned(),
        false => counts.into_iter().map(numbered).collect::<Vec<_>>().join("  "),
    };
    let owned = |(name, count): (&String, &u64)| (name.clone(), *count);
    lines.line("methods", &join(summary.methods.iter().map(owned).collect()));
    let mut status: Vec<_> = summary.status.iter().map(|(status, count)| (status.to_string(), *count)).collect();
    if summary.unanswered > 0 {
        status.push(("none".to_owned(), summary.unanswered));
    }
    lines.line("status", &join(status));
    lines.line("ended", &join(summary.ends.iter().map(|(end, count)| (end.name().to_owned(), *count)).collect()));
    for (name, counts) in [("hosts", kinds(&summary.hosts)), ("tunnels", kinds(&summary.tunnels))] {
        if !counts.is_empty() {
            lines.line(name, &join(counts));
        }
    }
    if !summary.response_ns.is_empty() {
        let at = |(part, name)| format!("{name} {}", time(summary.response_ns.quantile(part, 1_000)));
        let quantiles = QUANTILES.map(at).join("  ");
        lines.line("response time", &format!("{quantiles}  max {}", time(Some(summary.response_ns.max))));
    }
    let told = WINDOWS.iter().zip(summary.dispersion());
    let told: Vec<_> =
        told.filter_map(|(window, index)| index.map(|index| format!("{index:.2} at {window}"))).collect();
    if !told.is_empty() {
        lines.line("burstiness", &format!("{} (1 is a Poisson process)", told.join(", ")));
    }
}

/// The most frequent ones, and the rest as one.
fn kinds<const MAX: usize>(ranking: &Ranking<u64, MAX>) -> Vec<(String, u64)> {
    let rows = ranking.largest(|count| *count);
    let shown = rows.iter().take(KINDS_SHOWN).map(|(name, count)| ((*name).to_owned(), **count));
    let rest = rows.iter().skip(KINDS_SHOWN).fold(ranking.other, |sum, (_, count)| sum.saturating_add(**count));
    shown.chain((rest > 0).then(|| ("others".to_owned(), rest))).collect()
}

/// What is less sure, or not users' traffic.
fn doubts(contents: &Contents, lines: &mut Lines) {
    let summary = &contents.summary;
    if !summary.ambiguous.is_empty() {
        let kinds = summary.ambiguous.iter().map(|(kind, count)| format!("{}: {}", kind.name(), units::count(*count)));
        lines.coloured("ambiguous", Some(Role::Doubtful), &kinds.collect::<Vec<_>>().join("  "));
    }
    if summary.resynchronised > 0 {
        lines.coloured("resynchronised", Some(Role::Doubtful), &units::plural(summary.resynchronised, "exchange"));
    }
    if summary.replayed > 0 {
        lines.line("replayed", &format!("{} are answers to a replay", units::count(summary.replayed)));
    }
    if let Some(pools) = contents.clients.pools_text(summary.duration_ns()) {
        lines.coloured("pools", Some(Role::Doubtful), &pools);
    }
    let checks = summary.health_checks.largest(|count| *count);
    if let Some((first, _)) = checks.first() {
        let counts: Vec<_> =
            checks.iter().take(3).map(|(line, count)| format!("{line}: {}", units::count(**count))).collect();
        lines.line("health checks", &format!("{}; `record --exclude '{first}'` leaves them out", counts.join("  ")));
    }
}

fn rate(summary: &Summary, started_unix_ns: u64, columns: usize, lines: &mut Lines) {
    let room = columns.saturating_sub(NAME + 2).clamp(10, PICTURE_MAX);
    let (width_ns, counts) = summary.rate.columns(room);
    let Some(peak) = counts.iter().max() else { return lines.line("rate", "–") };
    let picture = units::sparkline(&counts);
    lines.out += &format!("  {}▕{picture}▏\n", lines.paint.text(Role::Name, &format!("{:<16}", "rate")));
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let peak = *peak as f64 / seconds(width_ns);
    let (first, last) = (summary.first_ns.unwrap_or(0), summary.last_ns.unwrap_or(0));
    let span = format!("{} to {}", clock(started_unix_ns, first), clock(started_unix_ns, last));
    lines.line("", &format!("{span}, {} a column, at most {peak:.1} requests/s", time(Some(width_ns))));
}

fn gaps(summary: &Summary, started_unix_ns: u64, lines: &mut Lines) {
    if summary.gaps.is_empty() {
        lines.coloured("gaps", Some(Role::Good), "none");
    }
    for (reason, row) in &summary.gaps {
        let GapRow { gaps, connections, exchanges, bytes, from_ns, to_ns } = row;
        let when = missing_when(*reason, *from_ns, *to_ns, |at_ns| clock(started_unix_ns, at_ns));
        let text = format!(
            "{}: {}, {when}: {}",
            reason.name(),
            units::plural(*gaps, "gap"),
            missing_text(*reason, *connections, *exchanges, *bytes)
        );
        lines.coloured("gap", Some(Role::Bad), &text);
    }
}

/// Of which parts of the files nothing was read.
fn unchecked(contents: &Contents, lines: &mut Lines) {
    if contents.told > 0 {
        let told = units::plural(contents.told, "segment");
        lines.line("not checked", &format!("the blocks of {told} (verify checks them)"));
    }
}

pub(super) fn time(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "–".to_owned(), units::nanos_text)
}

/// An instant of a session as the time of day, or as time since its start where that is not known.
fn clock(started_unix_ns: u64, at_ns: u64) -> String {
    match started_unix_ns.checked_add(at_ns).filter(|_| started_unix_ns > 0) {
        Some(unix_ns) => units::time_of_day(unix_ns),
        None => format!("+{}", units::nanos_text(at_ns)),
    }
}
