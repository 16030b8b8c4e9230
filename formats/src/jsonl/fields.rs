//! Field lines, made of their names and values as these are read: nothing is kept of them but the lines.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::head::{is_token, is_value};

/// `name: value CRLF`, as often as there are pairs.
#[derive(Debug, Default)]
pub(super) struct FieldLines {
    lines: Vec<u8>,
    wrong: Option<Wrong>,
}

/// The first pair that cannot be a field line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrong {
    pub(super) index: usize,
    pub(super) why: &'static str,
}

impl FieldLines {
    /// The lines, if every pair made one.
    pub(super) fn lines(self) -> Result<Vec<u8>, Wrong> {
        match self.wrong {
            None => Ok(self.lines),
            Some(wrong) => Err(wrong),
        }
    }
}

impl<'de> Deserialize<'de> for FieldLines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = FieldLines;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<FieldLines, A::Error> {
        let mut made = FieldLines { lines: Vec::with_capacity(1024), wrong: None };
        let mut index = 0;
        while pairs.next_element_seed(Pair { index, made: &mut made })?.is_some() {
            index += 1;
        }
        Ok(made)
    }
}

struct Pair<'a> {
    index: usize,
    made: &'a mut FieldLines,
}

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tuple of size 2")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<(), A::Error> {
        let Self { index, made } = self;
        let name = Part { index, made, is_part: is_token, why: NAME, after: b": " };
        parts.next_element_seed(name)?.ok_or_else(|| Error::invalid_length(0, &"a tuple of size 2"))?;
        let value = Part { index, made, is_part: is_value, why: VALUE, after: b"\r\n" };
        parts.next_element_seed(value)?.ok_or_else(|| Error::invalid_length(1, &"a tuple of size 2"))
    }
}

const NAME: &str = "the name is empty, or has a character that a header's name cannot have";
const VALUE: &str = "the value has a line end or a control character";

struct Part<'a> {
    index: usize,
    made: &'a mut FieldLines,
    is_part: fn(&str) -> bool,
    why: &'static str,
    after: &'static [u8; 2],
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if !(self.is_part)(text) {
            self.made.wrong.get_or_insert(Wrong { index: self.index, why: self.why });
        }
        self.made.lines.extend_from_slice(text.as_bytes());
        self.made.lines.extend_from_slice(self.after);
        Ok(())
    }
}
