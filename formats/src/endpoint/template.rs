//! Templates of paths, such as `/users/{id}/orders/{order}`: given by the user, or learned ([`super::Learner`]).
//!
//! All templates together are one tree, which a path goes down once: at each place a literal comes before a placeholder,
//! and one with more text around it before one with less.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::SEGMENTS_MAX;

/// Most templates of one command.
pub const TEMPLATES_MAX: usize = 10_000;
/// Longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 1_024;
/// Longest name of a placeholder.
const NAME_LEN_MAX: usize = 32;

/// The beginning of paths. It describes each path that begins with its segments; what comes after them is named by its
/// shape.
///
/// A segment is literal, or has one `{name}` that stands for at least one byte, with literal text before and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Place(Place),
}

/// A segment with a placeholder. Its name comes last: it decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    before: String,
    after: String,
    name: String,
}

/// Why a text is no template, or does not go together with others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path template `{given}`{}: {why}", column.map(|column| format!(", column {column}")).unwrap_or_default())]
pub struct TemplateError {
    /// What was given, at most 100 characters of it.
    pub given: String,
    /// Where, counted in characters from 1; `None` where it is about the whole.
    pub column: Option<usize>,
    /// What is wrong with it.
    pub why: String,
}

impl TemplateError {
    fn new(given: &str, at: Option<usize>, why: impl Into<String>) -> Self {
        let column = at.map(|at| given.get(..at).map_or(0, |before| before.chars().count()) + 1);
        Self { given: given.chars().take(100).collect(), column, why: why.into() }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let bad = |at: usize, why: &str| TemplateError::new(text, Some(at), why);
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateError::new(text, None, format!("it is longer than {TEMPLATE_BYTES_MAX} bytes")));
        }
        let Some(path) = text.strip_prefix('/') else {
            return Err(bad(0, "it begins with `/`, as in /users/{id}"));
        };
        if let Some(at) = text.find(|c: char| matches!(c, '?' | '#' | ';') || c.is_whitespace() || c.is_control()) {
            return Err(bad(at, "a path has no `?`, `#`, `;` or white space here"));
        }
        let mut segments = Vec::new();
        let mut at = 1;
        for segment in path.split('/') {
            if segments.len() == SEGMENTS_MAX {
                return Err(bad(at, &format!("it has more than {SEGMENTS_MAX} segments")));
            }
            segments.push(Segment::parse(segment).map_err(|(inside, why)| bad(at + inside, why))?);
            at += segment.len() + 1;
        }
        Ok(Self { segments })
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let Some(open) = text.find(['{', '}']) else { return Ok(Self::Literal(text.to_owned())) };
        let (before, rest) = text.split_at(open);
        let Some(rest) = rest.strip_prefix('{') else { return Err((open, "this `}` has no `{` before it")) };
        let Some((name, after)) = rest.split_once('}') else { return Err((open, "this `{` has no `}` after it")) };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(is_name) {
            return Err((open + 1, "the name of a placeholder has 1 to 32 letters, digits, `_` or `-`"));
        }
        if let Some(again) = after.find(['{', '}']) {
            return Err((open + name.len() + 2 + again, "a segment has one placeholder"));
        }
        Ok(Self::Place(Place { before: before.to_owned(), after: after.to_owned(), name: name.to_owned() }))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Place(place) => write!(f, "/{place}"),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{{}}}{}", self.before, self.name, self.after)
    }
}

impl Place {
    fn matches(&self, segment: &[u8]) -> bool {
        let rest = segment.strip_prefix(self.before.as_bytes());
        rest.and_then(|rest| rest.strip_suffix(self.after.as_bytes())).is_some_and(|rest| !rest.is_empty())
    }

    fn fixed_len(&self) -> usize {
        self.before.len() + self.after.len()
    }
}

/// Templates by which endpoints are named; with none of them, names follow from the shape of segments alone.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    root: Node,
    count: usize,
}

/// What may follow at a place of a path.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    literals: BTreeMap<Vec<u8>, Node>,
    places: Vec<(Place, Node)>,
}

/// What a segment is by templates.
pub(super) enum Step<'t> {
    /// It stands in a template as it is.
    Literal(&'t Node),
    /// It stands where a template has a placeholder.
    Place(&'t Place, &'t Node),
}

impl Templates {
    /// Of these templates, whatever their order.
    ///
    /// # Errors
    /// When two of them give one place two names, or there are more than [`TEMPLATES_MAX`].
    pub fn new<'t>(templates: impl IntoIterator<Item = &'t Template>) -> Result<Self, TemplateError> {
        let mut all = Self::default();
        templates.into_iter().try_for_each(|template| all.add(template)).map(|()| all)
    }

    /// Adds one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn add(&mut self, template: &Template) -> Result<(), TemplateError> {
        if self.count == TEMPLATES_MAX {
            let why = format!("there are more than {TEMPLATES_MAX} templates");
            return Err(TemplateError::new(&template.to_string(), None, why));
        }
        self.count += 1;
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.as_bytes().to_vec()).or_default(),
                Segment::Place(place) => {
                    node.place(place).map_err(|why| TemplateError::new(&template.to_string(), None, why))?
                }
            };
        }
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }
}

impl Node {
    pub(super) fn step(&self, segment: &[u8]) -> Option<Step<'_>> {
        if let Some(node) = self.literals.get(segment) {
            return Some(Step::Literal(node));
        }
        self.places.iter().find(|(place, _)| place.matches(segment)).map(|(place, node)| Step::Place(place, node))
    }

    fn place(&mut self, wanted: &Place) -> Result<&mut Self, String> {
        let same = |place: &Place| (&place.before, &place.after) == (&wanted.before, &wanted.after);
        let key = |place: &Place| (std::cmp::Reverse(place.fixed_len()), place.before.clone());
        let at = match self.places.iter().position(|(place, _)| same(place)) {
            Some(at) => at,
            None => {
                let at = self.places.partition_point(|(place, _)| key(place) < key(wanted));
                self.places.insert(at, (wanted.clone(), Self::default()));
                at
            }
        };
        let Some((place, node)) = self.places.get_mut(at) else { return Err("no such place".to_owned()) };
        if place.name != wanted.name {
            return Err(format!("another template calls the same place `{{{}}}`", place.name));
        }
        Ok(node)
    }
}
