//! Texts that come again and again, made once: a clone of one is a counter that goes up.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use opentelemetry::StringValue;

/// Texts of one kind that are remembered; others are made each time.
pub(super) const TEXTS_MAX: usize = 1_024;

pub(super) struct Interned<K> {
    known: HashMap<K, StringValue>,
}

impl<K: Hash + Eq> Interned<K> {
    pub(super) fn new() -> Self {
        Self { known: HashMap::new() }
    }

    /// The text of `key`, by `make` when it is new.
    pub(super) fn text<Q>(&mut self, key: &Q, make: impl FnOnce() -> String) -> StringValue
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K> + Hash + Eq + ?Sized,
    {
        if let Some(known) = self.known.get(key) {
            return known.clone();
        }
        let new = StringValue::from(Arc::<str>::from(make()));
        if self.known.len() < TEXTS_MAX {
            self.known.insert(key.to_owned(), new.clone());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_made_once_as_long_as_there_is_room() {
        let mut interned = Interned::<u64>::new();
        let mut made = 0;
        for round in 1..=2 {
            for key in 0..=TEXTS_MAX as u64 {
                let text = interned.text(&key, || {
                    made += 1;
                    key.to_string()
                });
                assert_eq!(text.as_str(), key.to_string());
            }
            // The one past the limit is made each time.
            assert_eq!(made, TEXTS_MAX + round);
        }
    }
}
