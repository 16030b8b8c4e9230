//! The rest of two arrays from the first element on that differs: equal elements are found wherever they stand, the others
//! are held against each other by their ids, or by their order.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use super::scan::{self, Bad, Next, Type};
use super::{At, Unread, Walk, part};
use crate::differ::found::Kind;

/// By this member elements are told apart where no rule names another.
const ELEMENT_KEY: &str = "id";

/// An element: where it stands, and a hash of its bytes.
#[derive(Clone, Copy)]
struct Element {
    from: usize,
    to: usize,
    hash: u64,
}

impl Element {
    fn text(self, of: &[u8]) -> &[u8] {
        part(of, self.from, self.to)
    }
}

/// Elements of both sides that belong together.
struct Paired {
    pairs: Vec<(Element, Element)>,
    missing: Vec<Element>,
    added: Vec<Element>,
    is_moved: bool,
}

impl Walk<'_, '_> {
    /// `whole` is where the arrays begin, `at` where the two are.
    pub(super) fn elements(&mut self, whole: At, at: At, first: bool, depth: usize) -> Result<At, Unread> {
        let (mut a, a_end) = elements(self.before, at.0, first, depth).map_err(Unread::Before)?;
        let (mut b, b_end) = elements(self.after, at.1, first, depth).map_err(Unread::After)?;
        let is_same = |a: &Element, b: &Element| a.hash == b.hash && a.text(self.before) == b.text(self.after);
        if a.len() == b.len() {
            let differ: Vec<(Element, Element)> =
                a.iter().copied().zip(b.iter().copied()).filter(|(a, b)| !is_same(a, b)).collect();
            (a, b) = differ.into_iter().unzip();
        } else {
            while a.last().zip(b.last()).is_some_and(|(a, b)| is_same(a, b)) {
                a.pop();
                b.pop();
            }
        }
        let is_as_long = a.len() == b.len();
        let (a, b, matched) = self.without_equal(a, b);
        let mut is_moved = if is_as_long { !matched.is_empty() } else { !matched.is_sorted() };
        let Paired { pairs, missing, added, is_moved: ids_moved } = self.paired(a, b);
        is_moved |= ids_moved;
        if is_moved {
            self.note(Kind::Order, part(self.before, whole.0, a_end), part(self.after, whole.1, b_end));
        }
        self.path.element();
        for (a, b) in pairs {
            self.value((a.from, b.from), depth + 1)?;
        }
        for element in missing {
            self.note(Kind::Missing, element.text(self.before), b"");
        }
        for element in added {
            self.note(Kind::Added, b"", element.text(self.after));
        }
        self.path.up();
        Ok((a_end, b_end))
    }

    /// Takes out elements that are there on both sides; where those of one side stand on the other.
    fn without_equal(&self, a: Vec<Element>, b: Vec<Element>) -> (Vec<Element>, Vec<Element>, Vec<usize>) {
        let mut places: HashMap<u64, Vec<usize>, foldhash::fast::FixedState> = HashMap::default();
        for (index, element) in b.iter().enumerate().rev() {
            places.entry(element.hash).or_default().push(index);
        }
        let (mut left, mut matched) = (Vec::new(), Vec::new());
        let mut is_taken = vec![false; b.len()];
        for element in a {
            let place = places.get_mut(&element.hash).and_then(|places| {
                let index = *places.last()?;
                (b.get(index)?.text(self.after) == element.text(self.before)).then(|| places.pop()).flatten()
            });
            match place {
                Some(index) => {
                    matched.push(index);
                    if let Some(taken) = is_taken.get_mut(index) {
                        *taken = true;
                    }
                }
                None => left.push(element),
            }
        }
        let rest = b.into_iter().zip(is_taken).filter(|(_, taken)| !taken).map(|(element, _)| element).collect();
        (left, rest, matched)
    }

    /// By the member that tells them apart, if all of them have one of their own; else in their order.
    fn paired(&self, a: Vec<Element>, b: Vec<Element>) -> Paired {
        let mut place = String::new();
        self.path.write(&mut place);
        let key = (self.keys)(&place).unwrap_or_else(|| ELEMENT_KEY.to_owned());
        let by_id = || {
            let (ids, others) = (ids(self.before, &a, &key)?, ids(self.after, &b, &key)?);
            let shared = ids.keys().filter(|id| others.contains_key(*id)).count();
            (shared > 0).then_some((ids, others))
        };
        let Some((ids, others)) = by_id() else {
            let pairs = a.iter().copied().zip(b.iter().copied()).collect::<Vec<_>>();
            let count = pairs.len();
            let (missing, added) = (a.into_iter().skip(count).collect(), b.into_iter().skip(count).collect());
            return Paired { pairs, missing, added, is_moved: false };
        };
        let mut pairs: Vec<(usize, usize)> =
            ids.iter().filter_map(|(id, index)| Some((*index, *others.get(id)?))).collect();
        pairs.sort_unstable();
        let is_moved = !pairs.is_sorted_by_key(|(_, other)| *other);
        let mut missing: Vec<usize> =
            ids.iter().filter(|(id, _)| !others.contains_key(*id)).map(|(_, index)| *index).collect();
        let mut added: Vec<usize> =
            others.iter().filter(|(id, _)| !ids.contains_key(*id)).map(|(_, index)| *index).collect();
        missing.sort_unstable();
        added.sort_unstable();
        let pick = |of: &[Element], indexes: Vec<usize>| -> Vec<Element> {
            indexes.into_iter().filter_map(|index| of.get(index).copied()).collect()
        };
        let pairs =
            pairs.into_iter().filter_map(|(one, other)| Some((*a.get(one)?, *b.get(other)?))).collect::<Vec<_>>();
        Paired { pairs, missing: pick(&a, missing), added: pick(&b, added), is_moved }
    }
}

/// The value of this member of each element, and where the element stands; `None` unless all have one of their own.
fn ids<'t>(text: &'t [u8], elements: &[Element], key: &str) -> Option<HashMap<&'t [u8], usize>> {
    let mut found = HashMap::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        if Type::of(text, element.from).ok()? != Type::Object {
            return None;
        }
        let (mut at, mut first) = (element.from + 1, true);
        let id = loop {
            let Next::Value { key: name, key_end, at: value } = scan::member(text, at, first).ok()? else {
                return None;
            };
            let end = scan::skip(text, value, 0).ok()?;
            if part(text, name + 1, key_end.saturating_sub(1)) == key.as_bytes() {
                break Type::of(text, value).ok()?.is_scalar().then(|| part(text, value, end))?;
            }
            (at, first) = (end, false);
        };
        if found.insert(id, index).is_some() {
            return None;
        }
    }
    (!found.is_empty()).then_some(found)
}

/// All elements from here to the end, and what comes after it.
fn elements(text: &[u8], mut at: usize, mut first: bool, depth: usize) -> Result<(Vec<Element>, usize), Bad> {
    let hasher = foldhash::fast::FixedState::default();
    let mut found = Vec::new();
    loop {
        match scan::element(text, at, first)? {
            Next::End(end) => return Ok((found, end)),
            Next::Value { at: from, .. } => {
                at = scan::skip(text, from, depth + 1)?;
                found.push(Element { from, to: at, hash: hasher.hash_one(part(text, from, at)) });
            }
        }
        first = false;
    }
}
