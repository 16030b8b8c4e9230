//! Encryption at rest (docs/SPEC.md §11): records under keys of a chain, of which a writer keeps only what is to come.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::frame::{RECORD_HEAD_LEN, long};
use crate::seal::{Identities, Recipients, SealError, hmac};

/// Bytes that an encrypted payload is longer than what it holds: its number and the tag.
pub(super) const MORE_BYTES: usize = 8 + 16;
/// Records that may be missing before a place, beyond those that would have room there.
const NUMBERS_AHEAD_MAX: u64 = 65_536;
/// The version of the scheme.
const VERSION: u32 = 1;

/// How a segment is opened: a field of its header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// The version of the scheme.
    pub version: u32,
    /// Base64 of an age file that holds the segment's key.
    pub key: String,
}

/// What binds records to their segment.
struct Bound {
    session_id: Vec<u8>,
    segment: u64,
}

impl Bound {
    fn data(&self, number: u64, kind: u8) -> Vec<u8> {
        let mut data = b"reenact record v1".to_vec();
        data.extend_from_slice(&self.session_id);
        [self.segment, number].into_iter().for_each(|part| data.extend_from_slice(&part.to_le_bytes()));
        data.push(kind);
        data
    }
}

type Key = Zeroizing<[u8; 32]>;

fn cipher(chain: &Key) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&(*hmac(chain, b"key")).into())
}

/// Encrypts the records of one segment, in order.
pub(super) struct Sealer {
    bound: Bound,
    chain: Key,
    next: u64,
}

impl Sealer {
    /// With a new key for a segment, and how the recipients open it.
    pub(super) fn new(
        recipients: &Recipients,
        session_id: &str,
        segment: u64,
    ) -> Result<(Self, Encryption), SealError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut key[..]).map_err(|_| SealError::NoRandomness)?;
        let wrapped = recipients.wrap(&key[..])?;
        let bound = Bound { session_id: session_id.as_bytes().to_vec(), segment };
        let sealer = Self { bound, chain: hmac(&key, b"reenact segment chain v1"), next: 0 };
        Ok((sealer, Encryption { version: VERSION, key: wrapped }))
    }

    /// The payload of the next record; `None` if it is longer than the cipher takes.
    pub(super) fn seal(&mut self, kind: u8, payload: &[u8]) -> Option<Vec<u8>> {
        let data = self.bound.data(self.next, kind);
        let sealed = cipher(&self.chain).encrypt(&Nonce::default(), Payload { msg: payload, aad: &data }).ok()?;
        let mut out = self.next.to_le_bytes().to_vec();
        out.extend_from_slice(&sealed);
        self.chain = hmac(&self.chain, b"next");
        self.next += 1;
        Some(out)
    }
}

/// Opens the records of one segment, in any order.
pub(super) struct Opener {
    bound: Bound,
    first: Key,
    /// The chain at the record that was opened last.
    latest: (u64, Key),
}

impl Opener {
    pub(super) fn new(
        identities: &Identities,
        encryption: &Encryption,
        session_id: &str,
        segment: u64,
    ) -> Result<Self, SealError> {
        if encryption.version != VERSION {
            return Err(SealError::HeaderVersion { found: encryption.version });
        }
        let key = identities.unwrap(&encryption.key)?;
        let first = hmac(&key, b"reenact segment chain v1");
        let bound = Bound { session_id: session_id.as_bytes().to_vec(), segment };
        Ok(Self { bound, latest: (0, first.clone()), first })
    }

    /// The number of the record at `at` and what it holds; `None` if it is not as it was written into this segment.
    pub(super) fn open(&mut self, kind: u8, at: u64, payload: &[u8]) -> Option<(u64, Vec<u8>)> {
        let (_, sealed) = payload.split_at_checked(8)?;
        let number = long(payload, 0);
        // The number is not authenticated yet: nobody makes us count for ever.
        if number > at / RECORD_HEAD_LEN as u64 + NUMBERS_AHEAD_MAX {
            return None;
        }
        if number < self.latest.0 {
            self.latest = (0, self.first.clone());
        }
        while self.latest.0 < number {
            self.latest = (self.latest.0 + 1, hmac(&self.latest.1, b"next"));
        }
        let data = self.bound.data(number, kind);
        let opened = cipher(&self.latest.1).decrypt(&Nonce::default(), Payload { msg: sealed, aad: &data }).ok()?;
        Some((number, opened))
    }
}
