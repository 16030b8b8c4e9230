//! Rules at work on one request.
//!
//! A rule describes requests by what was recorded; its actions see what earlier rules left. The order of actions inside a
//! rule is that of [`Action`]: path, query, headers, body, and in each first remove, then replace, then set.

use std::sync::atomic::Ordering::Relaxed;

use formats::endpoint::Templates;

use super::head::Head;
use super::hosts::{authority_at, host_of};
use super::query;
use super::rules::{Action, Rule, Rules};
use super::text::Text;

/// What rules are chosen by.
struct Recorded {
    endpoint: String,
    method: String,
    /// In lower case, with its port if it has one.
    authority: String,
}

/// What rules changed of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changed {
    pub(super) anything: bool,
    pub(super) body: bool,
}

impl Rules {
    /// Applies all rules in order.
    /// `is_decoded` says that the body has no coding, whatever the head says.
    pub(super) fn apply(
        &self,
        templates: &Templates,
        recorded: &[u8],
        head: &mut Head<'_>,
        body: &mut Text<'_>,
        is_decoded: bool,
    ) -> Changed {
        let mut all = Changed::default();
        if self.0.is_empty() {
            return all;
        }
        let Some(line) = formats::head::request_line(recorded) else { return all };
        let authority = authority_at(line.target).and_then(|at| line.target.get(at));
        let authority = authority.or_else(|| formats::head::value(recorded, "host")).unwrap_or_default();
        let recorded = Recorded {
            endpoint: templates.endpoint(line.method, line.target),
            method: String::from_utf8_lossy(line.method).into_owned(),
            authority: String::from_utf8_lossy(authority).to_ascii_lowercase(),
        };
        for rule in self.0.iter().filter(|rule| rule.describes(&recorded)) {
            rule.matched.fetch_add(1, Relaxed);
            let mut changed = false;
            for action in &rule.actions {
                let acted = act(rule, action, head, body, is_decoded);
                changed |= acted;
                all.body |= acted && matches!(action, Action::ReplaceBody(_));
            }
            rule.changed.fetch_add(u64::from(changed), Relaxed);
            all.anything |= changed;
        }
        all
    }
}

impl Rule {
    fn describes(&self, recorded: &Recorded) -> bool {
        let authority = &recorded.authority;
        self.endpoint.as_ref().is_none_or(|pattern| pattern.matches(&recorded.endpoint))
            && self.method.as_ref().is_none_or(|method| *method == recorded.method)
            && self
                .host
                .as_ref()
                .is_none_or(|pattern| pattern.matches(authority) || pattern.matches(host_of(authority)))
    }
}

/// Whether the action did anything.
fn act(rule: &Rule, action: &Action, head: &mut Head<'_>, body: &mut Text<'_>, is_decoded: bool) -> bool {
    match action {
        Action::ReplacePath(replace) => query::edit_path(&mut head.target, |path| replace.apply(path)),
        Action::RemoveQuery(key) => query::edit(&mut head.target, |pairs| query::remove(pairs, key)),
        Action::ReplaceQuery(key, replace) => {
            query::edit(&mut head.target, |pairs| query::replace(pairs, key, |value| replace.apply(value)))
        }
        Action::SetQuery(key, value) => query::edit(&mut head.target, |pairs| query::set(pairs, key, value)),
        Action::RemoveHeader(name) => head.remove(name),
        Action::ReplaceHeader(name, replace) => {
            let mut changed = false;
            for line in head.lines_mut(name) {
                if let Some(value) = replace.apply(&line.value) {
                    line.value = value;
                    changed = true;
                }
            }
            changed
        }
        Action::SetHeader(name, value) => {
            head.set(name, value.clone());
            true
        }
        Action::ReplaceBody(replace) => {
            if !is_text(head, body, is_decoded) {
                rule.not_text.fetch_add(1, Relaxed);
                return false;
            }
            let new = if body.is_empty() { None } else { replace.apply(body) };
            new.map(|new| *body = new).is_some()
        }
    }
}

/// A body that can be searched as it is: UTF-8, and not compressed.
fn is_text(head: &Head<'_>, body: &Text<'_>, is_decoded: bool) -> bool {
    let coding = head.line("content-encoding").map(|line| line.value.bytes());
    let is_plain = is_decoded || coding.is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"));
    is_plain && std::str::from_utf8(body.bytes()).is_ok()
}
