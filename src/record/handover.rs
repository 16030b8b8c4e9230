//! A restart without a refused connection: a new process asks the one before for its listening sockets, accepts on them, and
//! says so; the one before accepts nothing more and ends with its last connection.
//!
//! They speak over a Unix socket of the same user. The new one sends [`TAKE`]; the one before answers with one byte and the
//! descriptors (`SCM_RIGHTS`); the new one sends [`READY`] once it accepts. Whoever goes away before that has changed nothing.

use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::sync::mpsc;

use super::events::{Event, Events, ask_for_sockets};
use crate::outcome::Failure;

const TAKE: u8 = b'T';
const READY: u8 = b'R';
/// The kernel passes at most 253 descriptors at a time (`SCM_MAX_FD`).
const SOCKETS_MAX: usize = 253;
/// For an answer of the process before: its loop may be closing a session.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// For a new process to begin to accept.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The process before, which waits for this one to accept.
pub(super) struct Before(UnixStream);

impl Before {
    /// Lets it accept nothing more.
    pub(super) fn accepted(mut self) {
        if let Err(error) = self.0.write_all(&[READY]) {
            log::warn!("the process before cannot be told that this one accepts: {error}");
        }
    }
}

/// Takes the listening sockets of the process before; `None` when there is none.
pub(super) fn take(path: &Path) -> Result<Option<(Vec<OwnedFd>, Before)>, Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(format!("the process at {} {what}: {error}", path.display()))
            .hint("stop it, or start this one without --handover")
    };
    let Ok(mut stream) = UnixStream::connect(path) else { return Ok(None) };
    let asked = stream.set_read_timeout(Some(ANSWER_TIMEOUT)).and_then(|()| stream.write_all(&[TAKE]));
    asked.map_err(|error| failed("cannot be asked for its sockets", &error))?;
    let sockets = receive(&stream).map_err(|error| failed("gave no sockets", &error))?;
    if sockets.is_empty() {
        return Err(failed("gave no sockets", &"it ends, or cannot give them"));
    }
    Ok(Some((sockets, Before(stream))))
}

/// A socket for a later process, beside the path at which that will look for it.
pub(super) struct Offer {
    path: PathBuf,
    /// Where it is until it is made; gone with this value if it never is.
    beside: PathBuf,
}

/// Listens beside `path`, where the process before may still be: what could fail has then not begun anything.
pub(super) fn prepare(path: &Path, events: &Events) -> Result<Offer, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot listen on {} for --handover: {error}", path.display()))
            .hint("give a path of at most 96 bytes, free or of a socket, in a directory that this user may write")
    };
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.file_type().is_socket()) {
        return Err(failed(std::io::Error::other("it is there, and no socket")));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let listener = crate::sockets::bind_unix(Path::new(&beside)).map_err(failed)?;
    let offer = Offer { path: path.to_owned(), beside: beside.into() };
    let sender = events.sender();
    let thread = std::thread::Builder::new().name("handover".into()).spawn(move || {
        for stream in listener.incoming() {
            match stream.and_then(|stream| serve(&stream, &sender)) {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => log::warn!("handing over: {error}"),
            }
        }
    });
    thread.map_err(failed)?;
    Ok(offer)
}

impl Offer {
    /// Lets a later process take over, in place of one that is gone or has handed over to this one. This one works by now,
    /// so that what fails is said and ends nothing.
    pub(super) fn make(self) {
        if let Err(error) = std::fs::rename(&self.beside, &self.path) {
            log::warn!("no later process can take over: cannot listen on {}: {error}", self.path.display());
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.beside); // it is not there once the offer was made
    }
}

/// Serves one process; whether it has taken over.
fn serve(mut stream: &UnixStream, events: &mpsc::Sender<Event>) -> std::io::Result<bool> {
    let peer = socket_peercred(stream)?;
    if peer.uid != rustix::process::geteuid() {
        return Err(std::io::Error::other(format!("process {} of another user asked", peer.pid.as_raw_nonzero())));
    }
    stream.set_read_timeout(Some(READY_TIMEOUT))?;
    let mut word = [0];
    stream.read_exact(&mut word)?;
    if word != [TAKE] {
        return Err(std::io::Error::other("a process spoke another language"));
    }
    let Some(sockets) = ask_for_sockets(events) else { return Ok(true) };
    send(stream, &sockets?)?;
    // A process that ends before it accepts has not taken over.
    match stream.read(&mut word)? {
        1 if word == [READY] => Ok(events.blocking_send(Event::TakenOver).is_ok()),
        _ => Ok(false),
    }
}

fn send(stream: &UnixStream, sockets: &[OwnedFd]) -> std::io::Result<()> {
    if sockets.len() > SOCKETS_MAX {
        return Err(std::io::Error::other(format!("more than {SOCKETS_MAX} listeners cannot be handed over")));
    }
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let borrowed: Vec<_> = sockets.iter().map(OwnedFd::as_fd).collect();
    if !ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(std::io::Error::other("the sockets do not fit into a message"));
    }
    sendmsg(stream, &[IoSlice::new(&[TAKE])], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

fn receive(stream: &UnixStream) -> std::io::Result<Vec<OwnedFd>> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let messages = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    Ok(messages.flatten().collect())
}
