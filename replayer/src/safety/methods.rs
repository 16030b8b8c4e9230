//! Requests that may change the target's state: sent, skipped, or a reason not to begin.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Deserialize;
use toml::Spanned;

use crate::rewrite::{Pattern, line_of};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It is sent.
    Send,
    /// It is left out and counted.
    Skip,
    /// The run does not begin.
    #[default]
    Fail,
}

impl std::str::FromStr for Decision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "send" => Ok(Self::Send),
            "skip" => Ok(Self::Skip),
            "fail" => Ok(Self::Fail),
            _ => Err(format!("`{text}` is neither send, skip nor fail")),
        }
    }
}

/// The decision for unsafe methods, and those for endpoints by name.
#[derive(Debug, Default)]
pub struct UnsafePolicy {
    default: Decision,
    overrides: Vec<Override>,
}

#[derive(Debug)]
struct Override {
    given: String,
    line: usize,
    endpoint: Pattern,
    decision: Decision,
    used: AtomicU64,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default, rename = "unsafe")]
    tables: Vec<Spanned<Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    endpoint: String,
    decision: Decision,
}

/// Why the decisions cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MethodsError {
    /// No TOML, or no `[[unsafe]]` table; the text has line and column.
    #[error("{}", text.trim_end())]
    Toml {
        /// What the parser says.
        text: String,
    },
}

impl MethodsError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "an [[unsafe]] table has two keys: endpoint = \"POST /search\" and decision = \"send\", \"skip\" or \"fail\""
    }
}

impl UnsafePolicy {
    /// The table's name in a configuration file.
    pub const TABLE: &'static str = "unsafe";

    /// One decision for all unsafe methods.
    #[must_use]
    pub fn new(default: Decision) -> Self {
        Self { default, overrides: Vec::new() }
    }

    /// Adds the `[[unsafe]]` tables of a TOML text. Other tables at the top are passed over: whoever owns the file knows
    /// which there may be.
    ///
    /// # Errors
    /// With line and column.
    pub fn with_overrides(mut self, text: &str) -> Result<Self, MethodsError> {
        let document: Document =
            toml::from_str(text).map_err(|error| MethodsError::Toml { text: error.to_string() })?;
        self.overrides.extend(document.tables.into_iter().map(|table| {
            let line = line_of(text, table.span().start);
            let Table { endpoint, decision } = table.into_inner();
            Override { endpoint: Pattern::new(&endpoint), given: endpoint, line, decision, used: AtomicU64::new(0) }
        }));
        Ok(self)
    }

    /// What happens to a request with this method, whose endpoint has this name ([`formats::endpoint`]).
    ///
    /// The first table that describes the endpoint decides, for safe methods too (`GET /logout` may be skipped). Without
    /// one, methods that are safe by RFC 9110 §9.2.1 are sent, and the default decides about all others.
    #[must_use]
    pub fn decide(&self, method: &[u8], endpoint: &str) -> Decision {
        if let Some(named) = self.overrides.iter().find(|one| one.endpoint.matches(endpoint)) {
            named.used.fetch_add(1, Relaxed);
            return named.decision;
        }
        if matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE") { Decision::Send } else { self.default }
    }

    /// The tables by which a run with the requests so far does not begin.
    #[must_use]
    pub fn failing(&self) -> Vec<String> {
        let is_failing = |one: &&Override| one.decision == Decision::Fail && one.used.load(Relaxed) > 0;
        let failing = self.overrides.iter().filter(is_failing);
        failing.map(|one| format!("[[unsafe]] on line {} says fail of `{}`", one.line, one.given)).collect()
    }

    /// The tables that described no request so far.
    #[must_use]
    pub fn unused(&self) -> Vec<String> {
        let unused = self.overrides.iter().filter(|one| one.used.load(Relaxed) == 0);
        unused.map(|one| format!("[[unsafe]] on line {}: no request is a `{}`", one.line, one.given)).collect()
    }
}
