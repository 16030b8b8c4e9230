//! What is checked stands in `fuzz/src/checks`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| reenact_fuzz::checks::run("session_summary", data));
