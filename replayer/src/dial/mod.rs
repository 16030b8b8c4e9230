//! Connections to targets, made ahead of need on helper threads, so that an engine never connects, resolves or shakes hands.
//!
//! [`Dialer::start`] gives each engine a [`DialHandle`]: a [`Dial`] goes in, exactly one [`Dialed`] comes out, with a
//! [`Transport`] that the engine then owns. Few helpers drive many connections each, in one poll loop: a peer that hangs
//! takes a place in a table and nobody's time. Deliberately absent: a pool, retries after a connection was made, and any
//! decision about when to connect.

mod attempt;
mod counters;
mod error;
mod handle;
mod helper;
mod routes;
mod socket;
mod tls;
mod transport;
mod tunnel;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::target::Target;

pub use counters::DialCounters;
pub use error::{DialError, DialErrorKind, DialQueueFull, Failure};
pub use handle::{Dial, DialHandle, Dialed, Peer};
pub use tls::{ClientCertificate, TlsOptions, TlsVersions};
pub use transport::{Received, Sent, Transport};

use handle::{Bell, lane, new_event};
use helper::Helper;
use routes::Routes;

/// How connections are made.
#[derive(Debug, Clone)]
pub struct DialOptions {
    /// The run's clock.
    pub clock: Clock,
    /// The longest time for one connection, over all addresses, with proxy and TLS handshake.
    pub connect_timeout: Duration,
    /// How often names are looked up again; at least a millisecond passes in between.
    pub dns_refresh: Duration,
    /// Source addresses, used in turn, each for targets of its own family; empty: the system chooses.
    pub sources: Vec<IpAddr>,
    /// How TLS is spoken.
    pub tls: TlsOptions,
    /// Helper threads.
    pub helpers: NonZeroUsize,
    /// Connections that one engine may have in the making; beyond it [`DialHandle::request`] refuses.
    pub waiting_max: NonZeroUsize,
}

impl DialOptions {
    /// Five seconds to connect, a lookup every thirty, two helpers, 16,384 connections in the making.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
        const WAITING_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);
        Self {
            clock,
            connect_timeout: Duration::from_secs(5),
            dns_refresh: Duration::from_secs(30),
            sources: Vec::new(),
            tls: TlsOptions::default(),
            helpers: TWO,
            waiting_max: WAITING_MAX,
        }
    }
}

/// The helper threads. They end when all handles are dropped.
#[derive(Debug, Clone, Copy)]
pub struct Dialer;

impl Dialer {
    /// Starts the helpers; one handle for each of `engines`. The index of a target is its place in `targets`.
    ///
    /// # Errors
    /// When a target was not looked up or may not be connected to, when a file of the TLS options cannot be used, when a
    /// source address is not of this machine, and when the system gives no thread or descriptor.
    pub fn start(targets: Vec<Target>, options: DialOptions, engines: usize) -> Result<Vec<DialHandle>, ReplayError> {
        let failed = |doing| move |errno: Errno| ReplayError::System { doing, source: errno.into() };
        for source in &options.sources {
            socket::check_source(*source)
                .map_err(|errno| ReplayError::Bind { address: *source, source: errno.into() })?;
        }
        if let Some(warning) = options.tls.warning()
            && targets.iter().any(|target| target.tls)
        {
            log::warn!("{warning}");
        }
        let routes = Arc::new(Routes::new(targets, &options)?);
        let waiting_max = options.waiting_max.get();
        let bells = (0..options.helpers.get()).map(|_| Bell::new().map(Arc::new)).collect::<Result<Vec<_>, _>>();
        let bells = bells.map_err(failed("make an event"))?;
        let mut far_ends: Vec<Vec<_>> = bells.iter().map(|_| Vec::with_capacity(engines)).collect();
        let mut handles = Vec::with_capacity(engines);
        for _ in 0..engines {
            let wake: Arc<OwnedFd> = Arc::new(new_event().map_err(failed("make an event"))?);
            let mut near_ends = Vec::with_capacity(bells.len());
            for (bell, lanes) in bells.iter().zip(&mut far_ends) {
                let (near, far) = lane(waiting_max.div_ceil(bells.len()), Arc::clone(bell), Arc::clone(&wake));
                near_ends.push(near);
                lanes.push(far);
            }
            handles.push(DialHandle::new(near_ends, wake, Arc::clone(&routes.counters), waiting_max));
        }
        let refresher = routes::refresh(&routes, options.clock, options.dns_refresh)?;
        for (at, (bell, lanes)) in bells.into_iter().zip(far_ends).enumerate() {
            let helper = Helper::new(Arc::clone(&routes), lanes, bell, refresher.clone());
            let helper = helper.map_err(failed("make an epoll instance"))?;
            spawn(format!("dial-{at}"), move || helper.run())?;
        }
        Ok(handles)
    }
}

impl Dialer {
    /// Makes one connection and closes it: a target that nobody answers at is an error of usage and not of each request.
    /// Blocks, at most for the time to connect.
    ///
    /// # Errors
    /// As [`Self::start`], and [`ReplayError::Unreachable`] with the reason.
    pub fn probe(target: Target, options: DialOptions) -> Result<Option<Peer>, ReplayError> {
        let given = target.given.clone();
        let unreachable = |source| ReplayError::Unreachable { target: given.clone(), source };
        let failed = |errno: Errno| ReplayError::System { doing: "wait for a connection", source: errno.into() };
        let mut handles = Self::start(vec![target], DialOptions { helpers: NonZeroUsize::MIN, ..options }, 1)?;
        // One engine has one handle, and an empty handle has room.
        let Some(mut handle) = handles.pop() else { return Err(failed(Errno::CHILD)) };
        handle.request(Dial { id: 0, target: 0 }).map_err(|_| failed(Errno::AGAIN))?;
        loop {
            if let Some(Dialed { result, peer, .. }) = handle.next() {
                result.map_err(unreachable)?.close();
                return Ok(peer);
            }
            match poll(&mut [PollFd::from_borrowed_fd(handle.wake(), PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<std::thread::Thread, ReplayError> {
    let spawned = std::thread::Builder::new().name(name).spawn(work);
    let handle = spawned.map_err(|source| ReplayError::System { doing: "start a thread", source })?;
    Ok(handle.thread().clone())
}

#[cfg(test)]
mod tests;
