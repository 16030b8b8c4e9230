//! A filter taken apart, and printed again.

use std::fmt;

use super::field::Field;
use super::number::Span;
use crate::stars::Pattern;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    /// At least two.
    Or(Vec<Expression>),
    /// At least two.
    And(Vec<Expression>),
    Not(Box<Expression>),
    /// The field is there.
    Has(Field),
    Compare(Comparison),
}

/// A field against a test; negated, the opposite of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) field: Field,
    pub(super) is_negated: bool,
    pub(super) test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// It is one of these texts.
    Texts(Vec<String>),
    /// It is in one of these spans.
    Spans(Vec<Span>),
    /// It is less or more than this single number.
    Order(Order, Span),
    Like(Like),
    Regex(Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Text with stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Like {
    pub(super) text: String,
    pub(super) pattern: Pattern,
}

/// A compiled regular expression; the same as another of the same text.
#[derive(Debug, Clone)]
pub(super) struct Regex(pub(super) regex::bytes::Regex);

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Regex {}

impl Order {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(all) => joined(all, " or ", |one| matches!(one, Self::Or(_)), f),
            Self::And(all) => joined(all, " and ", |one| matches!(one, Self::Or(_) | Self::And(_)), f),
            Self::Not(one) if matches!(**one, Self::Or(_) | Self::And(_)) => write!(f, "not ({one})"),
            Self::Not(one) => write!(f, "not {one}"),
            Self::Has(field) => field.fmt(f),
            Self::Compare(comparison) => comparison.fmt(f),
        }
    }
}

fn joined(
    all: &[Expression],
    word: &str,
    needs_parentheses: impl Fn(&Expression) -> bool,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for (index, one) in all.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        if needs_parentheses(one) { write!(f, "({one})")? } else { write!(f, "{one}")? }
    }
    Ok(())
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, is_negated, test } = self;
        write!(f, "{field} ")?;
        let not = if *is_negated { "not " } else { "" };
        let equals = if *is_negated { "!= " } else { "= " };
        match test {
            Test::Texts(texts) => match &texts[..] {
                [one] => {
                    f.write_str(equals)?;
                    value(one, f)
                }
                all => {
                    write!(f, "{not}in (")?;
                    listed(all, |one, f| value(one, f), f)?;
                    f.write_str(")")
                }
            },
            Test::Spans(spans) => match &spans[..] {
                [one] => write!(f, "{equals}{one}"),
                all => {
                    write!(f, "{not}in (")?;
                    listed(all, |one, f| one.fmt(f), f)?;
                    f.write_str(")")
                }
            },
            Test::Order(order, span) => write!(f, "{} {span}", order.name()),
            Test::Like(like) => {
                write!(f, "{not}like ")?;
                value(&like.text, f)
            }
            Test::Regex(regex) => {
                f.write_str(if *is_negated { "!~ " } else { "~ " })?;
                value(regex.0.as_str(), f)
            }
        }
    }
}

fn listed<T>(
    all: &[T],
    mut print: impl FnMut(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for (index, one) in all.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        print(one, f)?;
    }
    Ok(())
}

/// Text as a word where that is plain enough, and in quotes otherwise.
fn value(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:*%+{}".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) { f.write_str(text) } else { quoted(text, f) }
}

/// Text in quotes.
pub(super) fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
