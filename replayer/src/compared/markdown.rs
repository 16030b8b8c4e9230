//! `summary.md` of a comparison: what a reviewer reads under a pull request. The verdict first, then what changed with its
//! intervals, then why answers differ.

use super::headline::{Tone, headline};
use super::words::{self, Thing, cell, count, percent, quantile, whole_percent};
use super::{Asked, Compared, Sides, answers};
use crate::compare::answers::findings::{Finding, Word};
use crate::compare::judge::{Asked as Judge, Row};
use crate::compare::over_time::OverTime;
use crate::outputs::markdown::{code, fit, prose, prose_up_to};

/// Sentences about times and outcomes, and causes.
const SENTENCES_MAX: usize = 30;
/// Endpoints in the table: those of which something was found, then those with the most requests.
const ENDPOINTS_MAX: usize = 20;
/// Characters of a sentence: more than one with three long names has.
const TEXT_CHARS_MAX: usize = 1_000;
/// Notices above everything.
const NOTICES_MAX: usize = 20;

pub(super) fn markdown(of: Compared<'_>, asked: &Asked<'_>) -> String {
    let headline = headline(of, asked.fail_on);
    let (mark, word) = match headline.tone {
        Tone::Passed => ("✅", "passed"),
        Tone::Open => ("⚠️", "open"),
        Tone::Failed => ("❌", "failed"),
    };
    let sentence = headline.parts.iter().map(|part| prose_up_to(TEXT_CHARS_MAX, part)).collect::<Vec<_>>().join("; ");
    let mut parts = vec![format!("### {mark} Comparison {word}\n\n**{sentence}.**\n\n")];
    let notices = of.notices();
    parts.extend(notices.iter().take(NOTICES_MAX).map(|notice| format!("> {}\n", prose(notice))));
    if let Some(more) = notices.len().checked_sub(NOTICES_MAX).filter(|more| *more > 0) {
        parts.push(format!("> and {more} more notices\n"));
    }
    parts.push("\n".to_owned());
    match of {
        Compared::Sides(sides) => of_sides(&mut parts, sides),
        Compared::OverTime(of) => over_time(&mut parts, of),
    }
    parts.push(foot(of));
    fit(parts)
}

fn of_sides(parts: &mut Vec<String>, sides: Sides<'_>) {
    let of = sides.of;
    let open = words::open(of, true);
    sentences(parts, words::changes(&sides).iter().map(|said| said_in_bold(said.word, &said.text)), "of these changes");
    parts.extend(open.iter().map(|said| format!("\n{}\n", prose(said))));
    if let Some(throughput) = &of.throughput {
        parts.push(format!("\nThroughput: {}\n", words::change(throughput, of.asked.confidence)));
    }
    let cells = |row: &Row| cell(row, of.asked.confidence);
    let rows = (of.judged.system.as_slice(), of.endpoints.as_slice(), of.judged.endpoints.as_slice());
    table(
        parts,
        rows,
        &of.requests,
        &cells,
        "▲ slower, ▼ faster, = the same, ? cannot be told; in brackets its interval",
    );
    let Some(found) = sides.answers else { return };
    parts.push(format!("\n**Answers**: {}\n\n", prose(&answers::compared(found))));
    let causes = found.findings.iter().filter(|one| one.word.is_change());
    sentences(parts, causes.map(cause), "causes");
    let count_of = |word: Word| found.findings.iter().filter(|one| one.word == word).count();
    let (few, noise) = (count_of(Word::TooFew), count_of(Word::Noise));
    if few + noise > 0 {
        parts.push(format!("\n{noise} differences are as frequent within a side, {few} too rare for a verdict.\n"));
    }
}

fn cause(of: &Finding) -> String {
    let said = answers::finding(of);
    let mut text = said_in_bold(said.word, &said.text);
    if let Some(sample) = of.samples.first() {
        let [before, after] = [&sample.before, &sample.after].map(|value| code(&answers::value(value)));
        text +=
            &format!("  \n  request {} of session {}: {after}, before {before}", sample.key.seq, sample.key.session);
        if let Some(trace) = sample.traces.1 {
            text += &format!(", trace {}", code(&crate::contexts::hex(&trace.trace_id)));
        }
    }
    text
}

