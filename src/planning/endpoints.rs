//! What is said of endpoints beyond the bound.

use replayer::endpoints::{ENDPOINTS_MAX, are_others};

use super::Planned;
use crate::units;

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
