//! An open connection, plain or TLS, as its engine owns it: non-blocking, both directions in one thread.
//!
//! What is plain goes from the caller's buffers to the kernel and back without a copy or an allocation of ours. Framing
//! and time are the caller's matter.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, cmsg_space, recvmsg};
use nix::sys::time::TimeSpec;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use rustls::ClientConnection;

use super::error::Failure;

/// An open connection.
pub struct Transport {
    socket: OwnedFd,
    tls: Option<Box<ClientConnection>>,
    arrived: Option<SystemTime>,
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
        Self { socket, tls: None, arrived: None }
    }

    pub(super) const fn tls(socket: OwnedFd, tls: Box<ClientConnection>) -> Self {
        Self { socket, tls: Some(tls), arrived: None }
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// When the last bytes that were taken from the socket arrived at this machine, by the system's clock: as the kernel
    /// stamped their packet, so that it does not matter when they were read. `None` where it does not say.
    #[must_use]
    pub const fn arrived(&self) -> Option<SystemTime> {
        self.arrived
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
            let read = read(self.socket.as_fd(), buffer, &mut self.arrived);
            return match read {
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
            if matches!(take_in(tls, self.socket.as_fd(), &mut self.arrived)?, TakenIn::Nothing) {
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

/// Reads from the socket and decrypts; when that arrived.
pub(super) fn take_in(
    tls: &mut ClientConnection,
    socket: BorrowedFd<'_>,
    arrived: &mut Option<SystemTime>,
) -> Result<TakenIn, Failure> {
    let taken_in = match tls.read_tls(&mut Incoming(socket, arrived)) {
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
        match tls.write_tls(&mut Outgoing(socket)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(of_io(&error).into()),
        }
    }
    Ok(true)
}

/// What rustls reads from.
struct Incoming<'a>(BorrowedFd<'a>, &'a mut Option<SystemTime>);

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(read(self.0, buffer, self.1)?)
    }
}

/// What rustls writes to.
struct Outgoing<'a>(BorrowedFd<'a>);

impl Write for Outgoing<'_> {
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
        let sent = match parts {
            // One part needs no message around it, which the kernel would copy and check.
            [part] => send(socket, part, SendFlags::NOSIGNAL),
            _ => sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL),
        };
        match sent {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Reads what is there; `arrived` becomes the instant of the last packet of it.
pub(super) fn read(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    arrived: &mut Option<SystemTime>,
) -> Result<usize, Errno> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = Control([0; cmsg_space::<TimeSpec>()]);
    loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control.0), MsgFlags::empty()) {
            Ok(message) => {
                *arrived = message.cmsgs().ok().into_iter().flatten().find_map(|note| match note {
                    ControlMessageOwned::ScmTimestampns(stamp) => {
                        SystemTime::UNIX_EPOCH.checked_add(Duration::from(stamp))
                    }
                    _ => None,
                });
                return Ok(message.bytes);
            }
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Errno::from_raw_os_error(errno as i32)),
        }
    }
}

/// Room for one stamp, where the kernel wants it to begin.
#[repr(align(8))]
struct Control([u8; cmsg_space::<TimeSpec>()]);

/// Everything below is a system call of ours, so that the number is always there.
fn of_io(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
