//! Where connections go, and how host and port are written. Nothing here asks a resolver.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// What is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Addresses, used in turn; never empty once looked up.
    Network(Arc<[SocketAddr]>),
    /// A Unix socket.
    Unix(Arc<Path>),
}

/// Host and port as they are written together.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Reads `host:port`, `host`, `[v6]:port`, `[v6]` or a bare v6 address.
pub(super) fn split_authority(text: &str) -> (&str, Option<u16>) {
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
