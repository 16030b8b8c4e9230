//! Re-issues recorded sessions open-loop at a multiplied rate, each request with a fresh trace context.
//!
//! The way is one-directional: plan → prepare → send → count → report. Nothing after the pacer can move a release.

pub mod answers;
pub mod clock;
pub mod collect;
pub mod compare;
pub mod compared;
pub mod contexts;
pub mod credentials;
pub mod dial;
pub mod differ;
pub mod endpoints;
pub mod error;
pub mod feed;
pub mod health;
pub mod job;
pub mod measure;
pub mod merge;
pub mod metrics;
pub mod outputs;
mod plain_http;
pub mod plan;
pub mod recount;
pub mod report;
mod request_log;
pub mod result;
pub mod rewrite;
mod rule_text;
pub mod run;
pub mod run_directory;
pub mod safety;
pub mod scratch;
pub mod secret;
pub mod send;
pub mod shape;
pub mod spans;
pub mod spool;
pub mod survey;
pub mod target;
pub mod tempo;
pub mod thresholds;
mod turns;
pub mod verdict;
pub mod watched;

/// Every connection takes a descriptor: the soft limit goes up to the hard one.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
}
