//! What every form must hold, whatever was compared: bounds, harmless text, and one verdict for all.

mod told;

use std::collections::BTreeMap;

use formats::trace::TraceContext;

use super::headline::{Tone, headline};
use super::questions::fails;
use super::*;
use crate::compare::answers::findings::{At, Finding, Word};
use crate::compare::answers::samples::Sample;
use crate::compare::answers::{Key, Learned};
use crate::compare::judge::{Answer, Asked as Judge, Judged, Row};
use crate::compare::outcomes::OutcomeChange;
use crate::compare::over_time::OverTime;
use crate::compare::repeats::Estimate;
use crate::compare::rules::RuleUse;
use crate::compare::trend::{Line, Measured, Trend};
use crate::differ::Kind;
use crate::result::RunResult;

const PAGE_BYTES_MAX: usize = 3_000_000;
/// As long as escaping can make it: six bytes for one.
const WORST: &str = "\"";

fn estimate(mean: f64) -> Estimate {
    Estimate { mean, error: 0.01, freedom: 5.0, spread: 0.024, repeats: 6 }
}

fn row(quantile: f64, answer: Answer, mean: f64) -> Row {
    let relative = (!matches!(answer, Answer::OneRun | Answer::TooFew)).then(|| estimate(mean));
    Row { quantile, before: Some(17.0), after: Some(17.0 + mean), plain: relative, relative, answer }
}

fn rows(answer: Answer, mean: f64) -> Vec<Row> {
    [0.5, 0.9, 0.99, 0.999].map(|quantile| row(quantile, answer, mean)).to_vec()
}

fn run(path: &str, target: &str) -> Run {
    let mut run = Run::empty(Path::new(path), RunResult { target: target.to_owned(), ..RunResult::default() });
    run.fill(1);
    run
}

/// One endpoint that is as it was.
fn same() -> Comparison {
    Comparison {
        asked: Judge::default(),
        min_change: 0.001,
        before: vec![run("a/1", "http://old"), run("a/2", "http://old")],
        after: vec![run("b/1", "http://new"), run("b/2", "http://new")],
        endpoints: vec!["GET /a".to_owned()],
        requests: vec![1_000],
        judged: Judged {
            system: rows(Answer::Same, 0.0),
            endpoints: vec![rows(Answer::Same, 0.0)],
            moved: vec![false],
        },
        outcomes: Vec::new(),
        throughput: Some(estimate(0.0)),
        notices: Vec::new(),
    }
}

fn answers(findings: Vec<Finding>) -> Answers {
    Answers {
        runs: Vec::new(),
        targets: Vec::new(),
        pairs: 100,
        within_pairs: 100,
        with_bodies: 100,
        different: 10,
        unpaired: (0, 0),
        copies: 0,
        incomparable: BTreeMap::new(),
        findings,
        rules: Vec::new(),
        learned: Learned::default(),
        notices: Vec::new(),
    }
}

fn finding(place: &str, word: Word) -> Finding {
    let at =
        At { endpoint: "GET /a".to_owned(), across: 10, pairs: 100, within: 0, within_pairs: 100, shared: Vec::new() };
    Finding {
        place: place.to_owned(),
        kind: Kind::Missing,
        word,
        at: vec![at],
        chance: Some(0.0),
        ratio: Some(5.0),
        interval: (0.05, 0.17),
        samples: Vec::new(),
    }
}

fn asked(fail_on: &[Concern]) -> Asked<'_> {
    Asked { fail_on, trace_url: None, options: vec![("command", "compare".to_owned())] }
}

const ALL: [Concern; 5] = [Concern::Slower, Concern::Status, Concern::Target, Concern::Body, Concern::Header];

