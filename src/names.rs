//! How endpoints are named: `--template`, once for all commands that have it.

use formats::endpoint::{Template, Templates};

use crate::outcome::Failure;

/// The templates that were given, together.
pub(crate) fn given(templates: &[Template]) -> Result<Templates, Failure> {
    Templates::new(templates).map_err(|error| Failure::of(&error).hint("see docs/filter.md for what a template can be"))
}
