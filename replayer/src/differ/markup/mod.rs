//! XML and HTML by their structure: elements, attributes and text, wherever lines end and however they are indented.
//!
//! `xml` and `html` make the same tree of what they read; `tree` is that tree and how two of them differ. A place is the
//! way down by names: `/html/body/ul/li/@class`, `/feed/entry/title/text()`. What cannot be read as what it says it is, on
//! both sides, is compared line by line.

mod html;
mod tree;
mod xml;

use super::found::{Differences, Kind};
use super::lines;
use tree::Element;

pub(super) fn xml(before: &[u8], after: &[u8], differences: &mut Differences) {
    match (xml::read(before), xml::read(after)) {
        (Ok(a), Ok(b)) => tree::diff(&a, &b, differences),
        (Err(_), Err(_)) => lines::diff(before, after, differences),
        (a, b) => {
            let why = |read: Result<Element, String>| read.err().unwrap_or_default();
            let (a, b) = (why(a), why(b));
            differences.add(Kind::Unreadable, a.as_bytes(), b.as_bytes(), |out| out.push_str("body"));
        }
    }
}

pub(super) fn html(before: &[u8], after: &[u8], differences: &mut Differences) {
    // Everything is HTML; only what is too large for a tree is compared as text.
    match (html::read(before), html::read(after)) {
        (Some(a), Some(b)) => tree::diff(&a, &b, differences),
        _ => lines::diff(before, after, differences),
    }
}

#[cfg(test)]
mod tests;
