//! The marks of a replay: by any one of them a recorder knows a request that it must not record again.

use crate::head;

/// Key of the `tracestate` member that every request of a replay has, whatever propagators were chosen.
pub const REPLAY_TRACESTATE_KEY: &str = "reenact";

/// Key of the baggage member that names the run, which requests have where `baggage` is among the propagators.
pub const REPLAY_BAGGAGE_KEY: &str = "reenact.run_id";

/// How the last word of a replay's User-Agent begins, where the recorded request had one.
pub const REPLAY_PRODUCT: &str = "reenact/";

/// The first letters of the headers that have marks.
const LETTERS: u32 = head::letters(&["tracestate", "baggage", "user-agent"]);

/// Whether the request with this head was sent by a replay: it has one of the marks.
///
/// Every member of every `tracestate` header is looked at, also past the 32 that the specification allows and where there
/// is no `traceparent`, since taking a replay for production would be the worse mistake. Middlemen may drop or merge any
/// one header, so that each mark is enough.
#[must_use]
pub fn is_replay(head: &[u8]) -> bool {
    head::fields_by_letter(head, LETTERS).any(|(name, value)| match name.len() {
        7 if name.eq_ignore_ascii_case(b"baggage") => has_member(value, REPLAY_BAGGAGE_KEY),
        10 if name.eq_ignore_ascii_case(b"tracestate") => has_member(value, REPLAY_TRACESTATE_KEY),
        10 if name.eq_ignore_ascii_case(b"user-agent") => {
            let last = value.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            last.starts_with(REPLAY_PRODUCT.as_bytes())
        }
        _ => false,
    })
}

/// Whether a list of `key=value` members has one of this key.
fn has_member(list: &[u8], wanted: &str) -> bool {
    list.split(|byte| *byte == b',').any(|member| {
        let mut parts = member.splitn(2, |byte| *byte == b'=');
        let key = parts.next().unwrap_or_default().trim_ascii();
        parts.next().is_some() && key == wanted.as_bytes()
    })
}
