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
    /// Each exchange by itself, as where no users are to be seen.
    Warp,
}

impl FromStr for Method {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        match text {
            "auto" => Ok(Self::Auto),
            "clone" => Ok(Self::Clone),
            "warp" => Ok(Self::Warp),
            "overlay" | "compress" | "poisson" => Err(PlanError::MethodNotBuilt { given: text.to_owned() }),
            _ => Err(PlanError::Method { given: text.to_owned() }),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Clone => "clone",
            Self::Warp => "warp",
        })
    }
}
