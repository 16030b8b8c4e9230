//! What an exchange can be asked for, by name.

use std::fmt;

use crate::model::{ClientKey, End, Protocol};
use crate::redact::is_token_byte;

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

/// A field of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Method,
    Host,
    Path,
    Target,
    Query,
    /// Decoded value of a query's key.
    Parameter(String),
    Endpoint,
    Status,
    Protocol,
    Client,
    Connection,
    Seq,
    End,
    Time,
    Duration,
    FirstByte,
    /// Of a name, in lower case.
    Header(Side, String),
    Body(Side),
    Size(Side),
}

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Text, and one of these.
    Name,
    Number,
    Status,
    Size,
    Duration,
    /// A time, or how long after the start.
    Time,
}

impl Kind {
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Name)
    }

    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Name => "one of a few words",
            Self::Number => "a whole number",
            Self::Status => "a status from 100 to 999, or a class as in 5xx",
            Self::Size => "a size, as in 10KiB",
            Self::Duration => "a duration, as in 300ms or 1m30s",
            Self::Time => "a time, as in 2026-07-14T09:30:00Z, or a duration from the start, as in 90s",
        }
    }
}

/// Fields without a name of their own, in the order in which they are listed.
const PLAIN: [(&str, Field); 19] = [
    ("method", Field::Method),
    ("host", Field::Host),
    ("path", Field::Path),
    ("target", Field::Target),
    ("query", Field::Query),
    ("endpoint", Field::Endpoint),
    ("status", Field::Status),
    ("protocol", Field::Protocol),
    ("client", Field::Client),
    ("connection", Field::Connection),
    ("seq", Field::Seq),
    ("end", Field::End),
    ("time", Field::Time),
    ("duration", Field::Duration),
    ("first_byte", Field::FirstByte),
    ("request.body", Field::Body(Side::Request)),
    ("response.body", Field::Body(Side::Response)),
    ("request.size", Field::Size(Side::Request)),
    ("response.size", Field::Size(Side::Response)),
];
/// Those with one.
const NAMED: [&str; 3] = ["query.", "request.header.", "response.header."];

/// The fields, for messages.
pub(super) fn names() -> String {
    let plain: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
    let named = NAMED.map(|name| format!("{name}NAME"));
    format!("{}, {}", plain.join(", "), named.join(", "))
}

impl Field {
    /// The field of this name; a name inside of it may be anything.
    pub(super) fn from_name(text: &str) -> Option<Self> {
        if let Some((_, field)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Some(field.clone());
        }
        let [query, request, response] = NAMED.map(|start| text.strip_prefix(start).filter(|name| !name.is_empty()));
        let header =
            |side, name: &str| name.bytes().all(is_token_byte).then(|| Self::Header(side, name.to_ascii_lowercase()));
        match (query, request, response) {
            (Some(name), ..) => Some(Self::Parameter(name.to_owned())),
            (_, Some(name), _) => header(Side::Request, name),
            (.., Some(name)) => header(Side::Response, name),
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Status => Kind::Status,
            Self::Connection | Self::Seq => Kind::Number,
            Self::Time => Kind::Time,
            Self::Duration | Self::FirstByte => Kind::Duration,
            Self::Size(_) => Kind::Size,
            Self::Protocol | Self::End => Kind::Name,
            _ => Kind::Text,
        }
    }

    /// What is wrong with a text that the field is to be equal to.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        let words: Vec<&str> = match self {
            Self::Protocol => Protocol::ALL.iter().map(|one| one.name()).collect(),
            Self::End => End::ALL.iter().map(|one| one.name()).collect(),
            Self::Client => {
                let key: Result<ClientKey, _> = text.parse();
                // One key has one spelling here, or it would never be equal.
                return if key.is_ok_and(|key| key.to_string() == text) {
                    Ok(())
                } else {
                    Err("expected a client as `cat` prints it, as in peer-00000000000000ff; \
                         for more than one there is `like`, as in client like named-*"
                        .to_owned())
                };
            }
            _ => return Ok(()),
        };
        if words.contains(&text) { Ok(()) } else { Err(format!("expected one of {}", words.join(", "))) }
    }
}

/// Bytes that a field's name may have without quotes.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, name) = match self {
            Self::Parameter(name) => ("query.", name),
            Self::Header(Side::Request, name) => ("request.header.", name),
            Self::Header(Side::Response, name) => ("response.header.", name),
            plain => {
                let name = PLAIN.iter().find(|(_, field)| field == plain).map_or("", |(name, _)| name);
                return f.write_str(name);
            }
        };
        f.write_str(start)?;
        if name.bytes().all(is_name_byte) { f.write_str(name) } else { super::expression::quoted(name, f) }
    }
}
