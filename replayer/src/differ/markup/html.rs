//! HTML as a tree: read by the tokenizer of the standard; of the rules by which browsers mend trees, only those that decide
//! where elements without end tags end.

use html5gum::{DefaultEmitter, Token, Tokenizer};

use super::tree::{Builder, Element};

/// Elements that have no end.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements that end where the next of these begins.
const ENDED_BY: &[(&str, &[&str])] = &[
    ("li", &["li"]),
    ("dt", &["dt", "dd"]),
    ("dd", &["dt", "dd"]),
    ("p", &["p", "div", "ul", "ol", "table", "section", "article", "h1", "h2", "h3", "h4", "h5", "h6", "form", "pre"]),
    ("option", &["option"]),
    ("tr", &["tr"]),
    ("td", &["td", "th", "tr"]),
    ("th", &["td", "th", "tr"]),
];

/// Reads a document; `None` where it has more elements than are looked at.
pub(super) fn read(text: &[u8]) -> Option<Element> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut builder = Builder::new();
    for token in Tokenizer::new_with_emitter(text, emitter) {
        // Reading bytes that are there cannot fail.
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                while ENDED_BY.iter().any(|(open, by)| builder.innermost() == *open && by.contains(&name.as_str())) {
                    builder.end();
                }
                let attributes = tag.attributes.iter().map(|(name, value)| {
                    (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
                });
                let is_void = VOID.contains(&name.as_str());
                builder.begin(name, attributes.collect()).ok()?;
                if is_void || tag.self_closing {
                    builder.end();
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name);
                if builder.is_open(&name) {
                    while builder.innermost() != name {
                        builder.end();
                    }
                    builder.end();
                }
            }
            Token::String(text) => builder.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    Some(builder.finish())
}
