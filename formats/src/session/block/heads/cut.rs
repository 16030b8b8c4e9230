//! How a writer cuts heads.
//!
//! A head of lines that end in CR LF becomes the names with everything around them, and a hole for each value, so that
//! equal names make equal templates. Anything else is one hole.

use std::ops::Range;

use foldhash::HashMap;

use super::super::recent::Recent;
use super::super::values::{Latest, ValueWriter};
use super::{Decimal, Hole};
use crate::session::number;

/// Templates and value columns that a writer makes in one block; a head that would need more is one hole.
const TEMPLATES_MAX: usize = 4_096;
/// Templates that a head is held against before it is cut.
const RECENT: usize = 6;
/// Heads of fewer lines have templates of their own, if their names are not longer than this.
pub(in super::super) const LINES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 128;

/// Which part of an exchange a head is. The columns of requests and responses are apart: a date is never an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Kind {
    Request,
    Response,
    Informational,
    RequestTrailers,
    ResponseTrailers,
}

impl Kind {
    const fn side(self) -> u8 {
        match self {
            Self::Request | Self::RequestTrailers => 0,
            Self::Response | Self::Informational | Self::ResponseTrailers => 1,
        }
    }

    /// Whether a hole may be the length of the message's body.
    const fn has_length(self) -> bool {
        matches!(self, Self::Request | Self::Response)
    }
}

/// How far a value reaches when a head is held against a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To the end of its line.
    Line,
    /// To the last space of its line: a request's target.
    Target,
    /// To the end of the head.
    All,
}

struct Part {
    literal: Vec<u8>,
    hole: Hole,
    reach: Reach,
}

/// Cuts heads and keeps their templates.
#[derive(Default)]
pub(in super::super) struct HeadWriter {
    templates: Vec<Vec<Part>>,
    /// By their bytes in the file.
    known: HashMap<Vec<u8>, usize>,
    columns: HashMap<(u8, Vec<u8>), usize>,
    values: Vec<ValueWriter>,
    /// For requests and for responses: the latest template of each client.
    latest: [Latest; 2],
    /// Likewise, the templates of whichever client came last.
    recent: [Recent<usize, RECENT>; 2],
    cut: Vec<Cut>,
    encoded: Vec<u8>,
    /// The values of the head at hand, and which of them are known to be their client's latest, by its place.
    places: Vec<(Range<usize>, Option<usize>)>,
}

/// A hole of the head at hand.
struct Cut {
    hole: Hole,
    reach: Reach,
    at: Range<usize>,
}

impl HeadWriter {
    /// Adds a head and returns the number that stands for its template, and by how many bytes the columns grew. Heads of
    /// requests and responses get 0 where the template is the client's latest.
    pub(in super::super) fn put(&mut self, kind: Kind, client: usize, head: &[u8], total_len: u64) -> (u64, usize) {
        let length = Decimal::of(total_len);
        let length = kind.has_length().then_some(&length);
        let slot = match kind {
            Kind::Request => Some(0),
            Kind::Response => Some(1),
            _ => None,
        };
        if let Some(latest) = slot.and_then(|slot| self.latest.get(slot)?.get(client))
            && self.fits(latest, client, head, length)
        {
            return (0, self.put_values(latest, client, head));
        }
        let recent = slot.and_then(|slot| self.recent(slot, client, head, length));
        let (template, grown) = recent.map_or_else(|| self.template(kind, head, length), |template| (template, 0));
        if let Some(slot) = slot {
            self.recent.iter_mut().skip(slot).take(1).for_each(|recent| recent.remember(template));
            self.latest.iter_mut().skip(slot).take(1).for_each(|latest| latest.set(client, template));
        }
        let values = self.put_values(template, client, head);
        (template as u64 + 1, grown + values + 1)
    }

    /// One of the templates that were used last, if the head fits it: cheaper than cutting it.
    fn recent(&mut self, slot: usize, client: usize, head: &[u8], length: Option<&Decimal>) -> Option<usize> {
        let recent = *self.recent.get(slot)?;
        recent.iter().find(|template| self.fits(*template, client, head, length))
    }

