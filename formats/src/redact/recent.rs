//! Bodies in which nothing was found a moment ago: servers say the same again and again, and comparing is ten times cheaper
//! than searching. A body counts as the same only if every byte of it is.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::kind::Kind;

/// Places for bodies; one that comes to a taken place takes it over.
const PLACES: usize = 64;
/// Longer bodies are searched each time, so that the places hold at most 4 MiB.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Shorter ones are searched as fast as they are compared.
const BODY_BYTES_MIN: usize = 256;
/// Bytes of a body's beginning, middle and end that decide its place.
const SAMPLE_BYTES: usize = 16;

/// Shared by all who use the same rules.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Vec<Option<(Kind, Bytes)>>>);

impl Clone for Recent {
    /// Whoever is about to change the rules begins with nothing known.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Recent {
    /// Whether nothing was found in these bytes, read as this kind.
    pub(super) fn is_clean(&self, kind: Kind, body: &Bytes) -> bool {
        if !fits(body) {
            return false;
        }
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.get(place(body)).and_then(Option::as_ref);
        known.is_some_and(|(known_kind, known)| *known_kind == kind && known == body)
    }

    /// Nothing was found.
    pub(super) fn note(&self, kind: Kind, body: &Bytes) {
        if !fits(body) {
            return;
        }
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.resize(PLACES, None);
        if let Some(slot) = places.get_mut(place(body)) {
            *slot = Some((kind, body.clone()));
        }
    }
}

fn fits(body: &[u8]) -> bool {
    (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&body.len())
}

fn place(body: &[u8]) -> usize {
    let middle = body.len() / 2;
    let end = body.len().saturating_sub(SAMPLE_BYTES);
    let mut hash = crc32fast::Hasher::new_with_initial(u32::try_from(body.len()).unwrap_or(0));
    for from in [0, middle, end] {
        hash.update(body.get(from..).unwrap_or_default().get(..SAMPLE_BYTES).unwrap_or_default());
    }
    usize::try_from(hash.finalize()).unwrap_or(0) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_of_the_same_kind_are_known() {
        let recent = Recent::default();
        let body = |byte: u8, len: usize| Bytes::from(vec![byte; len]);
        let mut other = vec![b'a'; 1_000];
        // Where no sample is taken.
        other[100] = b'b';
        recent.note(Kind::Json, &body(b'a', 1_000));
        assert!(recent.is_clean(Kind::Json, &body(b'a', 1_000)));
        assert!(!recent.is_clean(Kind::Text, &body(b'a', 1_000)));
        assert!(!recent.is_clean(Kind::Json, &Bytes::from(other)));
        assert!(!recent.is_clean(Kind::Json, &body(b'a', 999)));
        for (len, known) in [(255, false), (256, true), (65_536, true), (65_537, false)] {
            recent.note(Kind::Json, &body(b'c', len));
            assert_eq!(recent.is_clean(Kind::Json, &body(b'c', len)), known, "{len}");
        }
    }
}
