//! Rules for noise, proposed as a file: what differs between answers that should be the same, how often, and what its
//! values look like.
//!
//! The evidence stands above each rule. Where the same place looks the same at several endpoints, one rule is for all.

use std::collections::BTreeMap;

use super::causes::Causes;
use super::traits::Proposal;
use crate::differ::Kind;

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learned {
    /// How many there are.
    pub rules: usize,
    /// The file.
    pub text: String,
    /// Differences for which no rule is proposed, in words: statuses, above all.
    pub refused: Vec<String>,
}

/// What speaks for a rule.
struct Evidence {
    endpoint: String,
    differ: u64,
    pairs: u64,
    looks: String,
    sample: Option<(String, String)>,
}

pub(super) fn learn(of: &Causes) -> Learned {
    let mut refused = Vec::new();
    let mut proposed: BTreeMap<(String, String), Vec<Evidence>> = BTreeMap::new();
    for cause in &of.all {
        let (Some(place), Some(endpoint)) =
            (of.places.get(cause.place as usize), of.endpoints.get(cause.endpoint as usize))
        else {
            continue;
        };
        let (across, within) = endpoint.pairs(cause.kind);
        let (differ, pairs) = (cause.across + cause.within, across + within);
        if let Kind::Status { before, after } = cause.kind {
            refused.push(format!("{}: status {before}, then {after}, in {differ} of {pairs} pairs", endpoint.name));
            continue;
        }
        let (rule, looks) = rule(&cause.traits.proposal(cause.kind), cause.kind);
        let sample = cause.samples.first().map(|sample| (shown(&sample.before), shown(&sample.after)));
        let evidence = Evidence { endpoint: endpoint.name.clone(), differ, pairs, looks, sample };
        proposed.entry((place.clone(), rule)).or_default().push(evidence);
    }
    let mut text = String::from(
        "# Proposed by `reenact compare --learn` from what differed between answers that should be the same. Read each rule\n\
         # before using it: what it silences is not seen any more.\n",
    );
    let rules = proposed.len();
    for ((place, rule), evidence) in proposed {
        text.push('\n');
        for one in &evidence {
            text += &format!("# {}: {} of {} pairs differ; {}", one.endpoint, one.differ, one.pairs, one.looks);
            if let Some((before, after)) = &one.sample {
                text += &format!(", as in {before} and {after}");
            }
            text.push('\n');
        }
        text += "[[rule]]\n";
        // One endpoint may stand there twice: what comes and goes is missing here and new there.
        let first = evidence.first().map(|one| &one.endpoint);
        if let Some(only) = first.filter(|first| evidence.iter().all(|one| one.endpoint == **first)) {
            text += &format!("endpoint = {}\n", quoted(only));
        }
        text += &format!("where = {}\n{rule}\n", quoted(&place));
    }
    Learned { rules, text, refused }
}

/// The lines of a rule, and what its values look like.
fn rule(proposal: &Proposal, kind: Kind) -> (String, String) {
    let matcher = |name: &str| format!("matcher = \"{name}\"");
    match proposal {
        Proposal::Timestamp => (matcher("timestamp"), "instants, written alike".to_owned()),
        Proposal::Uuid => (matcher("uuid"), "UUIDs".to_owned()),
        Proposal::Hex(digits) => (
            format!("matcher = \"pattern\"\npattern = \"^[0-9a-f]{{{digits}}}$\""),
            format!("{digits} hexadecimal digits"),
        ),
        Proposal::Near(percent) => {
            (format!("matcher = \"tolerance\"\nwithin = \"{percent}%\""), "numbers near each other".to_owned())
        }
        Proposal::Counter => (matcher("type"), "whole numbers, as counters are".to_owned()),
        Proposal::Set => (matcher("set"), "the same elements in another order".to_owned()),
        Proposal::Shape(pattern) => (
            format!("matcher = \"pattern\"\npattern = {}", quoted(pattern)),
            "text in which only ids or numbers differ".to_owned(),
        ),
        Proposal::Optional => (matcher("optional"), "there on one side only".to_owned()),
        Proposal::Type(name) => (matcher("type"), format!("a {name} on both sides")),
        Proposal::Ignore => (matcher("ignore"), format!("{}; nothing narrower fits", kind.name())),
    }
}

/// A string of TOML: as in JSON, but for one character.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A value in a comment: on one line, short.
fn shown(value: &[u8]) -> String {
    const CHARS_MAX: usize = 60;
    let text = formats::visible::line_of_bytes(value);
    if text.is_empty() {
        return "nothing".to_owned();
    }
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
