//! What becomes of a redacted header's value.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;

use super::key::KeyedHash;
use super::names::{Kind, is_token_byte};

/// Stands for a secret that could be guessed.
const MASK: &[u8] = b"***";
/// Begins every pseudonym.
const PSEUDONYM_PREFIX: &[u8] = b"redacted-";
/// A secret with fewer possibilities could be found by trying them all with a stolen key.
const POSSIBILITIES_MIN: u128 = 1 << 40;

/// Authentication schemes that stay readable. Any other word before a space might be part of the secret.
#[rustfmt::skip]
const SCHEMES: &[&str] = &[
    "basic", "bearer", "digest", "negotiate", "ntlm", "hoba", "mutual", "oauth", "dpop", "gnap", "vapid", "hawk", "mac",
    "scram-sha-1", "scram-sha-256", "signature", "privatetoken", "concealed", "token", "apikey", "api-key", "key", "jwt",
    "aws", "aws4-hmac-sha256", "aws4-ecdsa-p256-sha256", "sharedkey", "sharedkeylite", "sharedaccesssignature",
    "googlelogin", "goog4-rsa-sha256", "eg1-hmac-sha256", "ssws", "geniekey", "bot", "splunk", "client-id",
];

/// Set-Cookie attributes that tell nothing about the cookie's value.
#[rustfmt::skip]
const ATTRIBUTES: &[&str] = &[
    "path", "domain", "expires", "max-age", "secure", "httponly", "samesite", "partitioned", "priority", "version",
    "discard", "port",
];

/// Replaces values.
#[derive(Clone)]
pub(super) struct Values {
    hash: KeyedHash,
}

impl Values {
    pub(super) fn new(hash: KeyedHash) -> Self {
        Self { hash }
    }

    /// Appends what may be known of `value`.
    pub(super) fn replace(&self, kind: Kind, value: &[u8], out: &mut Vec<u8>) {
        match kind {
            Kind::Credentials => self.credentials(value, out),
            Kind::Cookies => self.pairs(value, out, |_, _| false),
            Kind::SetCookie => self.pairs(value, out, |index, piece| index > 0 && is_attribute(piece)),
        }
    }

    fn credentials(&self, value: &[u8], out: &mut Vec<u8>) {
        let begin = value.len() - value.trim_ascii_start().len();
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
        let length = value.get(begin..).unwrap_or_default().iter().position(is_space);
        let end = length.map_or(value.len(), |length| begin + length);
        let scheme = value.get(begin..end).unwrap_or_default();
        if SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes())) {
            out.extend_from_slice(value.get(..end).unwrap_or_default());
            self.secret(value.get(end..).unwrap_or_default(), out);
        } else {
            self.secret(value, out);
        }
    }

    /// Pieces parted by semicolons: `keep(index, piece)` says which stay; of the others the value is replaced.
    fn pairs(&self, value: &[u8], out: &mut Vec<u8>, keep: impl Fn(usize, &[u8]) -> bool) {
        let mut rest = value;
        for index in 0.. {
            let (piece, after) = rest.split_at(piece_len(rest));
            if keep(index, piece) {
                out.extend_from_slice(piece);
            } else {
                self.pair(piece, out);
            }
            let Some((semicolon, next)) = after.split_first() else { return };
            out.push(*semicolon);
            rest = next;
        }
    }

    fn pair(&self, piece: &[u8], out: &mut Vec<u8>) {
        let equals = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(equals.map_or(0, |equals| equals + 1));
        let bare = name.strip_suffix(b"=").unwrap_or_default().trim_ascii();
        // Of what is no name it cannot be said where the secret begins.
        let (name, value) =
            if bare.iter().all(|byte| is_token_byte(*byte)) { (name, value) } else { (&b""[..], piece) };
        out.extend_from_slice(name);
        self.secret(value, out);
    }

    /// One secret, with the white space and the quotes around it, which do not count.
    fn secret(&self, value: &[u8], out: &mut Vec<u8>) {
        let trimmed = value.trim_ascii();
        let lead = value.len() - value.trim_ascii_start().len();
        let secret = unquoted(trimmed);
        if secret.is_empty() {
            out.extend_from_slice(value);
            return;
        }
        let is_quoted = secret.len() < trimmed.len();
        out.extend_from_slice(value.get(..lead).unwrap_or_default());
        out.extend(is_quoted.then_some(b'"'));
        if is_guessable(secret) {
            out.extend_from_slice(MASK);
        } else {
            self.pseudonym(secret, out);
        }
        out.extend(is_quoted.then_some(b'"'));
        out.extend_from_slice(value.get(lead + trimmed.len()..).unwrap_or_default());
    }

    fn pseudonym(&self, secret: &[u8], out: &mut Vec<u8>) {
        let mut hash = self.hash.clone();
        hash.update(secret);
        let hash: [u8; 32] = hash.finalize().into_bytes().into();
        let mut text = [0; 22];
        // Sixteen bytes are 22 digits; were they not, the pseudonym would be NULs, and never the secret.
        let _ = URL_SAFE_NO_PAD.encode_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]), &mut text);
        out.extend_from_slice(PSEUDONYM_PREFIX);
        out.extend_from_slice(&text);
    }
}

