//! What all helpers know of the targets: current addresses, TLS, whose turn it is. And the thread that looks names up.
//!
//! The resolver may block for as long as it likes: it has a thread of its own, and until it answers the earlier
//! addresses stay in use. An address is admitted by its target before a helper can see it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::counters::DialCounters;
use super::error::{DialError, DialErrorKind};
use super::{DialOptions, spawn, tls};
use crate::clock::Clock;
use crate::error::ReplayError;
use crate::target::{Admitted, Place, Target};

/// The shortest time between two lookups of the same name.
const LOOKUPS_APART_MIN: Duration = Duration::from_millis(1);

/// All targets.
pub(super) struct Routes {
    pub(super) clock: Clock,
    pub(super) connect_timeout_ns: u64,
    pub(super) counters: Arc<DialCounters>,
    routes: Vec<Route>,
    sources: Vec<IpAddr>,
    next_source: AtomicUsize,
}

/// One target.
pub(super) struct Route {
    pub(super) target: Target,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    known: Mutex<Known>,
    next: AtomicUsize,
}

/// What the last lookup left.
enum Known {
    Addresses(Arc<[SocketAddr]>),
    /// All addresses were refused, the first for this reason.
    Refused(String),
}

impl Routes {
    pub(super) fn new(targets: Vec<Target>, options: &DialOptions) -> Result<Self, ReplayError> {
        let routes = targets.into_iter().map(|target| Route::new(target, options)).collect::<Result<_, _>>()?;
        Ok(Self {
            clock: options.clock,
            connect_timeout_ns: u64::try_from(options.connect_timeout.as_nanos()).unwrap_or(u64::MAX),
            counters: Arc::default(),
            routes,
            sources: options.sources.clone(),
            next_source: AtomicUsize::new(0),
        })
    }

    pub(super) fn route(&self, target: u16) -> Option<&Route> {
        self.routes.get(usize::from(target))
    }

    /// The source addresses to try for a connection to `address`, in order; `None` lets the system choose.
    pub(super) fn sources(&self, address: SocketAddr) -> Result<Vec<Option<IpAddr>>, DialError> {
        if self.sources.is_empty() {
            return Ok(vec![None]);
        }
        let same_family = |source: &&IpAddr| source.is_ipv4() == address.is_ipv4();
        let mut sources: Vec<_> = self.sources.iter().filter(same_family).copied().map(Some).collect();
        if sources.is_empty() {
            let detail = format!("no source address is of the family of {address}");
            return Err(DialError::new(DialErrorKind::Unreachable, detail));
        }
        let first = self.next_source.fetch_add(1, Ordering::Relaxed) % sources.len();
        sources.rotate_left(first);
        Ok(sources)
    }

    /// Looks every name up once more. Blocks.
    fn look_up(&self) {
        for route in self.routes.iter().filter(|route| route.target.lookup_name().is_some()) {
            match route.target.look_up_again() {
                Ok(admitted) => route.update(admitted, &self.counters),
                Err(error) => {
                    self.counters.count_lookup(false);
                    log::warn!("{error}; the earlier addresses stay in use");
                }
            }
        }
    }
}

impl Route {
    fn new(target: Target, options: &DialOptions) -> Result<Self, ReplayError> {
        target.is_allowed()?;
        let tls = match target.tls {
            true => Some((options.tls.config()?, tls::server_name(&target.server_name)?)),
            false => None,
        };
        let known = Mutex::new(Known::Addresses(target.addresses().into()));
        Ok(Self { target, tls, known, next: AtomicUsize::new(0) })
    }

    /// The addresses, beginning with the one whose turn it is; none for a Unix socket.
    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>, DialError> {
        let mut addresses = match &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            Known::Addresses(addresses) => addresses.to_vec(),
            Known::Refused(why) => return Err(DialError::new(DialErrorKind::NotAllowed, why.clone())),
        };
        if !addresses.is_empty() {
            let first = self.next.fetch_add(1, Ordering::Relaxed) % addresses.len();
            addresses.rotate_left(first);
        }
        Ok(addresses)
    }

    /// What begins a handshake; `None` for a plain target.
    pub(super) fn tls(&self) -> Option<Result<ClientConnection, rustls::Error>> {
        let (config, name) = self.tls.as_ref()?;
        Some(ClientConnection::new(Arc::clone(config), name.clone()))
    }

    pub(super) fn unix_path(&self) -> Option<&Arc<std::path::Path>> {
        match &self.target.place {
            Place::Unix(path) => Some(path),
            Place::Network(_) => None,
        }
    }

    pub(super) fn update(&self, admitted: Admitted, counters: &DialCounters) {
        counters.count_lookup(true);
        counters.count_refused(admitted.refused.len());
        for refusal in &admitted.refused {
            log::warn!("{} leads to an address that is not connected to: {refusal}", self.target.given);
        }
        let known = match admitted.refused.first() {
            Some(refusal) if admitted.addresses.is_empty() => Known::Refused(refusal.to_string()),
            _ => Known::Addresses(admitted.addresses.into()),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// Ends the refreshing thread when the last helper lets go of it. To be dropped after the routes.
#[derive(Clone)]
pub(super) struct Refresher(#[expect(dead_code, reason = "held for its drop")] Option<Arc<Unpark>>);

struct Unpark(Thread);

impl Drop for Unpark {
    fn drop(&mut self) {
        self.0.unpark();
    }
}

/// Starts the thread that looks names up every `every`, if there are names.
pub(super) fn refresh(routes: &Arc<Routes>, clock: Clock, every: Duration) -> Result<Refresher, ReplayError> {
    if routes.routes.iter().all(|route| route.target.lookup_name().is_none()) {
        return Ok(Refresher(None));
    }
    let every_ns = u64::try_from(every.max(LOOKUPS_APART_MIN).as_nanos()).unwrap_or(u64::MAX);
    // Weak: it is the helpers that keep the routes, and without them nobody needs an address.
    let routes = Arc::downgrade(routes);
    let thread = spawn("dial-names".to_owned(), move || {
        let mut due_ns = clock.now_ns().saturating_add(every_ns);
        loop {
            let left_ns = due_ns.saturating_sub(clock.now_ns());
            if left_ns > 0 {
                std::thread::park_timeout(Duration::from_nanos(left_ns));
            }
            let Some(routes) = routes.upgrade() else { return };
            if clock.now_ns() >= due_ns {
                routes.look_up();
                due_ns = clock.now_ns().saturating_add(every_ns);
            }
        }
    })?;
    Ok(Refresher(Some(Arc::new(Unpark(thread)))))
}