#[test]
fn the_verdict_is_the_worst_that_there_is_to_say() {
    let check = |of: &Comparison, answers: Option<&Answers>, fail_on: &[Concern], tone: Tone, said: &str| {
        let compared = Compared::Sides(Sides { of, answers });
        let headline = headline(compared, fail_on);
        assert_eq!((headline.tone, headline.sentence().as_str()), (tone, said));
        assert_eq!(fails(compared, fail_on), tone == Tone::Failed, "{said}");
    };
    check(&same(), None, &ALL, Tone::Passed, "Nothing changed that can be told from noise.");

    let mut slower = same();
    slower.judged.endpoints = vec![rows(Answer::Slower, 0.2)];
    let said = "GET /a is slower (p50 +22.1 % [+19..+25.3]).";
    check(&slower, None, &ALL, Tone::Failed, said);
    check(&slower, None, &[Concern::Status], Tone::Open, said);

    let mut faster = same();
    faster.judged.endpoints = vec![rows(Answer::Faster, -0.2)];
    check(&faster, None, &ALL, Tone::Passed, "GET /a is faster (p50 -18.1 % [-20.2..-16]).");

    let mut wide = same();
    wide.judged.endpoints = vec![rows(Answer::CannotTell { more_repeats: 4 }, 0.1)];
    let said = "Nothing changed that can be told from noise; of 1 of 1 endpoints the median cannot be told yet.";
    check(&wide, None, &ALL, Tone::Passed, said);
    wide.judged.system = rows(Answer::CannotTell { more_repeats: 4 }, 0.1);
    check(&wide, None, &ALL, Tone::Open, said);

    let mut one = same();
    one.before.truncate(1);
    (one.judged.system, one.judged.endpoints) = (rows(Answer::OneRun, 0.1), vec![rows(Answer::OneRun, 0.1)]);
    let said = "No verdict on times, as with one run a side nobody knows how much runs differ.";
    check(&one, None, &ALL, Tone::Open, said);

    let mut failing = same();
    let change =
        |after| OutcomeChange { endpoint: 0, outcome: "500".to_owned(), before: 0.0, after, estimate: estimate(after) };
    failing.outcomes = vec![change(0.5), change(0.4)];
    let said = "GET /a: 500 in 50 % of its requests, 0 % before (difference +47.4 %..+52.6 %) and 1 more.";
    check(&failing, None, &ALL, Tone::Failed, said);
    check(&failing, None, &[Concern::Slower], Tone::Open, said);

    for (place, word, concern) in [
        ("$.a", Word::Changed, Some(Concern::Body)),
        ("$.a", Word::Differs, Some(Concern::Body)),
        ("trailer:x", Word::Changed, Some(Concern::Body)),
        ("header:x", Word::Changed, Some(Concern::Header)),
        ("cookie:x", Word::Differs, Some(Concern::Header)),
        ("status", Word::Changed, Some(Concern::Status)),
        ("status", Word::Differs, None),
        ("$.a", Word::TooFew, None),
        ("$.a", Word::Noise, None),
    ] {
        let (of, answers) = (same(), answers(vec![finding(place, word)]));
        let compared = Compared::Sides(Sides { of: &of, answers: Some(&answers) });
        for one in ALL {
            assert_eq!(fails(compared, &[one]), Some(one) == concern, "{place} {word:?} by {one:?}");
        }
    }
}

/// A name of the length that a request log can have, and of other names.
fn name(number: usize) -> String {
    if number < 2_000 { format!("GET /{number}/{}", WORST.repeat(2_000)) } else { format!("GET /{number}") }
}

fn sample(number: usize) -> Sample {
    let trace = || Some(TraceContext { trace_id: [7; 16], parent_id: [9; 8], flags: 1 });
    Sample {
        key: Key { session: 0, seq: number as u64, copy: 3 },
        runs: (0, 2),
        before: WORST.repeat(300).into_bytes(),
        after: WORST.repeat(300).into_bytes(),
        status: (200, 500),
        request_head: format!("POST /{} HTTP/1.1\r\n\r\n", WORST.repeat(1_200)).into_bytes(),
        request_body: Some(WORST.repeat(500).into_bytes()),
        traces: (trace(), trace()),
    }
}

/// A million endpoints, of which thousands were found, and a hundred thousand causes: more than is ever compared.
fn huge() -> (Comparison, Answers) {
    const ENDPOINTS: usize = 1_000_000;
    let of_endpoint = |number: usize| if number < 2_000 { rows(Answer::Slower, 0.2) } else { Vec::new() };
    let change = |number: usize| OutcomeChange {
        endpoint: number,
        outcome: WORST.repeat(3_000),
        before: 0.0,
        after: 0.5,
        estimate: estimate(0.5),
    };
    let runs = |side: &str| -> Vec<Run> {
        let mut runs: Vec<Run> = (0..500)
            .map(|number| run(&format!("{side}/{number}/{}", WORST.repeat(3_000)), &WORST.repeat(3_000)))
            .collect();
        for run in &mut runs {
            run.result.started_at = WORST.repeat(1_000);
            run.result.run_id = WORST.repeat(1_000);
            run.result.trace_url = Some(format!("https://traces.invalid/{}/{{trace_id}}", "x".repeat(900)));
            run.result.verdict.outcome = crate::verdict::Trust::Strained;
            run.result.verdict.reasons = vec![WORST.repeat(3_000)];
        }
        runs
    };
    let mut before = runs("before");
    if let Some(first) = before.first_mut() {
        first.fill(2_000);
        for series in &mut first.latencies.endpoints {
            (1..60).for_each(|number| series.push(number * 1_000_000, 0));
        }
        first.outcomes = vec![(0..3_000).map(|number| (name(number), 1)).collect()];
    }
    let of = Comparison {
        before,
        after: runs("after"),
        endpoints: (0..ENDPOINTS).map(name).collect(),
        requests: vec![1_000; ENDPOINTS],
        judged: Judged {
            system: rows(Answer::Slower, 0.2),
            endpoints: (0..ENDPOINTS).map(of_endpoint).collect(),
            moved: vec![false; ENDPOINTS],
        },
        outcomes: (0..2_000).map(change).collect(),
        notices: vec![WORST.repeat(3_000); 2_000],
        ..same()
    };
    let cause = |number: usize| {
        if number >= 200 {
            return finding("$.a", Word::Changed);
        }
        let word = if number < 100 { Word::Changed } else { Word::TooFew };
        let mut one = finding(&format!("$.{number}{}", WORST.repeat(3_000)), word);
        one.samples = (0..3).map(|at| sample(number * 3 + at)).collect();
        let endpoint = one.at.remove(0);
        let shared = vec![(WORST.repeat(500), WORST.repeat(500))];
        one.at = (0..100).map(|at| At { endpoint: name(at), shared: shared.clone(), ..endpoint.clone() }).collect();
        one
    };
    let rule = |number: usize| RuleUse {
        line: number,
        is_default: false,
        endpoint: Some(WORST.repeat(3_000)),
        place: WORST.repeat(3_000),
        matcher: "ignore",
        why: Some(WORST.repeat(3_000)),
        silenced: 7,
        kept: 0,
    };
    (of, Answers { rules: (1..200).map(rule).collect(), ..answers((0..100_000).map(cause).collect()) })
}

