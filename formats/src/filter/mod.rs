//! The filter language: which exchanges a command is about, the same for all commands (docs/filter.md).
//!
//! ```text
//! filter     = all ("or" all)*
//! all        = one ("and" one)*
//! one        = "not" one | "(" filter ")" | comparison
//! comparison = FIELD                                        it is there
//!            | FIELD ("=" | "!=") VALUE                     also == ; numbers take ranges too: A..B, both included
//!            | FIELD ("<" | "<=" | ">" | ">=") VALUE        numbers, sizes, durations, times
//!            | FIELD ("~" | "!~") REGEX                     text; also =~
//!            | FIELD ["not"] "like" PATTERN                 text; * stands for any characters
//!            | FIELD ["not"] "in" "(" VALUE ("," VALUE)* ")"
//! VALUE      = a word without white space, ( ) , and quotes | "text" with \" and \\ | 'text'
//! ```
//! A comparison with what is not there is false, and each negated form is the negation of the plain one: `status != 200`
//! is true where there is no answer. Evaluation takes time linear in filter and exchange: regular expressions are
//! automata, and a body is decoded once.
//!
//! Not here: which exchanges a recorder keeps (`recorder/selection`), which is decided on a head alone.

mod error;
mod evaluate;
mod expression;
mod field;
mod number;
mod parse;
mod view;

use std::fmt;
use std::str::FromStr;

use expression::Expression;

use crate::endpoint::Templates;
use crate::model::Exchange;

pub use error::FilterError;

/// Longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 16 << 10;
/// How deep parentheses and `not` go.
pub const DEPTH_MAX: usize = 64;
/// Most regular expressions of one filter.
pub const REGEXES_MAX: usize = 32;
/// What a regular expression may take in memory when it is compiled, in bytes.
pub const REGEX_BYTES_MAX: usize = 1 << 20;
/// Longest body that is decoded for a comparison, in bytes.
pub const DECODED_BYTES_MAX: usize = 32 << 20;

/// A condition on exchanges. Prints in one way, which parses to the same filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    expression: Expression,
}

/// What is known of an exchange besides itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Origin of the exchange's instants, in nanoseconds since 1970: the start of its session.
    pub session_started_unix_ns: u64,
    /// From where offsets in time count: the start of the earliest session.
    pub recording_started_unix_ns: u64,
    /// How endpoints are named.
    pub templates: &'a Templates,
}

impl Filter {
    /// Reads a filter.
    ///
    /// ```
    /// # use formats::filter::Filter;
    /// let filter = Filter::parse("method in (PUT, POST) and not status = 2xx and duration > 300ms").unwrap();
    /// assert_eq!(filter.to_string(), "method in (PUT, POST) and not status = 2xx and duration > 300ms");
    /// let error = Filter::parse("status = teapot").unwrap_err();
    /// assert_eq!(error.column, 10);
    /// ```
    ///
    /// # Errors
    /// With the column, and what was expected there.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::filter(text).map(|expression| Self { expression })
    }

    /// Whether the filter describes an exchange.
    #[must_use]
    pub fn matches(&self, exchange: &Exchange, context: &Context<'_>) -> bool {
        evaluate::holds(&self.expression, &view::View::new(exchange, context))
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expression.fmt(f)
    }
}

#[cfg(test)]
mod tests;
