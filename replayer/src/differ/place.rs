//! Where in JSON something stands, as text: `$.items[*].price`. Elements of arrays are all called `[*]`, and keys that are
//! ids `{id}`, so that the same difference in many answers has one name.

use std::borrow::Cow;

use formats::endpoint::is_id;

/// A way down from the root.
#[derive(Debug, Default)]
pub(super) struct Path<'a> {
    steps: Vec<Step<'a>>,
}

#[derive(Debug)]
enum Step<'a> {
    Key(Cow<'a, [u8]>),
    Element,
}

/// Longest key in a place; a longer one is cut.
const KEY_CHARS_MAX: usize = 64;

impl<'a> Path<'a> {
    pub(super) fn key(&mut self, key: Cow<'a, [u8]>) {
        self.steps.push(Step::Key(key));
    }

    pub(super) fn element(&mut self) {
        self.steps.push(Step::Element);
    }

    pub(super) fn up(&mut self) {
        self.steps.pop();
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push('$');
        for step in &self.steps {
            match step {
                Step::Element => out.push_str("[*]"),
                Step::Key(key) => write_key(key, out),
            }
        }
    }
}

fn write_key(key: &[u8], out: &mut String) {
    if is_id(key) {
        out.push_str(".{id}");
    } else if !key.is_empty() && key.len() <= KEY_CHARS_MAX && key.iter().all(|byte| is_plain(*byte)) {
        out.push('.');
        out.push_str(&String::from_utf8_lossy(key));
    } else {
        let shown = formats::visible::line_of_bytes(key).replace('\\', "\\\\").replace('\'', "\\'");
        out.push_str("['");
        out.extend(shown.chars().take(KEY_CHARS_MAX));
        out.push_str("']");
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$' | b'@' | b':' | b'/')
}
