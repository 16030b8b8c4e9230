//! Asking an HTTP proxy for a way through (CONNECT, RFC 9110 §9.3.6).

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use formats::head;
use rustix::io::Errno;

use super::error::{DialError, DialErrorKind};
use super::transport::{read, write};
use crate::target::Target;

/// The longest answer of a proxy. Those that refuse often send a page; only its head is needed.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// One conversation with a proxy.
pub(super) struct Tunnel {
    question: Vec<u8>,
    written: usize,
    answer: Vec<u8>,
}

/// How far it is.
pub(super) enum Tunnelled {
    /// The question must still be written.
    WantsWrite,
    /// The answer is not whole.
    WantsRead,
    /// What follows is the target's.
    Through,
}

impl Tunnel {
    /// `None` when nothing has to be asked: no proxy, or one that is asked with each request.
    pub(super) fn new(target: &Target) -> Option<Self> {
        let proxy = target.proxy().filter(|_| target.tls)?;
        let host = &target.host;
        let name =
            if host.contains(':') { format!("[{host}]:{}", target.port) } else { format!("{host}:{}", target.port) };
        let mut question = format!("CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n").into_bytes();
        if let Some(authorization) = proxy.authorization() {
            question.extend_from_slice(b"Proxy-Authorization: ");
            question.extend_from_slice(authorization.reveal());
            question.extend_from_slice(b"\r\n");
        }
        question.extend_from_slice(b"\r\n");
        Some(Self { question, written: 0, answer: Vec::new() })
    }

    pub(super) fn step(&mut self, socket: BorrowedFd<'_>) -> Result<Tunnelled, DialError> {
        let failed = |errno| DialError::new(DialErrorKind::Proxy, DialError::system("ask the proxy", errno).detail);
        while let Some(rest) = self.question.get(self.written..).filter(|rest| !rest.is_empty()) {
            match write(socket, &[IoSlice::new(rest)]) {
                Ok(taken) => self.written += taken,
                Err(Errno::AGAIN) => return Ok(Tunnelled::WantsWrite),
                Err(errno) => return Err(failed(errno)),
            }
        }
        let mut buffer = [0_u8; 2048];
        loop {
            let count = match read(socket, &mut buffer, &mut None) {
                Ok(0) => return Err(refused("it closed the connection before its answer was whole")),
                Ok(count) => count,
                Err(Errno::AGAIN) => return Ok(Tunnelled::WantsRead),
                Err(errno) => return Err(failed(errno)),
            };
            self.answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if let Some(through) = self.look()? {
                return Ok(through);
            }
        }
    }

    /// Looks at the answer; `None` when more of it is needed.
    fn look(&mut self) -> Result<Option<Tunnelled>, DialError> {
        while let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = self.answer.drain(..end + 4).collect();
            let Some(line) = head::status_line(&head) else { return Err(refused("its answer is not HTTP/1")) };
            match line.status {
                // Informational: the answer follows.
                100..200 => {}
                // TLS servers do not speak first, so that nothing can follow yet.
                200..300 if self.answer.is_empty() => return Ok(Some(Tunnelled::Through)),
                200..300 => return Err(refused("it sent more than its answer")),
                status => return Err(refused(&format!("it answered {status} to CONNECT"))),
            }
        }
        if self.answer.len() > ANSWER_BYTES_MAX {
            return Err(refused(&format!("its answer's head is longer than {ANSWER_BYTES_MAX} bytes")));
        }
        Ok(None)
    }
}

fn refused(why: &str) -> DialError {
    DialError::new(DialErrorKind::Proxy, format!("the proxy does not let the connection through: {why}"))
}
