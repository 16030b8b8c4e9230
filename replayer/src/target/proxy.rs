//! An HTTP proxy on the way to a target: `http://HOST[:PORT]`, with credentials given apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use super::place::authority;
use crate::error::ReplayError;
use crate::secret::Secret;

/// The alphabet of RFC 4648 §4.
/// A proxy that is asked in clear text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    authorization: Option<Secret>,
}

impl Proxy {
    /// Reads `http://HOST[:PORT]` (port 80 when none is given, as the scheme says); `credentials` is `user:password`.
    ///
    /// # Errors
    /// [`ReplayError::Proxy`] for other schemes, credentials in the address, or a credential without a colon.
    pub fn new(given: &str, credentials: Option<&Secret>) -> Result<Self, ReplayError> {
        // An address that may hold a password is not repeated.
        let hides = given.contains('@');
        let shown = if hides { "***" } else { given };
        let bad = |why: String| ReplayError::Proxy { given: shown.to_owned(), why };
        if hides {
            return Err(bad("credentials do not belong into a command line".into()));
        }
        let url = Url::parse(given).map_err(|error| bad(error.to_string()))?;
        if url.scheme() != "http" {
            return Err(bad(format!("`{}` proxies are not supported", url.scheme())));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("a proxy has no path".into()));
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(bad("it has no host".into())),
        };
        let authorization = match credentials {
            Some(credentials) if !credentials.reveal().contains(&b':') => {
                return Err(bad("its credentials are not `user:password`".into()));
            }
            // The field's value is one line whatever the credentials are: base64 has no line ends.
            Some(credentials) => {
                Some(Secret::new(format!("Basic {}", STANDARD.encode(credentials.reveal())).as_bytes()))
            }
            None => None,
        };
        Ok(Self { host, port: url.port().unwrap_or(80), authorization })
    }

    /// `HOST:PORT`, to be shown.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }

    /// The value of Proxy-Authorization.
    #[must_use]
    pub const fn authorization(&self) -> Option<&Secret> {
        self.authorization.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_keep_their_password() {
        let secret = Secret::new(b"Aladdin:open sesame");
        let proxy = Proxy::new("http://proxy.test:3128", Some(&secret)).unwrap();
        assert_eq!(proxy.authority(), "proxy.test:3128");
        // The example of RFC 7617 §2.
        assert_eq!(proxy.authorization().unwrap().reveal(), b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{proxy:?}").contains("QWx"));
        assert_eq!(Proxy::new("http://[::1]", None).unwrap().authority(), "[::1]:80");
        for (given, expected) in [
            ("https://a", "`https` proxies"),
            ("socks5://a", "`socks5` proxies"),
            ("http://u:hunter2@a", "credentials"),
            ("http://a/x", "no path"),
            ("a", "relative"),
        ] {
            let error = Proxy::new(given, None).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{given}: {error}");
        }
        assert!(Proxy::new("http://a", Some(&Secret::new(b"lonely"))).is_err());
        // Its charset is nobody's business but the proxy's.
        let latin = Proxy::new("http://a", Some(&Secret::new(b"u:\xff"))).unwrap();
        assert_eq!(latin.authorization().unwrap().reveal(), b"Basic dTr/");
    }
}
