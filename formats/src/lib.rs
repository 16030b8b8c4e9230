//! Session files, the HTTP/1 wire parser, redaction and the names that recorder and replayer share.
//!
//! Pure on purpose: no clock, no sockets, no threads, no async. Files are read and written by [`session`] alone.

pub mod head;
pub mod model;
pub mod wire;
pub mod session;
