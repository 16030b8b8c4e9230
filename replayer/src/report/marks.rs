//! What happened when: marks on the charts over time, and the same in words for those who do not see them.

use super::text::{float, rate, round_number};
use super::timeline::Timeline;
use crate::result::RunResult;
use crate::tempo::{Change, ChangeKind, FACTORS};

/// Changes of the plan that are marked; `run.json` has all.
const CHANGES_MAX: usize = 60;
/// Marks that the words name.
const SAID_MAX: usize = 20;
/// What a label takes of the width of a plot on the narrowest screen: 6 of 270 pixels a character, and the way to the next.
const CHARACTER_SHARE: f64 = 6.0 / 270.0;
const MARGIN_SHARE: f64 = 10.0 / 270.0;

/// One mark.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub(super) at_s: f64,
    /// Harmless text of a few words.
    pub(super) what: String,
    /// Whether its label stands there even over others.
    is_main: bool,
}

/// Ends of the steady window, the first failure or else the first unlike status, where a run was stopped, and how its plan
/// was changed; and how many more changes there were.
pub(super) fn of(result: &RunResult) -> (Vec<Mark>, usize) {
    let seconds = |nanos: u64| float(nanos) / 1e9;
    let steady = &result.steady;
    let mut marks = Vec::new();
    let mut main =
        |at_ns: u64, what: &str| marks.push(Mark { at_s: seconds(at_ns), what: what.to_owned(), is_main: true });
    if steady.from_ns > 0 {
        main(steady.from_ns, "warm-up ends");
    }
    if steady.to_ns > steady.from_ns && steady.to_ns <= result.last_ns.placed_ns() {
        main(steady.to_ns, "drain begins");
    }
    // A status that the recording has not is no failure of its request: nothing else on the page calls it one.
    let first = result
        .error_samples
        .iter()
        .map(|(kind, of)| (kind.parse::<u16>().ok(), of.first_ns))
        .min_by_key(|(status, first_ns)| (status.is_some(), *first_ns));
    if let Some((status, first_ns)) = first {
        main(first_ns, &status.map_or_else(|| "first failure".to_owned(), |status| format!("first {status}")));
    }
    if result.interrupted || result.aborted.is_some() {
        main(result.last_ns.dispatched, "stopped");
    }
    let changes = result.changes.iter().take(CHANGES_MAX);
    marks.extend(changes.map(|change| Mark { at_s: seconds(change.at_ns), what: changed(change), is_main: false }));
    (marks, result.changes.len().saturating_sub(CHANGES_MAX))
}

fn changed(change: &Change) -> String {
    match change.kind {
        ChangeKind::Pause => "paused".to_owned(),
        ChangeKind::Resume => "resumed".to_owned(),
        // A result may come from anywhere.
        ChangeKind::Scale if (FACTORS.0..=FACTORS.1).contains(&change.factor) => {
            format!("{}× speed", round_number(change.factor))
        }
        ChangeKind::Scale => "another speed".to_owned(),
    }
}

/// All of them in a sentence, in the order of time; empty without any.
pub(super) fn words(timeline: &Timeline) -> String {
    let mut marks: Vec<&Mark> = timeline.marks.iter().collect();
    marks.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    let mut said: Vec<String> =
        marks.iter().take(SAID_MAX).map(|mark| format!("{} at {} s", mark.what, rate(mark.at_s))).collect();
    let more = marks.len().saturating_sub(SAID_MAX) + timeline.more_changes;
    if more > 0 {
        said.push(format!("and {more} more, which run.json has"));
    }
    if said.is_empty() { String::new() } else { format!(" Marks: {}.", said.join(", ")) }
}

/// Marks at their share of the width, with a label where there is room for one; `share` places an instant.
pub(super) fn placed(marks: &[Mark], share: impl Fn(f64) -> f64) -> Vec<(f64, &str)> {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    let mut label = |mark: &Mark, at: f64| {
        let width = float(mark.what.chars().count() as u64) * CHARACTER_SHARE + MARGIN_SHARE;
        // As the frame leans it.
        let (from, to) = if at < 0.5 { (at, at + width) } else { (at - width, at) };
        let is_free = mark.is_main || taken.iter().all(|(start, end)| to <= *start || *end <= from);
        if is_free {
            taken.push((from, to));
        }
        is_free
    };
    // In the order of their weight: those of every run come first.
    let each = marks.iter().map(|mark| {
        let at = share(mark.at_s);
        (at, if label(mark, at) { mark.what.as_str() } else { "" })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at_ns: u64, kind: ChangeKind, factor: f64) -> Change {
        Change { at_ns, plan_ns: 0, kind, factor, by: "<key>".to_owned() }
    }

    #[test]
    fn changes_are_marked_within_bounds_and_labels_do_not_lie_upon_each_other() {
        let kinds =
            [(ChangeKind::Pause, 0.0), (ChangeKind::Resume, 1.0), (ChangeKind::Scale, 1.5), (ChangeKind::Scale, 1e300)];
        let each = (0..1_000_u64).map(|number| {
            let (kind, factor) = kinds[(number % 4) as usize];
            change(number * 1_000_000_000, kind, factor)
        });
        let result = RunResult { changes: each.collect(), interrupted: true, ..RunResult::default() };
        let (marks, more) = of(&result);
        assert_eq!((marks.len(), more), (1 + CHANGES_MAX, 1_000 - CHANGES_MAX));
        let names: Vec<&str> = marks.iter().take(5).map(|mark| mark.what.as_str()).collect();
        assert_eq!(names, ["stopped", "paused", "resumed", "1.5× speed", "another speed"]);
        let placed = placed(&marks, |at_s| at_s / 1_000.0);
        assert_eq!(placed.len(), marks.len(), "a line for each");
        let labelled: Vec<f64> =
            placed.iter().filter(|(_, label)| !label.is_empty()).map(|(share, _)| *share).collect();
        assert_eq!(labelled, [0.0], "all within a fifteenth of the width");
        let wide = super::placed(&marks[1..3], |at_s| at_s / 2.0);
        assert_eq!(wide, [(0.0, "paused"), (0.5, "resumed")]);
        let timeline = Timeline { width_s: 1, points: Vec::new(), marks, more_changes: more };
        let said = words(&timeline);
        assert!(
            said.starts_with(" Marks: stopped at 0 s, paused at 0 s, resumed at 1.00 s, 1.5× speed at 2.00 s,"),
            "{said}"
        );
        assert!(said.ends_with("and 981 more, which run.json has."), "{said}");
    }

    #[test]
    fn without_marks_nothing_is_said() {
        let (marks, more_changes) = of(&RunResult::default());
        assert_eq!(
            (marks.len(), words(&Timeline { width_s: 1, points: Vec::new(), marks, more_changes })),
            (0, String::new())
        );
    }
}
