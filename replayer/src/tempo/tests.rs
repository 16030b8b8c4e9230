use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

/// The view after changes that were asked for at these instants, in milliseconds.
fn view(changes: &[(u64, Asked)]) -> View {
    let tempo = Tempo::default();
    changes.iter().for_each(|(at, asked)| drop(tempo.change(*asked, at * MS, "test").unwrap()));
    tempo.view()
}

#[test]
fn a_plan_that_nobody_changed_is_the_run() {
    let view = View::default();
    assert!(view.is_plain() && !view.is_paused(5));
    assert_eq!((view.run_ns(u64::MAX), view.plan_ns(7)), (Some(u64::MAX), 7));
}

#[test]
fn a_pause_shifts_everything_after_it() {
    let paused = view(&[(1_000, Asked::Pause)]);
    let at = |view: &View, ms: u64| view.run_ns(ms * MS).map(|ns| ns / MS);
    assert_eq!([at(&paused, 999), at(&paused, 1_000), at(&paused, 1_001)], [Some(999), Some(1_000), None]);
    assert!(!paused.is_paused(999 * MS) && paused.is_paused(1_000 * MS) && paused.is_paused(u64::MAX));
    assert_eq!((paused.plan_ns(1_500 * MS), paused.millionths()), (1_000 * MS, 0));
    assert_eq!(paused.run_ns_at_best(1_200 * MS, 5_000 * MS), 5_200 * MS);
    let view = view(&[(1_000, Asked::Pause), (3_000, Asked::Resume)]);
    assert_eq!([at(&view, 1_000), at(&view, 1_001), at(&view, 2_000)], [Some(1_000), Some(3_001), Some(4_000)]);
    assert_eq!((view.plan_ns(2_000 * MS), view.plan_ns(4_000 * MS)), (1_000 * MS, 2_000 * MS));
}

#[test]
fn a_scale_is_of_the_plan_and_holds_from_its_instant_on() {
    let view = view(&[(1_000, Asked::Scale(2.0)), (2_000, Asked::Scale(0.5)), (3_000, Asked::Scale(1.0))]);
    let at = |ms: u64| view.run_ns(ms * MS).map(|ns| ns / MS);
    assert_eq!([at(500), at(1_000), at(1_500)], [Some(500), Some(1_000), Some(1_250)]);
    assert_eq!([at(3_000), at(3_250), at(3_500), at(4_500)], [Some(2_000), Some(2_500), Some(3_000), Some(4_000)]);
}

#[test]
fn a_scale_in_a_pause_waits_for_its_end() {
    let view = view(&[(1_000, Asked::Pause), (2_000, Asked::Scale(2.0)), (3_000, Asked::Resume)]);
    assert_eq!(view.run_ns(1_001 * MS), Some(3_000 * MS + MS / 2));
}

#[test]
fn what_changes_nothing_is_refused_and_a_pause_can_always_end() {
    let tempo = Tempo::default();
    let ask = |asked| tempo.change(asked, 0, "key").map(|change| (change.kind.name(), change.factor));
    assert_eq!(ask(Asked::Resume), Err(Unchanged::NotPaused));
    for factor in [0.0, 0.001, -1.0, 100.1, f64::NAN, f64::INFINITY] {
        assert_eq!(ask(Asked::Scale(factor)), Err(Unchanged::Factor), "{factor}");
    }
    for _ in 0..CHANGES_MAX - 1 {
        assert_eq!(ask(Asked::Scale(1.5)), Ok(("scale", 1.5)));
    }
    assert_eq!((ask(Asked::Pause), ask(Asked::Pause)), (Ok(("pause", 0.0)), Err(Unchanged::Paused)));
    assert_eq!((ask(Asked::Scale(2.0)), ask(Asked::Resume)), (Err(Unchanged::TooMany), Ok(("resume", 1.5))));
    assert_eq!((ask(Asked::Pause), tempo.changes().len()), (Err(Unchanged::TooMany), CHANGES_MAX + 1));
    let mut view = View::default();
    assert!(view.follow(&tempo) && !view.follow(&tempo) && !view.is_plain());
}

proptest! {
    #[test]
    fn order_is_kept_and_the_way_back_leads_home(
        changes in prop::collection::vec((0_u64..2_000, 0_u8..3, 1_u32..10_000), 0..12),
        instants in prop::collection::vec(0_u64..60_000_000_000, 1..40),
    ) {
        let tempo = Tempo::default();
        let mut now = 0;
        for (gap, kind, factor) in changes {
            now += gap * MS;
            let asked = match kind { 0 => Asked::Pause, 1 => Asked::Resume, _ => Asked::Scale(f64::from(factor) / 100.0) };
            let _ = tempo.change(asked, now, "test");
        }
        let view = tempo.view();
        let mut instants = instants;
        instants.sort_unstable();
        let runs: Vec<u64> = instants.iter().map(|plan| view.run_ns(*plan).unwrap_or(u64::MAX)).collect();
        prop_assert!(runs.is_sorted());
        for (plan, run) in instants.iter().zip(&runs).filter(|(_, run)| **run != u64::MAX) {
            // Never sent before it is due, whichever way it is reckoned.
            let back = view.plan_ns(*run);
            prop_assert!(back <= *plan && view.run_ns(back).unwrap() <= *run, "{plan} {run} {back}");
            prop_assert!(*plan - back <= 100, "{plan} {run} {back}");
        }
    }
}
