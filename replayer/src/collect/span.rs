//! What is kept of a request and of a service's span: identifiers, instants and names by number, nothing else of them.

/// Our own client span, as the run measured it. Instants are nanoseconds since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientSpan {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    /// Index of the endpoint.
    pub(super) endpoint: u32,
    /// From when on the response time counts: due in open loop, released in the others.
    pub(super) begin_ns: u64,
    /// Handed to the socket.
    pub(super) dispatched_ns: u64,
    /// Last byte of the answer, or when it was given up.
    pub(super) done_ns: u64,
    /// It failed, or was answered 5xx.
    pub(super) failed: bool,
    /// Whether services that follow the parent's decision export spans of it.
    pub(super) sampled: bool,
}

impl ClientSpan {
    pub(super) fn response_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.begin_ns)
    }
}

/// A service's span. Instants are nanoseconds since 1970 by that service's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServiceSpan {
    pub(super) span_id: [u8; 8],
    /// All zeros: it has none.
    pub(super) parent_id: [u8; 8],
    /// Number of the process (service and instance).
    pub(super) process: u32,
    /// Number of the span's name.
    pub(super) operation: u32,
    pub(super) start_unix_ns: u64,
    pub(super) end_unix_ns: u64,
    pub(super) kind: Kind,
}

/// The kinds of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Within a process, or unspecified.
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl Kind {
    /// Of the number in OTLP; what is not known is taken for unspecified.
    pub(super) const fn of(number: u64) -> Self {
        match number {
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Internal,
        }
    }
}
