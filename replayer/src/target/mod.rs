//! Where requests go, and whether they may: the allow-list and the recorded origin (design invariant 10).
//!
//! A [`Target`] starts out closed: until [`Target::check_allowed`] opens it, only loopback is admitted. What it was
//! checked against stays with it, so that addresses which a name gets later are checked in the same way. Nothing here
//! connects; that is `dial`.

mod guard;
mod place;
mod proxy;
mod resolve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use url::{Host, Url};

use crate::error::ReplayError;

pub use guard::Refusal;
use guard::{Guard, Origin};
pub use place::Place;
use place::{authority, split_authority};
pub use proxy::Proxy;
pub use resolve::Override;
use resolve::lookup;

/// The longest path that a socket's address holds (`sun_path` without its final zero).
const UNIX_PATH_BYTES_MAX: usize = 107;

/// Something that requests are sent to: `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:/path/to.sock`.
#[derive(Debug, Clone)]
pub struct Target {
    /// As given.
    pub given: String,
    /// Its host, lower case, without brackets; `localhost` for a Unix socket.
    pub host: String,
    /// Its port; 0 for a Unix socket.
    pub port: u16,
    /// What the Host field says (RFC 9110 §7.2): the port is left out when it is the scheme's own.
    pub authority: String,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The name that its certificate is checked for and, unless it is an address, that is sent as SNI.
    pub server_name: String,
    /// Where connections go: its own addresses, or the proxy's.
    pub place: Place,
    proxy: Option<Arc<Proxy>>,
    guard: Guard,
}

impl Target {
    /// Reads a target and looks its host up, without a proxy and without overrides.
    ///
    /// # Errors
    /// As [`Self::parse`] and [`Self::look_up`].
    pub fn resolve(given: &str) -> Result<Self, ReplayError> {
        Self::parse(given)?.look_up(&[])
    }

    /// Reads a target; it has no addresses until [`Self::look_up`].
    ///
    /// # Errors
    /// [`ReplayError::Target`] when it is not one of the three forms.
    pub fn parse(given: &str) -> Result<Self, ReplayError> {
        let bad = |why: &str| ReplayError::Target { given: given.to_owned(), why: why.to_owned() };
        if let Some(path) = given.strip_prefix("unix:") {
            return Self::unix(given, path).map_err(bad);
        }
        let url = Url::parse(given).map_err(|error| bad(&error.to_string()))?;
        let (tls, usual_port) = match url.scheme() {
            "http" => (false, 80),
            "https" => (true, 443),
            other => return Err(bad(&format!("`{other}` is no scheme that can be replayed to"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("credentials do not belong into a command line"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("paths come from the recording; give scheme, host and port only"));
        }
        let shown = url.host_str().ok_or_else(|| bad("it has no host"))?;
        let port = url.port().unwrap_or(usual_port);
        if port == 0 {
            return Err(bad("port 0 cannot be connected to"));
        }
        let authority = if port == usual_port { shown.to_owned() } else { format!("{shown}:{port}") };
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => shown.to_owned(),
        };
        let place = Place::Network(Vec::new().into());
        let server_name = host.clone();
        let guard = Guard::default();
        Ok(Self { given: given.to_owned(), host, port, authority, tls, server_name, place, proxy: None, guard })
    }

    fn unix(given: &str, path: &str) -> Result<Self, &'static str> {
        if !path.starts_with('/') {
            return Err("the path of a Unix socket begins with /");
        }
        if path.len() > UNIX_PATH_BYTES_MAX || path.contains('\0') {
            return Err("a Unix socket's path has at most 107 bytes, none of them zero");
        }
        Ok(Self {
            given: given.to_owned(),
            host: "localhost".into(),
            port: 0,
            authority: "localhost".into(),
            tls: false,
            server_name: "localhost".into(),
            place: Place::Unix(PathBuf::from(path).into()),
            proxy: None,
            guard: Guard::default(),
        })
    }

    /// Goes there through an HTTP proxy; call it before [`Self::look_up`].
    ///
    /// # Errors
    /// [`ReplayError::Proxy`] for a Unix socket.
    pub fn through(mut self, proxy: Arc<Proxy>) -> Result<Self, ReplayError> {
        if matches!(self.place, Place::Unix(_)) {
            let why = format!("a proxy does not reach the Unix socket `{}`", self.given);
            return Err(ReplayError::Proxy { given: proxy.authority(), why });
        }
        self.proxy = Some(proxy);
        Ok(self)
    }

    /// Looks up where connections go: an override, or what the resolver says; with a proxy, the proxy. Blocks.
    ///
    /// # Errors
    /// [`ReplayError::Resolve`] when there is no address.
    pub fn look_up(mut self, overrides: &[Override]) -> Result<Self, ReplayError> {
        let Some((host, port)) = self.connects_to() else { return Ok(self) };
        let found = overrides.iter().find(|one| one.is_for(host, port));
        let addresses = match found {
            Some(found) => found.addresses().into(),
            None => lookup(host, port)?.into(),
        };
        self.guard.fixed = found.is_some();
        self.place = Place::Network(addresses);
        Ok(self)
    }

    /// The host and port that connections are made to, the proxy's if there is one; `None` for a Unix socket.
    fn connects_to(&self) -> Option<(&str, u16)> {
        match (&self.place, &self.proxy) {
            (Place::Unix(_), _) => None,
            (Place::Network(_), Some(proxy)) => Some((&proxy.host, proxy.port)),
            (Place::Network(_), None) => Some((&self.host, self.port)),
        }
    }

    /// Whether connections are made where `one` says, unless another override comes before it.
    #[must_use]
    pub fn is_overridden_by(&self, one: &Override) -> bool {
        self.connects_to().is_some_and(|(host, port)| one.is_for(host, port))
    }

    /// What connections are made to, to be shown: `HOST:PORT`, or a Unix socket as given.
    #[must_use]
    pub fn connects_to_text(&self) -> String {
        self.connects_to().map_or_else(|| self.given.clone(), |(host, port)| authority(host, port))
    }

    /// Whether requests may go there: every address must be loopback, or the host be named by `allow` (`HOST` or
    /// `HOST:PORT`). Through a proxy the proxy's own resolver decides where a name leads, so that only `localhost` and
    /// loopback addresses behind a loopback proxy need no entry. What is found here also holds for later addresses.
    ///
    /// # Errors
    /// [`ReplayError::NotAllowed`] with the first address that may not be.
    pub fn check_allowed(&mut self, allow: &[String]) -> Result<(), ReplayError> {
        self.guard.by_name = allow.iter().any(|entry| {
            let (host, port) = split_authority(entry);
            host.eq_ignore_ascii_case(&self.host) && port.is_none_or(|port| port == self.port)
        });
        self.is_allowed()
    }

    /// Whether the checks so far allow every address that it has.
    ///
    /// # Errors
    /// [`ReplayError::NotAllowed`], and [`ReplayError::Resolve`] before [`Self::look_up`].
    pub(crate) fn is_allowed(&self) -> Result<(), ReplayError> {
        let refused = |address| ReplayError::NotAllowed { host: self.host.clone(), port: self.port, address };
        let Place::Network(addresses) = &self.place else { return Ok(()) };
        if self.proxy.is_some() && !self.guard.by_name && !is_local(&self.host) {
            return Err(refused(None));
        }
        if addresses.is_empty() {
            let source = std::io::Error::new(std::io::ErrorKind::NotFound, "it was not looked up");
            return Err(ReplayError::Resolve { host: self.host.clone(), source });
        }
        match addresses.iter().find(|address| !self.guard.allows(address)) {
            Some(address) => Err(refused(Some(*address))),
            None => Ok(()),
        }
    }

    /// Whether the target is one of `origins` (upstream, listener, recorded authorities), compared by name and port
    /// and by every address and port that both sides resolve to. Later addresses are compared in the same way.
    ///
    /// # Errors
    /// [`ReplayError::Origin`].
    pub fn check_origin<'a>(&mut self, origins: impl Iterator<Item = &'a str>) -> Result<(), ReplayError> {
        self.guard.origins = origins.map(Origin::new).collect();
        // Through a proxy the target's own addresses are not connected to, but they are what is reached in the end.
        let behind = match &self.proxy {
            Some(_) => lookup(&self.host, self.port).unwrap_or_default(),
            None => Vec::new(),
        };
        let addresses = self.addresses().iter().chain(&behind);
        let found = self.guard.origins.iter().find(|origin| {
            origin.given == self.given
                || origin.is_named(&self.host, self.port)
                || addresses.clone().any(|address| origin.is_at(address))
        });
        match found {
            Some(origin) => Err(ReplayError::Origin { target: self.given.clone(), origin: origin.given.clone() }),
            None => Ok(()),
        }
    }

