//! What holds for any bytes: one check for each fuzz target, which panics where it does not hold.
//!
//! A target of libFuzzer calls one of them; `formats/tests/corpus.rs` includes this module and calls them all with the
//! saved inputs and changed ones. No clock: who calls says how long a check may take.

mod coding;
mod filter;
mod head;
mod http1;
mod jsonl;
mod redact;
mod scan;
mod seal;
mod session;

/// A check of any bytes.
pub type Check = fn(&[u8]);

/// Every check, by the name of its target and of its folder in `fuzz/corpus`.
pub const ALL: &[(&str, Check)] = &[
    ("coding", coding::coding),
    ("filter", filter::filter),
    ("head", head::head),
    ("http1_connection", http1::http1_connection),
    ("http1_oracle", http1::http1_oracle),
    ("jsonl", jsonl::jsonl),
    ("redact", redact::redact),
    ("scan", scan::scan),
    ("seal_find", seal::seal_find),
    ("session_block", session::session_block),
    ("session_reader", session::session_reader),
    ("session_summary", session::session_summary),
];

/// Runs the check of a target.
///
/// # Panics
/// Where something does not hold, and where there is no such target.
pub fn run(target: &str, data: &[u8]) {
    let Some((_, check)) = ALL.iter().find(|(name, _)| *name == target) else { panic!("no check is named {target}") };
    check(data);
}
