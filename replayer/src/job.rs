//! A planned request from its preparation to its end: one allocation for its whole life, passed from thread to thread.
//!
//! The feed fills in what is planned, an engine fills in [`Progress`], and whoever counts, logs or exports reads both.
//! Nothing here sends, waits or counts.

mod room;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use formats::model::{ClientKey, Framing};
use formats::trace::TraceContext;
use formats::wire::ResponseTo;

use crate::contexts::{Contexts, Fresh};
use crate::dial::Peer;
use crate::rewrite::Opened;
use crate::secret::LiveSecret;
use crate::target::Target;

pub use room::{Ahead, Held, Room};

/// One planned request. Instants are nanoseconds since the start of the run.
#[derive(Debug)]
pub struct Job {
    /// What it takes along from its recording.
    pub facts: Facts,
    /// When it is due.
    pub due_ns: u64,
    /// Index of the target that it goes to.
    pub target: u16,
    /// The client's connection that it belongs on: one (client, copy, recorded connection, target), never used twice in a run.
    pub slot: u64,
    /// When the next request of the same slot is due; `None` for the last one.
    pub next_in_slot_ns: Option<u64>,
    /// In the recording it was sent before the earlier answer on its connection had ended. Copies of a pool's requests are
    /// placed one by one, so of these only the originals, at their own instants, are.
    pub pipelined: bool,
    /// The life (client and copy) that it belongs to, never used twice in a run. All requests of a slot are of one life.
    pub life: u64,
    /// No request of this life is due after this instant: what was remembered of it can then be forgotten. Matters in the
    /// loop models that wait. It is that of the last recorded request, which need not be sent.
    pub life_ends_ns: u64,
    /// Its number within its life, from 0.
    pub number: u32,
    /// When its recorded answer ended, from the start of its life; [`u64::MAX`] if it never did.
    pub recorded_end_ns: u64,
    /// The answer that it waits for in the loop models that wait.
    pub after: Option<After>,
    /// The head, complete.
    pub head: Vec<u8>,
    /// The body with its framing.
    pub body: Bytes,
    /// Where values that were opened for it stand, if any were: nothing of them is written anywhere.
    pub opened: Option<Box<Opened>>,
    /// Where the value of `--auth` stands in the head, and how often it had changed until then.
    pub authorized: Option<(Range<usize>, u64)>,
    /// The recorded client asked for a 100 before it sent the body.
    pub expects_continue: bool,
    /// What the answer's framing depends on.
    pub to: ResponseTo,
    /// Its trace context.
    pub fresh: Fresh,
    /// What the span budget decided about it, if there is one.
    pub budgeted: Budgeted,
    /// What became of it so far.
    pub progress: Progress,
    /// What it takes of the room ahead, until it may leave; `None` where due instants bound that.
    pub room: Option<Room>,
}

impl Job {
    /// Puts the newest value of `--auth` into the head, if it has changed since the request was made ready.
    pub fn authorize(&mut self, secret: &LiveSecret) {
        let (Some((at, seen)), changes) = (&mut self.authorized, secret.changes()) else { return };
        if *seen == changes {
            return;
        }
        let value = secret.current();
        let len = value.reveal().len();
        if let Some(opened) = &mut self.opened {
            opened.replaced(at.clone(), len);
        }
        self.head.splice(at.clone(), value.reveal().iter().copied());
        (at.end, *seen) = (at.start + len, changes);
    }

    /// The head as it may be shown: with `***` for what was opened.
    #[must_use]
    pub fn shown_head(&self) -> Cow<'_, [u8]> {
        match &self.opened {
            Some(opened) => Cow::Owned(opened.mask(&self.head)),
            None => Cow::Borrowed(&self.head),
        }
    }
}

/// What a request takes along from its recording, for whoever looks at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Position in the whole plan, in the order of due instants.
    pub position: u64,
    /// Number of the session, in the order given.
    pub session: u32,
    /// Sequence number in it.
    pub seq: u64,
    /// Whose request it was.
    pub client: ClientKey,
    /// Which life of the client this is; 0 is the original.
    pub copy: u32,
    /// Index of its endpoint.
    pub endpoint: u32,
    /// The recorded status.
    pub status: Option<u16>,
    /// First byte of the recorded request to last byte of its answer.
    pub response_ns: Option<u64>,
    /// The recorded trace context.
    pub trace: Option<TraceContext>,
}

