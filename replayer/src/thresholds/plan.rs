//! Rules as they apply to a run: its endpoints by index, its windows, and each endpoint by itself where a rule says so.

use super::rule::{Endpoints, Rule, Window};
use crate::endpoints::{ENDPOINTS_MAX, are_others};

/// Rules of one run at most, each endpoint of `*` counted.
pub const RULES_MAX: usize = 5_000;
/// Of these, rules with a rolling window, whose seconds are held in memory.
pub const ROLLING_MAX: usize = 64;
/// Names that are suggested for one that is not there.
const SUGGESTED: usize = 3;

/// A rule with what people said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// The condition that fails the run.
    pub rule: Rule,
    /// What it is called.
    pub name: Option<String>,
    /// Why it is there.
    pub why: Option<String>,
    /// Where more is written.
    pub link: Option<String>,
    /// Where it stands: file and line.
    pub place: Option<String>,
}

impl From<Rule> for Budget {
    fn from(rule: Rule) -> Self {
        Self { rule, name: None, why: None, link: None, place: None }
    }
}

/// A rule as it applies to one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub(super) budget: Budget,
    /// Index and name, of a rule about one endpoint.
    pub(super) endpoint: Option<(u32, String)>,
    /// Never unsaid.
    pub(super) window: Window,
}

impl Applied {
    /// Whether it is about every stretch of some seconds.
    #[must_use]
    pub const fn is_rolling(&self) -> bool {
        matches!(self.window, Window::Any(_))
    }
}

/// Why rules cannot be applied to a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A rule about an endpoint that is not in the plan.
    #[error("{}the rule `{rule}` is about an endpoint that is not there: `{endpoint}`", at(place))]
    NoEndpoint {
        /// Where the rule stands, if in a file.
        place: Option<String>,
        /// The rule.
        rule: String,
        /// The name.
        endpoint: String,
        /// Endpoints with names like it.
        near: Vec<String>,
    },
    /// The same where there are more endpoints than are told apart.
    #[error(
        "{}the rule `{rule}` is about an endpoint that has no row of its own: `{endpoint}`; the first {ENDPOINTS_MAX} of a recording have one, and there are more here, which count together",
        at(place)
    )]
    Beyond {
        /// Where the rule stands, if in a file.
        place: Option<String>,
        /// The rule.
        rule: String,
        /// The name.
        endpoint: String,
        /// Endpoints with names like it.
        near: Vec<String>,
    },
    /// More rules than are judged.
    #[error("there are {count} thresholds, each endpoint of `*` counted, and at most {RULES_MAX} are judged")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// More rolling windows than are followed.
    #[error(
        "there are {count} thresholds with a rolling window, each endpoint of `*` counted, and at most {ROLLING_MAX} are followed"
    )]
    TooManyRolling {
        /// How many.
        count: usize,
    },
}

impl ApplyError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoEndpoint { near, .. } if near.is_empty() => "there are no endpoints".to_owned(),
            Self::NoEndpoint { near, .. } => {
                format!("names like it: {}; `reenact inspect SESSION` names them all", quoted(near))
            }
            Self::Beyond { near, .. } => format!(
                "make one of those that are the same, with --template /users/{{name}} or --learn-templates, or choose with --filter; names like it: {}",
                quoted(near)
            ),
            Self::TooMany { .. } => "name the endpoints that matter".to_owned(),
            Self::TooManyRolling { .. } => "name the endpoints that matter, or leave the window out".to_owned(),
        }
    }
}

/// Applies rules to a run with these endpoints; `has_steady` where warm-up or drain were given.
///
/// # Errors
/// When a rule names an endpoint that is not there, or when there are too many.
pub fn apply<'a>(
    budgets: &[Budget],
    endpoints: impl Iterator<Item = (u32, &'a str)> + Clone,
    has_steady: bool,
) -> Result<Vec<Applied>, ApplyError> {
    let mut applied = Vec::new();
    for budget in budgets {
        let window = match budget.rule.window {
            // Turning away is counted over the whole run.
            Window::Unsaid if has_steady && !budget.rule.is_whole_only() => Window::Steady,
            Window::Unsaid => Window::Whole,
            said => said,
        };
        let one = |endpoint| Applied { budget: budget.clone(), endpoint, window };
        match &budget.rule.select.endpoint {
            Endpoints::All => applied.push(one(None)),
            Endpoints::Each => {
                let each = endpoints.clone().map(|(index, name)| one(Some((index, name.to_owned()))));
                applied.extend(each.take(RULES_MAX + 1));
            }
            Endpoints::Named(name) => {
                let Some((index, _)) = endpoints.clone().find(|(_, there)| there == name) else {
                    let has_more = endpoints.clone().any(|(_, there)| are_others(there));
                    let near = nearest(name, endpoints.map(|(_, name)| name));
                    let (rule, endpoint, place) = (budget.rule.to_string(), name.clone(), budget.place.clone());
                    return Err(match has_more {
                        true => ApplyError::Beyond { place, rule, endpoint, near },
                        false => ApplyError::NoEndpoint { place, rule, endpoint, near },
                    });
                };
                applied.push(one(Some((index, name.clone()))));
            }
        }
        if applied.len() > RULES_MAX {
            return Err(ApplyError::TooMany { count: applied.len() });
        }
    }
    let rolling = applied.iter().filter(|one| matches!(one.window, Window::Any(_))).count();
    if rolling > ROLLING_MAX { Err(ApplyError::TooManyRolling { count: rolling }) } else { Ok(applied) }
}

/// What stands before an error about a rule in a file.
fn at(place: &Option<String>) -> String {
    place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Names that differ least from this one.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<(f64, &str)> = names.map(|there| (strsim::jaro_winkler(name, there), there)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter().take(SUGGESTED).map(|(_, name)| name.to_owned()).collect()
}
