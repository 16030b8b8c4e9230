//! The parts of the tests of docs/SPEC.md.

pub(crate) mod damage;
pub(crate) mod events;
pub(crate) mod samples;