/// What all requests of a run have in common.
pub struct RunFacts {
    /// The trace contexts of this run.
    pub contexts: Contexts,
    /// Endpoints by index.
    pub endpoints: Vec<String>,
    /// Where requests go, by index.
    pub targets: Vec<Target>,
    /// Requests in the plan.
    pub planned: u64,
    /// How many times the recorded rate; 0 where it is not one number.
    pub multiplier: f64,
}

/// The earlier answer of the same life that a request depends on: the latest-ended of those that had ended before its
/// first byte in the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// Number of that request in the life.
    pub number: u32,
    /// Its sequence number in the session.
    pub seq: u64,
    /// When its recorded answer ended, from the start of the life. It never decreases from one request of a life to the
    /// next, so answers that ended earlier in the recording are waited for by nobody any more.
    pub recorded_end_ns: u64,
    /// From that end to the first byte of this request: the recorded think time.
    pub pause_ns: u64,
}

/// What the span budget decided about a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Budgeted {
    /// Nothing: its span is exported if its trace is sampled.
    #[default]
    Not,
    /// At the head: its trace is not sampled, and says so on the wire.
    LeftOut,
    /// At its end: it failed, and its span is exported although its trace is not sampled.
    KeptAsError,
    /// At its end: it was among the slowest, and its span is exported although its trace is not sampled.
    KeptAsSlow,
}

/// What became of a request.
#[derive(Debug, Default)]
pub struct Progress {
    /// The latest of due, what it was held for, and, with `--when-busy queue`, its connection free.
    pub released_ns: u64,
    /// Sequence number of the request whose answer it was held for, if that is what released it.
    pub held_by_seq: Option<u64>,
    /// How long it waited for its connection to be free.
    pub busy_ns: u64,
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
    /// The client's own connection was busy when the request was released.
    pub was_busy: bool,
    /// Since when it waited for a connection to be made: when that was asked for, the first time.
    pub connecting_ns: Option<u64>,
    /// How long it waited for a connection to be made, until it was there or was given up. What the generator took to
    /// take that up, and to go on when it was there, is no part of it.
    pub connect_ns: u64,
    /// The other end of its connection, or whom it was last tried to connect to.
    pub peer: Option<Peer>,
    /// How often it was handed to another connection, since the one before was closed and had taken no byte of it.
    pub resent: u32,
    /// The answer itself, as far as it came, if answers are kept.
    pub answer: Option<Box<Answer>>,
}

impl Progress {
    /// When a client's request begins for those who look at the target: with the wait for a connection that was made for
    /// it, as the semantic conventions have it, or with its first byte. What the replayer was late is no part of it.
    #[must_use]
    pub fn began_ns(&self) -> u64 {
        self.connecting_ns.or(self.dispatched_ns).unwrap_or(self.released_ns)
    }

    /// The generator's own lateness of what was dispatched: since its release, but for the wait for a connection to be
    /// made, which is the target's. Whatever is said about lag anywhere goes by this.
    #[must_use]
    pub fn lag_ns(&self) -> Option<u64> {
        let since_release_ns = self.dispatched_ns?.saturating_sub(self.released_ns);
        Some(since_release_ns.saturating_sub(self.connect_ns))
    }

    /// Its wait for a connection is over, which was there, or was given up, at `over_ns`, and had been in the making since
    /// `begun_ns`; does nothing if it did not wait for one.
    pub fn connected(&mut self, begun_ns: u64, over_ns: u64) {
        let Some(asked_ns) = self.connecting_ns else { return };
        // One that was made ahead may have been there before the request asked.
        let waited_ns = over_ns.saturating_sub(asked_ns.max(begun_ns));
        // What goes out again has waited before, but no part of that time twice.
        self.connect_ns = self.connect_ns.saturating_add(waited_ns).min(over_ns.saturating_sub(asked_ns));
    }
}