/// A value without the pair of double quotes around it, if there is one.
pub(crate) fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Length of the first piece: up to a semicolon that is not inside quotes. An open quote takes in all the rest.
fn piece_len(rest: &[u8]) -> usize {
    let end = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
    let piece = rest.get(..end).unwrap_or_default();
    let value = piece.iter().position(|byte| *byte == b'=').and_then(|equals| piece.get(equals + 1..));
    let quoted =
        [Some(piece), value].into_iter().flatten().map(<[u8]>::trim_ascii).find(|part| part.starts_with(b"\""));
    match quoted {
        None => end,
        Some(part) if part.len() > 1 && part.ends_with(b"\"") => end,
        Some(_) => {
            let closes = |at: &usize| {
                let after = rest.get(at + 1..).unwrap_or_default().trim_ascii_start();
                rest.get(*at) == Some(&b'"') && (after.is_empty() || after.starts_with(b";"))
            };
            let quote = (end..rest.len()).find(closes);
            let semicolon =
                quote.and_then(|quote| rest.get(quote..)?.iter().position(|byte| *byte == b';').map(|at| quote + at));
            semicolon.unwrap_or(rest.len())
        }
    }
}

/// Whether a piece of a Set-Cookie is an attribute that nothing secret can stand in.
fn is_attribute(piece: &[u8]) -> bool {
    let mut parts = piece.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let value = parts.next().unwrap_or_default().trim_ascii();
    let is_known = ATTRIBUTES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    // A comma in anything but a date begins another cookie, where someone joined two Set-Cookie headers into one.
    let is_date = name.eq_ignore_ascii_case(b"expires");
    let commas = value.iter().filter(|byte| **byte == b',').count();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"\"-._~/:+%@!$&'()*".contains(byte);
    let value_is_fine = if is_date {
        commas <= 1 && value.len() <= 40 && value.iter().all(|byte| is_plain(byte) || matches!(byte, b' ' | b','))
    } else {
        value.iter().all(is_plain)
    };
    piece.is_empty() || (is_known && value_is_fine)
}

/// Whether a secret has fewer than 2⁴⁰ possibilities, counting the characters of the kinds that it uses.
fn is_guessable(secret: &[u8]) -> bool {
    let count = |is: fn(&u8) -> bool, size: u128| if secret.iter().any(is) { size } else { 0 };
    let is_hex = |lower: bool| {
        secret
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() && !(byte.is_ascii_alphabetic() && byte.is_ascii_lowercase() != lower))
    };
    let alphabet = if secret.iter().all(u8::is_ascii_digit) {
        10
    } else if is_hex(true) || is_hex(false) {
        16
    } else {
        count(u8::is_ascii_digit, 10)
            + count(u8::is_ascii_lowercase, 26)
            + count(u8::is_ascii_uppercase, 26)
            + count(|byte| byte.is_ascii_punctuation() || *byte == b' ', 33)
            + count(|byte| !byte.is_ascii() || byte.is_ascii_control(), 128)
    };
    let length = u32::try_from(secret.len()).unwrap_or(u32::MAX);
    u128::saturating_pow(alphabet, length) < POSSIBILITIES_MIN
}
