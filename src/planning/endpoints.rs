//! What is said of endpoints beyond the bound, and of templates that name none.

use formats::endpoint::Template;
use replayer::endpoints::{ENDPOINTS_MAX, are_others};
use replayer::spool::EndpointPlan;

use super::Planned;
use crate::units;

/// Those of the templates that were given which no recorded path is like; of endpoints beyond the bound nobody knows.
pub(super) fn unused(given: &[Template], endpoints: &[EndpointPlan]) -> Vec<String> {
    if endpoints.iter().any(|row| are_others(&row.name)) {
        return Vec::new();
    }
    let names = |template: &str, row: &EndpointPlan| {
        let rest = row.name.split_once(' ').and_then(|(_, path)| path.strip_prefix(template));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let given = given.iter().map(ToString::to_string);
    let unused = given.filter(|template| !endpoints.iter().any(|row| names(template, row)));
    unused.map(|template| format!("--template {template}: no recorded path is like it")).collect()
}

impl Planned {
    /// How many requests count together, since there are more endpoints than are told apart.
    pub(crate) fn endpoints_notice(&self) -> Option<String> {
        let rows = self.spool.summary.endpoints.iter().filter(|row| are_others(&row.name));
        let requests: u64 = rows.map(|row| row.planned).sum();
        (requests > 0).then(|| {
            format!(
                "{} of {} requests are of endpoints beyond the first {ENDPOINTS_MAX} and count together, by method, as \
                 `(other endpoints)`: name what are the same ones with --template /users/{{name}}, or let \
                 --learn-templates find them",
                units::count(requests),
                units::count(self.spool.summary.requests)
            )
        })
    }
}
