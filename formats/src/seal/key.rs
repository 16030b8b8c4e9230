//! The keys of sealed values. All of them are overwritten when they are dropped, and none can be printed.

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::SealError;

/// Random, one for each session.
pub(super) struct DataKey(Zeroizing<[u8; Self::BYTES]>);

/// What is derived from it.
pub(super) struct Keys {
    pub(super) cipher: XChaCha20Poly1305,
    nonce: Zeroizing<[u8; 32]>,
}

impl DataKey {
    pub(super) const BYTES: usize = 32;

    pub(super) fn random() -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; Self::BYTES]);
        getrandom::fill(&mut key[..]).map_err(|_| SealError::NoRandomness)?;
        Ok(Self(key))
    }

    /// `None` when there are more or fewer bytes than a key has.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; Self::BYTES]);
        (bytes.len() == Self::BYTES).then(|| key.copy_from_slice(bytes))?;
        Some(Self(key))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[..]
    }

    pub(super) fn keys(&self) -> Keys {
        let cipher = hmac(&self.0, b"reenact seal cipher v1");
        Keys { cipher: XChaCha20Poly1305::new(&(*cipher).into()), nonce: hmac(&self.0, b"reenact seal nonce v1") }
    }
}

impl Keys {
    /// The nonce under which a secret is sealed.
    pub(super) fn nonce(&self, secret: &[u8]) -> [u8; 24] {
        let hash = hmac(&self.nonce, secret);
        let mut nonce = [0; 24];
        nonce.iter_mut().zip(hash.iter()).for_each(|(to, from)| *to = *from);
        nonce
    }
}

pub(crate) fn hmac(key: &[u8; 32], message: &[u8]) -> Zeroizing<[u8; 32]> {
    // HMAC pads a short key with zeros to the hash's block (RFC 2104 §2); given a whole block, there is no length to refuse.
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(&(*block).into());
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}
