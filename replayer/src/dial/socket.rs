//! Sockets that connect: non-blocking, without Nagle's delay, from a chosen source. No state is kept here.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{IpBindAddressNoPort, ReceiveTimestampns};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname, socket_with, sockopt,
};

/// A socket on its way.
pub(super) enum Opened {
    /// Connected.
    Connected(OwnedFd),
    /// It is writable when it is known how connecting ended.
    UnderWay(OwnedFd),
}

pub(super) fn open(address: SocketAddr, source: Option<IpAddr>) -> Result<Opened, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = new(family)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    // Whether it has them shows when something arrives.
    let _ = setsockopt(&socket, ReceiveTimestampns, &true);
    if let Some(source) = source {
        // Ports are then taken when both ends are known, so that each source has its 28,000 for every target address.
        // A kernel that does not know it has them once for all.
        let _ = setsockopt(&socket, IpBindAddressNoPort, &true);
        bind(&socket, &SocketAddr::new(source, 0))?;
    }
    begin(socket, |socket| connect(socket, &address))
}

/// `EAGAIN`: the listener's queue is full, and the kernel will not tell when it no longer is.
pub(super) fn open_unix(path: &Path) -> Result<Opened, Errno> {
    let address = SocketAddrUnix::new(path)?;
    begin(new(AddressFamily::UNIX)?, |socket| connect(socket, &address))
}

/// Whether sockets can be bound to `source`.
pub(super) fn check_source(source: IpAddr) -> Result<(), Errno> {
    let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    bind(new(family)?, &SocketAddr::new(source, 0))
}

/// How connecting ended, once the socket is writable.
pub(super) fn connected(socket: &OwnedFd, address: Option<SocketAddr>) -> Result<(), Errno> {
    sockopt::socket_error(socket)??;
    // A port of this machine that nobody listens at can be given to the very socket that connects to it: TCP then
    // connects it to itself.
    if let Some(address) = address
        && address.ip().is_loopback()
        && getsockname(socket).ok().and_then(|own| SocketAddr::try_from(own).ok()) == Some(address)
    {
        return Err(Errno::CONNREFUSED);
    }
    Ok(())
}

fn new(family: AddressFamily) -> Result<OwnedFd, Errno> {
    socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
}

fn begin(socket: OwnedFd, connect: impl Fn(&OwnedFd) -> Result<(), Errno>) -> Result<Opened, Errno> {
    match connect(&socket) {
        Ok(()) => Ok(Opened::Connected(socket)),
        // Interrupted or not: it goes on by itself.
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(Opened::UnderWay(socket)),
        Err(errno) => Err(errno),
    }
}