/// A kept answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// The final head exactly as it came; empty if none came.
    pub head: Bytes,
    /// Heads of the informational answers before it, at most sixteen.
    pub informational: Vec<Bytes>,
    /// How its body ends; `None` before its head came.
    pub framing: Option<Framing>,
    /// The first bytes of its body, without the framing.
    pub body: Bytes,
    /// Length of the body as far as it came.
    pub total_len: u64,
    /// The sizes of its chunks; none if there were more than 65,536 (as in a session).
    pub chunks: Vec<u64>,
    /// Its trailer lines.
    pub trailers: Bytes,
    /// Over the whole body as far as it came.
    pub sha256: [u8; 32],
    /// The body was left out, since the answers under way held as much memory as they may.
    pub left_out: bool,
    /// What it holds of that memory.
    pub held: Held,
}

/// Gives words to an enum, for files and screens.
macro_rules! words {
    ($type:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word used for it in files and on screens.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What this word stands for.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|one| one.name() == name)
            }
        }
    };
}

/// How a request failed; each ends with a whole answer or with exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The target refused the connection.
    Refused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// There is no way to the target.
    Unreachable,
    /// This process or system has no more descriptors, ports or memory for sockets.
    NoDescriptors,
    /// The target's name did not resolve. Nothing makes this: a name without an address begins no run, and when a later lookup
    /// fails the addresses before it stay in use.
    Dns,
    /// The TLS handshake failed.
    Tls,
    /// The proxy refused or failed.
    Proxy,
    /// The name resolved to an address that is not allowed.
    NotAllowed,
    /// The target reset the connection.
    Reset,
    /// The target closed the connection before its answer began.
    Closed,
    /// The target closed the connection inside its answer.
    Truncated,
    /// The answer was not whole in time.
    Timeout,
    /// The answer is no HTTP/1 that can be read in one way, or an upgrade (101), which was not recorded: what was recorded as
    /// one is left out.
    Protocol,
    /// The run was stopped before the answer was whole.
    Stopped,
    /// Another error of the system.
    Io,
}

words!(ErrorKind {
    Refused = "refused",
    ConnectTimeout = "connect_timeout",
    Unreachable = "unreachable",
    NoDescriptors = "no_descriptors",
    Dns = "dns",
    Tls = "tls",
    Proxy = "proxy",
    NotAllowed = "not_allowed",
    Reset = "reset",
    Closed = "closed",
    Truncated = "truncated",
    Timeout = "timeout",
    Protocol = "protocol",
    Stopped = "stopped",
    Io = "io",
});

impl From<rustix::io::Errno> for ErrorKind {
    fn from(errno: rustix::io::Errno) -> Self {
        use rustix::io::Errno;
        match errno {
            Errno::CONNREFUSED => Self::Refused,
            Errno::CONNRESET | Errno::PIPE => Self::Reset,
            Errno::TIMEDOUT => Self::ConnectTimeout,
            Errno::NETUNREACH | Errno::HOSTUNREACH => Self::Unreachable,
            // As the dialer has it; NOSPC is what epoll says where a user may watch no more.
            Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC => {
                Self::NoDescriptors
            }
            _ => Self::Io,
        }
    }
}

/// Why a planned request was deliberately not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shed {
    /// As many requests as allowed were waiting for their answers.
    MaxInFlight,
    /// Its connection was busy (`--when-busy shed`).
    Busy,
    /// As many connections as allowed were open.
    MaxConnections,
    /// More requests than `--max-rate` were due.
    MaxRate,
    /// A budget of requests, bytes or time was used up.
    Budget,
    /// The run was stopped (signal, kill file, `--abort-if`) before it was sent.
    Stopped,
}

impl Shed {
    /// Whether the run was over before it came to the request.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Budget | Self::Stopped)
    }
}

