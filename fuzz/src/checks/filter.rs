//! The filter language.

use bytes::Bytes;
use formats::endpoint::Templates;
use formats::filter::{Context, FILTER_BYTES_MAX, Filter};
use formats::model::Exchange;

use super::redact::{exchange, parts};

/// Any text is refused at a place in it, or prints as what parses to the same and prints so, too. What follows a 0xff is
/// an exchange, in which it is looked for.
pub fn filter(data: &[u8]) {
    let [text, rest] = parts(data);
    let Ok(text) = str::from_utf8(text) else { return };
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.line >= 1 && error.column >= 1 && error.line <= text.lines().count().max(1) + 1, "{error:?}");
            assert!(!error.to_string().bytes().any(|byte| byte < b' ' && byte != b'\n'), "{error}");
            return;
        }
    };
    let printed = filter.to_string();
    // Quotes and escapes make it longer.
    if printed.len() <= FILTER_BYTES_MAX {
        let again = Filter::parse(&printed);
        assert_eq!(again.as_ref().ok(), Some(&filter), "{printed}: {again:?}");
        assert_eq!(again.map(|again| again.to_string()).ok(), Some(printed));
    }
    let templates = Templates::default();
    let context =
        |started| Context { session_started_unix_ns: started, recording_started_unix_ns: 0, templates: &templates };
    let mut given = exchange(rest);
    let described = filter.matches(&given, &context(0));
    assert_eq!(described, filter.matches(&given, &context(0)));
    let _ = filter.matches(&given, &context(u64::MAX));
    given.instants.response_end = Some(0);
    given.instants.request_start = u64::MAX;
    given.request.head = Bytes::new();
    let _ = filter.matches(&given, &context(u64::MAX));
    let _ = filter.matches(&Exchange::default(), &context(1));
}
