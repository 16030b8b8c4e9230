//! A claim of a JSON Web Token (RFC 7519) that a request bears. It is read to tell clients apart, and for nothing else: nobody
//! checks its signature here, as nobody checks a cookie.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::head::{self, Field};

/// The payload of a longer token is not read. Servers take heads of 8 to 64 KiB.
const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Tokens have no padding (RFC 7515 §2), and some have it all the same.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The claim of the first token in an `Authorization: Bearer` that has it; `None` where it is absent, empty, or neither a
/// string nor a number, and for tokens that are encrypted.
pub(super) fn of<'a>(request_head: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    head::fields(request_head).filter_map(bearer).find_map(|token| claim(token, name))
}

fn bearer(field: Field<'_>) -> Option<&[u8]> {
    if !field.is("authorization") {
        return None;
    }
    let (scheme, token) = field.value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn claim<'a>(token: &[u8], name: &str) -> Option<Cow<'a, [u8]>> {
    // Of five parts are those that are encrypted (RFC 7516 §3.1).
    let mut parts = token.split(|byte| *byte == b'.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    if payload.len() > PAYLOAD_BYTES_MAX {
        return None;
    }
    let claims: Value = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
    match claims.get(name)? {
        Value::String(text) if !text.is_empty() => Some(Cow::Owned(text.clone().into_bytes())),
        Value::Number(number) => Some(Cow::Owned(number.to_string().into_bytes())),
        _ => None,
    }
}
