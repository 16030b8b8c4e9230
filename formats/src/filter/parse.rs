//! From text to expression, by recursive descent with a bounded depth.

use regex::bytes::RegexBuilder;

use super::error::FilterError;
use super::expression::{Comparison, Expression, Like, Order, Regex, Test};
use super::field::{self, Field, Kind};
use super::number::Span;
use super::{DEPTH_MAX, FILTER_BYTES_MAX, REGEX_BYTES_MAX, REGEXES_MAX};
use crate::stars::Pattern;

pub(super) fn filter(text: &str) -> Result<Expression, FilterError> {
    let mut parser = Parser { text, at: 0, depth: 0, regexes: 0 };
    if text.len() > FILTER_BYTES_MAX {
        return Err(FilterError::new(text, 0, format!("a filter has at most {FILTER_BYTES_MAX} bytes")));
    }
    let expression = parser.any()?;
    parser.space();
    if parser.rest().is_empty() {
        return Ok(expression);
    }
    let expected = match parser.rest().bytes().next() {
        Some(b')') => "this `)` has no `(` before it",
        Some(b'&') => "expected `and`, `or` or the end; `&&` is written `and`",
        Some(b'|') => "expected `and`, `or` or the end; `||` is written `or`",
        _ => "expected `and`, `or` or the end; text with white space, parentheses or commas stands in quotes",
    };
    Err(parser.expected(expected))
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    regexes: usize,
}

/// A comparison's sign, and whether it is negated.
enum Sign {
    Equal,
    Order(Order),
    Regex,
    Like,
    In,
}

