//! One connection to the target: non-blocking, one request at a time.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use formats::head;
use formats::wire::{Kind, MessageReader, Step, WireError};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, connect, recv, sendmsg,
    socket_with, sockopt,
};

use crate::job::{Job, Progress};

/// A connection and what it is doing.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) slot: u64,
    /// Never changes: an event for an earlier connection in the same place hits nobody.
    pub(super) born: u32,
    /// Changes with every request, so that a timeout set for an earlier one hits nobody.
    pub(super) serial: u64,
    pub(super) connecting: bool,
    pub(super) active: Option<Active>,
    reader: MessageReader,
}

/// The request that a connection is busy with.
pub(super) struct Active {
    pub(super) job: Box<Job>,
    pub(super) bytes_out: usize,
    close_after: bool,
}

/// What came of reading.
pub(super) enum Read {
    /// The answer goes on.
    More,
    /// The answer is whole; whether the connection can carry another request.
    Whole { reusable: bool },
    /// It cannot be read.
    Unreadable,
}

impl Active {
    pub(super) fn new(mut job: Box<Job>, was_busy: bool) -> Self {
        let released_ns = job.due_ns;
        job.progress = Progress { released_ns, was_busy, ..Progress::default() };
        Self { job, bytes_out: 0, close_after: false }
    }
}

impl Connection {
    /// Begins to connect.
    pub(super) fn open(address: SocketAddr, slot: u64, serial: u64) -> Result<Self, Errno> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let born = u32::try_from(serial & u64::from(u32::MAX)).unwrap_or(0);
        Ok(Self {
            socket,
            slot,
            born,
            serial,
            connecting: true,
            active: None,
            reader: MessageReader::new(Kind::Response),
        })
    }

    /// How connecting ended, once the socket is writable.
    pub(super) fn connected(&mut self) -> Result<(), Errno> {
        sockopt::socket_error(&self.socket)??;
        self.connecting = false;
        Ok(())
    }

    /// Writes as much of the request as the kernel takes; true when all of it is taken.
    pub(super) fn write(&mut self, now_ns: impl Fn() -> u64) -> Result<bool, Errno> {
        let Some(active) = &mut self.active else { return Ok(true) };
        active.job.progress.dispatched_ns.get_or_insert_with(&now_ns);
        loop {
            let (head, body) = (&active.job.head, &active.job.body);
            let done = active.bytes_out;
            let parts =
                [head.get(done..).unwrap_or_default(), body.get(done.saturating_sub(head.len())..).unwrap_or_default()];
            if parts.iter().all(|part| part.is_empty()) {
                active.job.progress.written_ns.get_or_insert_with(&now_ns);
                return Ok(true);
            }
            let mut control = SendAncillaryBuffer::default();
            match sendmsg(&self.socket, &parts.map(IoSlice::new), &mut control, SendFlags::NOSIGNAL) {
                Ok(taken) => active.bytes_out += taken,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Receives into `buffer`; `None` when nothing is there.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, received)) => return Ok(Some(received)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Reads the answer's next bytes.
    pub(super) fn read(&mut self, mut bytes: &[u8], now_ns: u64) -> Read {
        let Some(active) = &mut self.active else { return Read::Unreadable };
        active.job.progress.bytes_in += bytes.len() as u64;
        active.job.progress.first_byte_ns.get_or_insert(now_ns);
        loop {
            let step = match self.reader.step(&mut bytes, active.job.to) {
                Ok(step) => step,
                Err(WireError::HeadTooLong(_) | _) => return Read::Unreadable,
            };
            match step {
                Step::NeedMore => return Read::More,
                Step::Head(head, _) => active.take_head(&head),
                Step::End if active.job.progress.status.is_some() => {
                    // What follows a whole answer belongs to no request of ours.
                    let reusable = !active.close_after && bytes.is_empty() && active.job.progress.written_ns.is_some();
                    return Read::Whole { reusable };
                }
                Step::Opaque(_) => return Read::Unreadable,
                Step::Chunk(_) | Step::Data(_) | Step::Trailers(_) | Step::End => {}
            }
        }
    }

    /// Whether the end of the stream now is the end of the answer.
    pub(super) fn ends_with_stream(&self) -> bool {
        self.reader.ends_with_stream()
    }
}

impl Active {
    fn take_head(&mut self, head: &[u8]) {
        let Some(line) = head::status_line(head) else { return };
        if (100..200).contains(&line.status) && line.status != 101 {
            return;
        }
        self.job.progress.status = Some(line.status);
        self.close_after = closes(line.version, head::value(head, "connection"));
        self.job.progress.login =
            (300..400).contains(&line.status) && head::value(head, "location").is_some_and(looks_like_login);
    }
}

/// Persistence by RFC 9112 §9.3.
fn closes(version: &[u8], connection: Option<&[u8]>) -> bool {
    let has = |option: &str| {
        connection.is_some_and(|value| {
            value.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
        })
    };
    has("close") || (version == b"HTTP/1.0" && !has("keep-alive"))
}

/// Whether a redirect goes to a page that asks who you are.
fn looks_like_login(location: &[u8]) -> bool {
    let lower = location.to_ascii_lowercase();
    [&b"login"[..], b"signin", b"sign-in", b"sign_in", b"/auth", b"sso", b"oauth"]
        .iter()
        .any(|word| lower.windows(word.len()).any(|window| window == *word))
}
