//! One exchange on its way through the rules: which of them hold for it, and what they did.
//!
//! Rules of the user come before default ones, in their order; the first that matches decides.

use std::borrow::Cow;

use super::detect::{CHANGES_MAX, COMPARED_MAX, Detector};
use super::explain::Change;
use super::form::percent_encode;
use super::json_text::escape;
use super::keys;
use super::known::KnownLines;
use super::names::Names;
use super::patterns;
use super::recent::Recent;
use super::rule::{Action, Find, KeyPlace, Rule};
use super::values::{Put, Values};
use crate::model::Exchange;
use crate::{endpoint, head};

/// All rules, ready to be used.
#[derive(Clone)]
pub(super) struct Compiled {
    pub(super) names: Names,
    pub(super) values: Values,
    pub(super) own: Vec<Rule>,
    /// What rules without an action of their own do.
    pub(super) action: Action,
    pub(super) has: Has,
    /// What is looked for beside the rules; only where nothing is redacted.
    pub(super) detectors: Vec<Detector>,
    /// Where these rules found nothing.
    pub(super) recent: Recent,
    pub(super) known_lines: KnownLines,
}

/// Which kinds of rules there are, so that nothing is looked for in vain.
#[derive(Clone, Copy, Default)]
pub(super) struct Has {
    pub(super) scopes: bool,
    pub(super) patterns: bool,
    pub(super) json: bool,
    pub(super) json_paths: bool,
    pub(super) bodies: bool,
}

/// What is to be done with a value, and which rule says so: one of the user, by its place in their list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) action: Action,
    pub(super) rule: RuleName,
}

/// A rule, for those who want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleName {
    /// Of the user, by its place in the list.
    Own(usize),
    /// A default rule.
    Default(&'static str),
}

/// What the user's rules say of a name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decision {
    Own(Verdict),
    /// Nothing; this is what a default rule would do.
    Default(Verdict),
}

/// The rules at work on one exchange.
pub(super) struct Pass<'r> {
    pub(super) rules: &'r Compiled,
    /// Which rules of the user hold for this exchange; empty when all do.
    active: Vec<bool>,
    /// Where changes are told, when somebody wants to know.
    pub(super) changes: Option<Vec<Change>>,
    /// The message that is looked at, in words.
    pub(super) part: &'static str,
    /// `header` or `trailer`.
    pub(super) section_name: &'static str,
    /// What JSON stands in: `body` or `query`.
    pub(super) holder: &'static str,
    /// The way to a place in JSON, in a scan.
    pub(super) steps: Vec<String>,
    /// How the text that is looked at is written where it stands, from the outermost on.
    pub(super) written_as: Vec<WrittenAs>,
}

/// How text is written inside of other text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrittenAs {
    /// A string of JSON.
    JsonString,
    /// With percent escapes.
    Escaped,
}

impl<'r> Pass<'r> {
    pub(super) fn new(rules: &'r Compiled, exchange: &Exchange, explains: bool) -> Self {
        let active = if rules.has.scopes { active(&rules.own, exchange) } else { Vec::new() };
        Self {
            rules,
            active,
            changes: explains.then(Vec::new),
            part: "request",
            section_name: "header",
            holder: "body",
            steps: Vec::new(),
            written_as: Vec::new(),
        }
    }

    /// The user's rules that hold here, with their places in the list.
    fn own(&self) -> impl Iterator<Item = (usize, &'r Rule)> {
        let active = &self.active;
        self.rules.own.iter().enumerate().filter(move |(index, _)| active.get(*index).copied().unwrap_or(true))
    }

    fn first(&self, matches: impl Fn(&Find) -> bool) -> Option<Verdict> {
        if self.rules.own.is_empty() {
            return None;
        }
        let (index, rule) = self.own().find(|(_, rule)| matches(&rule.find))?;
        Some(Verdict { action: rule.action.unwrap_or(self.rules.action), rule: RuleName::Own(index) })
    }

    pub(super) fn default(&self, rule: &'static str) -> Verdict {
        Verdict { action: self.rules.action, rule: RuleName::Default(rule) }
    }

