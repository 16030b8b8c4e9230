//! The result of a run that is over: what was known before it, what was counted, and what a reader must know first.

use std::sync::Arc;
use std::time::SystemTime;

use super::changed::said_of;
use super::count::Ended;
use crate::dial::DialCounters;
use crate::feed::AHEAD_REQUESTS_MAX;
use crate::health::Preflight;
use crate::job::RunFacts;
use crate::measure::LoopModel;
use crate::result::{Connections, RunResult, SCHEMA, Spans};
use crate::send::{Counters, Stop};
use crate::spans::SpanSink;
use crate::tempo::Change;
use crate::thresholds::{self, Applied};
use crate::{verdict, watched};

/// Answers that must be there before it is said that the target turns the replay away.
const TURNED_AWAY_MIN: u64 = 10;

/// What is known of a run before it begins.
pub(super) struct Known {
    pub(super) result: RunResult,
    pub(super) facts: Arc<RunFacts>,
    pub(super) loop_model: LoopModel,
    pub(super) preflight: Preflight,
    pub(super) watched: Vec<watched::Watched>,
    pub(super) thresholds: Vec<Applied>,
}

/// What became of the spans, which is known last: the span of the run says what the run came to.
pub(super) fn add_spans(result: &mut RunResult, mut spans: Spans, counters: &Counters) {
    let lost = counters.spans_lost.load(std::sync::atomic::Ordering::Relaxed);
    if lost > 0 {
        spans.dropped.insert("outcome_lost".into(), lost);
    }
    let said = spans.messages.iter();
    result.notices.extend(said.map(|(said, answers)| format!("where spans go, {answers} answers said: {said}")));
    result.spans = spans;
}

/// The result, but for what becomes of the spans; and whoever has these.
pub(super) fn complete(
    known: Known,
    ended: Ended,
    counters: &Counters,
    dials: &[Arc<DialCounters>],
    started: SystemTime,
    stop: &Stop,
    changes: Vec<Change>,
) -> (RunResult, SpanSink) {
    use std::sync::atomic::Ordering::Relaxed;
    let Known { result: known, facts, loop_model, preflight, watched, thresholds } = known;
    let Ended { counted, spans, services, answers, mut generator, seen, aborted, unwritten, .. } = ended;
    let mut notices = known.notices.clone();
    notices.extend(said_of(&changes));
    notices.extend(aborted.iter().cloned());
    generator.real_time_threads = counters.real_time_threads.load(Relaxed);
    generator.gave_way = counters.gave_way.load(Relaxed);
    generator.made_room = counters.made_room.load(Relaxed);
    let (away, of) = (counted.turned_away, counted.recorded_2xx);
    if away >= TURNED_AWAY_MIN.min(of.max(1)) && away * 2 > of {
        notices.insert(
            0,
            format!("the target turned the replay away: {away} of {of} requests that were answered 2xx in the recording got 401, 403, 407 or a redirect to a login; the load did not reach what it was recorded on"),
        );
    }
    let lost = counters.outcomes_lost.load(Relaxed);
    if lost > 0 {
        notices.push(format!("{lost} outcomes could not be counted: this machine was too slow for its own results"));
    }
    let stalled = counters.feed_stalled_ns.load(Relaxed);
    if stalled > 0 {
        notices.push(format!(
            "the feed waited {} ms because as many requests as may wait were waiting",
            stalled / 1_000_000
        ));
    }
    let late = counters.came_late.load(Relaxed);
    if late > 0 {
        notices.push(format!(
            "{late} requests were made ready over 10 ms after they could have left: in closed loop at most {AHEAD_REQUESTS_MAX} are made ready ahead, in the order of the plan"
        ));
    }
    if let Some(kept) = &answers {
        let lost = kept.lost;
        match &kept.failure {
            Some(failure) => notices.push(format!("{lost} answers were not kept: {failure}")),
            None if lost > 0 => {
                notices.push(format!("{lost} answers were not kept: they came faster than they could be written"));
            }
            None => {}
        }
    }
    let left_out = counters.bodies_left_out.load(Relaxed);
    if left_out > 0 {
        notices.push(format!("{left_out} answers were kept without their bodies, for want of memory"));
    }
    for (count, what) in dials.iter().flat_map(|dial| {
        [
            (dial.lookups_failed(), "lookups of targets' names failed, and the addresses before them went on"),
            (dial.addresses_refused(), "addresses that targets' names led to were refused, since they are not allowed"),
        ]
    }) {
        if count > 0 {
            notices.push(format!("{count} {what}"));
        }
    }
    for one in watched.iter().filter(|one| one.missed > 0) {
        let why = one.why.as_deref().unwrap_or_default();
        notices.push(format!(
            "{} could not be seen {} times of {}: {why}",
            one.source,
            one.missed,
            one.looks + one.missed
        ));
    }
    notices.extend(preflight.notices);
    generator.timer_noise = Some(preflight.noise);
    let mut result = RunResult {
        schema: SCHEMA,
        run_id: facts.contexts.run_id().to_owned(),
        target: facts.targets.first().map(|target| target.given.clone()).unwrap_or_default(),
        started_at: humantime::format_rfc3339_millis(started).to_string(),
        multiplier: facts.multiplier,
        loop_model: loop_model.name().to_owned(),
        interrupted: stop.is_draining() && aborted.is_none(),
        aborted,
        changes,
        notices,
        connections: Connections {
            opened: counters.opened.load(Relaxed),
            extra: counters.extra.load(Relaxed),
            not_ahead: counters.not_ahead.load(Relaxed),
            closed_by_target: counters.closed_by_target.load(Relaxed),
            resumed: dials.iter().map(|dial| dial.resumed()).sum(),
            peak: counters.peak.load(Relaxed),
        },
        services,
        answers,
        generator,
        watched,
        ..known
    };
    unwritten.into_iter().for_each(|(file, why)| result.lacks(file, why));
    counted.fill(&facts.endpoints, &mut result);
    result.verdict = verdict::judge(&result);
    result.thresholds = thresholds::judge(&thresholds, &counted, Some(&seen));
    (result, spans)
}
