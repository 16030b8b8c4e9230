//! Templates of bodies: a small JSON body becomes its structure, shared, and its values, each in the column of its name.
//!
//! By its name and not by its path, since an answer often says what its request said, under the same name elsewhere. A body is
//! cut into parts (see [`Json::scan`]), each with a template of its own, so that lists need none for each number of entries.

use std::ops::{Range, RangeInclusive};

use foldhash::HashMap;

use super::super::recent::Recent;
use super::super::values::ValueWriter;
use super::json::{Ends, HOLE, Json};
use crate::session::number;

/// Bodies for which templates are made: a shorter one costs less than what stands for it, a longer one compresses by itself.
const BODY_BYTES: RangeInclusive<usize> = 32..=BODY_BYTES_MAX;
pub(in super::super) const BODY_BYTES_MAX: usize = 4 << 10;
/// Templates and columns of a block.
const TEMPLATES_MAX: usize = 4_096;
const COLUMNS_MAX: usize = 1_024;
/// Templates that may be made before a part fits one; then one for every so many parts that have one. Where no structure comes
/// again (names that are data), bodies are stored as they are.
const TEMPLATES_FREE: usize = 64;
const PARTS_A_TEMPLATE: usize = 4;
/// Bodies more than those that have templates which may be looked at in vain, before the rest of a block is not looked at.
const REFUSED_FREE: usize = 64;
/// Templates that are tried first: those which came last at this place.
const RECENT: usize = 4;

/// A hole of a template, behind its literal.
struct Hole {
    /// Where its literal ends in the template's.
    literal_end: usize,
    ends: Ends,
    column: usize,
}

struct Template {
    /// All of them, the one behind the last hole included.
    literals: Box<[u8]>,
    holes: Box<[Hole]>,
    /// Whether nothing may follow: it was no whole object.
    is_last: bool,
    /// What came behind it.
    next: Recent<u32, RECENT>,
}

/// Templates and values of a block's bodies.
#[derive(Default)]
pub(super) struct Templates {
    json: Json,
    all: Vec<Template>,
    known: HashMap<Box<[u8]>, u32>,
    names: HashMap<Box<[u8]>, usize>,
    columns: Vec<ValueWriter>,
    /// What bodies begin with.
    first: Recent<u32, RECENT>,
    /// Parts that have a template, bodies that have, and bodies that have none though they were looked at.
    parts: usize,
    bodies: usize,
    refused: usize,
    /// Bytes of new templates that no body has been counted with.
    grown: usize,
    /// The parts of the body at hand, and its values with their columns.
    cut: Vec<u32>,
    values: Vec<(usize, Range<usize>)>,
}

impl Templates {
    /// Adds a body if there are or may be templates for it: its parts' numbers, from 1, go to `numbers`. Returns by how many
    /// bytes the columns grew.
    pub(super) fn put(&mut self, body: &[u8], numbers: &mut Vec<u32>) -> Option<usize> {
        let is_looked_at = BODY_BYTES.contains(&body.len())
            && matches!(body.first(), Some(b'{' | b'['))
            && self.refused <= REFUSED_FREE + self.bodies;
        if !is_looked_at {
            return None;
        }
        if self.cut(body).is_none() {
            self.refused += 1;
            return None;
        }
        // Those of bodies that were refused in between, too: a block keeps them.
        let mut grown = std::mem::take(&mut self.grown);
        self.bodies += 1;
        self.parts += self.cut.len();
        numbers.extend(self.cut.iter().map(|template| template + 1));
        for (column, value) in &self.values {
            if let (Some(column), Some(value)) = (self.columns.get_mut(*column), body.get(value.clone())) {
                grown += column.put(0, value);
            }
        }
        Some(grown + self.cut.len())
    }

    /// Cuts a body into parts and values, if there are or may be templates for all of them.
    fn cut(&mut self, body: &[u8]) -> Option<()> {
        self.cut.clear();
        self.values.clear();
        let (mut at, mut before) = (0, None);
        while at < body.len() {
            let recent = *self.recent(before)?;
            let known = recent.iter().find_map(|template| Some((template, self.fit(template, body, at)?)));
            let (template, end) = match known {
                Some(known) => known,
                None => self.scan(body, at)?,
            };
            self.recent(before)?.remember(template);
            self.cut.push(template);
            (at, before) = (end, Some(template));
        }
        Some(())
    }