#[test]
fn what_is_too_much_is_bounded_and_said() {
    let (of, answers) = huge();
    let compared = Compared::Sides(Sides { of: &of, answers: Some(&answers) });
    let asked = Asked { options: vec![("runs", WORST.repeat(100_000))], ..asked(&ALL) };
    let (_, page) = Output::Page.file(compared, &asked);
    assert!(page.len() < PAGE_BYTES_MAX, "{} bytes", page.len());
    for said in [
        "999,880 more endpoints are in what --json prints",
        "999,984 more endpoints are not drawn",
        "99,840 more causes are in what --json prints",
        "960 more runs are in what --json prints",
        "1,940 smaller ones are in what --json prints",
        "1,960 more notices are in what --json prints",
        "Its curl command has no room here",
        "and 95 more endpoints",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let (_, markdown) = Output::Markdown.file(compared, &asked);
    assert!(markdown.chars().count() <= 60_000, "{}", markdown.chars().count());
    assert!(markdown.starts_with("### ❌ Comparison failed\n\n**The whole system is slower"), "{}", &markdown[..200]);
    let (_, junit) = Output::Junit.file(compared, &asked);
    assert_eq!(junit.matches("<testcase ").count(), 10_000);
    assert!(junit.contains("more questions have no test, those that failed last"), "{}", &junit[..1_000]);
    assert_eq!(junit.matches("<failure ").count(), 10_000, "those that fail go first");
}

#[test]
fn a_thousand_lines_are_bounded_too() {
    let line = |number: usize| Line {
        of: [Measured::Endpoint(number), Measured::Memory(number), Measured::Errors][number % 3],
        quantile: 0.5,
        points: (0..5_000).map(|at| 17.0 + f64::from(at % 7) * 0.01).collect(),
        rise: Some(estimate(0.3)),
    };
    let endpoints: Vec<String> = (0..1_000_000).map(name).collect();
    let target = |number: usize| (format!("memory of {number}{}", WORST.repeat(3_000)), row(0.0, Answer::Slower, 0.3));
    let of = OverTime {
        asked: Judge::default(),
        min_change: 0.001,
        runs: (0..5_000).map(|number| run(&format!("{number}{}", WORST.repeat(500)), "t")).collect(),
        requests: vec![7; endpoints.len()],
        trend: Trend {
            points: 5_000,
            system: rows(Answer::Slower, 0.3),
            endpoints: (0..endpoints.len())
                .map(|number| if number < 1_000 { rows(Answer::Slower, 0.3) } else { Vec::new() })
                .collect(),
            target: (0..1_000).map(target).collect(),
            errors: Some(estimate(0.3)),
            lines: (0..1_000).map(line).collect(),
        },
        endpoints,
        notices: Vec::new(),
    };
    let compared = Compared::OverTime(&of);
    let (_, page) = Output::Page.file(compared, &asked(&ALL));
    assert!(page.len() < PAGE_BYTES_MAX, "{} bytes", page.len());
    assert!(Output::Markdown.file(compared, &asked(&ALL)).1.chars().count() <= 60_000);
    assert_eq!(Output::Junit.file(compared, &asked(&ALL)).1.matches("<testcase ").count(), 4_005 + 1_000);
}
