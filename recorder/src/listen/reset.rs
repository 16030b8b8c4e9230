//! Passing a reset on: the socket of the other side is closed so that its peer sees a reset, too, and not an orderly end.
//!
//! pingora has no setting for that and lends its sockets as numbers only; this is the one file with `unsafe`.
#![expect(unsafe_code, reason = "pingora lends a socket as a number; the proof stands beside the one use")]

use std::os::fd::BorrowedFd;
use std::time::Duration;

use pingora_core::protocols::Stream;
use rustix::net::sockopt::set_socket_linger;

use crate::clock::Clock;

/// A reset discards what the peer did not take yet; it is waited for so long.
const TAKEN_TIMEOUT_NS: u64 = 5_000_000_000;
/// How often that is looked at.
const TAKEN_POLL_NS: u64 = 2_000_000;

/// What a connection's bytes pass over.
pub(super) trait OverSocket {
    fn stream(&self) -> &Stream;
}

impl OverSocket for Stream {
    fn stream(&self) -> &Stream {
        self
    }
}

impl OverSocket for tokio_rustls::server::TlsStream<Stream> {
    fn stream(&self) -> &Stream {
        self.get_ref().0
    }
}

impl OverSocket for tokio_rustls::client::TlsStream<Stream> {
    fn stream(&self) -> &Stream {
        self.get_ref().0
    }
}

/// Lets the peer have what was sent before, then has the socket reset when it is dropped. Unix sockets know no such end.
pub(super) async fn pass_on(stream: &Stream, clock: Clock) {
    let until = clock.now_ns() + TAKEN_TIMEOUT_NS;
    while has_untaken(stream) && clock.now_ns() < until {
        tokio::time::sleep_until(clock.deadline(clock.now_ns() + TAKEN_POLL_NS).into()).await;
    }
    // SAFETY: the number is that of the descriptor which `stream` owns and closes when it is dropped, and `stream` is
    // borrowed until after the last use.
    let socket = unsafe { BorrowedFd::borrow_raw(stream.id()) };
    if let Err(errno) = set_socket_linger(socket, Some(Duration::ZERO)) {
        log::debug!("a reset becomes an orderly end: {errno}");
    }
}

fn has_untaken(stream: &Stream) -> bool {
    let info = stream.get_socket_digest().and_then(|digest| digest.tcp_info());
    info.is_some_and(|info| info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0)
}
