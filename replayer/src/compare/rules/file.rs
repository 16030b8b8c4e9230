//! Rules as a TOML file has them: `[[rule]]` tables, checked one by one, with the line that is wrong.

use std::path::{Path, PathBuf};

use regex::bytes::RegexBuilder;
use serde::Deserialize;
use toml::Spanned;

use super::matcher::{Matcher, Tolerance};
use super::place::Places;
use super::{Rule, Used};

/// Most rules.
pub(super) const RULES_MAX: usize = 2_000;
/// Memory of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Why a file has no rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// It cannot be read.
    #[error("cannot read the rules {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no such file.
    #[error("{}{}: {why}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Bad {
        /// The file.
        path: PathBuf,
        /// Where, if it is known apart from the message.
        line: Option<usize>,
        /// What is wrong.
        why: String,
    },
}

impl RulesError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path given with --rules",
            Self::Bad { .. } => "docs/comparing.md has an example of each rule; --print-rules shows the default ones",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "yes")]
    use_defaults: bool,
    #[serde(default)]
    rule: Vec<Spanned<Table>>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    endpoint: Option<String>,
    r#where: String,
    matcher: String,
    pattern: Option<String>,
    within: Option<toml::Value>,
    by: Option<String>,
    why: Option<String>,
}

/// The rules in a text, and whether the default ones come after them.
pub(super) fn parse(path: &Path, text: &str) -> Result<(Vec<Rule>, bool), RulesError> {
    let bad = |line: Option<usize>, why: String| RulesError::Bad { path: path.to_owned(), line, why };
    let file: File = toml::from_str(text).map_err(|error| bad(None, error.to_string().trim_end().to_owned()))?;
    if file.rule.len() > RULES_MAX {
        return Err(bad(None, format!("there are more than {RULES_MAX} rules")));
    }
    let mut rules = Vec::new();
    for table in file.rule {
        let at = table.span().start;
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        rules.push(rule(table.into_inner(), line).map_err(|why| bad(Some(line), why))?);
    }
    Ok((rules, file.use_defaults))
}

fn rule(table: Table, line: usize) -> Result<Rule, String> {
    let Table { endpoint, r#where: place, matcher, pattern, within, by, why } = table;
    let needs = |what: &str, example: &str| format!("the matcher `{matcher}` needs `{what}`, as in {example}");
    let extra = [
        ("pattern", pattern.is_some(), "pattern"),
        ("within", within.is_some(), "tolerance"),
        ("by", by.is_some(), "set"),
    ];
    if let Some((key, ..)) = extra.iter().find(|(_, is_given, of)| *is_given && *of != matcher) {
        return Err(format!("`{key}` says nothing to the matcher `{matcher}`"));
    }
    let matcher = match matcher.as_str() {
        "ignore" => Matcher::Ignore,
        "presence" => Matcher::Presence,
        "optional" => Matcher::Optional,
        "type" => Matcher::Type,
        "timestamp" => Matcher::Timestamp,
        "uuid" => Matcher::Uuid,
        "mapped" => Matcher::Mapped,
        "set" => Matcher::Set(by),
        "pattern" => {
            let text = pattern.ok_or_else(|| needs("pattern", "pattern = \"^[A-Z]{3}-[0-9]+$\""))?;
            let built = RegexBuilder::new(&text).size_limit(PATTERN_BYTES_MAX).build();
            Matcher::Pattern(built.map_err(|error| format!("the pattern: {error}"))?)
        }
        "tolerance" => {
            let within = within.ok_or_else(|| needs("within", "within = \"5%\" or within = 0.1"))?;
            let text = within.as_str().map_or_else(|| within.to_string(), str::to_owned);
            Matcher::Tolerance(Tolerance::parse(&text)?)
        }
        other => {
            return Err(format!(
                "there is no matcher `{other}`; there are ignore, presence, optional, type, pattern, tolerance, timestamp, uuid, set and mapped"
            ));
        }
    };
    let places = Places::parse(&place).map_err(|why| format!("`{place}`: {why}"))?;
    let endpoint_pattern = endpoint.as_deref().map(stars).transpose()?;
    Ok(Rule { line, endpoint, endpoint_pattern, place, places, matcher, why, used: Used::default(), is_default: false })
}

/// An endpoint's name in which `*` stands for anything.
fn stars(text: &str) -> Result<regex::Regex, String> {
    let parts: Vec<String> = text.split('*').map(regex::escape).collect();
    regex::Regex::new(&format!("^{}$", parts.join(".*"))).map_err(|error| format!("the endpoint: {error}"))
}
