//! `[[rewrite]]` tables: what they say, and the checks that a rule passes before anything is read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Deserialize;
use toml::Spanned;

use super::error::{HeaderFault, RewriteError, RuleFault};
use super::replace::{Place, Replace, value};
use super::text::Text;
use crate::credentials::is_header_value;
use formats::stars::Pattern;

/// Rules in the order in which they are applied; none by default.
#[derive(Debug, Default)]
pub struct Rules(pub(super) Vec<Rule>);

/// A rule whose parts have been checked.
#[derive(Debug)]
pub(super) struct Rule {
    /// For messages: `2 ("each copy its own user", line 14)`.
    label: String,
    pub(super) endpoint: Option<Pattern>,
    /// In lower case.
    pub(super) host: Option<Pattern>,
    pub(super) method: Option<String>,
    pub(super) actions: Vec<Action>,
    /// Requests that it described, those that it changed, and those whose body it could not search.
    pub(super) matched: AtomicU64,
    pub(super) changed: AtomicU64,
    pub(super) not_text: AtomicU64,
}

#[derive(Debug)]
pub(super) enum Action {
    ReplacePath(Replace),
    RemoveQuery(String),
    ReplaceQuery(String, Replace),
    SetQuery(String, Text<'static>),
    RemoveHeader(String),
    ReplaceHeader(String, Replace),
    SetHeader(String, Text<'static>),
    ReplaceBody(Replace),
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    rewrite: Vec<Spanned<Table>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Option<String>,
    endpoint: Option<String>,
    host: Option<String>,
    method: Option<String>,
    replace_path: Option<FromTo>,
    #[serde(default)]
    remove_query: Vec<String>,
    replace_query: Option<NamedFromTo>,
    #[serde(default)]
    set_query: BTreeMap<String, String>,
    #[serde(default)]
    remove_header: Vec<String>,
    replace_header: Option<NamedFromTo>,
    #[serde(default)]
    set_header: BTreeMap<String, String>,
    replace_body: Option<FromTo>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FromTo {
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedFromTo {
    name: String,
    from: String,
    to: String,
}

impl Rules {
    /// The table's name in a configuration file.
    pub const TABLE: &'static str = "rewrite";

    /// Reads the `[[rewrite]]` tables of a TOML text. Other tables at the top are passed over: whoever owns the file knows
    /// which there may be.
    ///
    /// # Errors
    /// With line and column for what is no TOML or no key of a rule, with the rule for what it must not do.
    pub fn from_toml(text: &str) -> Result<Self, RewriteError> {
        let document: Document =
            toml::from_str(text).map_err(|error| RewriteError::Toml { text: error.to_string() })?;
        let rule = |(number, table): (usize, Spanned<Table>)| {
            let line = line_of(text, table.span().start);
            let table = table.into_inner();
            let label = match &table.name {
                Some(name) => format!("{number} (\"{name}\", line {line})"),
                None => format!("{number} (line {line})"),
            };
            Rule::new(table, label.clone()).map_err(|fault| RewriteError::Rule { rule: label, fault })
        };
        (1..).zip(document.rewrite).map(rule).collect::<Result<_, _>>().map(Self)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules that changed nothing so far, each with what is known about why.
    pub fn unused(&self) -> impl Iterator<Item = String> {
        let unused = self.0.iter().filter(|rule| rule.changed.load(Relaxed) == 0);
        unused.map(|rule| {
            let (label, not_text) = (&rule.label, rule.not_text.load(Relaxed));
            match rule.matched.load(Relaxed) {
                0 => format!("rewrite rule {label}: no request is described by it"),
                matched if not_text > 0 => {
                    format!(
                        "rewrite rule {label}: changed none of {matched} requests; {not_text} bodies are no plain text"
                    )
                }
                matched => format!("rewrite rule {label}: changed none of {matched} requests"),
            }
        })
    }
}

impl Rule {
    /// What messages call it.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether something is filled in for each copy.
    pub(super) fn has_placeholder(&self) -> bool {
        self.actions.iter().any(|action| match action {
            Action::ReplacePath(replace)
            | Action::ReplaceQuery(_, replace)
            | Action::ReplaceHeader(_, replace)
            | Action::ReplaceBody(replace) => replace.has_placeholder(),
            Action::SetQuery(_, text) | Action::SetHeader(_, text) => !text.marks().is_empty(),
            Action::RemoveQuery(_) | Action::RemoveHeader(_) => false,
        })
    }

    fn new(table: Table, label: String) -> Result<Self, RuleFault> {
        let mut actions = Vec::new();
        if let Some(FromTo { from, to }) = table.replace_path {
            actions.push(Action::ReplacePath(Replace::new(&from, &to, Place::Path)?));
        }
        for key in table.remove_query {
            actions.push(Action::RemoveQuery(query_key(key)?));
        }
        if let Some(NamedFromTo { name, from, to }) = table.replace_query {
            actions.push(Action::ReplaceQuery(query_key(name)?, Replace::new(&from, &to, Place::Query)?));
        }
        for (key, text) in table.set_query {
            actions.push(Action::SetQuery(query_key(key)?, value(&text, Place::QueryValue)?));
        }
        for name in table.remove_header {
            if name.eq_ignore_ascii_case("host") {
                return Err(RuleFault::HostRemoved);
            }
            actions.push(Action::RemoveHeader(header(name)?));
        }
        if let Some(NamedFromTo { name, from, to }) = table.replace_header {
            actions.push(Action::ReplaceHeader(header(name)?, Replace::new(&from, &to, Place::Header)?));
        }
        for (name, text) in table.set_header {
            let value = value(&text, Place::Header)?;
            if !is_header_value(text.as_bytes()) {
                return Err(RuleFault::WhiteSpace);
            }
            actions.push(Action::SetHeader(header(name)?, value));
        }
        if let Some(FromTo { from, to }) = table.replace_body {
            actions.push(Action::ReplaceBody(Replace::new(&from, &to, Place::Body)?));
        }
        if actions.is_empty() {
            return Err(RuleFault::NoAction);
        }
        Ok(Self {
            label,
            endpoint: table.endpoint.as_deref().map(Pattern::new),
            host: table.host.map(|host| Pattern::new(&host.to_ascii_lowercase())),
            method: table.method,
            actions,
            matched: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            not_text: AtomicU64::new(0),
        })
    }
}

fn query_key(key: String) -> Result<String, RuleFault> {
    if key.is_empty() { Err(RuleFault::EmptyKey) } else { Ok(key) }
}

fn header(name: String) -> Result<String, RuleFault> {
    match check_header_name(&name) {
        Ok(()) => Ok(name),
        Err(fault) => Err(RuleFault::Header { name, fault }),
    }
}

/// Whether a header of this name may be set by a user.
pub(crate) fn check_header_name(name: &str) -> Result<(), HeaderFault> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(HeaderFault::NoToken);
    }
    if ["content-length", "transfer-encoding"].iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
        return Err(HeaderFault::Framing);
    }
    if formats::trace::is_trace_header(name.as_bytes()) { Err(HeaderFault::Trace) } else { Ok(()) }
}

/// The line, from 1, of a place in a text.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