    /// What came last behind a template, or first of a body.
    fn recent(&mut self, before: Option<u32>) -> Option<&mut Recent<u32, RECENT>> {
        match before {
            None => Some(&mut self.first),
            Some(template) => self.all.get_mut(template as usize).map(|template| &mut template.next),
        }
    }

    /// Where the part ends that begins at `from`, if it is this template with some values, which are then among `values`.
    fn fit(&mut self, template: u32, body: &[u8], from: usize) -> Option<usize> {
        let before = self.values.len();
        let fits = fit(self.all.get(template as usize)?, body, from, &mut self.values);
        if fits.is_none() {
            self.values.truncate(before);
        }
        fits
    }

    /// The template of the part that begins at `from`, which is made unless there are too many, and where the part ends.
    fn scan(&mut self, body: &[u8], from: usize) -> Option<(u32, usize)> {
        let end = self.json.scan(body, from)?;
        // A structure without any value is the end of a body, or no body to make a template of.
        if from == 0 && self.json.values.is_empty() {
            return None;
        }
        let template = match self.known.get(&self.json.structure[..]) {
            Some(template) => *template,
            None => self.add(body)?,
        };
        let holes = &self.all.get(template as usize)?.holes;
        let columns = holes.iter().map(|hole| hole.column);
        self.values.extend(columns.zip(self.json.values.iter().map(|value| value.at.clone())));
        Some((template, end))
    }

    /// Makes a template of what was scanned, unless there are too many.
    fn add(&mut self, body: &[u8]) -> Option<u32> {
        let number = self.all.len();
        if number >= TEMPLATES_MAX || number >= TEMPLATES_FREE + self.parts / PARTS_A_TEMPLATE {
            return None;
        }
        let Json { values, structure } = &self.json;
        let mut holes = Vec::with_capacity(values.len());
        let mut literal_end = 0;
        for (value, literal) in values.iter().zip(structure.split(|byte| *byte == HOLE)) {
            literal_end += literal.len();
            let name = body.get(value.name.clone())?;
            let column = match self.names.get(name) {
                Some(column) => *column,
                None if self.names.len() < COLUMNS_MAX => {
                    let next = self.names.len();
                    self.names.insert(name.into(), next);
                    next
                }
                None => return None,
            };
            holes.push(Hole { literal_end, ends: value.ends, column });
        }
        if self.columns.len() < self.names.len() {
            self.columns.resize_with(self.names.len(), ValueWriter::default);
        }
        let is_last = holes.is_empty() || structure.last() != Some(&b'}');
        let literals = structure.iter().copied().filter(|byte| *byte != HOLE).collect();
        self.grown += structure.len() + holes.len() * 2;
        self.all.push(Template { literals, holes: holes.into(), is_last, next: Recent::default() });
        let number = u32::try_from(number).ok()?;
        self.known.insert(structure[..].into(), number);
        Some(number)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bodies == 0
    }

    /// Appends the templates in the order of their numbers; their columns count from `first_column` on.
    pub(super) fn encode(&self, first_column: usize, out: &mut Vec<u8>) {
        for template in &self.all {
            let mut from = 0;
            let ends = template.holes.iter().map(|hole| (hole.literal_end, (first_column + hole.column) as u64 + 2));
            for (end, hole) in ends.chain(std::iter::once((template.literals.len(), 0))) {
                let literal = template.literals.get(from..end).unwrap_or_default();
                number::put(out, literal.len() as u64);
                out.extend_from_slice(literal);
                number::put(out, hole);
                from = end;
            }
        }
    }

    /// The value columns in order.
    pub(super) fn values(&mut self) -> impl Iterator<Item = (usize, &mut ValueWriter)> {
        self.columns.iter_mut().enumerate().filter(|(_, values)| !values.is_empty())
    }

    /// Forgets the block's bodies. Room beyond `keep` bytes is given back.
    pub(super) fn clear(&mut self, keep: usize) {
        self.all.clear();
        self.known.clear();
        self.names.clear();
        self.first = Recent::default();
        (self.parts, self.bodies, self.refused, self.grown) = (0, 0, 0, 0);
        self.columns.iter_mut().for_each(ValueWriter::clear);
        if self.columns.iter().map(ValueWriter::room).sum::<usize>() > keep {
            self.columns = Vec::new();
        }
    }
}

