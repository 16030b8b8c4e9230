//! Heads as templates with holes: how a writer cuts them, and how a reader puts them together.
//!
//! A head of lines that end in CR LF becomes the names with everything around them, and a hole for each value, so that
//! equal names make equal templates. Anything else is one hole.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use foldhash::HashMap;

use super::super::number;
use super::HEAD_BYTES_MAX;
use super::values::{Latest, ValueReader, ValueWriter};

/// Templates and value columns that a writer makes in one block; a head that would need more is one hole.
const TEMPLATES_MAX: usize = 4_096;
/// Templates that a head is held against before it is cut.
const RECENT: usize = 6;
/// Lines of a head and length of a name for which a template is made.
const LINES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 128;

/// Which part of an exchange a head is. The columns of requests and responses are apart: a date is never an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    None,
    /// The length as sent.
    Length,
    /// A value column.
    Value(usize),
}

impl Hole {
    const fn number(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Length => 1,
            Self::Value(column) => column as u64 + 2,
        }
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
pub(super) struct HeadWriter {
    templates: Vec<Vec<Part>>,
    /// By their bytes in the file.
    known: HashMap<Vec<u8>, usize>,
    columns: HashMap<(u8, Vec<u8>), usize>,
    values: Vec<ValueWriter>,
    /// For requests and for responses: the latest template of each client.
    latest: [Latest; 2],
    /// Likewise, the templates of whichever client came last.
    recent: [[Option<usize>; RECENT]; 2],
    cut: Vec<Cut>,
    encoded: Vec<u8>,
    places: Vec<Range<usize>>,
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
    pub(super) fn put(&mut self, kind: Kind, client: usize, head: &[u8], total_len: u64) -> (u64, usize) {
        let length = Decimal::of(total_len);
        let length = kind.has_length().then_some(&length);
        let slot = match kind {
            Kind::Request => Some(0),
            Kind::Response => Some(1),
            _ => None,
        };
        if let Some(latest) = slot.and_then(|slot| self.latest.get(slot)?.get(client))
            && self.fits(latest, head, length)
        {
            return (0, self.put_values(latest, client, head));
        }
        let recent = slot.and_then(|slot| self.recent(slot, head, length));
        let (template, grown) = recent.map_or_else(|| self.template(kind, head, length), |template| (template, 0));
        if let Some(slot) = slot {
            self.remember(slot, template);
            self.latest.iter_mut().skip(slot).take(1).for_each(|latest| latest.set(client, template));
        }
        let values = self.put_values(template, client, head);
        (template as u64 + 1, grown + values + 1)
    }

    /// One of the templates that were used last, if the head fits it: cheaper than cutting it.
    fn recent(&mut self, slot: usize, head: &[u8], length: Option<&Decimal>) -> Option<usize> {
        let recent = *self.recent.get(slot)?;
        recent.into_iter().flatten().find(|template| self.fits(*template, head, length))
    }

    fn remember(&mut self, slot: usize, template: usize) {
        let Some(recent) = self.recent.get_mut(slot) else { return };
        let at = recent.iter().position(|known| *known == Some(template)).unwrap_or(recent.len() - 1);
        if let Some(used) = recent.get_mut(..=at) {
            used.rotate_right(1);
            used.iter_mut().take(1).for_each(|first| *first = Some(template));
        }
    }

    /// Whether `head` is this template with some values, whose places are then in `places`.
    fn fits(&mut self, template: usize, head: &[u8], length: Option<&Decimal>) -> bool {
        let Some(parts) = self.templates.get(template) else { return false };
        self.places.clear();
        let mut at = 0;
        for part in parts {
            let Some(rest) = head.get(at..).and_then(|rest| rest.strip_prefix(&part.literal[..])) else { return false };
            at += part.literal.len();
            let len = match part.hole {
                Hole::None => return rest.is_empty(),
                Hole::Length => match length {
                    Some(length) if rest.starts_with(length.text()) => length.text().len(),
                    _ => return false,
                },
                Hole::Value(_) => match part.reach {
                    // Everything fits here, also what should have a template of its own.
                    Reach::All => return false,
                    Reach::Line => match line_len(rest) {
                        Some(len) => len,
                        None => return false,
                    },
                    Reach::Target => match line_len(rest).and_then(|len| target_len(rest.get(..len)?)) {
                        Some(len) => len,
                        None => return false,
                    },
                },
            };
            self.places.push(at..at + len);
            at += len;
        }
        false
    }

    /// The number of the head's template, which is made if there is none yet. Its places are then in `places`.
    fn template(&mut self, kind: Kind, head: &[u8], length: Option<&Decimal>) -> (usize, usize) {
        let few = self.templates.len() < TEMPLATES_MAX && self.values.len() < TEMPLATES_MAX;
        self.cut.clear();
        if !few || self.cut(kind, head, length).is_none() {
            self.cut.clear();
            let hole = self.hole(kind, b"");
            self.cut.push(Cut { hole, reach: Reach::All, at: 0..head.len() });
        }
        self.places.clear();
        self.places.extend(self.cut.iter().map(|cut| cut.at.clone()));
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
        let key = (kind.side(), name.to_vec());
        let next = self.columns.len();
        Hole::Value(*self.columns.entry(key).or_insert(next))
    }

