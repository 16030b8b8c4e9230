//! Templates learned from the paths of a session: where many different values stand at one place under the same parent,
//! that place is a placeholder.
//!
//! The result depends on which paths there were and on nothing else: not on their order, not on the machine. Memory is
//! bounded: of more than [`PATHS_MAX`] different paths those with the smallest hashes are kept, which every order keeps.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::template::{Template, Templates};
use super::{SEGMENTS_MAX, path};

/// Different paths that are remembered, after ids and given templates have been put into them.
pub const PATHS_MAX: usize = 20_000;
/// Different values at one place that are still words; with one more the place is a placeholder.
pub const VALUES_MAX: usize = 50;
/// Longest path that is learned from, in bytes: about what [`PATHS_MAX`] of them take is 10 MB.
const PATH_BYTES_MAX: usize = 512;
/// Where paths had to be forgotten, so many values at one place are enough, if most of them were seen with one path only:
/// then there are many more.
const SAMPLED_VALUES_MIN: usize = 16;
/// A value below which so many times as much stands as below the middle one stays a word: `/api` beside `/{page}`.
const STANDS_OUT: u64 = 10;
/// More of them are no exceptions.
const STANDING_OUT_MAX: usize = 10;
/// What a learned placeholder is called, and one that has the shape of an id.
const PLACEHOLDER: &str = "{id}";

/// Takes paths and gives templates.
#[derive(Debug, Default)]
pub struct Learner {
    given: Templates,
    /// Exchanges by path; paths in the order of their hashes.
    paths: BTreeMap<(u64, String), u64>,
    forgot: bool,
}

/// A template that was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// It ends in the learned placeholder, or in a word that is none although it stands at such a place.
    pub template: Template,
    /// How many different values stood for the placeholder, at least; `None` for a word.
    pub values: Option<u64>,
    /// Exchanges whose paths begin like this, as far as they were remembered.
    pub exchanges: u64,
}

impl Learner {
    /// One that knows templates already.
    #[must_use]
    pub fn new(given: Templates) -> Self {
        Self { given, ..Self::default() }
    }

    /// Takes the target of one request.
    pub fn see(&mut self, target: &[u8]) {
        let path = path(target);
        // A path with braces cannot be told from a template, and `*` and `host:443` are none.
        if !path.starts_with(b"/") || path.len() > PATH_BYTES_MAX || memchr::memchr2(b'{', b'}', path).is_some() {
            return;
        }
        let mut name = String::with_capacity(path.len());
        self.given.push_path(path, &mut name);
        self.remember(name, 1);
    }

    /// Takes what [`super::endpoint`] made of requests of one endpoint, and how many there were.
    pub fn see_endpoint(&mut self, name: &str, exchanges: u64) {
        // What was cut may be any path.
        let Some((_, path)) = name.split_once(' ').filter(|(_, path)| path.starts_with('/') && !path.ends_with('…'))
        else {
            return;
        };
        let mut by_given = String::with_capacity(path.len());
        self.given.push_path(path.as_bytes(), &mut by_given);
        self.remember(by_given, exchanges);
    }

    /// Says that there were more different paths than this is given.
    pub fn forget_some(&mut self) {
        self.forgot = true;
    }

    fn remember(&mut self, name: String, exchanges: u64) {
        let hash = Sha256::digest(name.as_bytes());
        let hash = hash.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let known = self.paths.entry((hash, name)).or_default();
        *known = known.saturating_add(exchanges);
        if self.paths.len() > PATHS_MAX {
            self.paths.pop_last();
            self.forgot = true;
        }
    }

    /// Whether there were more different paths than are remembered: then places that few requests came to may have been
    /// missed.
    #[must_use]
    pub fn forgot(&self) -> bool {
        self.forgot
    }

    /// The templates, in an order of their own. Together with the given ones they name what was seen.
    #[must_use]
    pub fn learned(&self) -> Vec<Learned> {
        let mut root = Tree::default();
        for ((_, path), exchanges) in &self.paths {
            let mut node = &mut root;
            node.exchanges = node.exchanges.saturating_add(*exchanges);
            for segment in path.split('/').skip(1).take(SEGMENTS_MAX) {
                node = node.children.entry(segment.to_owned()).or_default();
                node.exchanges = node.exchanges.saturating_add(*exchanges);
            }
            node.is_end = true;
        }
        root.settle(self.forgot);
        let mut learned = Vec::new();
        root.list(&mut String::new(), &mut learned);
        learned
    }