    /// Whether `head` is this template with some values, whose places are then in `places`.
    fn fits(&mut self, template: usize, client: usize, head: &[u8], length: Option<&Decimal>) -> bool {
        let Some(parts) = self.templates.get(template) else { return false };
        self.places.clear();
        let mut at = 0;
        for part in parts {
            let Some(rest) = head.get(at..).and_then(|rest| rest.strip_prefix(&part.literal[..])) else { return false };
            at += part.literal.len();
            let mut latest = None;
            let len = match part.hole {
                Hole::None => return rest.is_empty(),
                Hole::Length => match length {
                    Some(length) if rest.starts_with(length.text()) => length.text().len(),
                    _ => return false,
                },
                Hole::Value(column) => match part.reach {
                    // Everything fits here, also what should have a template of its own.
                    Reach::All => return false,
                    Reach::Line => {
                        // Most values are what the client sent before: then nothing is searched, nor compared again.
                        latest = self.values.get(column).and_then(|values| values.latest(client));
                        latest = latest.filter(|(_, value)| is_line(rest, value));
                        match latest.map_or_else(|| line_len(rest), |(_, value)| Some(value.len())) {
                            Some(len) => len,
                            None => return false,
                        }
                    }
                    Reach::Target => match line_len(rest).and_then(|len| target_len(rest.get(..len)?)) {
                        Some(len) => len,
                        None => return false,
                    },
                },
            };
            self.places.push((at..at + len, latest.map(|(place, _)| place)));
            at += len;
        }
        false
    }

    /// The number of the head's template, which is made if there is none yet. Its places are then in `places`.
    fn template(&mut self, kind: Kind, head: &[u8], length: Option<&Decimal>) -> (usize, usize) {
        let few = self.templates.len() < TEMPLATES_MAX && self.columns.len() < TEMPLATES_MAX;
        self.cut.clear();
        if !few || self.cut(kind, head, length).is_none() {
            self.cut.clear();
            let hole = self.hole(kind, b"");
            self.cut.push(Cut { hole, reach: Reach::All, at: 0..head.len() });
        }
        self.places.clear();
        self.places.extend(self.cut.iter().map(|cut| (cut.at.clone(), None)));
        self.encoded.clear();
        let mut end = 0;
        let tail = Cut { hole: Hole::None, reach: Reach::All, at: head.len()..head.len() };
        for cut in self.cut.iter().chain(std::iter::once(&tail)) {
            let literal = head.get(end..cut.at.start).unwrap_or_default();
            number::put(&mut self.encoded, literal.len() as u64);
            self.encoded.extend_from_slice(literal);
            number::put(&mut self.encoded, cut.hole.number());
            end = cut.at.end;
        }
        if let Some(template) = self.known.get(&self.encoded) {
            return (*template, 0);
        }
        let mut end = 0;
        let part = |cut: &Cut| {
            let literal = head.get(end..cut.at.start).unwrap_or_default().to_vec();
            end = cut.at.end;
            Part { literal, hole: cut.hole, reach: cut.reach }
        };
        let parts: Vec<Part> = self.cut.iter().chain(std::iter::once(&tail)).map(part).collect();
        let number = self.templates.len();
        self.templates.push(parts);
        self.known.insert(self.encoded.clone(), number);
        (number, self.encoded.len())
    }