fn over_time(parts: &mut Vec<String>, of: &OverTime) {
    sentences(parts, words::rises(of).iter().map(|said| said_in_bold(said.word, &said.text)), "of these lines");
    let cells = |row: &Row| words::cell_over_time(row, of.asked.confidence);
    let rows = (of.trend.system.as_slice(), of.endpoints.as_slice(), of.trend.endpoints.as_slice());
    let what = format!("▲ rises {0}, ▼ falls, = the same, ? cannot be told; in brackets its interval", words::span(of));
    table(parts, rows, &of.requests, &cells, &what);
    if !of.trend.target.is_empty() {
        parts.push("\n".to_owned());
    }
    let target = of.trend.target.iter();
    parts.extend(target.map(|(what, row)| format!("- {}: {}\n", prose(what), prose(&cells(row)))));
}

fn said_in_bold(word: &str, text: &str) -> String {
    format!("**{word}** {}", prose_up_to(TEXT_CHARS_MAX, text))
}

fn sentences(parts: &mut Vec<String>, all: impl Iterator<Item = String>, what: &str) {
    let mut more = 0_u64;
    for (number, sentence) in all.enumerate() {
        match number < SENTENCES_MAX {
            true => parts.push(format!("- {sentence}\n")),
            false => more += 1,
        }
    }
    if more > 0 {
        parts.push(format!("- and {} more {what}\n", count(more)));
    }
}

/// The whole system and some endpoints; `what` says what the marks are.
fn table(
    parts: &mut Vec<String>,
    (system, names, rows): (&[Row], &[String], &[Vec<Row>]),
    requests: &[u64],
    cell: &dyn Fn(&Row) -> String,
    what: &str,
) {
    let heads: String = system.iter().map(|row| format!(" {} |", quantile(row.quantile))).collect();
    parts.push(format!("\n| | requests |{heads}\n|---|---:|{}\n", "---|".repeat(system.len())));
    let cells = |rows: &[Row]| rows.iter().map(|row| format!(" {} |", cell(row))).collect::<String>();
    parts.push(format!("| {} | |{}\n", Thing::System.name(), cells(system)));
    let shown = words::shown(rows, requests, ENDPOINTS_MAX);
    for number in &shown {
        if let (Some(name), Some(rows)) = (names.get(*number), rows.get(*number)) {
            let requests = requests.get(*number).copied().unwrap_or(0);
            parts.push(format!("| {} | {} |{}\n", code(name), count(requests), cells(rows)));
        }
    }
    parts.push(format!("\n<sub>{what}.</sub>\n"));
    if let Some(more) = names.len().checked_sub(shown.len()).filter(|more| *more > 0) {
        parts.push(format!(
            "\n{} more endpoints are in `report.html` and in what `--json` prints.\n",
            count(more as u64)
        ));
    }
}

fn foot(of: Compared<'_>) -> String {
    let runs = of.runs();
    let side = |side: &str| {
        let of_side: Vec<_> = runs.iter().filter(|(name, _)| *name == side).map(|(_, run)| run).collect();
        let target = of_side.first().map_or("", |run| run.result.target.as_str());
        format!("{} on {}", count(of_side.len() as u64), code(target))
    };
    let plan = runs.last().map(|(_, run)| code(&run.result.plan_hash)).unwrap_or_default();
    let judged = |asked: &Judge, min_change: f64| {
        format!(
            "intervals of {}, changes of times below {} and of shares below {} do not matter",
            whole_percent(asked.confidence),
            percent(asked.min_effect),
            percent(min_change)
        )
    };
    match of {
        Compared::Sides(Sides { of, .. }) => {
            let how = words::design(of.asked.design);
            let (before, after) = (side("before"), side("after"));
            let judged = judged(&of.asked, of.min_change);
            format!("\n<sub>Runs before: {before}; after: {after}; {how}; {judged}; plan {plan}.</sub>\n")
        }
        Compared::OverTime(of) => {
            let judged = judged(&of.asked, of.min_change);
            format!("\n<sub>Runs: {}; {} points; {judged}; plan {plan}.</sub>\n", side(""), of.trend.points)
        }
    }
}