    pub(super) fn has_own_patterns(&self) -> bool {
        self.rules.has.patterns
    }

    /// What is to be done with headers of this name.
    pub(super) fn header(&self, name: &[u8]) -> Decision {
        if self.rules.own.is_empty() {
            return Decision::Default(self.default("header"));
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
        let own = self.first(|find| matches!(find, Find::Header(pattern) if pattern.matches(&name)));
        if let Some(verdict) = own {
            return Decision::Own(verdict);
        }
        Decision::Default(self.default("header"))
    }

    /// What is to be done with a cookie in a header for which `header` was decided.
    pub(super) fn cookie(&self, name: &[u8], header: Verdict) -> Option<Verdict> {
        if self.rules.own.is_empty() {
            return Some(header);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let own = self.first(|find| matches!(find, Find::Cookie(pattern) if pattern.matches(&name)));
        Some(own.unwrap_or(header))
    }

    /// What is to be done with the value of a key.
    pub(super) fn key(&self, place: KeyPlace, name: &[u8]) -> Option<Verdict> {
        let mut buffer = [0; 64];
        let normal = keys::normal_in(name, &mut buffer);
        let own = |find: &Find| matches!(find, Find::Key(of, key) if *of == place && key.as_bytes() == normal);
        self.first(own).or_else(|| keys::is_credential(normal).then(|| self.default("key")))
    }

    /// What is to be done with the value at a place in JSON.
    pub(super) fn json_path(&self, path: &[super::json_path::At]) -> Option<Verdict> {
        self.first(|find| matches!(find, Find::JsonPath(wanted) if wanted.matches(path)))
    }

    /// What a rule says of whole bodies of a media type.
    pub(super) fn body_rule(&self, media_type: &str) -> Option<Verdict> {
        let found = self.first(|find| matches!(find, Find::Body(pattern) if pattern.matches(media_type)))?;
        Some(found)
    }

    /// Whether any pattern may find something in a text.
    pub(super) fn may_have_pattern(&self, text: &[u8]) -> bool {
        self.rules.has.patterns || patterns::may_match(text)
    }

    /// The text with what patterns find in it replaced; `None` when they find nothing.
    pub(super) fn text(&mut self, place: &'static str, name: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let mut changed: Option<Vec<u8>> = None;
        if self.rules.has.patterns {
            let own: Vec<_> = self.own().collect();
            for (index, rule) in own {
                let Find::Pattern(regex) = &rule.find else { continue };
                let action = rule.action.unwrap_or(self.rules.action);
                let verdict = Verdict { action, rule: RuleName::Own(index) };
                let input = changed.as_deref().unwrap_or(text);
                if let Some(output) = self.replace(place, name, regex, |_| true, verdict, input) {
                    changed = Some(output);
                }
            }
        }
        if patterns::may_match(changed.as_deref().unwrap_or(text)) {
            for (label, regex) in patterns::matching(text) {
                let own = self.first(|find| matches!(find, Find::Default(known) if known == label));
                let verdict = own.unwrap_or_else(|| self.default(label));
                let input = changed.as_deref().unwrap_or(text);
                if let Some(output) = self.replace(place, name, regex, |_| true, verdict, input) {
                    changed = Some(output);
                }
            }
        }
        let rules = self.rules;
        for Detector { name: label, regex, is_one } in &rules.detectors {
            let verdict = Verdict { action: Action::Mask, rule: RuleName::Default(label) };
            let input = changed.as_deref().unwrap_or(text);
            if let Some(output) = self.replace(place, name, regex, is_one, verdict, input) {
                changed = Some(output);
            }
        }
        changed
    }

    fn replace(
        &mut self,
        place: &'static str,
        name: &[u8],
        regex: &regex::bytes::Regex,
        is_one: impl Fn(&[u8]) -> bool,
        verdict: Verdict,
        text: &[u8],
    ) -> Option<Vec<u8>> {
        if verdict.action == Action::Keep {
            return None;
        }
        let (mut out, mut copied, mut any) = (Vec::new(), 0, false);
        for captures in regex.captures_iter(text) {
            let Some(secret) = captures.name("secret").or_else(|| captures.get(0)) else { continue };
            if !is_one(secret.as_bytes()) {
                continue;
            }
            out.extend_from_slice(text.get(copied..secret.start()).unwrap_or_default());
            any |= self.put(place, name, verdict, secret.as_bytes(), secret.as_bytes(), &mut out);
            copied = secret.end();
        }
        out.extend_from_slice(text.get(copied..).unwrap_or_default());
        any.then_some(out)
    }

    /// Appends what may be known of a secret, and says whether that is another text.
    pub(super) fn put(
        &mut self,
        place: &'static str,
        name: &[u8],
        verdict: Verdict,
        secret: &[u8],
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        // Whoever opens a sealed value puts it back as it is.
        let raw = if verdict.action == Action::Seal { self.as_written(raw) } else { Cow::Borrowed(raw) };
        match self.rules.values.put(verdict.action, secret, &raw, out) {
            Put::AsItWas => false,
            Put::By(action) => {
                self.note(place, name, verdict.rule, action, secret.len());
                true
            }
        }
    }

    /// A part of the text that is looked at, as it would be written where that stands.
    fn as_written<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        self.written_as.iter().rev().fold(Cow::Borrowed(text), |text, written_as| {
            let mut out = Vec::new();
            match written_as {
                WrittenAs::JsonString => escape(&text, &mut out),
                WrittenAs::Escaped => percent_encode(&text, |_| false, &mut out),
            }
            Cow::Owned(out)
        })
    }

    /// Looks at text that is written in a way of its own.
    pub(super) fn inside<T>(&mut self, written_as: WrittenAs, look: impl FnOnce(&mut Self) -> T) -> T {
        self.written_as.push(written_as);
        let found = look(self);
        self.written_as.pop();
        found
    }

    pub(super) fn note(&mut self, place: &'static str, name: &[u8], rule: RuleName, action: Action, bytes: usize) {
        if self.changes.is_none() {
            return;
        }
        let rule = match rule {
            RuleName::Own(index) => self.rules.own.get(index).map(|rule| rule.label.clone()).unwrap_or_default(),
            RuleName::Default(name) => format!("default {name}"),
        };
        // What peers call things must not move anybody's cursor.
        let printed = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
        let name = String::from_utf8_lossy(name).chars().take(Change::NAME_CHARS_MAX).map(printed).collect();
        let scans = self.scans();
        let path = if scans && place == "json" { self.shown_path() } else { String::new() };
        let mut change = Change { part: self.part, place, name, path, rule, action: action.name(), bytes, count: 1 };
        let Some(changes) = &mut self.changes else { return };
        if scans {
            if changes.len() >= CHANGES_MAX {
                change = Change { place: "other", name: String::new(), path: String::new(), ..change };
            }
            let same = changes.iter_mut().rev().take(COMPARED_MAX).find(|one| one.is_like(&change));
            if let Some(same) = same {
                same.count += 1;
                return;
            }
        }
        changes.push(change);
    }

    /// How many changes there are so far.
    pub(super) fn changes_len(&self) -> usize {
        self.changes.as_ref().map_or(0, Vec::len)
    }

    /// Changes are forgotten back to this many: what they were part of is read in another way, or dropped.
    pub(super) fn forget_changes(&mut self, back_to: usize) {
        if let Some(all) = &mut self.changes {
            all.truncate(back_to);
        }
    }
}

fn active(rules: &[Rule], exchange: &Exchange) -> Vec<bool> {
    let line = head::request_line(&exchange.request.head);
    let host = head::value(&exchange.request.head, "host").unwrap_or_default();
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    let (method, target) = line.map_or((&b""[..], &b""[..]), |line| (line.method, line.target));
    let path = String::from_utf8_lossy(endpoint::path(target));
    let holds = |rule: &Rule| {
        rule.scope.path.as_ref().is_none_or(|pattern| pattern.matches(&path))
            && rule.scope.host.as_ref().is_none_or(|pattern| pattern.matches(&host))
            && rule.scope.method.as_ref().is_none_or(|wanted| wanted.as_bytes() == method)
    };
    rules.iter().map(holds).collect()
}
