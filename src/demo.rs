//! stub
use crate::cli::DemoArgs;
use crate::outcome::{Failure, Outcome};
pub(crate) fn run(_: DemoArgs) -> Result<Outcome, Failure> {
    Err(Failure::not_built("demo"))
}
