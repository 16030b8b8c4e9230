//! `junit.xml`: one test for each threshold and one for the run itself, as CI systems read them (Jenkins, Surefire, GitLab).
//!
//! One `testsuite` is the root: that is what the schemas of Jenkins and of Surefire have in common.

use std::fmt::Write as _;

use crate::result::RunResult;
use crate::result::thresholds::{Judged, Threshold};
use crate::verdict::Trust;

/// One test.
pub(crate) struct Case {
    /// Behind `reenact.`
    pub(crate) class: &'static str,
    pub(crate) name: String,
    pub(crate) ended: Ended,
}

/// How it ended.
pub(crate) enum Ended {
    Passed,
    Failed(String),
    Error(String),
    Skipped(String),
}

/// A suite of tests.
pub(crate) struct Suite<'a> {
    pub(crate) name: &'a str,
    /// Of each test, what its failures are called.
    pub(crate) failure: &'a str,
    pub(crate) seconds: f64,
    pub(crate) properties: Vec<(&'a str, String)>,
    pub(crate) cases: Vec<Case>,
}

/// The result as XML.
pub(super) fn junit(result: &RunResult) -> String {
    let mut cases = vec![run(result)];
    cases.extend(result.thresholds.iter().map(threshold));
    let properties = [
        ("run_id", &result.run_id),
        ("plan_hash", &result.plan_hash),
        ("target", &result.target),
        ("started_at", &result.started_at),
    ];
    let properties = properties.map(|(name, value)| (name, value.clone())).to_vec();
    let seconds = result.duration_s;
    Suite { name: "reenact replay", failure: "threshold", seconds, properties, cases }.xml()
}

impl Suite<'_> {
    /// As a document.
    pub(crate) fn xml(&self) -> String {
        let Self { name, failure, seconds, properties, cases } = self;
        let count = |is: fn(&Ended) -> bool| cases.iter().filter(|case| is(&case.ended)).count();
        let failures = count(|ended| matches!(ended, Ended::Failed(_)));
        let errors = count(|ended| matches!(ended, Ended::Error(_)));
        let skipped = count(|ended| matches!(ended, Ended::Skipped(_)));
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{name}\" time=\"{seconds:.3}\" tests=\"{}\" errors=\"{errors}\" skipped=\"{skipped}\" failures=\"{failures}\">\n  <properties>\n",
            cases.len(),
        );
        for (name, value) in properties {
            let _ = writeln!(out, "    <property name=\"{name}\" value=\"{}\"/>", escape(value));
        }
        out += "  </properties>\n";
        for case in cases {
            let _ = write!(
                out,
                "  <testcase classname=\"reenact.{}\" name=\"{}\" time=\"{seconds:.3}\"",
                case.class,
                escape(&case.name),
            );
            out += &match &case.ended {
                Ended::Passed => "/>\n".to_owned(),
                Ended::Failed(said) => element("failure", failure, said),
                Ended::Error(said) => element("error", "run", said),
                Ended::Skipped(said) => format!(">\n    <skipped message=\"{}\"/>\n  </testcase>\n", escape(said)),
            };
        }
        out + "</testsuite>\n"
    }
}

/// Whether the run says something at all.
fn run(result: &RunResult) -> Case {
    let verdict = &result.verdict;
    let reasons = verdict.reasons.join("; ");
    let incomplete = result.recounted.as_ref().map(|of| Ended::Error(format!("incomplete: {}", of.said())));
    let ended = incomplete.unwrap_or_else(|| match verdict.outcome {
        _ if result.interrupted => Ended::Error("the run was interrupted before its plan ended".to_owned()),
        _ if result.aborted.is_some() => Ended::Failed(result.aborted.clone().unwrap_or_default()),
        Trust::Invalid => Ended::Error(format!("invalid, the generator was the limit: {reasons}")),
        Trust::Valid | Trust::Strained => Ended::Passed,
    });
    Case { class: "run", name: "the run is valid".to_owned(), ended }
}

fn threshold(one: &Threshold) -> Case {
    // A rule about each endpoint is a test of each.
    let name = one.name.clone().unwrap_or_else(|| one.rule.clone());
    let name = match &one.endpoint {
        Some(endpoint) if !name.contains(endpoint.as_str()) => format!("{name} [{endpoint}]"),
        _ => name,
    };
    let ended = match one.outcome {
        Judged::Held => Ended::Passed,
        Judged::Failed => Ended::Failed(super::markdown::said(one)),
        Judged::CannotTell => Ended::Skipped(one.said.clone()),
    };
    Case { class: "thresholds", name, ended }
}

fn element(element: &str, kind: &str, said: &str) -> String {
    let said = escape(said);
    format!(">\n    <{element} type=\"{kind}\" message=\"{said}\">{said}</{element}>\n  </testcase>\n")
}

/// Text as it may stand in XML 1.0: what no XML can hold, not even escaped, becomes U+FFFD (XML 1.0 §2.2).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