words!(Shed {
    MaxInFlight = "max_in_flight",
    Busy = "busy",
    MaxConnections = "max_connections",
    MaxRate = "max_rate",
    Budget = "budget",
    Stopped = "stopped",
});

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::secret::Secret;

    /// A request for tests, of endpoint 0 and with nothing recorded.
    pub(crate) fn job(due_ns: u64, slot: u64, head: &[u8]) -> Box<Job> {
        let facts = Facts {
            position: 0,
            session: 0,
            seq: 0,
            client: ClientKey::default(),
            copy: 0,
            endpoint: 0,
            status: None,
            response_ns: None,
            trace: None,
        };
        Box::new(Job {
            facts,
            due_ns,
            target: 0,
            slot,
            next_in_slot_ns: None,
            pipelined: false,
            life: slot,
            life_ends_ns: u64::MAX,
            number: 0,
            recorded_end_ns: u64::MAX,
            after: None,
            head: head.to_vec(),
            body: Bytes::new(),
            opened: None,
            authorized: None,
            expects_continue: false,
            to: ResponseTo::Other,
            fresh: Fresh { trace_id: [1; 16], span_id: [1; 8], parent_span_id: None, is_sampled: true },
            budgeted: Budgeted::Not,
            progress: Progress::default(),
            room: None,
        })
    }

    #[test]
    fn a_wait_for_a_connection_is_no_lag_and_taking_it_up_is() {
        let waits = || Progress { released_ns: 100, connecting_ns: Some(110), ..Progress::default() };
        // Begun, there, dispatched: how long it waited, how late it left.
        for (begun, over, dispatched, waited, lag) in [
            (110, 500, 500, 390, 10),
            (150, 500, 520, 350, 70),
            (0, 500, 500, 390, 10),
            // It was there before the request asked for it.
            (0, 105, 130, 0, 30),
            (600, 500, 700, 0, 600),
        ] {
            let mut one = waits();
            one.connected(begun, over);
            one.dispatched_ns = Some(dispatched);
            assert_eq!((one.connect_ns, one.lag_ns()), (waited, Some(lag)), "{begun} {over} {dispatched}");
        }
        // Sent again: two waits, with the generator's time between them.
        let mut again = waits();
        again.connected(110, 200);
        again.connected(260, 300);
        again.dispatched_ns = Some(300);
        assert_eq!((again.connect_ns, again.lag_ns()), (130, Some(70)));
        again.connected(0, 300);
        assert_eq!(again.connect_ns, 190, "no more than there was");
        let mut ready = Progress { released_ns: 5, dispatched_ns: Some(9), ..Progress::default() };
        ready.connected(0, 7);
        assert_eq!((ready.connect_ns, ready.lag_ns(), waits().lag_ns()), (0, Some(4), None));
    }

    #[test]
    fn a_token_that_was_rotated_takes_the_place_of_the_old_one() {
        let resolve = || Ok(Secret::new(b"Bearer new and longer"));
        let secret = LiveSecret::new("the secret", Secret::new(b"Bearer old"), resolve).unwrap();
        let mut job = job(0, 0, b"GET / HTTP/1.1\r\nA: 1\r\nAuthorization: Bearer old\r\nB: secret\r\n\r\n");
        job.authorized = Some((37..47, 0));
        job.opened = Some(Box::new(Opened { head: vec![19..20, 52..58], ..Opened::default() }));
        let old = job.head.clone();
        job.authorize(&secret);
        assert_eq!(job.head, old);
        assert!(secret.renew().unwrap());
        job.authorize(&secret);
        let new = b"GET / HTTP/1.1\r\nA: ***\r\nAuthorization: Bearer new and longer\r\nB: ***\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&job.shown_head()), String::from_utf8_lossy(new));
        // What is the same is no change.
        assert!(!secret.renew().unwrap());
        assert_eq!((secret.changes(), job.authorized), (1, Some((37..58, 1))));
    }

    #[test]
    fn a_head_is_shown_without_what_was_opened_for_it() {
        let mut job = job(0, 0, b"GET /secret/x?k=secret HTTP/1.1\r\n\r\n");
        assert_eq!(job.shown_head(), job.head);
        job.opened = Some(Box::new(Opened { head: vec![5..11, 16..22], in_body: false, ..Opened::default() }));
        assert_eq!(job.shown_head(), &b"GET /***/x?k=*** HTTP/1.1\r\n\r\n"[..]);
    }
}
