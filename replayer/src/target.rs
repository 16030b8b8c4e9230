//! Where requests go, and whether they may: the allow-list and the recorded origin (design invariant 10).

use std::net::{SocketAddr, ToSocketAddrs};

use url::Url;

use crate::error::ReplayError;

/// A resolved target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As given.
    pub given: String,
    /// Its host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the Host field says (RFC 9110 §7.2): the port is left out when it is 80.
    pub authority: String,
    /// The address that is connected to.
    pub address: SocketAddr,
}

impl Target {
    /// Reads `http://HOST[:PORT]` and resolves the host.
    ///
    /// # Errors
    /// When it is something else, needs TLS, or does not resolve.
    pub fn resolve(given: &str) -> Result<Self, ReplayError> {
        let bad = |why: &str| ReplayError::Target { given: given.to_owned(), why: why.to_owned() };
        let url = Url::parse(given).map_err(|error| bad(&error.to_string()))?;
        match url.scheme() {
            "http" => {}
            "https" => return Err(ReplayError::NotBuilt { given: given.to_owned(), what: "TLS" }),
            other => return Err(bad(&format!("`{other}` is no scheme that can be replayed to"))),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("credentials do not belong into a command line"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("paths come from the recording; give scheme, host and port only"));
        }
        let host = url.host_str().ok_or_else(|| bad("it has no host"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let authority = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let address = resolve(&host, port)?.into_iter().next();
        let address = address.ok_or_else(|| ReplayError::Resolve { host: host.clone(), source: no_address() })?;
        Ok(Self { given: given.to_owned(), host, port, authority, address })
    }

    /// Whether requests may go there: loopback may, anything else must be named by `allow` (`HOST` or `HOST:PORT`).
    ///
    /// # Errors
    /// [`ReplayError::NotAllowed`].
    pub fn check_allowed(&self, allow: &[String]) -> Result<(), ReplayError> {
        let named = |entry: &String| {
            let (host, port) = split_authority(entry);
            host.eq_ignore_ascii_case(&self.host) && port.is_none_or(|port| port == self.port)
        };
        if self.address.ip().is_loopback() || allow.iter().any(named) {
            return Ok(());
        }
        Err(ReplayError::NotAllowed { host: self.host.clone(), port: self.port, address: self.address })
    }

    /// Whether the target is one of `origins` (upstream, listener, recorded authorities), compared by name and, where
    /// the name resolves, by address and port.
    ///
    /// # Errors
    /// [`ReplayError::Origin`].
    pub fn check_origin<'a>(&self, origins: impl Iterator<Item = &'a str>) -> Result<(), ReplayError> {
        for origin in origins {
            let (host, port) = split_authority(origin.strip_prefix("http://").unwrap_or(origin).trim_end_matches('/'));
            let port = port.unwrap_or(80);
            let same_name = host.eq_ignore_ascii_case(&self.host) && port == self.port;
            // A recorded name that does not resolve here is no address that could be hit from here.
            let same_address = || {
                port == self.port
                    && resolve(host, port).is_ok_and(|addresses| addresses.iter().any(|one| self.is_at(one)))
            };
            if same_name || same_address() {
                return Err(ReplayError::Origin { target: self.address, origin: origin.to_owned() });
            }
        }
        Ok(())
    }

    /// Whether `other` is this target; a listener on the unspecified address is on every address of this machine.
    fn is_at(&self, other: &SocketAddr) -> bool {
        *other == self.address
            || (other.port() == self.address.port() && other.ip().is_unspecified() && self.address.ip().is_loopback())
    }
}

/// `host:port`, `host`, `[v6]:port`, `[v6]` or a bare v6 address.
fn split_authority(text: &str) -> (&str, Option<u16>) {
    if let Some(rest) = text.strip_prefix('[')
        && let Some((host, after)) = rest.split_once(']')
    {
        return (host, after.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ReplayError> {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(source) => Err(ReplayError::Resolve { host: host.to_owned(), source }),
    }
}

fn no_address() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let check = |given: &str, expected: &str| {
            let got = Target::resolve(given).map_or_else(|error| error.to_string(), |target| target.authority);
            assert!(got.contains(expected), "{given}: {got}");
        };
        check("http://127.0.0.1:8080", "127.0.0.1:8080");
        check("http://127.0.0.1", "127.0.0.1");
        check("http://[::1]:9/", "[::1]:9");
        check("https://127.0.0.1", "TLS, which is not built yet");
        check("ftp://127.0.0.1", "no scheme");
        check("127.0.0.1:80", "not http://HOST");
        check("http://a:b@127.0.0.1", "credentials");
        check("http://127.0.0.1/x", "paths come from the recording");
    }

    fn target(address: &str, host: &str) -> Target {
        let address: SocketAddr = address.parse().unwrap();
        Target { given: String::new(), host: host.into(), port: address.port(), authority: String::new(), address }
    }

    #[test]
    fn only_loopback_and_what_is_named_is_allowed() {
        let check = |target: Target, allow: &[&str], expected: bool| {
            let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
            assert_eq!(target.check_allowed(&allow).is_ok(), expected, "{target:?} {allow:?}");
        };
        check(target("127.0.0.9:80", "localhost"), &[], true);
        check(target("[::1]:80", "::1"), &[], true);
        check(target("10.0.0.1:80", "staging"), &[], false);
        check(target("10.0.0.1:80", "staging"), &["Staging"], true);
        check(target("10.0.0.1:80", "staging"), &["staging:80"], true);
        check(target("10.0.0.1:80", "staging"), &["staging:81", "other"], false);
        check(target("10.0.0.1:80", "10.0.0.1"), &["10.0.0.1"], true);
    }

    #[test]
    fn the_recorded_origin_is_found_by_name_and_by_address() {
        let check = |origin: &str, expected: bool| {
            let got = target("127.0.0.1:8080", "localhost").check_origin(std::iter::once(origin));
            assert_eq!(got.is_err(), expected, "{origin}");
        };
        check("http://127.0.0.1:8080", true);
        check("127.0.0.1:8080", true);
        check("0.0.0.0:8080", true);
        check("localhost:8080", true);
        check("LOCALHOST:8080", true);
        check("127.0.0.1:8081", false);
        check("127.0.0.1", false);
        check("shop.invalid:8080", false);
    }
}
