//! Path and query of a request's target.
//!
//! Keys are compared decoded (`a%5Bb%5D` is `a[b]`); untouched pairs keep their spelling, order and duplicates.

use super::text::{Text, percent_encode};

/// A target taken apart. `*` and `host:port` have no path and are never changed.
struct Parts {
    /// Scheme and authority of an absolute target.
    origin: Text<'static>,
    path: Text<'static>,
    query: Option<Text<'static>>,
    /// With its `#`: not allowed in a request, but sent as it was.
    fragment: Text<'static>,
}

fn take_apart(target: &Text<'_>) -> Option<Parts> {
    let bytes = target.bytes();
    let find = |from: usize, wanted: &[u8]| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().position(|byte| wanted.contains(byte)).map(|at| from + at)
    };
    let path_at = if bytes.starts_with(b"/") {
        0
    } else {
        let scheme = bytes.windows(3).position(|window| window == b"://")?;
        find(scheme + 3, b"/?#").unwrap_or(bytes.len())
    };
    let fragment_at = find(path_at, b"#").unwrap_or(bytes.len());
    let query_at = find(path_at, b"?").filter(|at| *at < fragment_at);
    // A mark at an edge would belong to both sides; the origin has none, and is cut before the path's first byte.
    let origin = Text::of(bytes.get(..path_at).unwrap_or_default().to_vec());
    Some(Parts {
        origin,
        path: target.slice(path_at..query_at.unwrap_or(fragment_at)),
        query: query_at.map(|at| target.slice(at + 1..fragment_at)),
        fragment: Text::of(bytes.get(fragment_at..).unwrap_or_default().to_vec()),
    })
}

fn put_together(parts: &Parts) -> Text<'static> {
    let mut out = Text::of(Vec::new());
    out.push_text(&parts.origin);
    out.push_text(&parts.path);
    if let Some(query) = &parts.query {
        out.push(b"?");
        out.push_text(query);
    }
    out.push_text(&parts.fragment);
    out
}

/// Changes the path by `change`, which says whether it did anything. A path always begins with a slash afterwards.
pub(super) fn edit_path(target: &mut Text<'_>, change: impl FnOnce(&Text<'static>) -> Option<Text<'static>>) -> bool {
    let Some(mut parts) = take_apart(target) else { return false };
    let Some(path) = change(&parts.path) else { return false };
    parts.path = path;
    let begins_with_mark = parts.path.marks().first().is_some_and(|mark| mark.at == 0);
    if begins_with_mark || !parts.path.bytes().starts_with(b"/") {
        let mut path = Text::of(b"/".to_vec());
        path.push_text(&parts.path);
        parts.path = path;
    }
    *target = put_together(&parts);
    true
}

/// Changes the pairs of the query by `change`, which says whether it did anything.
pub(super) fn edit(target: &mut Text<'_>, change: impl FnOnce(&mut Vec<Text<'static>>) -> bool) -> bool {
    let Some(mut parts) = take_apart(target) else { return false };
    let mut pairs = parts.query.as_ref().filter(|query| !query.is_empty()).map(pairs).unwrap_or_default();
    if !change(&mut pairs) {
        return false;
    }
    if parts.path.is_empty() {
        parts.path = Text::of(b"/".to_vec());
    }
    parts.query = pairs.split_first().map(|(first, rest)| {
        let mut query = first.clone();
        for pair in rest {
            query.push(b"&");
            query.push_text(pair);
        }
        query
    });
    *target = put_together(&parts);
    true
}

/// The first pair with this key gets the value, others of the key go; without any, a pair comes last.
pub(super) fn set(pairs: &mut Vec<Text<'static>>, key: &str, value: &Text<'_>) -> bool {
    let mut found = false;
    pairs.retain_mut(|pair| {
        if !has_key(pair, key) {
            return true;
        }
        let first = !std::mem::replace(&mut found, true);
        if first {
            let spelled = key_of(pair.bytes()).to_vec();
            *pair = with_value(spelled, value);
        }
        first
    });
    if !found {
        pairs.push(with_value(percent_encode(key.as_bytes()), value));
    }
    true
}

pub(super) fn remove(pairs: &mut Vec<Text<'static>>, key: &str) -> bool {
    let before = pairs.len();
    pairs.retain(|pair| !has_key(pair, key));
    pairs.len() < before
}

/// Changes the value of every pair with this key.
pub(super) fn replace(
    pairs: &mut [Text<'static>],
    key: &str,
    change: impl Fn(&Text<'static>) -> Option<Text<'static>>,
) -> bool {
    let mut changed = false;
    for pair in pairs.iter_mut().filter(|pair| has_key(pair, key)) {
        let spelled = key_of(pair.bytes()).to_vec();
        // A pair without `=` has no value that could be searched.
        if pair.bytes().len() > spelled.len()
            && let Some(value) = change(&pair.slice(spelled.len() + 1..pair.bytes().len()))
        {
            *pair = with_value(spelled, &value);
            changed = true;
        }
    }
    changed
}

fn with_value(mut key: Vec<u8>, value: &Text<'_>) -> Text<'static> {
    key.push(b'=');
    let mut pair = Text::of(key);
    pair.push_text(value);
    pair
}

fn pairs(query: &Text<'static>) -> Vec<Text<'static>> {
    let mut from = 0;
    let ranges = query.bytes().split(|byte| *byte == b'&').map(|pair| {
        let start = from;
        from += pair.len() + 1;
        start..start + pair.len()
    });
    ranges.map(|range| query.slice(range)).collect()
}

fn has_key(pair: &Text<'_>, key: &str) -> bool {
    let spelled = key_of(pair.bytes());
    spelled == key.as_bytes() || decode(spelled) == key.as_bytes()
}

fn key_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// Percent-decoding as in forms: `+` is a space, and what is no escape stays.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16)).map(u8::try_from);
        rest = after;
        match (first, digit(0), digit(1)) {
            (b'%', Some(Ok(high)), Some(Ok(low))) => {
                out.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(*byte),
        }
    }
    out
}
