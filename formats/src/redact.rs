//! Redaction: secrets become pseudonyms, masks or sealed values before anything reaches the disk.
//!
//! Default rules find credentials by the names of headers and keys (`names`, `keys`), and by how they look (`patterns`);
//! own rules ([`Rule`]) come before them. `fields` reads heads and trailers, `form`, `json` and `multipart` what has keys,
//! `body` decodes. Everything that rules could apply to and that cannot be read is dropped, and said: it fails closed.
//! Deliberately not here: reading rules from a file, keys of sealed values ([`crate::seal`]), clients' keys.

mod batch;
mod body;
mod detect;
mod events;
mod explain;
mod fields;
mod form;
mod json;
mod json_path;
mod json_text;
mod key;
mod keys;
mod kind;
mod known;
mod lines;
mod multipart;
mod names;
mod near_json;
mod parameter;
mod pass;
mod patterns;
mod recent;
mod rule;
mod shape;
mod values;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::model::{Exchange, Message};
use crate::seal::Sealer;
use crate::stars::Pattern;
use known::KnownLines;
use names::Names;
use pass::{Compiled, Has, Pass};
use recent::Recent;
use values::Values;

pub(crate) use detect::{Detector, shown};
pub use explain::Change;
pub(crate) use form::decoded;
pub use json_path::JsonPath;
pub use json_text::unescaped;
pub(crate) use key::{KeyedHash, hash_u64};
pub use key::{RedactError, RedactionKey};
pub(crate) use keys::is_secret_key;
pub(crate) use names::is_token_byte;
pub use rule::{Action, Find, KeyPlace, Rule, RuleError, Scope};
pub(crate) use shape::is_luhn;
pub(crate) use values::unquoted;
pub use values::{is_replacement, masked};

/// What was redacted, for the session's header: enough to tell, nothing to recover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// [`RedactionKey::key_id`] of the key.
    pub key_id: String,
    /// Names of the headers that are redacted by default, in lower case; `*-x` stands for every name that ends in `-x`.
    pub headers: Vec<String>,
    /// Names of keys that are redacted by default in queries, forms and JSON; `*x` stands for every name that ends in `x`.
    pub keys: Vec<String>,
    /// Names of the default patterns.
    pub patterns: Vec<String>,
    /// The user's rules, each with its action.
    pub rules: Vec<String>,
}

/// Replaces the secrets of exchanges.
///
/// A secret becomes `redacted-` and 128 bits of HMAC-SHA-256 over it, so equal secrets stay equal wherever they stand;
/// one with fewer than 2⁴⁰ possibilities by alphabet and length becomes `***`; an empty one stays empty. With a
/// [`Sealer`] it is sealed instead, whatever it is.
#[derive(Clone)]
pub struct Redactor {
    key_id: String,
    rules: Arc<Compiled>,
}

impl Redactor {
    /// With the default rules.
    #[must_use]
    pub fn new(key: &RedactionKey) -> Self {
        let rules = Compiled {
            names: Names::default_rules(),
            values: Values::new(key),
            own: Vec::new(),
            action: Action::Pseudonym,
            has: Has::default(),
            detectors: Vec::new(),
            recent: Recent::default(),
            known_lines: KnownLines::default(),
        };
        Self { key_id: key.key_id(), rules: Arc::new(rules) }
    }

    /// Seals what rules find that have no other action. Comes before [`Self::with_rules`].
    #[must_use]
    pub fn with_sealer(mut self, sealer: Arc<Sealer>) -> Self {
        let rules = self.changed();
        rules.values.seal_with(sealer);
        rules.action = Action::Seal;
        self
    }

    /// Also redacts the values of headers with these names.
    #[must_use]
    pub fn with_headers(mut self, names: &[String]) -> Self {
        let rule = |name: &String| Rule {
            label: format!("header {}", name.to_ascii_lowercase()),
            find: Find::Header(Pattern::new(&name.to_ascii_lowercase().replace('_', "-"))),
            scope: Scope::default(),
            action: None,
        };
        self.changed().own.extend(names.iter().map(rule));
        self
    }

