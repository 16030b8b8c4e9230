//! A rule that a user wrote: where it looks, for which requests, and what becomes of what it finds.

use regex::bytes::Regex;

use super::json_path::JsonPath;
use super::keys::normal;
use super::names::is_token_byte;
use super::patterns;
use crate::stars::Pattern;

/// What becomes of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// It goes, with its name: the header, the pair, the member.
    Drop,
    /// It becomes `***`.
    Mask,
    /// It becomes `redacted-` and a keyed hash, or `***` where it could be guessed.
    Pseudonym,
    /// It becomes a keyed value of the same shape: of an e-mail address, of digits, of hexadecimal digits, of a UUID; what
    /// has another shape becomes what [`Self::Pseudonym`] makes of it.
    Shape,
    /// It is encrypted, so that a replayer with the identity can put it back.
    Seal,
    /// It stays as it is, whatever other rules say.
    Keep,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Drop, Self::Mask, Self::Pseudonym, Self::Shape, Self::Seal, Self::Keep];

    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Mask => "mask",
            Self::Pseudonym => "pseudonym",
            Self::Shape => "shape",
            Self::Seal => "seal",
            Self::Keep => "keep",
        }
    }

    /// The action that [`Self::name`] names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// What a rule looks for.
#[derive(Debug, Clone)]
pub enum Find {
    /// The value of headers with this name, in lower case; `*` stands for any characters.
    Header(Pattern),
    /// The value of cookies with this name.
    Cookie(Pattern),
    /// The value of a key of the query, of a form or of JSON; the name has letters and digits in lower case only.
    Key(KeyPlace, String),
    /// The value at a place in JSON.
    JsonPath(JsonPath),
    /// What a regular expression finds in text, or its group `secret` if it has one.
    Pattern(Regex),
    /// What the default pattern of this name finds.
    Default(&'static str),
    /// Whole bodies of a media type.
    Body(Pattern),
}

/// Where keys have values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// The request target's query.
    Query,
    /// A form, urlencoded or multipart.
    Form,
    /// JSON, at any depth.
    Json,
}

/// The requests for which a rule holds, and their responses.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The path as sent, without the query.
    pub path: Option<Pattern>,
    /// The Host header in lower case.
    pub host: Option<Pattern>,
    /// The method.
    pub method: Option<String>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// For messages and the session's header: `2 ("customers")`.
    pub label: String,
    /// What it looks for.
    pub find: Find,
    /// For which requests.
    pub scope: Scope,
    /// What becomes of it; `None` is what default rules do.
    pub action: Option<Action>,
}

/// What is wrong with a rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Not a name.
    #[error("`{name}` is no name of a {place}")]
    Name {
        /// As given.
        name: String,
        /// What it should name.
        place: &'static str,
    },
    /// Not a path.
    #[error("`{path}` is no JSON path: {why}")]
    JsonPath {
        /// As given.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Not a regular expression.
    #[error("the pattern does not compile: {0}")]
    Regex(Box<regex::Error>),
    /// Finds the empty text, and so would cut every text into pieces.
    #[error("the pattern also finds nothing at all (the empty text)")]
    EmptyMatch,
    /// No default rule.
    #[error("there is no default pattern `{name}`")]
    NoDefault {
        /// As given.
        name: String,
    },
    /// Bodies as a whole can only go or stay.
    #[error("a body as a whole cannot be dealt with by `{action}`")]
    BodyAction {
        /// As given.
        action: &'static str,
    },
    /// Nobody to seal for.
    #[error("its action is `seal`, and there is no recipient to seal for")]
    NoRecipient,
}

impl RuleError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Name { .. } => "names of headers and cookies may have * in them; other keys need a letter or digit",
            Self::JsonPath { .. } => "write it as in $.user.card.number, $.items[*].code, $['odd key'] or $.list[0]",
            Self::Regex(_) => "the syntax is that of https://docs.rs/regex; in TOML write it in single quotes",
            Self::EmptyMatch => "let it match one character at least, as in x+ instead of x*",
            Self::NoDefault { .. } => "docs/redaction.md lists the default patterns",
            Self::BodyAction { .. } => "give it action = \"drop\" or action = \"keep\"",
            Self::NoRecipient => "give one with --seal age1…, or another action",
        }
    }
}

/// Longest program of a pattern: what `regex` allows by itself, named so that it is known.
const PATTERN_PROGRAM_BYTES_MAX: usize = 10 << 20;

impl Find {
    /// # Errors
    /// When it is no name.
    pub fn header(name: &str) -> Result<Self, RuleError> {
        star_name(name, "header").map(|name| Self::Header(Pattern::new(&name.replace('_', "-"))))
    }

    /// # Errors
    /// When it is no name.
    pub fn cookie(name: &str) -> Result<Self, RuleError> {
        star_name(name, "cookie").map(|name| Self::Cookie(Pattern::new(&name)))
    }

    /// # Errors
    /// When it has no letter and no digit.
    pub fn key(place: KeyPlace, name: &str) -> Result<Self, RuleError> {
        let normal = normal(name.as_bytes());
        if normal.is_empty() || name.contains('*') {
            return Err(RuleError::Name { name: name.to_owned(), place: "key" });
        }
        Ok(Self::Key(place, normal))
    }

    /// # Errors
    /// When it is no path.
    pub fn json_path(path: &str) -> Result<Self, RuleError> {
        let parsed = JsonPath::parse(path);
        parsed.map(Self::JsonPath).map_err(|why| RuleError::JsonPath { path: path.to_owned(), why })
    }

    /// # Errors
    /// When it does not compile, or matches the empty text.
    pub fn pattern(text: &str) -> Result<Self, RuleError> {
        let mut builder = regex::bytes::RegexBuilder::new(text);
        let regex = builder.size_limit(PATTERN_PROGRAM_BYTES_MAX).build();
        let regex = regex.map_err(|error| RuleError::Regex(Box::new(error)))?;
        if regex.is_match(b"") { Err(RuleError::EmptyMatch) } else { Ok(Self::Pattern(regex)) }
    }

    /// # Errors
    /// When there is none of that name.
    pub fn default_pattern(name: &str) -> Result<Self, RuleError> {
        let known = patterns::names().find(|known| *known == name);
        known.map(Self::Default).ok_or_else(|| RuleError::NoDefault { name: name.to_owned() })
    }

    /// # Errors
    /// Never; named so that all are made alike.
    pub fn body(media_type: &str) -> Result<Self, RuleError> {
        Ok(Self::Body(Pattern::new(&media_type.to_ascii_lowercase())))
    }
}

fn star_name(name: &str, place: &'static str) -> Result<String, RuleError> {
    let is_name = !name.is_empty() && name != "*" && name.bytes().all(|byte| is_token_byte(byte) || byte == b'*');
    if is_name { Ok(name.to_ascii_lowercase()) } else { Err(RuleError::Name { name: name.to_owned(), place }) }
}
