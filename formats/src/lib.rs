//! Session files, the HTTP/1 wire parser, redaction and the names that recorder and replayer share.
//!
//! Pure on purpose: no clock, no sockets, no threads, no async. Files are read and written by [`session`] alone.

#![cfg_attr(not(test), deny(clippy::cast_possible_truncation))]

pub mod clients;
pub mod coding;
pub mod endpoint;
pub mod filter;
pub mod head;
pub mod json_string;
pub mod jsonl;
pub mod model;
pub mod redact;
pub mod sample;
pub mod scan;
pub mod seal;
pub mod session;
pub mod stars;
pub mod summary;
pub mod trace;
pub mod visible;
pub mod wire;
