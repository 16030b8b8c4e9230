//! Listening sockets: bound here or inherited from the process before us, and paths that are unlinked by who has them last.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, IntoRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::endpoint::Endpoint;
use super::error::RelayError;
use super::loops::is_same_path;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Socket {
    descriptor: OwnedFd,
    pub(super) endpoint: Endpoint,
    path: Option<OwnedPath>,
}

impl Socket {
    /// Takes a fitting one out of `inherited`, or binds.
    pub(super) fn take_or_bind(wanted: &Endpoint, inherited: &mut Vec<OwnedFd>) -> Result<Self, RelayError> {
        let failed = |source| RelayError::Listen { address: wanted.clone(), source };
        let fits = |descriptor: &OwnedFd| bound_to(descriptor).is_some_and(|bound| is_wanted(wanted, &bound));
        let descriptor = match inherited.iter().position(fits) {
            Some(index) => inherited.swap_remove(index),
            None => bind(wanted).map_err(failed)?,
        };
        // The standard library asks for 128; a burst of connections beyond that would wait for a retransmission.
        rustix::net::listen(&descriptor, BACKLOG).map_err(|errno| failed(errno.into()))?;
        rustix::io::ioctl_fionbio(&descriptor, true).map_err(|errno| failed(errno.into()))?;
        let endpoint = bound_to(&descriptor).ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
        let path = match &endpoint {
            Endpoint::Tcp(_) => None,
            Endpoint::Unix(path) => Some(OwnedPath::of(path).map_err(failed)?),
        };
        Ok(Self { descriptor, endpoint, path })
    }

    /// Another descriptor of it.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.descriptor.try_clone()
    }

    /// For whoever accepts on it.
    pub(super) fn raw_duplicate(&self) -> io::Result<i32> {
        Ok(self.duplicate()?.into_raw_fd())
    }

    /// The path is no longer ours to unlink.
    pub(super) fn leave_path(&mut self) {
        if let Some(path) = &mut self.path {
            path.ours = false;
        }
    }
}

/// The path of a Unix socket; unlinked when it is dropped, unless it was left to another process or is another file by now.
#[derive(Debug)]
struct OwnedPath {
    path: PathBuf,
    inode: (u64, u64),
    ours: bool,
}

impl OwnedPath {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), inode: inode(path)?, ours: true })
    }
}

impl Drop for OwnedPath {
    fn drop(&mut self) {
        if self.ours
            && inode(&self.path).is_ok_and(|inode| inode == self.inode)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn bind(wanted: &Endpoint) -> io::Result<OwnedFd> {
    match wanted {
        Endpoint::Tcp(address) => Ok(TcpListener::bind(address)?.into()),
        Endpoint::Unix(path) => {
            remove_stale(path)?;
            Ok(UnixListener::bind(path)?.into())
        }
    }
}

/// A socket that a process left behind when it was killed is in nobody's way; one that somebody listens on is.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path is a file that is no socket"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        // One that is there, or that does not let us in.
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// What a descriptor listens on.
fn bound_to(descriptor: &OwnedFd) -> Option<Endpoint> {
    let address = rustix::net::getsockname(descriptor.as_fd()).ok()?;
    match address.address_family() {
        rustix::net::AddressFamily::UNIX => {
            let listener = UnixListener::from(descriptor.try_clone().ok()?);
            Some(Endpoint::Unix(listener.local_addr().ok()?.as_pathname()?.to_owned()))
        }
        _ => SocketAddr::try_from(address).ok().map(Endpoint::Tcp),
    }
}

/// Port 0 takes any port of its address.
fn is_wanted(wanted: &Endpoint, bound: &Endpoint) -> bool {
    match (wanted, bound) {
        (Endpoint::Tcp(wanted), Endpoint::Tcp(bound)) => {
            wanted.ip() == bound.ip() && (wanted.port() == bound.port() || wanted.port() == 0)
        }
        (Endpoint::Unix(wanted), Endpoint::Unix(bound)) => is_same_path(wanted, bound),
        _ => false,
    }
}
