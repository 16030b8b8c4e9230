//! The page of a comparison: one file that needs nothing else, with the parts, style and script of a run's report.
//!
//! Everything is on it without JavaScript. What comes from traffic goes through `text::escape`, and every part is bounded,
//! so that the page is below three megabytes whatever was compared.

mod causes;
mod differences;
mod distributions;
mod head;
mod lines;
mod outcomes;
mod runs;

use serde_json::{Value, json};

use super::words::{self, Said};
use super::{Asked, Compared};
use crate::report::text::{count, escape_whole};
use crate::report::{Page, STYLE};

const OWN_STYLE: &str = include_str!("page.css");

/// Sentences about times and outcomes.
const SENTENCES_MAX: usize = 60;

const CONTENTS: [(&str, &str); 9] = [
    ("changed", "Changed"),
    ("differences", "Differences"),
    ("lines", "Lines"),
    ("distributions", "Distributions"),
    ("outcomes", "Outcomes"),
    ("causes", "Answers"),
    ("runs", "Runs"),
    ("asked", "Asked"),
    ("words", "Words"),
];

const GLOSSARY: &str = r#"<section id="words" aria-labelledby="words-h"><h2 id="words-h">How to read this</h2><dl class="words">
<div><dt>Interval</dt><dd>Holds the true change as often as is said. The repeat is the unit: requests of one run are no independent witnesses, so one run a side has none.</dd></div>
<div><dt>▲ slower, ▼ faster</dt><dd>The whole interval lies beyond the smallest change that matters, and it holds together with all others that were looked for. Over time: rises, falls.</dd></div>
<div><dt>= the same</dt><dd>The whole interval lies within the smallest change that matters.</dd></div>
<div><dt>? cannot be told</dt><dd>The interval is too wide. More repeats make it narrower.</dd></div>
<div><dt>The whole system</dt><dd>The typical endpoint: the mean of all endpoints' logarithms, weighted by requests, without those that moved by themselves.</dd></div>
<div><dt>Relative to the rest</dt><dd>An endpoint's times after what all others felt at the same time is taken out.</dd></div>
<div><dt>Within a side</dt><dd>How often answers of two runs of the same side differ so: the noise floor. Without two runs of a side there is none.</dd></div>
<div><dt>p50, p99, …</dt><dd>Of 100 requests, 50 or 99 were at most this slow, counted from when they were due; failed ones at their full age.</dd></div>
<div><dt>Strained</dt><dd>The generator was late for more than 1 % of what it sent: doubt the tail of that run.</dd></div>
</dl></section>"#;

/// Renders the page.
pub(super) fn html(of: Compared<'_>, asked: &Asked<'_>) -> String {
    let (mut parts, mut curves) = (Vec::new(), Vec::new());
    match of {
        Compared::Sides(sides) => {
            let compared = sides.of;
            parts.push(changed(&words::changes(&sides), &words::open(compared, true), "Nothing changed for sure."));
            parts.push(differences::of_sides(compared));
            let (drawn, data) = distributions::distributions(compared);
            parts.push(drawn);
            curves.extend(data);
            parts.push(outcomes::outcomes(compared));
            parts.push(causes::causes(sides, asked));
        }
        Compared::OverTime(over) => {
            let nothing = format!("{}.", words::capitalized(&words::nothing_rises(over)));
            parts.push(changed(&words::rises(over), &[], &nothing));
            let (drawn, data) = lines::lines(over);
            parts.push(drawn);
            curves.extend(data);
            parts.push(differences::over_time(over));
        }
    }
    parts.push(runs::runs(of));
    parts.push(runs::asked(asked));
    parts.push(GLOSSARY.to_owned());
    let data: Value = json!({"charts": [], "curves": curves, "heat": null});
    Page {
        title: &head::title(of),
        style: &format!("{STYLE}{OWN_STYLE}"),
        header: &head::header(of, asked),
        figures: &head::figures(of),
        parts: &parts.concat(),
        contents: &CONTENTS,
        data: &data,
    }
    .html()
}

/// What was found, in sentences.
fn changed(said: &[Said], open: &[String], nothing: &str) -> String {
    let sentence = |said: &Said| {
        let class = if matches!(said.word, "FASTER" | "FALLS") { "good" } else { "bad" };
        format!(r#"<li><b class="{class}">{}</b> {}</li>"#, said.word, escape_whole(&said.text))
    };
    let mut list: String = said.iter().take(SENTENCES_MAX).map(sentence).collect();
    if said.is_empty() {
        list += &format!("<li>{nothing}</li>");
    }
    if let Some(more) = said.len().checked_sub(SENTENCES_MAX).filter(|more| *more > 0) {
        list += &format!("<li>And {} more, which --json prints.</li>", count(more as u64));
    }
    list.extend(open.iter().map(|said| format!(r#"<li class="none">{}</li>"#, escape_whole(said))));
    format!(
        r#"<section id="changed" aria-labelledby="changed-h"><h2 id="changed-h">What changed</h2><ul class="changed">{list}</ul></section>"#
    )
}
