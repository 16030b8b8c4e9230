//! The body of a message, while it is read: bounded by itself, together with all others, and in time.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::{MESSAGE_BYTES_MAX, Receiver, Refusal};
use crate::job::Held;

/// Counts what it passes on in what all messages take together; gives it back when it is dropped.
pub(super) struct Bounded {
    inner: Incoming,
    len: usize,
    held: Held,
    held_max: u64,
}

impl Bounded {
    pub(super) fn new(inner: Incoming, receiver: &Receiver) -> Self {
        let held = Held::of(std::sync::Arc::clone(&receiver.reading));
        Self { inner, len: 0, held, held_max: receiver.reading_max }
    }

    fn take(&mut self, len: usize) -> Result<(), BodyError> {
        self.len = self.len.saturating_add(len);
        if self.len > MESSAGE_BYTES_MAX {
            return Err(BodyError::Refused(Refusal::TooLarge));
        }
        match self.held.grow(len as u64, self.held_max) {
            true => Ok(()),
            false => Err(BodyError::Refused(Refusal::Busy)),
        }
    }
}

/// Why a body did not come whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("{}", said(*.0))]
    Refused(Refusal),
    #[error("the message ended early")]
    Broken,
}

/// What its sender is told.
pub(super) fn said(why: Refusal) -> String {
    match why {
        Refusal::TooLarge => format!("a message has at most {MESSAGE_BYTES_MAX} bytes"),
        Refusal::Busy => "too many messages at once; send it again".to_owned(),
        Refusal::TooSlow => "the message takes too long".to_owned(),
        Refusal::Malformed => "the message cannot be read".to_owned(),
        Refusal::Unsupported => "only traces are taken".to_owned(),
    }
}

impl From<BodyError> for tonic::Status {
    fn from(error: BodyError) -> Self {
        let text = error.to_string();
        match error {
            // OTLP: a message that is too large will not become smaller, so it must not be sent again; one that met a crowd may.
            BodyError::Refused(Refusal::Busy) => Self::unavailable(text),
            BodyError::Refused(_) => Self::out_of_range(text),
            BodyError::Broken => Self::internal(text),
        }
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match std::task::ready!(Pin::new(&mut self.inner).poll_frame(ctx)) {
            None => return Poll::Ready(None),
            Some(Err(_)) => return Poll::Ready(Some(Err(BodyError::Broken))),
            Some(Ok(frame)) => frame,
        };
        let len = frame.data_ref().map_or(0, Bytes::len);
        Poll::Ready(Some(self.take(len).map(|()| frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
