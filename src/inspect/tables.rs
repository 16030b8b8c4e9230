//! Tables of endpoints and learned templates for a person.

use formats::summary::EndpointRow;
use formats::visible;

use super::endpoints::Endpoints;
use super::text::time;
use crate::terminal::{Paint, Role};
use crate::units;

/// Rows of a table that a person is shown.
const ROWS_SHOWN: usize = 15;
/// Columns of a table beside the endpoint's name.
const BESIDE: usize = 2 + 11 + 11 + 11 + 9;
/// What is in the other row is told of a name that has one part in so many of the exchanges.
const TOLD_PARTS: u64 = 50;

/// One line of the table.
struct Told<'e> {
    name: &'e str,
    exchanges: u64,
    /// Whether some of the exchanges are in the other row, and their number is from the sample.
    about: bool,
    row: Option<&'e EndpointRow>,
}

pub(super) fn endpoints(endpoints: &Endpoints, exchanges: u64, columns: usize, paint: Paint) -> String {
    let told = told(endpoints, exchanges);
    let shown = told.get(..ROWS_SHOWN.min(told.len())).unwrap_or_default();
    let longest = shown.iter().map(|told| visible::line(told.name).chars().count()).max().unwrap_or(0);
    let width = longest.clamp(24, columns.saturating_sub(BESIDE).max(24));
    let heading = format!("  {:<width$} {:>10} {:>10} {:>10} {:>8}", "endpoint", "exchanges", "p50", "p99", "errors");
    let mut out = format!("\n{}\n", paint.text(Role::Heading, &heading));
    let line = |told: &Told| {
        let about = if told.about { "≈ " } else { "" };
        let counted =
            format!("  {:<width$} {:>10}", fitted(told.name, width), about.to_owned() + &units::count(told.exchanges));
        let Some(row) = told.row else { return counted + "\n" };
        let (p50, p99) = (time(row.response_ns.quantile(50, 100)), time(row.response_ns.quantile(99, 100)));
        let errors = match row.server_errors.saturating_add(row.unanswered) {
            0 => format!("{:>8}", 0),
            some => paint.text(Role::Bad, &format!("{:>8}", units::count(some))),
        };
        format!("{counted} {p50:>10} {p99:>10} {errors}\n")
    };
    shown.iter().for_each(|told| out += &line(told));
    out += &more(told.len());
    let other = &endpoints.other;
    if other.exchanges > 0 {
        out +=
            &line(&Told { name: "(those without a row)", exchanges: other.exchanges, about: false, row: Some(other) });
    }
    out + &templates(endpoints, columns, paint)
}

fn told(endpoints: &Endpoints, exchanges: u64) -> Vec<Told<'_>> {
    let rows = endpoints.rows.iter();
    let told = rows.map(|(name, row)| Told { name, exchanges: row.exchanges, about: false, row: Some(row) });
    let mut told: Vec<_> = told.collect();
    for (name, about) in endpoints.others.iter().filter(|(_, about)| *about > exchanges / TOLD_PARTS) {
        match told.iter_mut().find(|told| told.name == name) {
            Some(known) => (known.exchanges, known.about) = (known.exchanges.saturating_add(*about), true),
            None => told.push(Told { name, exchanges: *about, about: true, row: None }),
        }
    }
    told.sort_by_key(|told| std::cmp::Reverse(told.exchanges));
    told
}

fn templates(endpoints: &Endpoints, columns: usize, paint: Paint) -> String {
    let learned = endpoints.placeholders();
    if learned.is_empty() {
        return String::new();
    }
    let shown = learned.get(..ROWS_SHOWN.min(learned.len())).unwrap_or_default();
    let names: Vec<String> = shown.iter().map(|(one, _)| one.template.to_string()).collect();
    let longest = names.iter().map(|name| visible::line(name).chars().count()).max().unwrap_or(0);
    let width = longest.clamp(24, columns.saturating_sub(BESIDE).max(24));
    let heading = format!("  {:<width$} {:>10} {:>10}", "learned template", "exchanges", "values");
    let mut out = format!("\n{}\n", paint.text(Role::Heading, &heading));
    for ((one, values), name) in shown.iter().zip(&names) {
        let name = fitted(name, width);
        out += &format!("  {name:<width$} {:>10} {:>10}\n", units::count(one.exchanges), units::count(*values));
    }
    out += &more(learned.len());
    if endpoints.forgot {
        out += "  from the endpoints that have rows: there are more exchanges and values\n";
    }
    out
}

/// How many rows are not shown.
fn more(rows: usize) -> String {
    match rows.checked_sub(ROWS_SHOWN) {
        None | Some(0) => String::new(),
        Some(more) => format!("  … and {} more (--json has all)\n", units::count(more as u64)),
    }
}

/// A name in so many columns.
fn fitted(name: &str, width: usize) -> String {
    let name = visible::line(name);
    match name.char_indices().nth(width) {
        None => name.into_owned(),
        Some(_) => name.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}
