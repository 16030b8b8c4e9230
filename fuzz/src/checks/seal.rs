//! Sealed values.

use formats::seal::{find, opened_len};

/// Any text: sealed values in it are found in order, apart from each other, and each is one when it stands alone.
pub fn seal_find(data: &[u8]) {
    let mut end = 0;
    for range in find(data) {
        assert!(range.start >= end && range.end > range.start && range.end <= data.len());
        end = range.end;
        let Some(one) = data.get(range) else { panic!("a range outside of the text") };
        assert!(find(one).eq(std::iter::once(0..one.len())));
        assert!(opened_len(one) <= one.len());
    }
}
