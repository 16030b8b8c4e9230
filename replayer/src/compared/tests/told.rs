//! What is said where little is known, and that everything is said once.

use super::*;
use crate::compared::questions::{Ended, Question, questions};
use crate::compared::words::{open, signed, statuses};

fn page(of: Compared<'_>) -> String {
    Output::Page.file(of, &asked(&ALL)).1
}

/// The only question whose name ends so.
fn question(of: Compared<'_>, ends: &str) -> Question {
    let mut found = questions(of, &ALL).filter(|question| question.name.ends_with(ends));
    let first = found.next().unwrap();
    assert_eq!(found.next(), None, "{ends}");
    first
}

#[test]
fn one_run_a_side_is_one_also_where_there_are_too_few_requests_for_a_quantile() {
    let few = |before: usize| {
        let mut of = same();
        of.before.truncate(before);
        (of.judged.system, of.judged.endpoints) = (rows(Answer::TooFew, 0.0), vec![rows(Answer::TooFew, 0.0)]);
        of
    };
    for (before, ended, said, shown, first) in [
        (2, Ended::Held, "no share changed by 0.1 % for sure", "At no endpoint a share changed", "Nothing changed"),
        (
            1,
            Ended::Open,
            "one run a side: run-to-run noise unknown",
            "With one run a side no share",
            "No verdict on times",
        ),
    ] {
        let of = few(before);
        let compared = Compared::Sides(Sides { of: &of, answers: None });
        let asked = question(compared, "statuses and errors are as frequent");
        assert_eq!((asked.ended, asked.said.as_str()), (ended, said));
        assert!(page(compared).contains(shown), "{shown}");
        assert!(open(&of, false)[0].starts_with(first), "{first}");
        assert!(headline(compared, &ALL).sentence().starts_with(first), "{first}");
    }
}

/// As many runs, of which nothing rises.
fn runs_over_time(points: usize) -> OverTime {
    let answer = if points < 4 { Answer::OneRun } else { Answer::Same };
    OverTime {
        asked: Judge::default(),
        min_change: 0.001,
        runs: (0..points).map(|number| run(&number.to_string(), "t")).collect(),
        endpoints: vec!["GET /a".to_owned()],
        requests: vec![1_000],
        trend: Trend { points, system: rows(answer, 0.0), endpoints: vec![rows(answer, 0.0)], ..Trend::default() },
        notices: Vec::new(),
    }
}

#[test]
fn three_points_say_nothing_of_errors_either() {
    for (points, ended, said, shown, first) in [
        (3, Ended::Open, "too few points", "too few points", "No verdict: too few points for a line."),
        (4, Ended::Held, "no rise by 0.1 % for sure", "steady", "Nothing rises or falls that can be told from noise."),
    ] {
        let of = runs_over_time(points);
        let compared = Compared::OverTime(&of);
        let asked = question(compared, "the share of errors does not rise from the first run to the last");
        assert_eq!((asked.ended, asked.said.as_str()), (ended, said));
        let asked = question(compared, "GET /a: p50 does not rise from the first run to the last");
        assert_eq!((asked.ended, asked.said == "too few points"), (ended, points < 4), "{asked:?}");
        assert_eq!(headline(compared, &ALL).sentence(), first);
        let page = page(compared);
        assert!(page.contains(&format!("<dt>Share of errors</dt><dd>{shown}<small>")), "{shown}");
        assert!(page.contains(&format!("<li>{first}</li>")), "{first}");
    }
}

#[test]
fn nothing_has_no_sign() {
    for (change, said) in
        [(0.051, "+5.1 %"), (0.000_4, "0 %"), (0.0, "0 %"), (-0.0, "0 %"), (-0.000_4, "0 %"), (-0.000_6, "-0.1 %")]
    {
        assert_eq!(signed(change), said, "{change}");
    }
}

fn share(endpoint: usize, outcome: &str, mean: f64) -> OutcomeChange {
    OutcomeChange { endpoint, outcome: outcome.to_owned(), before: 0.5, after: 0.5 + mean, estimate: estimate(mean) }
}

#[test]
fn a_change_of_a_status_is_told_once() {
    let mut of = same();
    of.endpoints = ["GET /a", "GET /b", "GET /c"].map(str::to_owned).to_vec();
    // One status in place of another; one that is rarer, in place of many; one that the answers tell.
    of.outcomes = vec![share(0, "200", -0.3), share(0, "500", 0.3), share(1, "200", -0.3), share(2, "404", 0.3)];
    let mut told = finding("status", Word::Changed);
    told.kind = Kind::Status { before: 200, after: 404 };
    told.at[0].endpoint = "GET /c".to_owned();
    let answers = answers(vec![told]);
    let said = |answers: Option<&Answers>| {
        let sides = Sides { of: &of, answers };
        statuses(&sides).iter().map(|one| (one.endpoint, one.outcome.clone())).collect::<Vec<_>>()
    };
    let all = [(0, "500"), (1, "200"), (2, "404")].map(|(endpoint, status)| (endpoint, status.to_owned()));
    assert_eq!(said(Some(&answers)), all[..2]);
    assert_eq!(said(None), all);
}

/// Each against each would be ten thousand million.
#[test]
fn a_hundred_thousand_changes_of_statuses_are_told_in_one_go() {
    const MANY: usize = 100_000;
    let mut of = same();
    of.endpoints = (0..MANY).map(|number| format!("GET /{number}")).collect();
    of.outcomes = (0..MANY).map(|number| share(number, "404", -0.3)).collect();
    let mut told = finding("status", Word::Changed);
    told.kind = Kind::Status { before: 200, after: 500 };
    told.at = (0..MANY).map(|number| At { endpoint: format!("GET /{number}"), ..told.at[0].clone() }).collect();
    let answers = answers(vec![told]);
    assert_eq!(statuses(&Sides { of: &of, answers: Some(&answers) }).len(), MANY);
}
