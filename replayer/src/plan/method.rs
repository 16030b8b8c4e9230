//! How a rate is multiplied.

use std::fmt;
use std::str::FromStr;

use super::PlanError;

/// How a rate is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Clients that are users are cloned; pools are taken apart and their exchanges warped.
    #[default]
    Auto,
    /// Every client is cloned, also what looks like a pool.
    Clone,
    /// Copies of the whole stream, each shifted by one amount, around the end of the recording.
    Overlay,
    /// Every time is divided by the rate; nothing is copied.
    Compress,
    /// Each exchange by itself, as where no users are to be seen.
    Warp,
    /// A Poisson process with the recorded rate profile: a smooth synthetic baseline.
    Poisson,
}

/// Methods by their names.
const NAMES: [(&str, Method); 6] = [
    ("auto", Method::Auto),
    ("clone", Method::Clone),
    ("overlay", Method::Overlay),
    ("compress", Method::Compress),
    ("warp", Method::Warp),
    ("poisson", Method::Poisson),
];

impl FromStr for Method {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let found = NAMES.iter().find(|(name, _)| *name == text).map(|(_, method)| *method);
        found.ok_or_else(|| PlanError::Method { given: text.to_owned() })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(_, method)| method == self).map_or("", |(name, _)| name))
    }
}
