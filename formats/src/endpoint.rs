//! The low-cardinality name of a request, such as `GET /items/{id}`: for rows of a report and names of spans.
//!
//! Ids are told by their shape ([`endpoint`]); slugs, user names and the like by [`Templates`], which the user gives or
//! a [`Learner`] finds in a session.

mod learn;
mod shape;
mod template;

use template::Step;

pub use learn::{Learned, Learner, PATHS_MAX, VALUES_MAX};
pub use shape::is_id;
pub use template::{TEMPLATE_BYTES_MAX, TEMPLATES_MAX, Template, TemplateError, Templates};

/// Longest name, in characters; a longer one is cut and ends in `…`.
pub(crate) const NAME_CHARS_MAX: usize = 200;
/// Most path segments that are named; the rest is one `…`.
const SEGMENTS_MAX: usize = 16;

/// Names the endpoint that a request with this method and target asks for.
///
/// - Query and fragment are cut, and of the absolute form only the path stays.
/// - A segment is `{id}` when it is all digits, a UUID, or hexadecimal of at least 8 digits with a decimal digit among
///   them (so `deadbeef` and `facade` stay words). A file extension stays: `/img/12345.png` is `/img/{id}.png`.
/// - Path parameters (`;jsessionid=…`) are cut: they are a session's, and secret.
/// - What is not UTF-8, white space and control characters are percent-escaped; at most 16 segments and 200 characters.
///
/// ```
/// # use formats::endpoint::endpoint;
/// assert_eq!(endpoint(b"GET", b"/items/42/photo.png?size=2"), "GET /items/{id}/photo.png");
/// ```
#[must_use]
pub fn endpoint(method: &[u8], target: &[u8]) -> String {
    Templates::default().endpoint(method, target)
}

impl Templates {
    /// The same by these templates, as far as one of them describes the path.
    ///
    /// ```
    /// # use formats::endpoint::Templates;
    /// let templates = Templates::new([&"/users/{name}".parse()?])?;
    /// assert_eq!(templates.endpoint(b"GET", b"/users/ann/orders/7"), "GET /users/{name}/orders/{id}");
    /// # Ok::<(), formats::endpoint::TemplateError>(())
    /// ```
    #[must_use]
    pub fn endpoint(&self, method: &[u8], target: &[u8]) -> String {
        let mut name = String::with_capacity(64);
        self.write_endpoint(method, target, &mut name);
        name
    }

    /// The same in a text that is there already and takes no memory again.
    pub(crate) fn write_endpoint(&self, method: &[u8], target: &[u8], name: &mut String) {
        name.clear();
        escape(method, name);
        name.push(' ');
        self.push_path(path(target), name);
        bound(name);
    }

    /// The name by these templates of what [`endpoint`] named by shape alone. Placeholders stay, or become those of the
    /// templates; a template with a literal that has the shape of an id (`/2024/…`) describes no such name.
    #[must_use]
    pub fn rename(&self, name: &str) -> String {
        match name.split_once(' ') {
            Some((method, path)) => self.endpoint(method.as_bytes(), path.as_bytes()),
            None => name.to_owned(),
        }
    }

    fn push_path(&self, path: &[u8], name: &mut String) {
        // What is no path, such as `*`, is in no template.
        let mut node = path.starts_with(b"/").then(|| self.root());
        for (index, segment) in path.split(|byte| *byte == b'/').enumerate() {
            // The first segment is the nothing before the first slash.
            if index > 0 {
                name.push('/');
                if index > SEGMENTS_MAX || name.len() > 4 * NAME_CHARS_MAX {
                    name.push('…');
                    break;
                }
            }
            let segment = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            let step = node.filter(|_| index > 0).and_then(|node| node.step(segment));
            match &step {
                Some(Step::Literal(_)) => escape(segment, name),
                Some(Step::Place(place, _)) => name.push_str(&place.to_string()),
                None => by_shape(segment, name),
            }
            if index > 0 {
                node = step.map(|(Step::Literal(node) | Step::Place(_, node))| node);
            }
        }
    }
}

fn by_shape(segment: &[u8], name: &mut String) {
    match shape::beside_id(segment) {
        Some(extension) => {
            name.push_str("{id}");
            escape(extension, name);
        }
        None => escape(segment, name),
    }
}

/// The target's path, also of a target in absolute form, without its query; a target that is no path and no URL (`*`,
/// `host:443`) stays as it is.
#[must_use]
pub fn path(target: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    if target.starts_with(b"/") {
        return target;
    }
    let Some(scheme) = target.windows(3).position(|window| window == b"://") else { return target };
    let authority = target.get(scheme + 3..).unwrap_or_default();
    let slash = authority.iter().position(|byte| *byte == b'/');
    slash.and_then(|slash| authority.get(slash..)).unwrap_or(b"/")
}

fn escape(bytes: &[u8], name: &mut String) {
    // Nearly everything is printable ASCII, of which nothing is escaped.
    if bytes.iter().all(u8::is_ascii_graphic)
        && let Ok(plain) = std::str::from_utf8(bytes)
    {
        name.push_str(plain);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character.is_whitespace() {
                percent(character.encode_utf8(&mut [0; 4]).as_bytes(), name);
            } else {
                name.push(character);
            }
        }
        percent(chunk.invalid(), name);
    }
}

fn percent(bytes: &[u8], name: &mut String) {
    for byte in bytes {
        name.push('%');
        name.extend(
            [byte >> 4, byte & 15].map(|digit| char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 })),
        );
    }
}

fn bound(name: &mut String) {
    if name.len() <= NAME_CHARS_MAX {
        return;
    }
    if let Some((at, _)) = name.char_indices().nth(NAME_CHARS_MAX) {
        name.truncate(at);
        name.push('…');
    }
}

#[cfg(test)]
mod tests;
