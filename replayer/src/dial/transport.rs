//! An open connection, plain or TLS, as its engine owns it: non-blocking, both directions in one thread.
//!
//! What is plain goes from the caller's buffers to the kernel and back without a copy or an allocation of ours. Framing
//! and time are the caller's matter.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use rustls::ClientConnection;

use super::error::Failure;

/// An open connection.
pub struct Transport {
    socket: OwnedFd,
    tls: Option<Box<ClientConnection>>,
}

/// What came of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// So many bytes of the request were taken, at least one unless none were given.
    Bytes(usize),
    /// Nothing was taken: try again when the socket is writable.
    WouldBlock,
}

/// What came of receiving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many bytes are in the buffer; at least one.
    Bytes(usize),
    /// The peer sends nothing more.
    End {
        /// A TLS peer closed without saying so (no close_notify): what ends with the stream cannot be taken as whole.
        /// A plain connection has no such word and is never truncated in this sense.
        truncated: bool,
    },
    /// Nothing is there: try again when the socket is readable.
    WouldBlock,
}

impl Transport {
    pub(super) const fn plain(socket: OwnedFd) -> Self {
        Self { socket, tls: None }
    }

    pub(super) const fn tls(socket: OwnedFd, tls: Box<ClientConnection>) -> Self {
        Self { socket, tls: Some(tls) }
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Sends as much of `parts` as is taken in one go. With TLS, bytes that were taken may still wait as ciphertext: they
    /// are in the kernel once [`Self::wants_write`] is false. Nothing is taken while ciphertext waits.
    ///
    /// # Errors
    /// [`Failure`]: the connection is of no use any more.
    pub fn send(&mut self, parts: &[IoSlice<'_>]) -> Result<Sent, Failure> {
        let Some(tls) = &mut self.tls else {
            return match write(self.socket.as_fd(), parts) {
                Ok(taken) => Ok(Sent::Bytes(taken)),
                Err(Errno::AGAIN) => Ok(Sent::WouldBlock),
                Err(errno) => Err(errno.into()),
            };
        };
        if !flush(tls, self.socket.as_fd())? {
            return Ok(Sent::WouldBlock);
        }
        // Writes into memory, up to the bound that rustls has for unsent ciphertext (64 KiB).
        let taken = tls.writer().write_vectored(parts).map_err(|error| of_io(&error))?;
        flush(tls, self.socket.as_fd())?;
        Ok(Sent::Bytes(taken))
    }

    /// Writes ciphertext that is left over; true when none is left.
    ///
    /// # Errors
    /// [`Failure`]: the connection is of no use any more.
    pub fn flush(&mut self) -> Result<bool, Failure> {
        match &mut self.tls {
            None => Ok(true),
            Some(tls) => flush(tls, self.socket.as_fd()),
        }
    }

    /// Whether ciphertext waits for the socket to become writable. Receiving can cause it as well (a change of keys).
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Receives into `buffer`, which must not be empty. A TLS connection may hold bytes that the socket no longer shows:
    /// go on until [`Received::WouldBlock`], also once when the connection is new.
    ///
    /// # Errors
    /// [`Failure`]: the connection is of no use any more.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, Failure> {
        let Some(tls) = &mut self.tls else {
            return match read(self.socket.as_fd(), buffer) {
                Ok(0) => Ok(Received::End { truncated: false }),
                Ok(count) => Ok(Received::Bytes(count)),
                Err(Errno::AGAIN) => Ok(Received::WouldBlock),
                Err(errno) => Err(errno.into()),
            };
        };
        loop {
            match tls.reader().read(buffer) {
                Ok(0) => return Ok(Received::End { truncated: false }),
                Ok(count) => return Ok(Received::Bytes(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(Received::End { truncated: true });
                }
                Err(error) => return Err(of_io(&error).into()),
            }
            if matches!(take_in(tls, self.socket.as_fd())?, TakenIn::Nothing) {
                return Ok(Received::WouldBlock);
            }
        }
    }

    /// Closes, with a close_notify if it is TLS and the socket takes it at once.
    pub fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // The socket is closed with the next line: whether the peer still hears the word changes nothing here.
            let _ = flush(tls, self.socket.as_fd());
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Transport").field("socket", &self.socket).field("tls", &self.is_tls()).finish()
    }
}

/// What came of reading from the socket.
pub(super) enum TakenIn {
    Something,
    Nothing,
    End,
}

/// Reads from the socket and decrypts.
pub(super) fn take_in(tls: &mut ClientConnection, socket: BorrowedFd<'_>) -> Result<TakenIn, Failure> {
    let taken_in = match tls.read_tls(&mut Socket(socket)) {
        Ok(0) => TakenIn::End,
        Ok(_) => TakenIn::Something,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(TakenIn::Nothing),
        Err(error) => return Err(of_io(&error).into()),
    };
    let processed = tls.process_new_packets();
    // An alert, or an answer to a change of keys. A peer that takes nothing more may still have said something that is
    // readable now; a broken socket shows itself at the next call.
    let _ = flush(tls, socket);
    processed?;
    Ok(taken_in)
}

/// Writes waiting ciphertext; true when none is left.
pub(super) fn flush(tls: &mut ClientConnection, socket: BorrowedFd<'_>) -> Result<bool, Failure> {
    while tls.wants_write() {
        match tls.write_tls(&mut Socket(socket)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(of_io(&error).into()),
        }
    }
    Ok(true)
}

/// What rustls reads from and writes to.
struct Socket<'a>(BorrowedFd<'a>);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(read(self.0, buffer)?)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(write(self.0, &[IoSlice::new(bytes)])?)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(write(self.0, parts)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A peer that is gone must be an error and not a signal.
pub(super) fn write(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> Result<usize, Errno> {
    loop {
        match sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

pub(super) fn read(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, received)) => return Ok(received),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Everything below is a system call of ours, so that the number is always there.
fn of_io(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