    /// Puts what `places` says into the columns of a template.
    fn put_values(&mut self, template: usize, client: usize, head: &[u8]) -> usize {
        let Some(parts) = self.templates.get(template) else { return 0 };
        let mut grown = 0;
        for (part, place) in parts.iter().zip(&self.places) {
            let Hole::Value(column) = part.hole else { continue };
            if self.values.len() <= column {
                self.values.resize_with(column + 1, ValueWriter::default);
            }
            if let (Some(values), Some(value)) = (self.values.get_mut(column), head.get(place.clone())) {
                grown += values.put(client, value);
            }
        }
        grown
    }

    /// Appends the templates in the order of their numbers.
    pub(super) fn templates(&self, out: &mut Vec<u8>) {
        let mut all: Vec<(&usize, &Vec<u8>)> = self.known.iter().map(|(encoded, number)| (number, encoded)).collect();
        all.sort_unstable();
        all.into_iter().for_each(|(_, encoded)| out.extend_from_slice(encoded));
    }

    /// The value columns in order.
    pub(super) fn values(&mut self) -> impl Iterator<Item = (usize, &mut ValueWriter)> {
        self.values.iter_mut().enumerate().filter(|(_, values)| !values.is_empty())
    }

    /// Forgets the block's heads.
    pub(super) fn clear(&mut self) {
        self.templates.clear();
        self.known.clear();
        self.columns.clear();
        self.values.iter_mut().for_each(ValueWriter::clear);
        self.latest.iter_mut().for_each(Latest::clear);
        self.recent = Default::default();
    }
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

/// A number's decimal digits.
struct Decimal {
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    fn of(mut n: u64) -> Self {
        let mut decimal = Self { digits: [0; 20], from: 20 };
        loop {
            decimal.from -= 1;
            if let Some(digit) = decimal.digits.get_mut(decimal.from) {
                *digit = b'0' + (n % 10) as u8;
            }
            n /= 10;
            if n == 0 {
                return decimal;
            }
        }
    }

    fn text(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or_default()
    }
}

/// Puts heads together.
pub(super) struct HeadReader {
    /// Each: literals and holes.
    templates: Vec<Vec<(Bytes, Hole)>>,
    /// For requests and for responses: the latest template of each client.
    latest: [Latest; 2],
    arena: BytesMut,
}

impl HeadReader {
    pub(super) fn new(column: &Bytes) -> Option<Self> {
        let mut templates = Vec::new();
        let mut rest = &column[..];
        while !rest.is_empty() {
            let mut parts = Vec::new();
            loop {
                let len = number::take(&mut rest)?;
                let literal = column.slice_ref(number::take_bytes(&mut rest, len)?);
                let hole = match number::take(&mut rest)? {
                    0 => Hole::None,
                    1 => Hole::Length,
                    n => Hole::Value(usize::try_from(n - 2).ok()?),
                };
                parts.push((literal, hole));
                if hole == Hole::None {
                    break;
                }
            }
            templates.push(parts);
        }
        Some(Self { templates, latest: Default::default(), arena: BytesMut::new() })
    }

    /// The next head of a request (`slot` 0) or response (1), of the client's latest template where `number` is 0.
    pub(super) fn take_latest(
        &mut self,
        slot: usize,
        number: usize,
        client: usize,
        length: u64,
        values: &mut [ValueReader],
    ) -> Result<Bytes, String> {
        let latest = self.latest.get_mut(slot).ok_or("there are only requests and responses")?;
        let template = match number.checked_sub(1) {
            Some(template) => {
                latest.set(client, template);
                template
            }
            None => latest.get(client).ok_or("a template that no head before told")?,
        };
        self.take(template, client, Some(length), values)
    }

    /// The next head of a template; `length` is that of the message, where a hole may be it.
    pub(super) fn take(
        &mut self,
        template: usize,
        client: usize,
        length: Option<u64>,
        values: &mut [ValueReader],
    ) -> Result<Bytes, String> {
        let parts = self.templates.get(template).ok_or_else(|| format!("there is no template {template}"))?;
        if self.arena.capacity() < ARENA_BYTES / 8 {
            self.arena.reserve(ARENA_BYTES);
        }
        for (literal, hole) in parts {
            self.arena.extend_from_slice(literal);
            match hole {
                Hole::None => {}
                Hole::Length => {
                    let length = length.ok_or("a template has a length where there is none")?;
                    self.arena.extend_from_slice(Decimal::of(length).text());
                }
                Hole::Value(column) => {
                    let value = values.get_mut(*column).and_then(|values| values.take(client));
                    let value = value.ok_or_else(|| format!("value column {column} has no such value"))?;
                    self.arena.extend_from_slice(value);
                }
            }
            if self.arena.len() > HEAD_BYTES_MAX {
                return Err(format!("a head is longer than {HEAD_BYTES_MAX} bytes"));
            }
        }
        Ok(self.arena.split().freeze())
    }
}

/// Heads are put together in rooms of this size, so that each does not need its own.
const ARENA_BYTES: usize = 64 << 10;
