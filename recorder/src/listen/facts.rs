//! What each exchange says of its connection, as JSON (docs/SPEC.md §14): which listener took it, what TLS agreed to, and
//! whether its address came from a PROXY header. Made once for a connection and shared by its exchanges. Deliberately not
//! here: addresses, and whose certificate a client has shown.

use std::sync::Arc;

use rustls::ServerConnection;
use serde_json::{Map, Value};

/// Longest name of a host, and of a protocol (RFC 1035 §2.3.4, RFC 7301 §3.1).
const NAME_BYTES_MAX: usize = 255;

/// What is known of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts<'a> {
    /// The number of the listener, from 1; `None` where there is only one.
    pub(super) listener: Option<usize>,
    /// What a PROXY header said stands for the client's address.
    pub(super) proxied: bool,
    /// TLS with the client.
    pub(super) tls: Option<Tls<'a>>,
}

/// What TLS with a client agreed to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tls<'a> {
    version: Option<&'a str>,
    cipher: Option<&'a str>,
    sni: Option<&'a str>,
    alpn: Option<&'a [u8]>,
    client_certificate: bool,
}

impl<'a> Tls<'a> {
    /// After its handshake.
    pub(super) fn of(connection: &'a ServerConnection) -> Self {
        Self {
            version: connection.protocol_version().and_then(|version| version.as_str()),
            cipher: connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()),
            sni: connection.server_name(),
            alpn: connection.alpn_protocol(),
            client_certificate: connection.peer_certificates().is_some_and(|chain| !chain.is_empty()),
        }
    }

    fn json(&self) -> Value {
        let mut tls = Map::new();
        // rustls writes TLSv1_3 and TLS13_AES_128_GCM_SHA256; the names are those of OpenTelemetry and of IANA.
        let version = self.version.map(|version| version.trim_start_matches("TLSv").replace('_', "."));
        let cipher = self.cipher.map(|cipher| match cipher.strip_prefix("TLS13_") {
            Some(rest) => format!("TLS_{rest}"),
            None => cipher.to_owned(),
        });
        let alpn = self.alpn.and_then(|name| std::str::from_utf8(name).ok());
        let named = [
            ("version", version),
            ("cipher", cipher),
            ("sni", self.sni.filter(|name| is_host(name)).map(str::to_owned)),
            ("alpn", alpn.filter(|name| name.len() <= NAME_BYTES_MAX).map(str::to_owned)),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                tls.insert(name.to_owned(), value.into());
            }
        }
        tls.insert("client_certificate".to_owned(), self.client_certificate.into());
        tls.into()
    }
}

impl Facts<'_> {
    /// The JSON object; `None` where there is nothing to say.
    pub(super) fn text(&self) -> Option<Arc<str>> {
        let mut facts = Map::new();
        if let Some(number) = self.listener {
            facts.insert("listener".to_owned(), number.into());
        }
        if self.proxied {
            facts.insert("proxy_protocol".to_owned(), true.into());
        }
        if let Some(tls) = &self.tls {
            facts.insert("tls".to_owned(), tls.json());
        }
        (!facts.is_empty()).then(|| Value::from(facts).to_string().into())
    }
}

/// A client may ask for anything: what could be no host's name is not repeated.
fn is_host(name: &str) -> bool {
    let could_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(could_be)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_say_is_nothing() {
        assert_eq!(Facts::default().text(), None);
    }

    #[test]
    fn what_is_known_is_said() {
        let tls = Tls {
            version: Some("TLSv1_3"),
            cipher: Some("TLS13_AES_128_GCM_SHA256"),
            sni: Some("shop.test"),
            alpn: Some(b"http/1.1"),
            client_certificate: true,
        };
        let facts = Facts { listener: Some(2), proxied: true, tls: Some(tls) };
        let expected = r#"{"listener":2,"proxy_protocol":true,"tls":{"alpn":"http/1.1","cipher":"TLS_AES_128_GCM_SHA256","client_certificate":true,"sni":"shop.test","version":"1.3"}}"#;
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(parsed(&facts.text().unwrap()), parsed(expected));
        let older = Tls { version: Some("TLSv1_2"), cipher: Some("TLS_ECDHE_X"), ..Tls::default() };
        let text = Facts { tls: Some(older), ..Facts::default() }.text().unwrap();
        let expected = r#"{"tls":{"cipher":"TLS_ECDHE_X","client_certificate":false,"version":"1.2"}}"#;
        assert_eq!(parsed(&text), parsed(expected));
    }

    #[test]
    fn names_that_clients_choose_are_bounded_and_escaped() {
        let said = |sni: &str, alpn: &[u8]| {
            let tls = Tls { sni: Some(sni), alpn: Some(alpn), ..Tls::default() };
            let text = Facts { tls: Some(tls), ..Facts::default() }.text().unwrap();
            let json: Value = serde_json::from_str(&text).unwrap();
            let name = |key| json.pointer(key).and_then(Value::as_str).map(str::to_owned);
            (name("/tls/sni"), name("/tls/alpn"))
        };
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        let longest = &long[1..];
        assert_eq!(said(longest, longest.as_bytes()), (Some(longest.to_owned()), Some(longest.to_owned())));
        assert_eq!(said(&long, long.as_bytes()), (None, None));
        assert_eq!(said("_a-1.B.", b"\"\x1b\\"), (Some("_a-1.B.".to_owned()), Some("\"\u{1b}\\".to_owned())));
        for odd in ["", "a\"b", "a\\", "a b", "a\n", "\u{1b}[2J", "ä.test", "a\0"] {
            assert_eq!(said(odd, b"\xff"), (None, None), "{odd:?}");
        }
    }
}
