//! Who sent a request: from its head, its peer and its connection to a [`ClientKey`].
//!
//! Which keys are pools of many users is told by their [`Conduct`] over a whole session.
//! Keys are made from what was really sent, so this comes *before* redaction, which gives all short values one mask.

mod claim;
mod conduct;
mod forwarded;
mod rule;

use std::net::IpAddr;

use hmac::Mac as _;

use crate::head::{self, Field};
use crate::model::{ClientKey, KeySource};
use crate::redact::{KeyedHash, RedactionKey, hash_u64};

pub use conduct::Conduct;
pub use rule::{KeyRule, KeyRuleError};

/// Makes client keys. An id is 64 bits of HMAC-SHA-256, so no address or cookie can be found again from it.
#[derive(Debug, Clone)]
pub struct ClientKeys {
    rules: Vec<KeyRule>,
    hash: KeyedHash,
}

/// The cookies and headers of a head that can say who sent it.
#[derive(Default)]
struct Candidates<'a> {
    user_agent: Option<&'a [u8]>,
    forwarded: Option<&'a [u8]>,
    forwarded_for: Option<&'a [u8]>,
    real_ip: Option<&'a [u8]>,
}

impl ClientKeys {
    /// Keys by `rules`, tried in order, before any address is; hashed under `key`.
    #[must_use]
    pub fn new(rules: Vec<KeyRule>, key: &RedactionKey) -> Self {
        Self { rules, hash: key.keyed_hash("reenact client v1") }
    }

    /// The client of a request: by the first of the rules that finds a value; else by forwarded address and User-Agent;
    /// else by the peer's address and User-Agent; else by the connection.
    ///
    /// Of several forwarded addresses the one furthest from us counts, from `Forwarded`, `X-Forwarded-For` or
    /// `X-Real-IP`, in this order. Ports do not count. A `Forwarded` that names no address (`unknown`, `_hidden`) counts
    /// as absent, since RFC 7239 §6.3 wants such names random for each request.
    #[must_use]
    pub fn of(&self, request_head: &[u8], peer: Option<IpAddr>, connection: u64) -> ClientKey {
        for rule in &self.rules {
            if let Some(value) = rule.value(request_head) {
                return self.key(KeySource::Named, rule.to_string().as_bytes(), &value);
            }
        }
        let candidates = Candidates::of(request_head);
        let user_agent = candidates.user_agent.unwrap_or_default();
        if let Some(address) = candidates.forwarded_address() {
            return self.key(KeySource::Forwarded, &address_bytes(address), user_agent);
        }
        match peer {
            Some(address) => self.key(KeySource::Peer, &address_bytes(address), user_agent),
            None => self.key(KeySource::Connection, &connection.to_be_bytes(), b""),
        }
    }

    fn key(&self, source: KeySource, first: &[u8], second: &[u8]) -> ClientKey {
        let mut hash = self.hash.clone();
        // The source and the first part's length keep different pairs of parts from meeting in the same bytes.
        hash.update(source.name().as_bytes());
        hash.update(&(first.len() as u64).to_be_bytes());
        hash.update(first);
        hash.update(second);
        ClientKey { source, id: hash_u64(hash) }
    }
}

impl<'a> Candidates<'a> {
    fn of(request_head: &'a [u8]) -> Self {
        let mut candidates = Self::default();
        for Field { name, value, .. } in head::fields(request_head) {
            // By length first: a head has a dozen fields, and this runs for every request.
            let (slot, known) = match name.len() {
                9 if name.first().is_some_and(|first| first | 0x20 == b'f') => (&mut candidates.forwarded, "forwarded"),
                9 => (&mut candidates.real_ip, "x-real-ip"),
                10 => (&mut candidates.user_agent, "user-agent"),
                15 => (&mut candidates.forwarded_for, "x-forwarded-for"),
                _ => continue,
            };
            if slot.is_none() && name.eq_ignore_ascii_case(known.as_bytes()) {
                *slot = Some(value);
            }
        }
        candidates
    }

    fn forwarded_address(&self) -> Option<IpAddr> {
        self.forwarded
            .and_then(forwarded::of_forwarded)
            .or_else(|| self.forwarded_for.and_then(forwarded::of_list))
            .or_else(|| self.real_ip.and_then(forwarded::of_list))
    }
}

/// An address in sixteen bytes; IPv4 as IPv4-mapped, so that a dual-stack listener sees the client that any other sees.
fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests;
