//! A tree of elements, and how two of them differ.
//!
//! Children that are equal are found wherever they stand; the others are held against each other in the order of those with
//! the same name.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use crate::differ::found::{Differences, Kind};

/// Deeper is not read.
pub(super) const DEPTH_MAX: usize = 256;
/// Elements of a tree.
pub(super) const ELEMENTS_MAX: usize = 200_000;

/// An element with everything in it. The root has no name.
#[derive(Debug, Default)]
pub(super) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    /// What stands in it besides elements, white space made one space.
    text: String,
    /// Of everything in it.
    hash: u64,
}

/// Makes a tree of what begins and ends one after the other.
#[derive(Debug)]
pub(super) struct Builder {
    open: Vec<Element>,
    elements: usize,
}

/// There is more than is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Builder {
    pub(super) fn new() -> Self {
        Self { open: vec![Element::default()], elements: 0 }
    }

    pub(super) fn begin(&mut self, name: String, mut attributes: Vec<(String, String)>) -> Result<(), TooMuch> {
        self.elements += 1;
        if self.open.len() > DEPTH_MAX || self.elements > ELEMENTS_MAX {
            return Err(TooMuch);
        }
        attributes.sort();
        self.open.push(Element { name, attributes, ..Element::default() });
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) {
        let Some(element) = self.open.last_mut() else { return };
        for word in text.split_ascii_whitespace() {
            if !element.text.is_empty() {
                element.text.push(' ');
            }
            element.text.push_str(word);
        }
    }

    /// The name of the innermost element.
    pub(super) fn innermost(&self) -> &str {
        self.open.last().map_or("", |element| &element.name)
    }

    /// Whether an element with this name is open.
    pub(super) fn is_open(&self, name: &str) -> bool {
        self.open.iter().skip(1).any(|element| element.name == name)
    }

    /// Ends the innermost element.
    pub(super) fn end(&mut self) {
        if self.open.len() > 1
            && let Some(mut element) = self.open.pop()
            && let Some(parent) = self.open.last_mut()
        {
            element.hash = element.hashed();
            parent.children.push(element);
        }
    }

    /// The root, with everything that is still open ended.
    pub(super) fn finish(mut self) -> Element {
        while self.open.len() > 1 {
            self.end();
        }
        let mut root = self.open.pop().unwrap_or_default();
        root.hash = root.hashed();
        root
    }
}

impl Element {
    fn hashed(&self) -> u64 {
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        (&self.name, &self.attributes, &self.text).hash(&mut hasher);
        self.children.iter().for_each(|child| child.hash.hash(&mut hasher));
        hasher.finish()
    }

    /// A piece of it to show: the tag and its text.
    fn shown(&self) -> String {
        let attributes: String = self.attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
        let text = self.text.get(..self.text.floor_char_boundary(200)).unwrap_or_default();
        format!("<{}{attributes}>{text}", self.name)
    }
}

/// Notes how two trees differ.
pub(super) fn diff(before: &Element, after: &Element, differences: &mut Differences) {
    let mut place = String::new();
    elements(before, after, &mut place, differences);
    if differences.is_empty() && before.hash != after.hash {
        // The hash tells of order, too, which was noted; this is for what no place was found for.
        differences.add(Kind::Order, b"", b"", |out| out.push('/'));
    }
}

fn elements(a: &Element, b: &Element, place: &mut String, differences: &mut Differences) {
    if a.hash == b.hash {
        return;
    }
    attributes(a, b, place, differences);
    if a.text != b.text {
        let kind = match (a.text.is_empty(), b.text.is_empty()) {
            (true, _) => Kind::Added,
            (_, true) => Kind::Missing,
            _ => Kind::Value,
        };
        differences.add(kind, a.text.as_bytes(), b.text.as_bytes(), |out| {
            out.push_str(place);
            out.push_str("/text()");
        });
    }
    children(a, b, place, differences);
}

fn attributes(a: &Element, b: &Element, place: &str, differences: &mut Differences) {
    let at = |name: &str| format!("{place}/@{name}");
    let of = |element: &Element, name: &str| {
        element.attributes.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone())
    };
    for (name, value) in &a.attributes {
        match of(b, name) {
            None => differences.add(Kind::Missing, value.as_bytes(), b"", |out| out.push_str(&at(name))),
            Some(other) if other != *value => {
                differences.add(Kind::Value, value.as_bytes(), other.as_bytes(), |out| out.push_str(&at(name)));
            }
            Some(_) => {}
        }
    }
    for (name, value) in &b.attributes {
        if of(a, name).is_none() {
            differences.add(Kind::Added, b"", value.as_bytes(), |out| out.push_str(&at(name)));
        }
    }
}

fn children(a: &Element, b: &Element, place: &mut String, differences: &mut Differences) {
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, child) in b.children.iter().enumerate().rev() {
        places.entry(child.hash).or_default().push(index);
    }
    let (mut left, mut matched, mut is_taken) = (Vec::new(), Vec::new(), vec![false; b.children.len()]);
    for child in &a.children {
        match places.get_mut(&child.hash).and_then(Vec::pop) {
            Some(index) => {
                matched.push(index);
                if let Some(taken) = is_taken.get_mut(index) {
                    *taken = true;
                }
            }
            None => left.push(child),
        }
    }
    if !matched.is_sorted() {
        differences.add(Kind::Order, a.shown().as_bytes(), b.shown().as_bytes(), |out| {
            out.push_str(if place.is_empty() { "/" } else { place });
        });
    }
    let mut rest: HashMap<&str, std::collections::VecDeque<&Element>> = HashMap::new();
    let mut order = Vec::new();
    for (child, _) in b.children.iter().zip(is_taken).filter(|(_, taken)| !taken) {
        let of_name = rest.entry(&child.name).or_default();
        if of_name.is_empty() {
            order.push(child.name.as_str());
        }
        of_name.push_back(child);
    }
    let len = place.len();
    for child in left {
        place.push('/');
        place.push_str(&child.name);
        match rest.get_mut(child.name.as_str()).and_then(std::collections::VecDeque::pop_front) {
            Some(other) => elements(child, other, place, differences),
            None => differences.add(Kind::Missing, child.shown().as_bytes(), b"", |out| out.push_str(place)),
        }
        place.truncate(len);
    }
    for name in order {
        for child in rest.remove(name).into_iter().flatten() {
            differences.add(Kind::Added, b"", child.shown().as_bytes(), |out| {
                out.push_str(place);
                out.push('/');
                out.push_str(name);
            });
        }
    }
}
