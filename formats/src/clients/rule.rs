//! What the user can name as a client's identity: `cookie:NAME`, `header:NAME` or `claim:NAME`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::claim;
use crate::head;
use crate::redact::{is_token_byte, unquoted};

/// A cookie, header or claim whose value tells clients apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRule {
    /// `cookie:NAME`; cookie names are case-sensitive.
    Cookie(String),
    /// `header:NAME`; held in lower case.
    Header(String),
    /// `claim:NAME` of the JSON Web Token in `Authorization: Bearer`; names are case-sensitive.
    Claim(String),
}

/// Why a text is not a [`KeyRule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRuleError {
    /// No `cookie:`, `header:` or `claim:` at the start.
    #[error("client key `{given}` is none of cookie:NAME, header:NAME and claim:NAME, as in cookie:session_id")]
    Kind {
        /// What was given.
        given: String,
    },
    /// Nothing after the colon, or not a name.
    #[error("client key `{given}` has no name that a cookie or header can have (letters, digits and !#$%&'*+-.^_`|~)")]
    Name {
        /// What was given.
        given: String,
    },
    /// Nothing after `claim:`, or something that nobody means.
    #[error("client key `{given}` has no name that a claim can have, as in claim:sub")]
    Claim {
        /// What was given.
        given: String,
    },
}

impl KeyRule {
    /// The value in a request's head; `None` when it is absent or empty.
    pub(super) fn value<'a>(&self, request_head: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Header(name) => head::fields(request_head)
                .find(|field| field.is(name) && !field.value.is_empty())
                .map(|field| field.value.into()),
            Self::Cookie(name) => head::fields(request_head)
                .filter(|field| field.is("cookie"))
                .find_map(|field| cookie(field.value, name.as_bytes()))
                .map(Cow::Borrowed),
            Self::Claim(name) => claim::of(request_head, name),
        }
    }
}

fn cookie<'a>(cookies: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    cookies.split(|byte| *byte == b';').find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
        let value = unquoted(value.trim_ascii());
        (name.trim_ascii() == wanted && !value.is_empty()).then_some(value)
    })
}

impl FromStr for KeyRule {
    type Err = KeyRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once(':').ok_or_else(|| KeyRuleError::Kind { given: text.to_owned() })?;
        let name = name.trim();
        let rule = match kind.trim() {
            "cookie" => Self::Cookie(name.to_owned()),
            "header" => Self::Header(name.to_ascii_lowercase()),
            "claim" if name.is_empty() || name.contains(|one: char| one.is_whitespace() || one.is_control()) => {
                return Err(KeyRuleError::Claim { given: text.to_owned() });
            }
            // Names of claims may be URIs (RFC 7519 §4.2).
            "claim" => return Ok(Self::Claim(name.to_owned())),
            _ => return Err(KeyRuleError::Kind { given: text.to_owned() }),
        };
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(KeyRuleError::Name { given: text.to_owned() });
        }
        Ok(rule)
    }
}

impl fmt::Display for KeyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Claim(name) => write!(f, "claim:{name}"),
        }
    }
}
