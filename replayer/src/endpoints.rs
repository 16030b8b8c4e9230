//! Names of endpoints in a run: `GET /items/{id}`, and `GET (other endpoints)` of all that have no row of their own.
//!
//! What a name made of a request has no white space behind its method, so that the two cannot be taken for each other.

/// Endpoints that are told apart; each has histograms of its own. Requests of others count together, by method.
pub const ENDPOINTS_MAX: usize = 500;
/// Methods by which these are counted; what comes with yet another one is of [`OTHER_METHOD`].
const OTHER_METHODS_MAX: usize = 20;
/// Rows that a plan has at most: those endpoints, those methods, and all others.
pub(crate) const ROWS_MAX: usize = ENDPOINTS_MAX + OTHER_METHODS_MAX + 1;
/// A method that is not named, as the HTTP semantic conventions have it.
pub(crate) const OTHER_METHOD: &str = "_OTHER";

const OTHERS: &str = "(other endpoints)";

/// The name of all endpoints without a row of their own that are asked for by this method.
pub(crate) fn others(method: &str) -> String {
    format!("{method} {OTHERS}")
}

/// Whether a name is that of endpoints without a row of their own.
#[must_use]
pub fn are_others(name: &str) -> bool {
    name.ends_with(OTHERS)
}

/// Method and template; no template where it is not known.
pub(crate) fn parts(name: &str) -> (&str, Option<&str>) {
    let (method, template) = name.split_once(' ').map_or((name, None), |(method, path)| (method, Some(path)));
    (method, template.filter(|template| *template != OTHERS))
}
