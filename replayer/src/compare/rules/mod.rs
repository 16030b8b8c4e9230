//! Rules that say which differences between answers mean nothing: a small file, the default rules, and what each silenced.
//!
//! The first rule that is about a place of an endpoint and excuses a difference there silences it. Not here: finding
//! differences, and proposing rules.

mod file;
pub mod looks;
mod matcher;
mod place;

use std::collections::HashMap;
use std::path::Path;

use matcher::{Mapped, Matcher};
use place::{Covers, Places};

use crate::differ::Difference;

pub use file::RulesError;

/// The default rules, as a file would have them.
pub const DEFAULT: &str = include_str!("default.toml");
/// Places of endpoints for which it is remembered which rules are about them.
const REMEMBERED_MAX: usize = 200_000;
/// A rule of a file that silences differences at this many places, and at this share of all, is asked about.
const MANY_PLACES: usize = 8;
const LARGE_SHARE: f64 = 0.5;

/// All rules of a comparison.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// By endpoint and place: the rules about it.
    about: HashMap<(u32, u32), Vec<About>>,
    /// Places at which anything was looked up.
    places: usize,
}

#[derive(Debug)]
struct Rule {
    line: usize,
    endpoint: Option<String>,
    endpoint_pattern: Option<regex::Regex>,
    place: String,
    places: Places,
    matcher: Matcher,
    why: Option<String>,
    used: Used,
    is_default: bool,
}

/// A rule about a place.
#[derive(Debug)]
struct About {
    rule: usize,
    covers: Covers,
    /// Whether it silenced something there.
    is_used: bool,
}

#[derive(Debug, Default)]
struct Used {
    silenced: u64,
    kept: u64,
    /// Places of endpoints at which it silenced something.
    at: usize,
    mapped: Mapped,
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleUse {
    /// Its line in the file; of the default rules, in those.
    pub line: usize,
    /// Whether it is a default rule.
    pub is_default: bool,
    /// Endpoints that it is about; `None` for all.
    pub endpoint: Option<String>,
    /// Its place.
    pub place: String,
    /// The word for its matcher.
    pub matcher: &'static str,
    /// What its author says.
    pub why: Option<String>,
    /// Differences that it silenced.
    pub silenced: u64,
    /// Differences at its places that it did not excuse.
    pub kept: u64,
}

impl Rules {
    /// The default rules, behind those of a file, if one is given.
    ///
    /// # Errors
    /// When the file cannot be read or is no such file.
    pub fn read(path: Option<&Path>) -> Result<Self, RulesError> {
        match path {
            None => Self::of(Path::new("the default rules"), "").map(|(rules, _)| rules),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| RulesError::Read { path: path.to_owned(), source })?;
                Self::of(path, &text).map(|(rules, _)| rules)
            }
        }
    }

    /// The same of a text, and whether the default rules are among them.
    ///
    /// # Errors
    /// When the text has no rules.
    pub fn of(path: &Path, text: &str) -> Result<(Self, bool), RulesError> {
        let (mut rules, use_defaults) = file::parse(path, text)?;
        if use_defaults {
            let (mut defaults, _) = file::parse(Path::new("the default rules"), DEFAULT)?;
            defaults.iter_mut().for_each(|rule| rule.is_default = true);
            rules.extend(defaults);
        }
        Ok((Self { rules, ..Self::default() }, use_defaults))
    }

    /// Whether a rule silences this difference at place number `place` of endpoint number `endpoint`, called so; of the
    /// pair of runs number `pair`.
    pub fn silence(&mut self, of: &Difference<'_>, endpoint: (u32, &str), place: u32, pair: u32) -> bool {
        let key = (endpoint.0, place);
        if !self.about.contains_key(&key) {
            if self.about.len() >= REMEMBERED_MAX {
                self.about.clear();
            }
            self.places += 1;
            let about = self.about_place(endpoint.1, of.place);
            self.about.insert(key, about);
        }
        for about in self.about.get_mut(&key).into_iter().flatten() {
            let Some(rule) = self.rules.get_mut(about.rule) else { continue };
            if rule.matcher.excuses(of, about.covers, pair, &mut rule.used.mapped) {
                rule.used.silenced += 1;
                rule.used.at += usize::from(!std::mem::replace(&mut about.is_used, true));
                return true;
            }
            rule.used.kept += 1;
        }
        false
    }

    fn about_place(&self, endpoint: &str, place: &str) -> Vec<About> {
        let about = |(index, rule): (usize, &Rule)| {
            if rule.endpoint_pattern.as_ref().is_some_and(|pattern| !pattern.is_match(endpoint)) {
                return None;
            }
            match rule.places.cover(place) {
                Covers::Not => None,
                Covers::Below if !rule.matcher.is_of_all_below() => None,
                covers => Some(About { rule: index, covers, is_used: false }),
            }
        };
        self.rules.iter().enumerate().filter_map(about).collect()
    }

    /// The member by which the elements of the array at this place of an endpoint are told apart, if a rule names one.
    #[must_use]
    pub fn element_key(&self, endpoint: &str, place: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| match &rule.matcher {
            Matcher::Set(Some(by))
                if rule.places.cover(place) == Covers::Exactly
                    && rule.endpoint_pattern.as_ref().is_none_or(|pattern| pattern.is_match(endpoint)) =>
            {
                Some(by.clone())
            }
            _ => None,
        })
    }

    /// What came of each rule.
    #[must_use]
    pub fn uses(&self) -> Vec<RuleUse> {
        let of = |rule: &Rule| RuleUse {
            line: rule.line,
            is_default: rule.is_default,
            endpoint: rule.endpoint.clone(),
            place: rule.place.clone(),
            matcher: rule.matcher.name(),
            why: rule.why.clone(),
            silenced: rule.used.silenced,
            kept: rule.used.kept,
        };
        self.rules.iter().map(of).collect()
    }

    /// Rules of the file that silence nothing, or so much that it may not be meant.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let own = self.rules.iter().filter(|rule| !rule.is_default);
        let mut said = Vec::new();
        for rule in own {
            let name = format!("the rule on line {} (`{}`, {})", rule.line, rule.place, rule.matcher.name());
            let share = rule.used.at as f64 / self.places.max(1) as f64;
            if rule.used.silenced == 0 && rule.used.kept == 0 {
                said.push(format!("{name} matches nothing: nothing differs at such a place"));
            } else if rule.used.silenced == 0 {
                said.push(format!("{name} silences nothing: {} differences there are not as it says", rule.used.kept));
            } else if matches!(rule.place.as_str(), "$" | "*" | "body" | "/")
                || (rule.used.at >= MANY_PLACES && share >= LARGE_SHARE)
            {
                said.push(format!(
                    "{name} silences {} differences at {} of {} places where anything differs: what changes there is not seen",
                    rule.used.silenced, rule.used.at, self.places
                ));
            }
            if rule.used.mapped.is_full {
                said.push(format!("{name} knows a million ids; those that came later are not checked"));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests;
