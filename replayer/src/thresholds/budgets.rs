//! Budgets: thresholds in a TOML file, kept beside the code that they are about.
//!
//! ```toml
//! [[budget]]
//! fail_if = "error_rate in any 10s > 5%"
//! name = "no bursts of errors"
//!
//! [endpoint."GET /cart"]
//! fail_if = ["p99 > 300ms", "error_rate > 1%"]
//! why = "checkout waits for it"
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::plan::Budget;
use super::rule::{Endpoints, Rule};

/// Largest file that is read.
pub const BUDGETS_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with a file of budgets, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BudgetsError {
    /// From 1.
    pub line: usize,
    /// What.
    pub what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    budget: Vec<Entry>,
    #[serde(default)]
    endpoint: BTreeMap<Spanned<String>, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    fail_if: Spanned<OneOrMore>,
    name: Option<String>,
    why: Option<String>,
    link: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "here stands a rule, or a list of rules")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Reads the text of a file of budgets.
///
/// # Errors
/// When it is no TOML of this form, when a rule is wrong, or when there is none.
pub fn budgets(text: &str) -> Result<Vec<Budget>, BudgetsError> {
    let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    let file: File = toml::from_str(text).map_err(|error| BudgetsError {
        line: error.span().map_or(1, |span| line(span.start)),
        what: error.message().to_owned(),
    })?;
    let mut budgets = Vec::new();
    for entry in file.budget {
        add(entry, None, &line, &mut budgets)?;
    }
    for (endpoint, entry) in file.endpoint {
        add(entry, Some(endpoint.into_inner()), &line, &mut budgets)?;
    }
    if budgets.is_empty() {
        let what = "there is no budget in it: write [[budget]] with fail_if, or [endpoint.\"GET /path\"]".to_owned();
        return Err(BudgetsError { line: 1, what });
    }
    Ok(budgets)
}

fn add(
    entry: Entry,
    endpoint: Option<String>,
    line: &impl Fn(usize) -> usize,
    budgets: &mut Vec<Budget>,
) -> Result<(), BudgetsError> {
    let Entry { fail_if, name, why, link } = entry;
    let line = line(fail_if.span().start);
    let texts = match fail_if.into_inner() {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    };
    let bad = |what: String| BudgetsError { line, what };
    if texts.is_empty() {
        return Err(bad("fail_if has no rule".to_owned()));
    }
    for text in texts {
        let mut rule: Rule = text.parse().map_err(|error: super::RuleError| bad(error.to_string()))?;
        if let Some(name) = &endpoint {
            rule = rule.about(name).map_err(|what| bad(format!("the rule `{text}` {what}")))?;
        }
        let place = Some(format!("line {line}"));
        budgets.push(Budget { rule, name: name.clone(), why: why.clone(), link: link.clone(), place });
    }
    Ok(())
}

impl Rule {
    /// The same rule about one endpoint.
    fn about(self, endpoint: &str) -> Result<Self, String> {
        if self.select.endpoint != Endpoints::All {
            return Err(format!("names an endpoint, and stands in the table of `{endpoint}`"));
        }
        let mut rule = self;
        rule.select.endpoint = match endpoint {
            "*" => Endpoints::Each,
            name => Endpoints::Named(name.to_owned()),
        };
        super::parse::fits(rule.metric, &rule.select).map_err(|what| format!("is about one endpoint here: {what}"))?;
        Ok(rule)
    }
}
