//! Passes traffic on byte for byte (on pingora-core), taps it, and writes it into a session.
//!
//! Arrows: listen → relay → tap ⇐ capture → selection, losses. Nothing after the tap can delay a byte.

pub mod breaker;
pub mod capture;
pub mod clock;
pub mod latency;
pub mod listen;
pub mod losses;
mod relay;
pub mod selection;
pub mod tap;
mod turns;