    /// The rules, to be changed; what was found out with them before says nothing any more.
    fn changed(&mut self) -> &mut Compiled {
        let rules = Arc::make_mut(&mut self.rules);
        rules.recent = Recent::default();
        rules.known_lines = KnownLines::default();
        rules
    }

    /// Adds rules, which come before the default ones, in this order.
    ///
    /// # Errors
    /// With the rule that cannot be followed.
    pub fn with_rules(mut self, own: Vec<Rule>) -> Result<Self, (String, RuleError)> {
        let rules = self.changed();
        for rule in own {
            if rule.action == Some(Action::Seal) && !rules.values.can_seal() {
                return Err((rule.label, RuleError::NoRecipient));
            }
            let has = &mut rules.has;
            has.scopes |= rule.scope.path.is_some() || rule.scope.host.is_some() || rule.scope.method.is_some();
            match &rule.find {
                Find::Pattern(_) => has.patterns = true,
                Find::Key(KeyPlace::Json, _) => has.json = true,
                Find::JsonPath(_) => has.json_paths = true,
                Find::Body(_) => {
                    has.bodies = true;
                    if let Some(action) = rule.action.filter(|action| !matches!(action, Action::Drop | Action::Keep)) {
                        return Err((rule.label, RuleError::BodyAction { action: action.name() }));
                    }
                }
                _ => {}
            }
            rules.own.push(rule);
        }
        Ok(self)
    }

    /// Redacts `exchange`. Parts in which nothing is found are not touched or copied.
    pub fn redact(&self, exchange: &mut Exchange) {
        let _ = self.run(exchange, false);
    }

    /// The same, and says what was changed. Slower.
    pub fn explain(&self, exchange: &mut Exchange) -> Vec<Change> {
        self.run(exchange, true)
    }

    /// Looks for these, too, and only looks: what it makes of an exchange is good for nothing but what [`Self::explain`]
    /// says of it.
    pub(crate) fn that_scans(mut self, detectors: Vec<Detector>) -> Self {
        let rules = self.changed();
        rules.has.patterns = true;
        rules.detectors = detectors;
        self
    }

    /// The rules, as a session's header publishes them.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let starred = |ending: &&str| format!("*{ending}");
        let rule = |rule: &Rule| format!("{}: {}", rule.label, rule.action.unwrap_or(self.rules.action).name());
        Policy {
            key_id: self.key_id.clone(),
            headers: Names::published(),
            keys: keys::NAMES.iter().map(|name| (*name).to_owned()).chain(keys::ENDINGS.iter().map(starred)).collect(),
            patterns: patterns::names().map(str::to_owned).collect(),
            rules: self.rules.own.iter().map(rule).collect(),
        }
    }

    fn run(&self, exchange: &mut Exchange, explains: bool) -> Vec<Change> {
        let mut pass = Pass::new(&self.rules, exchange, explains);
        let whole = exchange.instants.request_end.is_some();
        message(&mut pass, &mut exchange.request, whole);
        pass.part = "informational";
        for head in &mut exchange.informational {
            section(&mut pass, head, true);
        }
        pass.part = "response";
        if let Some(response) = &mut exchange.response {
            message(&mut pass, response, exchange.instants.response_end.is_some());
        }
        pass.changes.unwrap_or_default()
    }
}

fn message(pass: &mut Pass<'_>, message: &mut Message, whole: bool) {
    // The body first: what the head says of it may be redacted.
    pass.body(message, whole);
    section(pass, &mut message.head, true);
    pass.section_name = "trailer";
    section(pass, &mut message.trailers, false);
    pass.section_name = "header";
}

fn section(pass: &mut Pass<'_>, section: &mut Bytes, has_start_line: bool) {
    if section.is_empty() {
        return;
    }
    if let Some(redacted) = pass.section(section, has_start_line) {
        *section = redacted.into();
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