/// Longest first, so that none hides another.
const SIGNS: [(&str, Sign, bool); 11] = [
    ("==", Sign::Equal, false),
    ("=~", Sign::Regex, false),
    ("!=", Sign::Equal, true),
    ("!~", Sign::Regex, true),
    ("<=", Sign::Order(Order::LessOrEqual), false),
    (">=", Sign::Order(Order::GreaterOrEqual), false),
    ("=", Sign::Equal, false),
    ("~", Sign::Regex, false),
    ("<", Sign::Order(Order::Less), false),
    (">", Sign::Order(Order::Greater), false),
    ("!", Sign::Equal, true),
];

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn expected(&self, what: impl Into<String>) -> FilterError {
        FilterError::new(self.text, self.at, what)
    }

    /// Takes a word of the language, which ends where its letters end.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let after = self.rest().strip_prefix(word);
        let is_whole = |rest: &&str| !rest.bytes().next().is_some_and(field::is_name_byte);
        let is_there = after.filter(is_whole).is_some();
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    fn sign(&mut self, sign: &str) -> bool {
        self.space();
        let is_there = self.rest().starts_with(sign);
        self.at += if is_there { sign.len() } else { 0 };
        is_there
    }

    fn any(&mut self) -> Result<Expression, FilterError> {
        self.joined("or", Self::all, Expression::Or)
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        self.joined("and", Self::one, Expression::And)
    }

    fn joined(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Expression, FilterError>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, FilterError> {
        let first = part(self)?;
        let mut all = vec![first];
        while self.word(word) {
            all.push(part(self)?);
        }
        match all.len() {
            1 => all.pop().ok_or_else(|| self.expected("expected a comparison")),
            _ => Ok(join(all)),
        }
    }

    fn one(&mut self) -> Result<Expression, FilterError> {
        self.space();
        if self.depth == DEPTH_MAX {
            return Err(self.expected(format!("parentheses and `not` go at most {DEPTH_MAX} deep")));
        }
        let open = self.at;
        self.depth += 1;
        let expression = if self.word("not") {
            Expression::Not(Box::new(self.one()?))
        } else if self.sign("(") {
            let inside = self.any()?;
            if !self.sign(")") {
                let error = if self.rest().is_empty() {
                    FilterError::new(self.text, open, "this `(` has no `)` after it")
                } else {
                    self.expected("expected `and`, `or` or `)`")
                };
                return Err(error);
            }
            inside
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn comparison(&mut self) -> Result<Expression, FilterError> {
        let field = self.field()?;
        let before = self.at;
        let is_negated = self.word("not");
        for (word, sign) in [("like", Sign::Like), ("in", Sign::In)] {
            if self.word(word) {
                return self.test(field, &sign, is_negated);
            }
        }
        if is_negated {
            return Err(self.expected("expected `like` or `in` after a field and `not`"));
        }
        for (text, sign, is_negated) in &SIGNS {
            if self.sign(text) {
                if *text == "!" {
                    self.at -= 1;
                    return Err(self.expected("expected `!=` or `!~`"));
                }
                return self.test(field, sign, *is_negated);
            }
        }
        self.at = before;
        Ok(Expression::Has(field))
    }

    fn field(&mut self) -> Result<Field, FilterError> {
        let start = self.at;
        let rest = self.rest();
        let len = rest.bytes().take_while(|byte| field::is_name_byte(*byte)).count();
        let mut name = rest.get(..len).unwrap_or_default().to_owned();
        self.at += len;
        if name.ends_with('.') && self.rest().starts_with(['"', '\'']) {
            name.push_str(&self.quoted()?);
        }
        Field::from_name(&name).ok_or_else(|| {
            let expected = if rest.starts_with('!') {
                "expected a field; `!` is written `not`".to_owned()
            } else {
                format!("expected a field: {}", field::names())
            };
            FilterError::new(self.text, start, expected)
        })
    }

    fn test(&mut self, field: Field, sign: &Sign, is_negated: bool) -> Result<Expression, FilterError> {
        let kind = field.kind();
        self.space();
        let at = self.at;
        let needs_text = |what: &str| {
            let why = format!("`{what}` is for text, and `{field}` is {}", kind.name());
            if kind.is_text() { Ok(()) } else { Err(FilterError::new(self.text, at, why)) }
        };
        let test = match sign {
            Sign::Regex => {
                needs_text("~")?;
                Test::Regex(self.regex()?)
            }
            Sign::Like => {
                needs_text("like")?;
                let text = self.value()?;
                Test::Like(Like { pattern: Pattern::new(&text), text })
            }
            Sign::Order(order) => {
                if kind.is_text() {
                    let why =
                        format!("`{}` is for numbers, sizes, durations and times; `{field}` is text", order.name());
                    return Err(FilterError::new(self.text, at, why));
                }
                let span = self.span(kind)?;
                if span.single().is_none() {
                    let why = format!("expected one value after `{}`; ranges go with `=` and `in`", order.name());
                    return Err(FilterError::new(self.text, at, why));
                }
                Test::Order(*order, span)
            }
            Sign::Equal if kind.is_text() => Test::Texts(vec![self.checked(&field)?]),
            Sign::Equal => Test::Spans(vec![self.span(kind)?]),
            Sign::In if kind.is_text() => Test::Texts(self.list(|parser| parser.checked(&field))?),
            Sign::In => Test::Spans(self.list(|parser| parser.span(kind))?),
        };
        Ok(Expression::Compare(Comparison { field, is_negated, test }))
    }

    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Result<T, FilterError>) -> Result<Vec<T>, FilterError> {
        if !self.sign("(") {
            return Err(self.expected("expected `(` and values with commas between them, as in (404, 5xx)"));
        }
        let mut all = vec![one(self)?];
        while self.sign(",") {
            all.push(one(self)?);
        }
        if self.sign(")") { Ok(all) } else { Err(self.expected("expected `,` or `)`")) }
    }

    fn span(&mut self, kind: Kind) -> Result<Span, FilterError> {
        self.space();
        let at = self.at;
        let text = self.value()?;
        Span::parse(&text, kind).map_err(|expected| FilterError::new(self.text, at, expected))
    }

    fn checked(&mut self, field: &Field) -> Result<String, FilterError> {
        self.space();
        let at = self.at;
        let text = self.value()?;
        field.check(&text).map_err(|expected| FilterError::new(self.text, at, expected)).map(|()| text)
    }

    fn regex(&mut self) -> Result<Regex, FilterError> {
        self.space();
        let at = self.at;
        let text = self.value()?;
        self.regexes += 1;
        if self.regexes > REGEXES_MAX {
            let why = format!("a filter has at most {REGEXES_MAX} regular expressions");
            return Err(FilterError::new(self.text, at, why));
        }
        let mut builder = RegexBuilder::new(&text);
        builder.size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX);
        builder.build().map(Regex).map_err(|error| {
            let why = match error {
                regex::Error::CompiledTooBig(_) => format!("it takes more than {REGEX_BYTES_MAX} bytes"),
                // The last line says what is wrong; the ones before it show where, which is done below.
                error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
            };
            FilterError::new(self.text, at, format!("this regular expression cannot be used: {why}"))
        })
    }

    /// A word, or text in quotes.
    fn value(&mut self) -> Result<String, FilterError> {
        self.space();
        let rest = self.rest();
        if rest.starts_with(['"', '\'']) {
            return self.quoted();
        }
        let ends = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '(' | ')' | ',' | '"' | '\'');
        let word = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
        if word.is_empty() {
            return Err(self.expected("expected a value: a word, or text in quotes"));
        }
        for (sign, name) in [("&&", "and"), ("||", "or")] {
            if let Some(inside) = word.find(sign) {
                let why = format!("`{sign}` is written `{name}`; where it belongs to the value, that stands in quotes");
                return Err(FilterError::new(self.text, self.at + inside, why));
            }
        }
        self.at += word.len();
        Ok(word.to_owned())
    }

    /// Text in quotes; in double ones a backslash stands before `"` and before itself, and is itself before all others.
    fn quoted(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        let mut characters = self.rest().char_indices().peekable();
        let quote = characters.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            if Some(character) == quote {
                self.at = start + at + character.len_utf8();
                return Ok(text);
            }
            let escaped =
                |next: &(usize, char)| character == '\\' && quote == Some('"') && matches!(next.1, '"' | '\\');
            match characters.next_if(escaped) {
                Some((_, escaped)) => text.push(escaped),
                None => text.push(character),
            }
        }
        Err(FilterError::new(self.text, start, "this quote is not closed"))
    }
}
