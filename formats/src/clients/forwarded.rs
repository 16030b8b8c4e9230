//! The client's address as proxies forward it: `Forwarded` (RFC 7239), and the lists of addresses that came before it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The `for` address of a `Forwarded` value's first element.
pub(super) fn of_forwarded(value: &[u8]) -> Option<IpAddr> {
    let first = value.split(|byte| *byte == b',').next()?;
    first.split(|byte| *byte == b';').find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, node) = (pair.get(..equals)?, pair.get(equals + 1..)?);
        name.trim_ascii().eq_ignore_ascii_case(b"for").then(|| address(node))?
    })
}

/// The first address of a list such as `X-Forwarded-For`'s.
pub(super) fn of_list(value: &[u8]) -> Option<IpAddr> {
    address(value.split(|byte| *byte == b',').next()?)
}

/// An address without quotes, brackets, port and zone.
fn address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?.trim_ascii().trim_matches('"').trim_ascii();
    if let Some(bracketed) = node.strip_prefix('[') {
        return v6(bracketed.split(']').next()?);
    }
    // One colon sets off the port of an IPv4 address; more of them are an IPv6 address without brackets.
    match node.split_once(':') {
        Some((_, rest)) if rest.contains(':') => v6(node),
        Some((host, _port)) => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        None => node.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn v6(text: &str) -> Option<IpAddr> {
    text.split('%').next()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}
