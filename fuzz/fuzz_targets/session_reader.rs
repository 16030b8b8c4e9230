//! Any bytes as a segment: it is refused or read to its end, with what is damaged said.

#![no_main]

use std::io::Write as _;

use formats::session::Session;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(mut file) = tempfile::Builder::new().suffix(".reenact").tempfile() else { return };
    if file.write_all(data).is_err() {
        return;
    }
    if let Ok(session) = Session::open(file.path()) {
        assert!(session.events().count() <= data.len() + 8);
    }
});
