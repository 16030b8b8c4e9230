//! The same bytes to the parser and to hyper. The first byte says whose they are.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../formats/tests/oracle/mod.rs"]
#[expect(dead_code, reason = "each target uses its part")]
mod oracle;

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    let checked = match which % 3 {
        0 => oracle::requests_are_hypers(bytes),
        1 => oracle::a_response_is_hypers("GET", bytes),
        _ => oracle::a_response_is_hypers("HEAD", bytes),
    };
    if let Err(difference) = checked {
        panic!("{difference}");
    }
});
