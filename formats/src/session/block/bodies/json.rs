//! Where the values of a JSON body stand: what is between them is its structure.
//!
//! This is no parser and refuses little: what it takes for a value or a name only decides how well a body compresses. It
//! allocates for no token, and says the same of the same bytes.

use std::ops::Range;

use crate::json_string;

/// Values of a part for which a template is made.
const VALUES_MAX: usize = 512;
/// Longest name; one that is longer is rather a value.
const NAME_BYTES_MAX: usize = 64;
/// Stands for a value in the structure, where no other byte may be it.
pub(super) const HOLE: u8 = 0;

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) at: Range<usize>,
    pub(super) ends: Ends,
    /// The name in front of it: that of its member, or in an array the latest there was in its part.
    pub(super) name: Range<usize>,
}

/// Where a value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Before the quote that ends a string.
    Quote,
    /// Before the first byte that is no part of a number, `true`, `false` or `null`.
    Word,
}

impl Ends {
    /// Where the value ends that begins at `from`.
    pub(super) fn find(self, body: &[u8], from: usize) -> Option<usize> {
        match self {
            Self::Quote => json_string::end(body, from),
            Self::Word => {
                let len = body.get(from..)?.iter().position(|byte| !matches!(class(*byte), Class::Word));
                Some(len.map_or(body.len(), |len| from + len))
            }
        }
    }
}

/// What the scan of a part of a body found.
#[derive(Default)]
pub(super) struct Json {
    pub(super) values: Vec<Value>,
    /// Everything else, with a [`HOLE`] where a value was.
    pub(super) structure: Vec<u8>,
}

impl Json {
    /// Scans the part of `body` that begins at `from`, and returns where it ends: behind the first `}` with a value before
    /// it, so that objects of a list are parts that look alike however many there are, or at the end of the body. `None`
    /// where it cannot be a structure with values.
    pub(super) fn scan(&mut self, body: &[u8], from: usize) -> Option<usize> {
        self.values.clear();
        self.structure.clear();
        let (mut at, mut literal, mut name) = (from, from, 0..0);
        while let Some(byte) = body.get(at) {
            let (value, ends) = match class(*byte) {
                Class::Between => {
                    at += 1;
                    continue;
                }
                Class::Close => {
                    at += 1;
                    if self.values.is_empty() {
                        continue;
                    }
                    break;
                }
                Class::Quote => {
                    let text = at + 1..json_string::end(body, at + 1)?;
                    at = text.end + 1;
                    if is_name(body.get(at..)?) {
                        if text.len() > NAME_BYTES_MAX {
                            return None;
                        }
                        name = text;
                        continue;
                    }
                    (text, Ends::Quote)
                }
                Class::Word => {
                    let start = at;
                    at = Ends::Word.find(body, at)?;
                    (start..at, Ends::Word)
                }
                Class::Odd => return None,
            };
            if self.values.len() == VALUES_MAX {
                return None;
            }
            self.structure.extend_from_slice(body.get(literal..value.start)?);
            self.structure.push(HOLE);
            literal = value.end;
            self.values.push(Value { at: value, ends, name: name.clone() });
        }
        self.structure.extend_from_slice(body.get(literal..at)?);
        // A name may hold any byte, and then nobody could tell where the values were.
        let holes = self.structure.iter().filter(|byte| **byte == HOLE).count();
        (holes == self.values.len()).then_some(at)
    }
}

/// What a byte is outside of strings.
#[derive(Clone, Copy)]
enum Class {
    /// Brackets, commas, colons, white space.
    Between,
    /// The end of an object.
    Close,
    Quote,
    /// Part of a number or of a word.
    Word,
    Odd,
}

const fn class(byte: u8) -> Class {
    match byte {
        b'{' | b'[' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => Class::Between,
        b'}' => Class::Close,
        b'"' => Class::Quote,
        b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Class::Word,
        _ => Class::Odd,
    }
}

/// Whether a string in front of this was a name.
fn is_name(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values with the names in front of them.
    type Named<'a> = Vec<(&'a str, &'a str)>;

    /// The structures of all parts with `_` for values, and the values.
    fn scanned(body: &str) -> Option<(Vec<String>, Named<'_>)> {
        let (mut json, mut from) = (Json::default(), 0);
        let (mut structures, mut values) = (Vec::new(), Vec::new());
        while from < body.len() {
            from = json.scan(body.as_bytes(), from)?;
            structures.push(String::from_utf8(json.structure.clone()).unwrap().replace('\0', "_"));
            values.extend(json.values.iter().map(|value| (&body[value.name.clone()], &body[value.at.clone()])));
        }
        Some((structures, values))
    }

    #[test]
    fn values_are_told_from_names_and_structure() {
        let (structures, values) =
            scanned(r#"{"a": "x\"y", "b" : [1, -2.5e+3, {"c":null}],"d":"", "e":{}, "f":"\\"}"#).unwrap();
        assert_eq!(structures, [r#"{"a": "_", "b" : [_, _, {"c":_}"#, r#"],"d":"_", "e":{}"#, r#", "f":"_"}"#]);
        let expected = [("a", r#"x\"y"#), ("b", "1"), ("b", "-2.5e+3"), ("c", "null"), ("d", ""), ("f", r"\\")];
        assert_eq!(values, expected);
        assert_eq!(scanned("[true]").unwrap(), (vec!["[_]".to_owned()], vec![("", "true")]));
    }

    #[test]
    fn objects_of_a_list_look_alike_however_many_there_are() {
        let (structures, _) = scanned(r#"{"all":[{"n":1},{"n":2},{"n":3}],"of":{"n":4}}"#).unwrap();
        assert_eq!(structures, [r#"{"all":[{"n":_}"#, r#",{"n":_}"#, r#",{"n":_}"#, r#"],"of":{"n":_}"#, "}"]);
    }

    #[test]
    fn what_cannot_be_put_together_again_is_refused() {
        let long = format!(r#"{{"{}":1}}"#, "n".repeat(NAME_BYTES_MAX + 1));
        let many = format!("[{}]", vec!["1"; VALUES_MAX + 1].join(","));
        for odd in [r#"{"a"#, r#"{"a":"\"#, r#"{"a":"\""#, "{'a':1}", "{\"\0\":1}", &long, &many] {
            assert_eq!(scanned(odd), None, "{odd}");
        }
        let as_long = format!(r#"{{"{}":1}}"#, "n".repeat(NAME_BYTES_MAX));
        let as_many = format!("[{}]", vec!["1"; VALUES_MAX].join(","));
        assert!(scanned(&as_long).is_some() && scanned(&as_many).is_some());
    }
}
