//! Credentials put where they belong: as marks, since each copy may be another user.

use std::ops::Range;

use super::error::RewriteError;
use super::head::Head;
use super::query;
use super::template::{Placeholder, Secrets};
use super::text::Text;
use crate::credentials::{Column, Credentials};

/// Two sources for one header cannot both be right.
pub(super) fn check(authorization: bool, credentials: Option<&Credentials>) -> Result<(), RewriteError> {
    let columns = credentials.map(Credentials::columns).unwrap_or_default();
    let has = |name: &str| {
        columns.iter().any(|column| matches!(column, Column::Header(header) if header.eq_ignore_ascii_case(name)))
    };
    if authorization && has("authorization") {
        return Err(RewriteError::SetTwice { name: "Authorization".to_owned() });
    }
    if has("cookie") && columns.iter().any(|column| matches!(column, Column::Cookie(_))) {
        return Err(RewriteError::SetTwice { name: "Cookie".to_owned() });
    }
    Ok(())
}

pub(super) fn apply(head: &mut Head<'_>, secrets: &Secrets) {
    if secrets.authorization.is_some() {
        head.set("Authorization", Text::mark(Placeholder::Authorization));
    }
    let columns = secrets.credentials.as_ref().map(|credentials| credentials.columns()).unwrap_or_default();
    for (number, column) in (0..).zip(columns) {
        let value = Text::mark(Placeholder::Credential(number));
        match column {
            Column::Header(name) => head.set(name, value),
            Column::Cookie(name) => set_cookie(head, name, &value),
            Column::Query(key) => {
                query::edit(&mut head.target, |pairs| query::set(pairs, key, &value));
            }
        }
    }
}

fn set_cookie(head: &mut Head<'_>, name: &str, value: &Text<'_>) {
    let mut found = false;
    for line in head.lines_mut("cookie") {
        let places: Vec<_> =
            cookies(line.value.bytes()).filter(|cookie| cookie.name == name.as_bytes()).map(|c| c.value).collect();
        // From the end, so that places before stay right.
        for place in places.into_iter().rev() {
            found = true;
            line.value.replace(place, value);
        }
    }
    if found {
        return;
    }
    let mut pair = Text::of(format!("{name}=").into_bytes());
    pair.push_text(value);
    match head.lines_mut("cookie").last() {
        Some(line) if !line.value.is_empty() => {
            line.value.push(b"; ");
            line.value.push_text(&pair);
        }
        Some(line) => line.value = pair,
        None => head.set("Cookie", pair),
    }
}

/// A pair in a Cookie header.
pub(super) struct Cookie<'a> {
    name: &'a [u8],
    pub(super) value: Range<usize>,
}

impl Cookie<'_> {
    pub(super) fn name(&self) -> &[u8] {
        self.name
    }

    /// RFC 2965's attribute, which came before the cookies' own domains were forgotten on the way.
    pub(super) fn is_domain(&self) -> bool {
        self.name.eq_ignore_ascii_case(b"$domain")
    }
}

/// The pairs of a Cookie header (RFC 6265 §4.2.1); what has no `=` is passed over.
pub(super) fn cookies(header: &[u8]) -> impl Iterator<Item = Cookie<'_>> {
    let mut from = 0;
    header.split(|byte| *byte == b';').filter_map(move |pair| {
        let start = from;
        from += pair.len() + 1;
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, raw) = (pair.get(..equals)?.trim_ascii(), pair.get(equals + 1..)?);
        let lead = raw.len() - raw.trim_ascii_start().len();
        let value_at = start + equals + 1 + lead;
        Some(Cookie { name, value: value_at..value_at + raw.trim_ascii().len() })
    })
}