    /// The given templates and the learned ones.
    #[must_use]
    pub fn into_templates(self) -> Templates {
        let learned = self.learned();
        let mut all = self.given;
        for one in learned {
            // More than there may be are the same as paths that were forgotten.
            if all.add(&one.template).is_err() {
                break;
            }
        }
        all
    }
}

/// What stands below a place.
#[derive(Debug, Default)]
struct Tree {
    children: BTreeMap<String, Tree>,
    exchanges: u64,
    /// Whether a path ends here.
    is_end: bool,
    /// How many values the placeholder among the children was made of.
    values: Option<u64>,
}

fn is_word(segment: &str) -> bool {
    !segment.contains('{')
}

impl Tree {
    /// Makes placeholders of places with many values, from the top down.
    fn settle(&mut self, sampled: bool) {
        if self.is_variable(sampled) {
            let stays = self.standing_out();
            let mut merged = self.children.remove(PLACEHOLDER).unwrap_or_default();
            let (words, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.children)
                .into_iter()
                .partition(|(segment, _)| is_word(segment) && !segment.is_empty() && !stays.contains(segment));
            self.children = rest.into_iter().collect();
            self.values = Some(words.len() as u64);
            words.into_iter().for_each(|(_, child)| merged.merge(child));
            self.children.insert(PLACEHOLDER.to_owned(), merged);
        }
        self.children.values_mut().for_each(|child| child.settle(sampled));
    }

    fn words(&self) -> impl Iterator<Item = (&String, &Self)> {
        self.children.iter().filter(|(segment, _)| is_word(segment) && !segment.is_empty())
    }

    fn is_variable(&self, sampled: bool) -> bool {
        let count = self.words().count();
        let once = || self.words().filter(|(_, child)| child.paths() == 1).count();
        count > VALUES_MAX || (sampled && count >= SAMPLED_VALUES_MIN && 2 * once() > count)
    }

    /// The words that carry far more below them than the middle one.
    fn standing_out(&self) -> Vec<String> {
        let mut weights: Vec<(u64, &String)> = self.words().map(|(segment, child)| (child.weight(), segment)).collect();
        weights.sort_unstable();
        let middle = weights.get(weights.len() / 2).map_or(0, |(weight, _)| *weight);
        let out = weights.into_iter().filter(|(weight, _)| *weight > STANDS_OUT.saturating_mul(middle));
        let out: Vec<String> = out.map(|(_, segment)| segment.clone()).collect();
        if out.len() > STANDING_OUT_MAX { Vec::new() } else { out }
    }

    /// About how many endpoints there are from here on: values of a placeholder count as one.
    fn weight(&self) -> u64 {
        let children = self.children.values().map(Self::weight);
        let below = if self.words().count() > VALUES_MAX { children.max().unwrap_or(0) } else { children.sum() };
        below + u64::from(self.is_end)
    }

    fn paths(&self) -> u64 {
        self.children.values().map(Self::paths).sum::<u64>() + u64::from(self.is_end)
    }

    fn merge(&mut self, other: Self) {
        self.exchanges = self.exchanges.saturating_add(other.exchanges);
        self.is_end |= other.is_end;
        for (segment, child) in other.children {
            self.children.entry(segment).or_default().merge(child);
        }
    }

    /// Adds the templates from here on; whether there are any.
    fn list(&self, path: &mut String, out: &mut Vec<Learned>) -> bool {
        let len = path.len();
        let before = out.len();
        let mut passes_placeholder = self.values.is_some();
        let mut words = Vec::new();
        for (segment, child) in &self.children {
            path.push('/');
            path.push_str(segment);
            let is_learned = self.values.is_some() && segment == PLACEHOLDER;
            if is_learned || (is_word(segment) && !segment.is_empty()) {
                // A word is listed only beside a placeholder, which would take it.
                let values = if is_learned { self.values } else { None };
                if let Ok(template) = path.parse() {
                    let one = Learned { template, values, exchanges: child.exchanges };
                    if is_learned { out.push(one) } else { words.push(one) }
                }
            }
            let has_some = child.list(path, out);
            passes_placeholder |= has_some && !is_word(segment);
            path.truncate(len);
        }
        if passes_placeholder {
            out.extend(words);
        }
        out.len() > before
    }
}
