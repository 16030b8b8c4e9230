//! What a target was checked against, kept so that addresses found later are checked again.

use std::net::SocketAddr;

use super::place::split_authority;
use super::resolve::lookup;

/// Why an address of a target's name is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not loopback, and nobody allowed the name.
    #[error("{address} is not loopback and the name is not allowed")]
    NotAllowed {
        /// The address.
        address: SocketAddr,
    },
    /// It belongs to what was recorded.
    #[error("{address} is the recorded origin ({origin})")]
    Origin {
        /// The address.
        address: SocketAddr,
        /// What it was in the recording.
        origin: String,
    },
}

/// The answers of the checks. The default admits loopback only.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    /// The allow-list names the target.
    pub(super) by_name: bool,
    /// Its addresses were given by an override.
    pub(super) fixed: bool,
    /// What it must not be; empty with `--allow-origin`.
    pub(super) origins: Vec<Origin>,
}

impl Guard {
    pub(super) fn allows(&self, address: &SocketAddr) -> bool {
        self.by_name || address.ip().to_canonical().is_loopback()
    }
}

/// Something that was recorded from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// As recorded.
    pub(super) given: String,
    host: String,
    ports: Vec<u16>,
    addresses: Vec<SocketAddr>,
}

impl Origin {
    /// Reads an origin and looks it up. Blocks.
    pub(super) fn new(given: &str) -> Self {
        let (rest, usual_ports) = match (given.strip_prefix("http://"), given.strip_prefix("https://")) {
            (Some(rest), _) => (rest, vec![80]),
            (_, Some(rest)) => (rest, vec![443]),
            // A recorded Host field does not tell its scheme: either port is the origin.
            _ => (given, vec![80, 443]),
        };
        let (host, port) = split_authority(rest.trim_end_matches('/'));
        let origin = Self {
            given: given.to_owned(),
            host: host.to_owned(),
            ports: port.map_or(usual_ports, |port| vec![port]),
            addresses: Vec::new(),
        };
        origin.look_up_again()
    }

    /// The same origin with the addresses that it has now. Blocks.
    pub(super) fn look_up_again(&self) -> Self {
        // A recorded name that does not resolve here is no address that could be hit from here.
        let found = lookup(&self.host, 0).unwrap_or_default();
        let at = |port: &u16| found.iter().map(|one| SocketAddr::new(one.ip(), *port)).collect::<Vec<_>>();
        Self { addresses: self.ports.iter().flat_map(at).collect(), ..self.clone() }
    }

    pub(super) fn is_named(&self, host: &str, port: u16) -> bool {
        self.host.eq_ignore_ascii_case(host) && self.ports.contains(&port)
    }

    /// Whether `address` is this origin; a listener on the unspecified address is on every address of this machine.
    pub(super) fn is_at(&self, address: &SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.addresses.iter().any(|one| {
            let own = one.ip().to_canonical();
            one.port() == address.port() && (own == ip || (own.is_unspecified() && ip.is_loopback()))
        })
    }
}