    /// Finds the holes of a head; `None` if it is not one of well-formed lines.
    fn cut(&mut self, kind: Kind, head: &[u8], length: Option<&Decimal>) -> Option<()> {
        let mut at = 0;
        match kind {
            Kind::Request => {
                let line = head.get(..line_len(head)?)?;
                let target = memchr::memchr(b' ', line)? + 1;
                let end = target + target_len(line.get(target..)?)?;
                // What follows the target is part of the template, so it must not be anything.
                if target > NAME_BYTES_MAX || line.len() - end > NAME_BYTES_MAX {
                    return None;
                }
                let hole = self.hole(kind, b" ");
                self.cut.push(Cut { hole, reach: Reach::Target, at: target..end });
                at = line.len() + 2;
            }
            Kind::Response | Kind::Informational => {
                at = line_len(head)? + 2;
                if at > NAME_BYTES_MAX {
                    return None;
                }
            }
            Kind::RequestTrailers | Kind::ResponseTrailers => {}
        }
        for _ in 0..LINES_MAX {
            let rest = head.get(at..)?;
            if rest.is_empty() || rest == b"\r\n" {
                return Some(());
            }
            let line = rest.get(..line_len(rest)?)?;
            let colon = memchr::memchr(b':', line).filter(|colon| *colon <= NAME_BYTES_MAX)?;
            let start = if line.get(colon + 1) == Some(&b' ') { colon + 2 } else { colon + 1 };
            let (name, value) = line.split_at_checked(start)?;
            let is_length = length.is_some_and(|length| length.text() == value)
                && line.get(..colon).is_some_and(|name| name.eq_ignore_ascii_case(b"content-length"));
            let hole = if is_length { Hole::Length } else { self.hole(kind, name) };
            self.cut.push(Cut { hole, reach: Reach::Line, at: at + start..at + line.len() });
            at += line.len() + 2;
        }
        None
    }

    fn hole(&mut self, kind: Kind, name: &[u8]) -> Hole {
        let key = match is_echoed(name) {
            true => (BOTH_SIDES, name.to_ascii_lowercase()),
            false => (kind.side(), name.to_vec()),
        };
        let next = self.columns.len();
        Hole::Value(*self.columns.entry(key).or_insert(next))
    }

    /// Puts what `places` says into the columns of a template.
    fn put_values(&mut self, template: usize, client: usize, head: &[u8]) -> usize {
        let Some(parts) = self.templates.get(template) else { return 0 };
        let mut grown = 0;
        for (part, (place, latest)) in parts.iter().zip(&self.places) {
            let Hole::Value(column) = part.hole else { continue };
            if self.values.len() <= column {
                self.values.resize_with(column + 1, ValueWriter::default);
            }
            if let (Some(values), Some(value)) = (self.values.get_mut(column), head.get(place.clone())) {
                grown += values.put_at(client, *latest, value);
            }
        }
        grown
    }

    /// Appends the templates in the order of their numbers.
    pub(in super::super) fn templates(&self, out: &mut Vec<u8>) {
        let mut all: Vec<(&usize, &Vec<u8>)> = self.known.iter().map(|(encoded, number)| (number, encoded)).collect();
        all.sort_unstable();
        all.into_iter().for_each(|(_, encoded)| out.extend_from_slice(encoded));
    }

    /// How many templates and value columns there are.
    pub(in super::super) fn counts(&self) -> (usize, usize) {
        (self.templates.len(), self.columns.len())
    }

    /// The value columns in order.
    pub(in super::super) fn values(&mut self) -> impl Iterator<Item = (usize, &mut ValueWriter)> {
        self.values.iter_mut().enumerate().filter(|(_, values)| !values.is_empty())
    }

    /// Forgets the block's heads.
    pub(in super::super) fn clear(&mut self) {
        self.templates.clear();
        self.known.clear();
        self.columns.clear();
        self.values.iter_mut().for_each(ValueWriter::clear);
        self.latest.iter_mut().for_each(Latest::clear);
        self.recent = Default::default();
    }
}

/// Stands for requests and responses together, beside the numbers of [`Kind::side`].
const BOTH_SIDES: u8 = 2;

/// Whether an answer is likely to repeat what the request had in a field of this name: `X-Request-Id: ` and the like. What it
/// repeats is then the client's latest value.
fn is_echoed(name: &[u8]) -> bool {
    let name = name.trim_ascii_end();
    let name = name.strip_suffix(b":").unwrap_or(name);
    name.last_chunk().is_some_and(|end: &[u8; 2]| end.eq_ignore_ascii_case(b"id"))
}

/// Whether the next line is `value`.
fn is_line(rest: &[u8], value: &[u8]) -> bool {
    rest.strip_prefix(value).is_some_and(|rest| rest.starts_with(b"\r\n"))
}

/// Bytes before the next CR LF.
fn line_len(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'\r', bytes.get(from..)?)?;
        if bytes.get(at + 1) == Some(&b'\n') {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Bytes before the last space.
fn target_len(line: &[u8]) -> Option<usize> {
    memchr::memrchr(b' ', line)
}
