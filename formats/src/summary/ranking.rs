//! Rows by name, of which only so many are kept: the rest is one row.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What can be added up in any order.
pub trait Merge {
    /// Adds another one. Associative and commutative, and the default value changes nothing.
    fn merge_with(&mut self, other: &Self);
}

impl Merge for u64 {
    fn merge_with(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

impl<K: Ord + Clone, V: Merge + Clone> Merge for BTreeMap<K, V> {
    fn merge_with(&mut self, other: &Self) {
        for (key, value) in other {
            match self.get_mut(key) {
                Some(known) => known.merge_with(value),
                None => {
                    self.insert(key.clone(), value.clone());
                }
            }
        }
    }
}

/// A name and its place among others: by CRC-32 first, so that it is drawn by lot who stays, and not by when it came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranked {
    rank: u32,
    name: String,
}

impl Ranked {
    /// Ranks a name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { rank: crc32fast::hash(name.as_bytes()), name: name.to_owned() }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A [`Ranked`], or what one would be, so that a row is found without making one.
trait Key {
    fn key(&self) -> (u32, &str);
}

impl Key for Ranked {
    fn key(&self) -> (u32, &str) {
        (self.rank, &self.name)
    }
}

impl Key for (u32, &str) {
    fn key(&self) -> (u32, &str) {
        *self
    }
}

impl<'k> Borrow<dyn Key + 'k> for Ranked {
    fn borrow(&self) -> &(dyn Key + 'k) {
        self
    }
}

impl PartialEq for dyn Key + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn Key + '_ {}

impl PartialOrd for dyn Key + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Key + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// At most `MAX` rows by name: those whose names have the lowest ranks of all that were ever there. A row that is there
/// counts everything of its name, since a name that ranked low enough at the end did so all along; everything else is
/// in [`Self::other`]. (Keeping the busiest rows instead would make counts depend on the order in which names came.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking<V, const MAX: usize> {
    /// The rows that are told apart; no more than `MAX`.
    pub rows: BTreeMap<Ranked, V>,
    /// All others together.
    pub other: V,
}

impl<V: Default, const MAX: usize> Default for Ranking<V, MAX> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), other: V::default() }
    }
}

impl<V: Merge + Default + Clone, const MAX: usize> Ranking<V, MAX> {
    /// The row in which `name` counts.
    pub fn row(&mut self, name: &str) -> &mut V {
        self.place(crc32fast::hash(name.as_bytes()), name)
    }

    /// Only a row that is new takes memory for its name.
    fn place(&mut self, rank: u32, name: &str) -> &mut V {
        let key: &dyn Key = &(rank, name);
        if !self.rows.contains_key(key) {
            if self.rows.len() >= MAX {
                match self.rows.last_entry().filter(|last| last.key().key() > key.key()) {
                    Some(last) => self.other.merge_with(&last.remove()),
                    None => return &mut self.other,
                }
            }
            self.rows.insert(Ranked { rank, name: name.to_owned() }, V::default());
        }
        self.rows.get_mut(key).unwrap_or(&mut self.other)
    }

    /// The rows with their names, the largest first by what `size` says.
    pub fn largest<S: Ord>(&self, size: impl Fn(&V) -> S) -> Vec<(&str, &V)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(ranked, row)| (ranked.name(), row)).collect();
        rows.sort_by(|a, b| size(b.1).cmp(&size(a.1)).then_with(|| a.0.cmp(b.0)));
        rows
    }
}

impl<V: Merge + Default + Clone, const MAX: usize> Merge for Ranking<V, MAX> {
    fn merge_with(&mut self, other: &Self) {
        self.other.merge_with(&other.other);
        for (ranked, row) in &other.rows {
            self.place(ranked.rank, &ranked.name).merge_with(row);
        }
    }
}
