//! Interval logs of a run without a request log: what was counted by second, or over the whole run.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::ROWS;
use super::begun::Begun;
use crate::measure::{Counted, Distribution, LogReader, Measure, MeasureOptions};
use crate::result::add_to;
use crate::run_directory::{HISTOGRAMS, LATENCY};

/// Later seconds are in no run.
const SECOND_MAX: u64 = 366 * 24 * 3_600;

/// What the logs said.
pub(super) struct Read {
    pub(super) counted: Counted,
    /// Which of them said what became of requests; `None` where neither did.
    pub(super) from: Option<&'static str>,
    /// Whether there is anything by second.
    pub(super) has_seconds: bool,
}

/// Everything that the logs say.
pub(super) fn counted(directory: &Path, begun: &Begun) -> Read {
    let mut measure = Measure::new(MeasureOptions {
        endpoints: ROWS,
        timeout_ns: 0,
        steady: begun.steady(),
        loop_model: begun.loop_model(),
        limits: begun.result.verdict.limits,
    });
    for row in &begun.result.endpoints {
        measure.planned_endpoint(row.index, row.planned, &Distribution::new());
    }
    let mut counted = measure.finish();
    let has_seconds = by_second(directory, &mut counted);
    let over_all = over_all(directory, begun.has_order, &mut counted);
    for tally in [&mut counted.whole, &mut counted.steady] {
        tally.dispatched = tally.waited.lag.count();
        tally.settled = tally.times.response.count();
    }
    let lags = &counted.whole.waited.lag;
    let later = |limit_ns| lags.recorded().filter(|(lag, _)| *lag > limit_ns).map(|(_, times)| u64::from(times)).sum();
    (counted.late.strained, counted.late.invalid) =
        (later(counted.limits.strained_ns), later(counted.limits.invalid_ns));
    let steady = begun.steady();
    let end_ns = steady.to_ns.min(begun.ends_ns.unwrap_or(counted.last.done));
    counted.steady_ns = (steady.from_ns.min(end_ns), end_ns);
    let from = if over_all { Some(HISTOGRAMS) } else { has_seconds.then_some(LATENCY) };
    Read { counted, from, has_seconds }
}

/// Reads the recording's response times, if they are there; of endpoints only where their order is known.
pub(super) fn recorded(directory: &Path, has_order: bool, counted: &mut Counted) -> bool {
    let mut found = false;
    each(directory, HISTOGRAMS, |tag, _, one| {
        if !tag.starts_with("plan/") {
            return;
        }
        if !has_order {
            if let Some(unnamed) = counted.planned.last_mut() {
                unnamed.recorded.add(one);
                found = true;
            }
        } else if let Some(place) = counted.histogram(tag)
            && place.count() == 0
        {
            place.add(one);
            found = true;
        }
    });
    found
}

fn by_second(directory: &Path, counted: &mut Counted) -> bool {
    let mut found = false;
    each(directory, LATENCY, |tag, second, one| {
        if second > SECOND_MAX {
            return;
        }
        let end_ns = (second + 1) * 1_000_000_000;
        let row = counted.timeline.row(second);
        match tag {
            "response" => {
                counted.whole.times.response.add(one);
                row.response_us = row.response_us.largest(&one.quantiles());
                counted.last.done = counted.last.done.max(end_ns);
            }
            "service" => counted.whole.times.service.add(one),
            "lag" => {
                counted.whole.waited.lag.add(one);
                row.lag_us = row.lag_us.largest(&one.quantiles());
                add_to(&mut row.sent, one.count());
                counted.last.dispatched = counted.last.dispatched.max(end_ns);
            }
            _ => return,
        }
        found = true;
    });
    found
}

/// What stands in `histograms.hlog` is whole; what was read by second then is part of it.
fn over_all(directory: &Path, has_order: bool, counted: &mut Counted) -> bool {
    let mut found = false;
    each(directory, HISTOGRAMS, |tag, _, one| {
        let is_known = has_order || !tag.contains("/endpoint/");
        if !tag.starts_with("plan/")
            && is_known
            && let Some(place) = counted.histogram(tag)
        {
            *place = one.clone();
            found = true;
        }
    });
    found
}

/// Every line up to the first that cannot be read.
fn each(directory: &Path, name: &str, mut take: impl FnMut(&str, u64, &Distribution)) {
    let Ok(file) = File::open(directory.join(name)) else { return };
    for line in LogReader::new(BufReader::new(file)).map_while(Result::ok) {
        take(&line.tag, line.start_s, &line.distribution);
    }
}
