//! Everything that looks into heads.

use formats::clients::ClientKeys;
use formats::endpoint::{Learner, Templates, endpoint};
use formats::redact::RedactionKey;
use formats::{head as heads, trace, visible};

/// Any bytes as a head: lines lie in it, in order; and nothing that names, keys or traces by it fails.
pub fn head(data: &[u8]) {
    let mut end = 0;
    for field in heads::fields(data) {
        assert!(field.line.start >= end && field.line.end >= field.line.start && field.line.end <= data.len());
        end = field.line.end;
    }
    let _ = heads::has_only_trailer_fields(data);
    assert!(heads::trailer_fields(data).count() <= data.len());
    let _ = heads::status_line(data);
    let recorded = trace::recorded(data);
    if let Some(context) = recorded.context {
        assert_ne!(context.trace_id, [0; 16]);
        assert_eq!(recorded.format == Some(trace::Format::TraceContext), {
            let value = heads::value(data, "traceparent").and_then(trace::parse_traceparent);
            value == Some(context) && heads::fields(data).filter(|field| field.is("traceparent")).count() == 1
        });
        if context.parent().is_some() {
            assert_eq!(trace::parse_traceparent(context.to_traceparent().as_bytes()), Some(context));
        }
    }
    let _ = trace::is_replay(data);
    if let Ok(key) = RedactionKey::from_secret(&[b'0'; 64]) {
        let keys = ClientKeys::new(Vec::new(), &key);
        assert_eq!(keys.of(data, None, 1), keys.of(data, None, 1));
    }
    if let Some(line) = heads::request_line(data) {
        let mut learner = Learner::new(Templates::default());
        (0..3).for_each(|_| learner.see(line.target));
        let learned = learner.into_templates();
        for name in [endpoint(line.method, line.target), learned.endpoint(line.method, line.target)] {
            assert!(!name.bytes().any(|byte| byte < b' '), "{name:?}");
        }
    }
    let text = String::from_utf8_lossy(data);
    assert!(!visible::line(&text).chars().any(char::is_control), "{text:?}");
}
