//! What became of a planned request.

use crate::contexts::Fresh;

/// One planned request after its end. Instants are nanoseconds since the start of the run.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Position in the plan.
    pub item: u32,
    /// When it was due.
    pub due_ns: u64,
    /// Handed to the socket.
    pub dispatched_ns: Option<u64>,
    /// The last byte taken by the kernel.
    pub written_ns: Option<u64>,
    /// First byte of the answer.
    pub first_byte_ns: Option<u64>,
    /// Last byte of the answer, or when it was given up.
    pub done_ns: u64,
    /// Status of the final answer, if one came.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<ErrorKind>,
    /// Why it was not sent.
    pub shed: Option<Shed>,
    /// Bytes of the answer.
    pub bytes_in: u64,
    /// Bytes of the request that the kernel took.
    pub bytes_out: u64,
    /// The answer sends to a page that looks like a login.
    pub login: bool,
    /// The client's own connection was busy at the due instant.
    pub was_busy: bool,
    /// Its trace context.
    pub fresh: Fresh,
}

/// How a request failed; each ends with a whole answer or with exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The target refused the connection.
    Refused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// There is no way to the target.
    Unreachable,
    /// This process or system has no more descriptors or ports.
    NoDescriptors,
    /// The target reset the connection.
    Reset,
    /// The target closed the connection before its answer began.
    Closed,
    /// The target closed the connection inside its answer.
    Truncated,
    /// The answer was not whole in time.
    Timeout,
    /// The answer is no HTTP/1 that can be read in one way.
    Protocol,
    /// The run was stopped before the answer was whole.
    Stopped,
    /// Another error of the system.
    Io,
}

impl ErrorKind {
    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Unreachable => "unreachable",
            Self::NoDescriptors => "no_descriptors",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Stopped => "stopped",
            Self::Io => "io",
        }
    }
}

impl From<rustix::io::Errno> for ErrorKind {
    fn from(errno: rustix::io::Errno) -> Self {
        use rustix::io::Errno;
        match errno {
            Errno::CONNREFUSED => Self::Refused,
            Errno::CONNRESET | Errno::PIPE => Self::Reset,
            Errno::TIMEDOUT => Self::ConnectTimeout,
            Errno::NETUNREACH | Errno::HOSTUNREACH => Self::Unreachable,
            Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL => Self::NoDescriptors,
            _ => Self::Io,
        }
    }
}

/// Why a planned request was deliberately not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shed {
    /// As many requests as allowed were waiting for their answers.
    MaxInFlight,
}

impl Shed {
    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxInFlight => "max_in_flight",
        }
    }
}
