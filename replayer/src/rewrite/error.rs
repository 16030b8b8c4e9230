//! What is wrong with rules, maps and targets, found before anything is read or sent.

/// Why requests cannot be rewritten as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The rules are no TOML, or have keys or values that rules do not have; the text has line and column.
    #[error("{}", text.trim_end())]
    Toml {
        /// What the parser says.
        text: String,
    },
    /// A rule means nothing, or something that must not be.
    #[error("rewrite rule {rule}")]
    Rule {
        /// Number, name and line.
        rule: String,
        /// What is wrong.
        #[source]
        fault: RuleFault,
    },
    /// No `--map OLD=NEW`.
    #[error("the map `{given}` is not OLD=NEW: {why}")]
    Map {
        /// As given.
        given: String,
        /// What is wrong.
        why: String,
    },
    /// No target.
    #[error("the target `{given}` is not http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH: {why}")]
    Target {
        /// As given.
        given: String,
        /// What is wrong.
        why: String,
    },
    /// A target with a user or a password, which is not repeated.
    #[error("a target's URL has credentials in it, which do not belong into a command line")]
    TargetCredentials,
    /// Requests would go nowhere.
    #[error("there is no target")]
    NoTarget,
    /// Two maps for one authority.
    #[error("the recorded authority `{old}` is mapped twice")]
    MappedTwice {
        /// The authority.
        old: String,
    },
    /// More targets than a replay may have.
    #[error("there are more than {limit} targets")]
    TooManyTargets {
        /// How many there may be.
        limit: usize,
    },
    /// Two sources for one header.
    #[error("two options set the header {name}")]
    SetTwice {
        /// The header.
        name: String,
    },
}

impl RewriteError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Toml { .. } => "docs/rewriting.md lists the keys of a [[rewrite]] table",
            Self::Rule { fault, .. } => fault.hint(),
            Self::Map { .. } => {
                "write it as in --map shop.example=http://127.0.0.1:8080, or --map *=URL for all others"
            }
            Self::Target { .. } => "write it as in --target http://127.0.0.1:8080",
            Self::TargetCredentials => "give them with --auth or --credentials",
            Self::NoTarget => "give --target URL, --map OLD=URL, or both",
            Self::MappedTwice { .. } => "keep one of the two",
            Self::TooManyTargets { .. } => "replay in several runs",
            Self::SetTwice { .. } => {
                "--auth sets Authorization, and each column of --credentials its header or cookie: keep one source"
            }
        }
    }
}

/// What is wrong with one rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleFault {
    /// Nothing to do.
    #[error("it has no action")]
    NoAction,
    /// A header that cannot be set, removed or replaced.
    #[error("the header `{name}` {fault}")]
    Header {
        /// As given.
        name: String,
        /// Why not.
        fault: HeaderFault,
    },
    /// Host taken away.
    #[error("it removes Host, without which no HTTP/1.1 request is valid")]
    HostRemoved,
    /// Controls in a header's value.
    #[error("a header's value has control characters in it")]
    Control,
    /// White space around a header's value.
    #[error("a header's value has white space around it, which would be lost")]
    WhiteSpace,
    /// An empty key of a query.
    #[error("a key of the query is empty")]
    EmptyKey,
    /// No placeholder.
    #[error("`{{{{{name}` is no placeholder")]
    Placeholder {
        /// What stands between the braces.
        name: String,
    },
    /// No regular expression.
    #[error(transparent)]
    Regex(Box<regex::Error>),
    /// A group that the expression does not have.
    #[error("`from` has no group `{name}`")]
    Group {
        /// As given.
        name: String,
    },
    /// A dollar sign that begins no group.
    #[error("in `to`, a `$` is neither `$1`, `${{name}}` nor `$$`")]
    Dollar,
}

impl RuleFault {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoAction => {
                "give it set_header, remove_header, replace_header, set_query, remove_query, replace_query, replace_path or replace_body"
            }
            Self::Header { fault, .. } => fault.hint(),
            Self::HostRemoved => "set it to something else with set_header",
            Self::Control | Self::WhiteSpace => "write the value on one line and without white space around it",
            Self::EmptyKey => "name the key",
            Self::Placeholder { .. } => "there are {{copy}}, {{client}} and {{seq}}; `{{` cannot stand for itself",
            Self::Regex(_) => "the syntax is that of https://docs.rs/regex; in TOML write it in single quotes",
            Self::Group { .. } => "groups are counted from 1 by their opening parenthesis; $0 is the whole find",
            Self::Dollar => "write $$ for a dollar sign",
        }
    }
}

/// Why a header is not to be touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// RFC 9110 §5.6.2.
    #[error("is no name of a header")]
    NoToken,
    /// Content-Length, Transfer-Encoding: they follow the body.
    #[error("says where the body ends, and always follows the body")]
    Framing,
    /// Every request gets a fresh trace.
    #[error("carries a trace, and every replayed request gets a fresh one")]
    Trace,
}

impl HeaderFault {
    const fn hint(self) -> &'static str {
        match self {
            Self::NoToken => "names are letters, digits and !#$%&'*+-.^_`|~",
            Self::Framing => "change the body with replace_body; the length follows",
            Self::Trace => "recorded ones are taken out and fresh ones put in without any rule",
        }
    }
}