fn fit(template: &Template, body: &[u8], from: usize, values: &mut Vec<(usize, Range<usize>)>) -> Option<usize> {
    let (mut at, mut literal) = (from, 0);
    for hole in &template.holes {
        let expected = template.literals.get(literal..hole.literal_end)?;
        body.get(at..)?.strip_prefix(expected)?;
        at += expected.len();
        literal = hole.literal_end;
        let end = hole.ends.find(body, at)?;
        values.push((hole.column, at..end));
        at = end;
    }
    let expected = template.literals.get(literal..)?;
    let rest = body.get(at..)?.strip_prefix(expected)?;
    (rest.is_empty() || !template.is_last).then_some(at + expected.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length of a name.
    const NAME: usize = 40;

    fn body(name: usize) -> Vec<u8> {
        format!("{{\"a structure {name} of its own, of some length\":1}}").into_bytes()
    }

    fn put(templates: &mut Templates, body: &[u8]) -> Option<Vec<u32>> {
        let mut numbers = Vec::new();
        templates.put(body, &mut numbers).map(|_| numbers)
    }

    #[test]
    fn where_no_structure_comes_again_bodies_are_stored_as_they_are() {
        let mut templates = Templates::default();
        let made = (0..1_000).filter(|name| put(&mut templates, &body(*name)).is_some()).count();
        // Each of them is a part itself, and so allows a quarter of one more.
        let allowed = |made: usize| made < TEMPLATES_FREE + made / PARTS_A_TEMPLATE;
        assert_eq!(made, (0..).find(|made| !allowed(*made)).unwrap());
        assert_eq!(put(&mut templates, &body(0)), None, "after so many the rest of the block is not looked at");
        templates.clear(usize::MAX);
        assert!(put(&mut templates, &body(999)).is_some(), "the next block begins anew");
    }

    #[test]
    fn structures_that_come_again_have_templates_among_others_that_do_not() {
        let mut templates = Templates::default();
        let again = (0..1_000).filter(|name| {
            put(&mut templates, &body(1_000_000 + name));
            put(&mut templates, &body(0)).is_some()
        });
        assert_eq!(again.count(), 1_000);
    }

    #[test]
    fn lists_of_any_length_share_templates() {
        let list =
            |count: usize| format!("{{\"list of objects\":[{}]}}", vec!["{\"n\":1}"; count].join(",")).into_bytes();
        let mut templates = Templates::default();
        assert_eq!(put(&mut templates, &list(2)), Some(vec![1, 2, 3]));
        assert_eq!(put(&mut templates, &list(4)), Some(vec![1, 2, 2, 2, 3]));
        // A whole object may be the last part.
        let flat = b"{\"of its own, of some length\":\"n\"}";
        assert_eq!(put(&mut templates, flat), Some(vec![4]));
        assert_eq!(put(&mut templates, &[b"[", &flat[..], b"]"].concat()), Some(vec![5, 6]));
        assert_eq!(put(&mut templates, flat), Some(vec![4]));
    }

    #[test]
    fn what_a_refused_body_left_is_counted_with_the_next_one() {
        let grown = |refused: &[&[u8]]| {
            let mut templates = Templates::default();
            let mut numbers = Vec::new();
            for body in refused {
                assert_eq!(templates.put(body, &mut numbers), None);
            }
            templates.put(&body(0), &mut numbers).unwrap()
        };
        // The first part has a template, and behind it comes what is none.
        let refused = [b"[{\"", "n".repeat(NAME).as_bytes(), b"\":1},'odd']"].concat();
        assert_eq!(grown(&[&refused, &refused]), grown(&[]) + "[{\"\":\0}".len() + NAME + 2);
    }

    #[test]
    fn only_bodies_of_some_length_are_looked_at() {
        let json = |len: usize| format!("[\"{}\"]", "x".repeat(len - 4)).into_bytes();
        let is_put = |len| put(&mut Templates::default(), &json(len)).is_some();
        let (least, most) = BODY_BYTES.into_inner();
        assert_eq!([least - 1, least, most, most + 1].map(is_put), [false, true, true, false]);
    }

    #[test]
    fn there_are_no_more_columns_than_there_may_be() {
        let mut templates = Templates { parts: 1 << 20, ..Templates::default() };
        assert!((0..COLUMNS_MAX).all(|name| put(&mut templates, &body(name)).is_some()));
        assert_eq!(put(&mut templates, &body(COLUMNS_MAX)), None);
    }
}
