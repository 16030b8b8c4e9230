//! The rest of two arrays from the first element on that differs: equal elements are found wherever they stand, the others
//! are held against each other by their ids, or by their order.

use std::collections::HashMap;

use super::digest::digest;
use super::scan::{self, Bad, Next, Type};
use super::{At, Unread, Walk, name, part};
use crate::differ::found::Kind;

/// By this member elements are told apart where no rule names another.
const ELEMENT_KEY: &str = "id";

/// Where an element stands.
#[derive(Clone, Copy)]
struct Element {
    from: usize,
    to: usize,
}

impl Element {
    fn text(self, of: &[u8]) -> &[u8] {
        part(of, self.from, self.to)
    }
}

/// The elements of both sides.
#[derive(Default)]
struct Both {
    a: Vec<Element>,
    b: Vec<Element>,
    /// Of each two at the same place, whether they say the same.
    is_same: Vec<bool>,
    /// What comes after the arrays.
    ends: At,
}

/// Elements of both sides that belong together.
#[derive(Default)]
struct Paired {
    pairs: Vec<(Element, Element)>,
    missing: Vec<Element>,
    added: Vec<Element>,
    is_moved: bool,
}

impl Walk<'_, '_> {
    /// `whole` is where the arrays begin, `at` where the two are.
    pub(super) fn elements(&mut self, whole: At, at: At, first: bool, depth: usize) -> Result<At, Unread> {
        let Both { mut a, mut b, is_same, ends: (a_end, b_end) } = self.both(at, first, depth + 1)?;
        let is_as_long = a.len() == b.len();
        if is_as_long {
            let pairs = a.iter().copied().zip(b.iter().copied()).zip(is_same);
            (a, b) = pairs.filter(|(_, is_same)| !is_same).map(|(pair, _)| pair).unzip();
        } else {
            let mut is_same = |(a, b): (&Element, &Element)| self.same.are((a.from, a.to), (b.from, b.to), depth + 1);
            while a.last().zip(b.last()).is_some_and(&mut is_same) {
                a.pop();
                b.pop();
            }
        }
        let Paired { pairs, missing, added, is_moved } = self.paired(a, b, is_as_long, depth + 1)?;
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
    #[expect(clippy::type_complexity, reason = "what is left of both, and places")]
    fn without_equal(
        &mut self,
        a: Vec<Element>,
        b: Vec<Element>,
        depth: usize,
    ) -> Result<(Vec<Element>, Vec<Element>, Vec<usize>), Unread> {
        let mut places: HashMap<u64, Vec<usize>, foldhash::fast::FixedState> = HashMap::default();
        for (index, element) in b.iter().enumerate().rev() {
            let (_, hash) = digest(self.after, element.from, depth).map_err(Unread::After)?;
            places.entry(hash).or_default().push(index);
        }
        let (mut left, mut matched) = (Vec::new(), Vec::new());
        let mut is_taken = vec![false; b.len()];
        for element in a {
            let (_, hash) = digest(self.before, element.from, depth).map_err(Unread::Before)?;
            let place = places.get_mut(&hash).and_then(|places| {
                let index = *places.last()?;
                let other = b.get(index)?;
                let is_same = self.same.are((element.from, element.to), (other.from, other.to), depth);
                is_same.then(|| places.pop()).flatten()
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
        Ok((left, rest, matched))
    }

    /// Those that are there on both sides left out; the others by the member that tells them apart, if all of them have one of
    /// their own; else in their order.
    fn paired(&mut self, a: Vec<Element>, b: Vec<Element>, is_as_long: bool, depth: usize) -> Result<Paired, Unread> {
        let mut place = String::new();
        self.path.write(&mut place);
        let key = (self.keys)(&place).unwrap_or_else(|| ELEMENT_KEY.to_owned());
        let (before, after) = (self.before, self.after);
        let ids = |a: &[Element], b: &[Element]| Some((ids(before, a, &key)?, ids(after, b, &key)?));
        // Each stands where the one with its id does: none is equal to one at another place.
        if is_as_long && ids(&a, &b).is_some_and(|(ids, others)| ids == others) {
            return Ok(Paired { pairs: a.into_iter().zip(b).collect(), ..Paired::default() });
        }
        let (a, b, matched) = self.without_equal(a, b, depth)?;
        let is_moved = if is_as_long { !matched.is_empty() } else { !matched.is_sorted() };
        let by_id = ids(&a, &b).filter(|(ids, others)| ids.keys().any(|id| others.contains_key(id)));
        Ok(match by_id {
            Some((ids, others)) => {
                let paired = by_ids(&a, &b, &ids, &others);
                Paired { is_moved: is_moved || paired.is_moved, ..paired }
            }
            None => {
                let pairs = a.iter().copied().zip(b.iter().copied()).collect::<Vec<_>>();
                let count = pairs.len();
                let (missing, added) = (a.into_iter().skip(count).collect(), b.into_iter().skip(count).collect());
                Paired { pairs, missing, added, is_moved }
            }
        })
    }

    /// All elements from here to the ends.
    fn both(&mut self, mut at: At, mut first: bool, depth: usize) -> Result<Both, Unread> {
        let mut both = Both::default();
        loop {
            let next = (
                scan::element(self.before, at.0, first).map_err(Unread::Before)?,
                scan::element(self.after, at.1, first).map_err(Unread::After)?,
            );
            let (Next::Value { at: a, .. }, Next::Value { at: b, .. }) = next else { break };
            let same = self.same.ends((a, b), depth);
            at = match same {
                Some(ends) => ends,
                None => (self.skip_before(a, depth)?, self.skip_after(b, depth)?),
            };
            let (a, b) = (Element { from: a, to: at.0 }, Element { from: b, to: at.1 });
            both.is_same.push(same.is_some() || a.text(self.before) == b.text(self.after));
            both.a.push(a);
            both.b.push(b);
            first = false;
        }
        both.ends = (
            rest(self.before, at.0, first, depth, &mut both.a).map_err(Unread::Before)?,
            rest(self.after, at.1, first, depth, &mut both.b).map_err(Unread::After)?,
        );
        Ok(both)
    }
}

/// Elements with ids, those with the same one together.
fn by_ids(a: &[Element], b: &[Element], ids: &Ids<'_>, others: &Ids<'_>) -> Paired {
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
    let pairs = pairs.into_iter().filter_map(|(one, other)| Some((*a.get(one)?, *b.get(other)?))).collect();
    Paired { pairs, missing: pick(a, missing), added: pick(b, added), is_moved }
}

/// Where the element with each id stands.
type Ids<'t> = HashMap<&'t [u8], usize, foldhash::fast::RandomState>;

/// The value of this member of each element, and where the element stands; `None` unless all have one of their own.
fn ids<'t>(text: &'t [u8], elements: &[Element], key: &str) -> Option<Ids<'t>> {
    let mut found = Ids::with_capacity_and_hasher(elements.len(), foldhash::fast::RandomState::default());
    for (index, element) in elements.iter().enumerate() {
        if Type::of(text, element.from).ok()? != Type::Object {
            return None;
        }
        let (mut at, mut first) = (element.from + 1, true);
        let id = loop {
            let Next::Value { key: from, key_end, at: value } = scan::member(text, at, first).ok()? else {
                return None;
            };
            let end = scan::skip(text, value, 0).ok()?;
            if *name(part(text, from, key_end)) == *key.as_bytes() {
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

/// Adds what elements are left; what comes after the array.
fn rest(text: &[u8], mut at: usize, mut first: bool, depth: usize, found: &mut Vec<Element>) -> Result<usize, Bad> {
    loop {
        match scan::element(text, at, first)? {
            Next::End(end) => return Ok(end),
            Next::Value { at: from, .. } => {
                at = scan::skip(text, from, depth)?;
                found.push(Element { from, to: at });
            }
        }
        first = false;
    }
}
