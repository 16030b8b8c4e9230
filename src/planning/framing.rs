//! Requests that go out in another framing than they were recorded in, which nobody asked for.

use formats::model::{Framing, Message};

use super::Planned;
use crate::units;

/// Whether the chunks of a request's body are not known, so that it goes out as one.
pub(super) fn is_one_chunk(request: &Message) -> bool {
    let body = &request.body;
    let known = body.chunks.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size));
    // Of what was redacted the chunks are known, and are those of other bytes: the documentation says it, whoever redacts.
    request.framing == Framing::Chunked && body.redacted.is_none() && known != Some(body.bytes.len() as u64)
}

impl Planned {
    /// How many there are.
    pub(crate) fn framing_notice(&self) -> Option<String> {
        let (some, of) = (self.found.one_chunk, self.spool.summary.recorded);
        (some > 0).then(|| {
            format!(
                "{} of {} recorded requests have chunked bodies whose chunks are not known, and go out as one chunk: a \
                 recorder notes the sizes of up to 65,536",
                units::count(some),
                units::count(of)
            )
        })
    }
}
