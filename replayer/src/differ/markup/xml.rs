//! XML as a tree.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::tree::{Builder, DEPTH_MAX, ELEMENTS_MAX, Element};

/// Reads a document; names of entities that it declares stay as they are.
pub(super) fn read(text: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("no UTF-8: byte {}", error.valid_up_to()))?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut builder = Builder::new();
    let mut open = 0_usize;
    let too_much = |_| format!("more than {ELEMENTS_MAX} elements, or {DEPTH_MAX} in each other");
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| format!("no XML: byte {at}: {error}"))?;
        match event {
            Event::Start(tag) => {
                let attributes = attributes(&tag)?;
                builder.begin(tag.name().0.to_owned(), attributes).map_err(too_much)?;
                open += 1;
            }
            Event::Empty(tag) => {
                let attributes = attributes(&tag)?;
                builder.begin(tag.name().0.to_owned(), attributes).map_err(too_much)?;
                builder.end();
            }
            Event::End(_) => {
                builder.end();
                open = open.saturating_sub(1);
            }
            Event::Text(text) => builder.text(&text),
            Event::CData(text) => builder.text(&text),
            Event::GeneralRef(name) => builder.text(&referred(&name)),
            Event::Eof if open > 0 => return Err("no XML: it ends before its elements do".to_owned()),
            Event::Eof => return Ok(builder.finish()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn attributes(tag: &BytesStart<'_>) -> Result<Vec<(String, String)>, String> {
    tag.attributes()
        .map(|attribute| {
            let attribute = attribute.map_err(|error| format!("no XML: {error}"))?;
            Ok((attribute.key.0.to_owned(), attribute.value.into_owned()))
        })
        .collect()
}

/// What a reference stands for; one that is not predefined stays as it is.
fn referred(name: &str) -> String {
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    });
    let predefined = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => number.and_then(char::from_u32),
    };
    predefined.map_or_else(|| format!("&{name};"), String::from)
}