    /// The addresses that are connected to; none for a Unix socket.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        match &self.place {
            Place::Network(addresses) => addresses,
            Place::Unix(_) => &[],
        }
    }

    /// The proxy that leads there.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_deref()
    }

    /// Whether request lines must carry `http://AUTHORITY/path` (RFC 9112 §3.2.2): a proxy is asked in clear text. Such
    /// requests also carry [`Proxy::authorization`].
    #[must_use]
    pub fn absolute_form(&self) -> bool {
        self.proxy.is_some() && !self.tls
    }

    /// Host and port to look up again while the run goes on; `None` when addresses were given and cannot change.
    pub(crate) fn lookup_name(&self) -> Option<(&str, u16)> {
        let (host, port) = self.connects_to()?;
        let fixed = self.guard.fixed || host.parse::<std::net::IpAddr>().is_ok();
        (!fixed).then_some((host, port))
    }

    /// Looks the name up again and takes out the addresses that may not be connected to. Blocks.
    ///
    /// # Errors
    /// When the resolver fails.
    pub(crate) fn look_up_again(&self) -> Result<Admitted, ReplayError> {
        let Some((host, port)) = self.lookup_name() else { return Ok(self.admit(self.addresses().to_vec())) };
        Ok(self.admit(lookup(host, port)?))
    }

    /// Splits addresses into those that may be connected to and how many may not, and why the first may not.
    pub(crate) fn admit(&self, addresses: Vec<SocketAddr>) -> Admitted {
        let new = addresses.iter().any(|address| !self.addresses().contains(address));
        // Origins may have moved as well, but it is asked only when an address is new: there may be many of them.
        let origins = if new { self.guard.origins.iter().map(Origin::look_up_again).collect() } else { Vec::new() };
        let mut admitted = Admitted::default();
        for address in addresses {
            let refusal = if self.guard.allows(&address) {
                let origin = self.guard.origins.iter().chain(&origins).find(|origin| origin.is_at(&address));
                origin.map(|origin| Refusal::Origin { address, origin: origin.given.clone() })
            } else {
                Some(Refusal::NotAllowed { address })
            };
            match refusal {
                None => admitted.addresses.push(address),
                Some(refusal) => admitted.refused.push(refusal),
            }
        }
        admitted
    }
}

/// What came of looking at addresses.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) refused: Vec<Refusal>,
}

/// Whether a name can only mean the machine that it is said on.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
