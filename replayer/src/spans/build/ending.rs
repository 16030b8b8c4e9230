//! `error.type` and the span's status: how a request ended, in few words.

use opentelemetry::StringValue;
use opentelemetry::trace::Status;

use crate::job::{ErrorKind, Progress};

/// Statuses from here on are errors of a client (HTTP semantic conventions, "Status").
const ERROR_STATUS_MIN: u16 = 400;
/// Statuses up to here have a text of their own ready.
const STATUS_MAX: u16 = 599;

/// Texts that are made once.
pub(super) struct Endings {
    statuses: Vec<StringValue>,
}

impl Endings {
    pub(super) fn new() -> Self {
        let text = |status: u16| StringValue::from(std::sync::Arc::<str>::from(status.to_string()));
        Self { statuses: (ERROR_STATUS_MIN..=STATUS_MAX).map(text).collect() }
    }

    /// The error's type, if it was one, and the status. What failed has the name that `run.json` has for it; what was
    /// answered has its status code, from which the reason can be told, so that it needs no description.
    pub(super) fn of(&self, end: &Progress) -> (Option<StringValue>, Status) {
        if let Some(kind) = end.error {
            return (Some(StringValue::from(kind.name())), Status::error(described(kind)));
        }
        match end.status {
            Some(status) if status >= ERROR_STATUS_MIN => {
                let known = self.statuses.get(usize::from(status - ERROR_STATUS_MIN)).cloned();
                (Some(known.unwrap_or_else(|| status.to_string().into())), Status::error(""))
            }
            _ => (None, Status::Unset),
        }
    }
}

const fn described(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused => "the target refused the connection",
        ErrorKind::ConnectTimeout => "the connection was not made in time",
        ErrorKind::Unreachable => "there is no way to the target",
        ErrorKind::NoDescriptors => "the replayer had no descriptor or port left",
        ErrorKind::Dns => "the target's name did not resolve",
        ErrorKind::Tls => "TLS failed",
        ErrorKind::Proxy => "the proxy refused or failed",
        ErrorKind::NotAllowed => "the target's name led to an address that is not allowed",
        ErrorKind::Reset => "the target reset the connection",
        ErrorKind::Closed => "the target closed the connection before its answer began",
        ErrorKind::Truncated => "the target closed the connection inside its answer",
        ErrorKind::Timeout => "the answer was not whole in time",
        ErrorKind::Protocol => "the answer is an upgrade, or no HTTP that can be read in one way",
        ErrorKind::Stopped => "the run was stopped before the answer was whole",
        ErrorKind::Io => "the system failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_type_of_low_cardinality() {
        let endings = Endings::new();
        let of = |status, error| {
            let (kind, status) = endings.of(&Progress { status, error, ..Progress::default() });
            (kind.map(|kind| kind.as_str().to_owned()), status)
        };
        assert_eq!(of(Some(200), None), (None, Status::Unset));
        assert_eq!(of(Some(399), None), (None, Status::Unset));
        for status in [400, 404, 599, 600, 999] {
            assert_eq!(of(Some(status), None), (Some(status.to_string()), Status::error("")));
        }
        // What failed inside an answer is not what its status says.
        let (kind, status) = of(Some(200), Some(ErrorKind::Truncated));
        assert_eq!(kind.as_deref(), Some("truncated"));
        assert_eq!(status, Status::error("the target closed the connection inside its answer"));
        assert_eq!(of(None, Some(ErrorKind::ConnectTimeout)).0.as_deref(), Some("connect_timeout"));
    }
}
