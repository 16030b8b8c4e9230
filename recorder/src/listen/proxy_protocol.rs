//! The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): which bytes are a header, what it says, and how
//! one is written. Pure: reading from a socket is `proxied`.

use std::net::{IpAddr, SocketAddr};

use ppp::{v1, v2};

/// Longest header that is read. Version 1 has at most 107 bytes; version 2 may say 64 KiB, of which real senders use some
/// hundred.
pub(crate) const HEADER_BYTES_MAX: usize = 4_096;
const V1_BYTES_MAX: usize = 107;
/// Signature, version, family and length of version 2.
const V2_FIXED_BYTES: usize = 16;
const V1_PREFIX: &[u8] = b"PROXY ";

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The beginning of a header of which at least so many bytes are missing; none beyond it may be read.
    Missing(usize),
    /// No header.
    None,
    /// A whole header; `None` when it speaks for no other connection than its own.
    Whole(Option<Ends>),
}

/// Why a header cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ProxyError {
    #[error("a PROXY header of {len} bytes is over the limit of {HEADER_BYTES_MAX}")]
    TooLong { len: usize },
    #[error("a PROXY line is longer than {V1_BYTES_MAX} bytes")]
    LineTooLong,
    #[error("a malformed PROXY header: {0}")]
    Malformed(String),
}

/// Looks at the first bytes of a connection.
pub(crate) fn decode(bytes: &[u8]) -> Result<Progress, ProxyError> {
    let begins = |prefix: &[u8]| {
        let shared = prefix.len().min(bytes.len());
        bytes.get(..shared) == prefix.get(..shared)
    };
    if begins(V1_PREFIX) {
        decode_v1(bytes)
    } else if begins(v2::PROTOCOL_PREFIX) {
        decode_v2(bytes)
    } else {
        Ok(Progress::None)
    }
}

fn decode_v1(bytes: &[u8]) -> Result<Progress, ProxyError> {
    if bytes.len() < V1_PREFIX.len() {
        return Ok(Progress::Missing(V1_PREFIX.len() - bytes.len()));
    }
    if !bytes.ends_with(b"\r\n") {
        return match bytes.len() {
            V1_BYTES_MAX.. => Err(ProxyError::LineTooLong),
            _ if bytes.ends_with(b"\r") => Ok(Progress::Missing(1)),
            106.. => Err(ProxyError::LineTooLong),
            _ => Ok(Progress::Missing(2)),
        };
    }
    if bytes.len() > V1_BYTES_MAX {
        return Err(ProxyError::LineTooLong);
    }
    let header = v1::Header::try_from(bytes).map_err(|error| ProxyError::Malformed(error.to_string()))?;
    Ok(Progress::Whole(match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ip) => {
            Some(ends((ip.source_address.into(), ip.source_port), (ip.destination_address.into(), ip.destination_port)))
        }
        v1::Addresses::Tcp6(ip) => {
            Some(ends((ip.source_address.into(), ip.source_port), (ip.destination_address.into(), ip.destination_port)))
        }
    }))
}

fn decode_v2(bytes: &[u8]) -> Result<Progress, ProxyError> {
    let (Some(fixed), Some(&high), Some(&low)) = (bytes.get(..V2_FIXED_BYTES), bytes.get(14), bytes.get(15)) else {
        return Ok(Progress::Missing(V2_FIXED_BYTES - bytes.len()));
    };
    let len = fixed.len() + usize::from(u16::from_be_bytes([high, low]));
    if len > HEADER_BYTES_MAX {
        return Err(ProxyError::TooLong { len });
    }
    if bytes.len() < len {
        return Ok(Progress::Missing(len - bytes.len()));
    }
    let header = v2::Header::try_from(bytes).map_err(|error| ProxyError::Malformed(error.to_string()))?;
    Ok(Progress::Whole(match (header.command, header.addresses) {
        // LOCAL: a health check of the proxy itself.
        (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
        (_, v2::Addresses::IPv4(ip)) => {
            Some(ends((ip.source_address.into(), ip.source_port), (ip.destination_address.into(), ip.destination_port)))
        }
        (_, v2::Addresses::IPv6(ip)) => {
            Some(ends((ip.source_address.into(), ip.source_port), (ip.destination_address.into(), ip.destination_port)))
        }
    }))
}

fn ends(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Ends {
    Ends { source: source.into(), destination: destination.into() }
}

/// A header of version 1; unknown ends are said to be unknown.
pub(crate) fn encode_v1(ends: Option<Ends>) -> Vec<u8> {
    match ends.map(one_family) {
        None => v1::Addresses::Unknown.to_string(),
        Some((source, destination)) => v1::Addresses::from((source, destination)).to_string(),
    }
    .into_bytes()
}

/// A header of version 2; for unknown ends it speaks for its own connection.
pub(crate) fn encode_v2(ends: Option<Ends>) -> std::io::Result<Vec<u8>> {
    let (command, addresses) = match ends.map(one_family) {
        None => (v2::Command::Local, v2::Addresses::Unspecified),
        Some(ends) => (v2::Command::Proxy, v2::Addresses::from(ends)),
    };
    let protocol = if ends.is_some() { v2::Protocol::Stream } else { v2::Protocol::Unspecified };
    v2::Builder::with_addresses(v2::Version::Two | command, protocol, addresses).build()
}

/// Both ends as addresses of the same family: a header has no room for two.
fn one_family(ends: Ends) -> (SocketAddr, SocketAddr) {
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    let (source, destination) = (plain(ends.source), plain(ends.destination));
    if source.is_ipv4() == destination.is_ipv4() {
        (source, destination)
    } else {
        (mapped(source), mapped(destination))
    }
}

#[cfg(test)]
mod tests;
