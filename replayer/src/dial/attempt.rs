//! One connection in the making: connect → ask the proxy → shake hands → hand over. Reads in that order.
//!
//! An attempt never blocks. It says what it waits for, and its helper calls [`Attempt::step`] again then.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustls::{ClientConnection, HandshakeKind};

use super::error::{DialError, DialErrorKind, Failure};
use super::handle::{Dial, Peer};
use super::routes::{Route, Routes};
use super::socket::{self, Opened};
use super::transport::{TakenIn, Transport, flush, take_in};
use super::tunnel::{Tunnel, Tunnelled};

pub(super) struct Attempt {
    pub(super) dial: Dial,
    /// Index of the lane that the answer goes to.
    pub(super) lane: usize,
    pub(super) started_ns: u64,
    pub(super) peer: Option<Peer>,
    /// Sockets opened so far, which tells the present one from the earlier ones.
    pub(super) sockets: u32,
    /// Addresses that were not tried yet.
    left: VecDeque<SocketAddr>,
    stage: Stage,
}

enum Stage {
    /// There is no socket.
    Closed,
    Connecting(OwnedFd),
    Asking(OwnedFd, Tunnel),
    Shaking(OwnedFd, Box<ClientConnection>),
}

/// What an attempt needs next.
pub(super) enum Step {
    /// An event of its socket.
    Wait(EventFlags),
    /// Some time: the system has no event for what it waits for.
    Later,
    /// Nothing: it is over.
    Over(Result<Made, DialError>),
}

/// A finished connection.
pub(super) struct Made {
    pub(super) transport: Transport,
    pub(super) resumed: bool,
}

impl Attempt {
    pub(super) fn new(dial: Dial, lane: usize, started_ns: u64, route: &Route) -> Result<Self, DialError> {
        let left = route.addresses()?.into();
        Ok(Self { dial, lane, started_ns, peer: None, sockets: 0, left, stage: Stage::Closed })
    }

    /// The socket that an event is waited for on.
    pub(super) fn socket(&self) -> Option<&OwnedFd> {
        match &self.stage {
            Stage::Closed => None,
            Stage::Connecting(socket) | Stage::Asking(socket, _) | Stage::Shaking(socket, _) => Some(socket),
        }
    }

    /// Goes as far as it can without waiting.
    pub(super) fn step(&mut self, routes: &Routes, route: &Route) -> Step {
        match self.advance(routes, route) {
            Ok(step) => step,
            Err(error) => Step::Over(Err(error)),
        }
    }

    /// Why it is given up when its time is over.
    pub(super) fn timed_out(&self, connect_timeout_ns: u64) -> DialError {
        let at = match (&self.stage, &self.peer) {
            (Stage::Connecting(_), Some(peer)) => format!("{peer} did not answer"),
            (Stage::Asking(..), _) => "the proxy did not answer CONNECT".to_owned(),
            (Stage::Shaking(..), Some(peer)) => format!("{peer} did not finish the TLS handshake"),
            (Stage::Closed, Some(peer)) => format!("the listener's queue at {peer} stayed full"),
            (_, None) => "nothing was connected to".to_owned(),
        };
        let seconds = std::time::Duration::from_nanos(connect_timeout_ns);
        DialError::new(DialErrorKind::ConnectTimeout, format!("{at} within {seconds:?}"))
    }

