//! Header and trailer sections: fields by their names, whatever their order; of several with one name, the values.
//!
//! Cookies that are set are told apart by their names. What differs only in what a redaction put there is not compared.

use formats::head::{Field, fields, status_line, trailer_fields};

use super::found::{Differences, Kind};

/// Fields of a section that are looked at.
const FIELDS_MAX: usize = 1_000;

/// The heads of two answers with the same status.
pub(super) fn heads(before: &[u8], after: &[u8], differences: &mut Differences) {
    if let (Some(a), Some(b)) = (status_line(before), status_line(after)) {
        for (place, a, b) in [("version", a.version, b.version), ("reason", a.reason, b.reason)] {
            if a != b {
                differences.add(Kind::Value, a, b, |out| out.push_str(place));
            }
        }
    }
    sections("header", fields(before), fields(after), differences);
}

pub(super) fn trailers(before: &[u8], after: &[u8], differences: &mut Differences) {
    if before != after {
        sections("trailer", trailer_fields(before), trailer_fields(after), differences);
    }
}

fn sections<'b, 'a>(
    what: &str,
    before: impl Iterator<Item = Field<'b>>,
    after: impl Iterator<Item = Field<'a>>,
    differences: &mut Differences,
) {
    let (mut before, mut after) = (before.take(FIELDS_MAX), after.take(FIELDS_MAX));
    // Nearly always the names stand in the same order, and nearly all values are the same.
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let mut is_in_step = true;
    loop {
        match (before.next(), after.next()) {
            (None, None) => break,
            (Some(x), Some(y)) => {
                let is_same_name = x.name.eq_ignore_ascii_case(y.name);
                if is_same_name && x.value == y.value {
                    continue;
                }
                is_in_step &= is_same_name && !x.is("set-cookie");
                a.push(x);
                b.push(y);
            }
            (x, y) => {
                is_in_step = false;
                a.extend(x);
                b.extend(y);
            }
        }
    }
    let has_twice = |fields: &[Field<'_>]| {
        fields
            .iter()
            .enumerate()
            .any(|(index, one)| fields.iter().skip(index + 1).any(|other| one.name.eq_ignore_ascii_case(other.name)))
    };
    if is_in_step && !has_twice(&a) {
        for (a, b) in a.iter().zip(&b) {
            let name = name(what, a);
            differences.add(Kind::Value, a.value, b.value, |out| out.push_str(&name));
        }
        return;
    }
    by_name(what, &a, &b, differences);
}

/// What the same names have: values that are on both sides are taken away, the others are held against each other.
fn by_name(what: &str, before: &[Field<'_>], after: &[Field<'_>], differences: &mut Differences) {
    let named = |fields: &[Field<'_>]| {
        let mut named: Vec<(String, usize)> =
            fields.iter().enumerate().map(|(index, field)| (name(what, field), index)).collect();
        named.sort();
        named
    };
    let (a, b) = (named(before), named(after));
    let mut names: Vec<&String> = a.iter().chain(&b).map(|(name, _)| name).collect();
    names.dedup();
    names.sort();
    names.dedup();
    let values = |named: &[(String, usize)], fields: &[Field<'_>], name: &String| -> Vec<Vec<u8>> {
        let from = named.partition_point(|(one, _)| one < name);
        let these = named.iter().skip(from).take_while(|(one, _)| one == name);
        these.filter_map(|(_, index)| Some(fields.get(*index)?.value.to_vec())).collect()
    };
    for name in names {
        let (mut a, mut b) = (values(&a, before, name), values(&b, after, name));
        a.retain(|value| match b.iter().position(|other| other == value) {
            Some(at) => {
                b.remove(at);
                false
            }
            None => true,
        });
        let pairs = a.len().min(b.len());
        for (a, b) in a.iter().zip(&b) {
            differences.add(Kind::Value, a, b, |out| out.push_str(name));
        }
        for value in a.iter().skip(pairs) {
            differences.add(Kind::Missing, value, b"", |out| out.push_str(name));
        }
        for value in b.iter().skip(pairs) {
            differences.add(Kind::Added, b"", value, |out| out.push_str(name));
        }
    }
}

/// `header:x-powered-by`, or `cookie:sid` of a cookie that is set.
fn name(what: &str, field: &Field<'_>) -> String {
    let shown = |bytes: &[u8]| formats::visible::line_of_bytes(bytes).to_ascii_lowercase();
    if field.is("set-cookie") {
        let name = field.value.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        return format!("cookie:{}", formats::visible::line_of_bytes(name));
    }
    format!("{what}:{}", shown(field.name))
}