    fn advance(&mut self, routes: &Routes, route: &Route) -> Result<Step, DialError> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Closed) {
                Stage::Closed => {
                    self.sockets += 1;
                    let opened = match route.unix_path() {
                        Some(path) => {
                            self.peer = Some(Peer::Path(path.clone()));
                            match socket::open_unix(path) {
                                Err(Errno::AGAIN) => return Ok(Step::Later),
                                other => other.map_err(|errno| self.failed_to_connect(errno)),
                            }
                        }
                        None => self.open_next(routes),
                    };
                    match opened {
                        Ok(Opened::Connected(socket)) => return self.established(socket, route),
                        Ok(Opened::UnderWay(socket)) => {
                            self.stage = Stage::Connecting(socket);
                            return Ok(Step::Wait(EventFlags::OUT));
                        }
                        Err(error) => self.or_next(error, routes)?,
                    }
                }
                Stage::Connecting(socket) => match socket::connected(&socket, self.address()) {
                    Ok(()) => return self.established(socket, route),
                    Err(errno) => self.or_next(self.failed_to_connect(errno), routes)?,
                },
                Stage::Asking(socket, mut tunnel) => {
                    let flags = match tunnel.step(socket.as_fd())? {
                        Tunnelled::Through => return self.secure(socket, route),
                        Tunnelled::WantsWrite => EventFlags::OUT,
                        Tunnelled::WantsRead => EventFlags::IN,
                    };
                    self.stage = Stage::Asking(socket, tunnel);
                    return Ok(Step::Wait(flags));
                }
                Stage::Shaking(socket, tls) => return self.shake(socket, tls),
            }
        }
    }

    /// Begins with the next address; from the next source if this one has no port left.
    fn open_next(&mut self, routes: &Routes) -> Result<Opened, DialError> {
        let Some(address) = self.left.pop_front() else {
            return Err(DialError::new(DialErrorKind::Unreachable, "the target has no address"));
        };
        self.peer = Some(Peer::Address(address));
        let mut last = Errno::ADDRNOTAVAIL;
        for source in routes.sources(address)? {
            match socket::open(address, source) {
                Err(errno @ (Errno::ADDRNOTAVAIL | Errno::ADDRINUSE)) => last = errno,
                other => return other.map_err(|errno| self.failed_to_connect(errno)),
            }
        }
        Err(self.failed_to_connect(last))
    }

    /// Swallows an error after which the next address can be tried.
    fn or_next(&self, error: DialError, routes: &Routes) -> Result<(), DialError> {
        if self.left.is_empty() || !error.kind.is_of_one_address() {
            return Err(error);
        }
        routes.counters.count_next_address();
        Ok(())
    }

    fn established(&mut self, socket: OwnedFd, route: &Route) -> Result<Step, DialError> {
        let Some(tunnel) = Tunnel::new(&route.target) else { return self.secure(socket, route) };
        self.stage = Stage::Asking(socket, tunnel);
        // The socket is writable, so that this event comes at once.
        Ok(Step::Wait(EventFlags::OUT))
    }

    fn secure(&mut self, socket: OwnedFd, route: &Route) -> Result<Step, DialError> {
        match route.tls() {
            None => Ok(Step::Over(Ok(Made { transport: Transport::plain(socket), resumed: false }))),
            Some(Ok(tls)) => self.shake(socket, Box::new(tls)),
            Some(Err(error)) => Err(DialError::new(DialErrorKind::Tls, error.to_string())),
        }
    }

    fn shake(&mut self, socket: OwnedFd, mut tls: Box<ClientConnection>) -> Result<Step, DialError> {
        let failed = |failure: Failure| DialError::new(DialErrorKind::Tls, format!("the handshake failed: {failure}"));
        loop {
            let flags = match flush(&mut tls, socket.as_fd()).map_err(failed)? {
                true if !tls.is_handshaking() => break,
                true => EventFlags::IN,
                false => EventFlags::IN | EventFlags::OUT,
            };
            match take_in(&mut tls, socket.as_fd(), &mut None).map_err(failed)? {
                TakenIn::Something => {}
                TakenIn::Nothing => {
                    self.stage = Stage::Shaking(socket, tls);
                    return Ok(Step::Wait(flags));
                }
                TakenIn::End => {
                    let detail = "the peer closed the connection during the handshake";
                    return Err(DialError::new(DialErrorKind::Tls, detail));
                }
            }
        }
        if let Some(other) = tls.alpn_protocol().filter(|protocol| *protocol != b"http/1.1") {
            let detail = format!("the peer wants to speak `{}`", other.escape_ascii());
            return Err(DialError::new(DialErrorKind::Tls, detail));
        }
        let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok(Step::Over(Ok(Made { transport: Transport::tls(socket, tls), resumed })))
    }

    fn address(&self) -> Option<SocketAddr> {
        match self.peer {
            Some(Peer::Address(address)) => Some(address),
            _ => None,
        }
    }

    fn failed_to_connect(&self, errno: Errno) -> DialError {
        let peer = self.peer.as_ref().map(ToString::to_string).unwrap_or_default();
        DialError::system(&format!("connect to {peer}"), errno)
    }
}
