//! Numbers and foreign text as they stand on the page.

use std::borrow::Cow;

use formats::visible;

use crate::result::Quantiles;

/// What stands where nothing was counted.
pub(crate) const NOTHING: &str = "–";
/// Characters of a foreign text that are shown; what is longer ends in an ellipsis.
pub(crate) const SHOWN_CHARS_MAX: usize = 200;

/// Text from traffic, made harmless for HTML text and attributes, and of a bounded length.
pub(crate) fn escape(text: &str) -> String {
    escape_whole(&shown(text))
}

/// The same, whatever its length: whoever calls it has a bound.
pub(crate) fn escape_whole(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if visible::is_steering(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A URL in an attribute, whole.
pub(crate) fn attribute(url: &str) -> String {
    url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// As much of a foreign text as is shown.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

/// JSON that can stand inside a script element: neither `</script` nor `<!--` can occur in it.
pub(crate) fn json(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// `12,345`
pub(crate) fn count(number: u64) -> String {
    thousands(&number.to_string())
}

/// Requests a second: `12,345`, `45.1`, `0.25`.
pub(crate) fn rate(per_s: f64) -> String {
    let decimals = match per_s.abs() {
        size if size == 0.0 || size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    thousands(&format!("{per_s:.decimals$}"))
}

/// Microseconds with three digits and the unit that fits: `12.0 µs`, `3.41 ms`, `12.7 s`.
pub(crate) fn time(us: f64) -> String {
    // A unit is left where three digits would round up to its thousand.
    let (value, unit) = match us {
        us if us < 999.5 => (us, "µs"),
        us if us < 999_500.0 => (us / 1_000.0, "ms"),
        us => (us / 1_000_000.0, "s"),
    };
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{} {unit}", thousands(&format!("{value:.decimals$}")))
}

/// A time on an axis, which is a round number: `500 µs`, `2 ms`, `0`.
pub(crate) fn round_time(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 999.5 => (us, "µs"),
        us if us < 999_500.0 => (us / 1_000.0, "ms"),
        us => (us / 1_000_000.0, "s"),
    };
    if us == 0.0 { "0".to_owned() } else { format!("{} {unit}", round_number(value)) }
}

/// A round number without the digits that say nothing: `2,500`, `0.2`.
pub(crate) fn round_number(value: f64) -> String {
    let digits = format!("{value:.6}");
    thousands(digits.trim_end_matches('0').trim_end_matches('.'))
}

/// One quantile, or a dash where nothing was counted.
pub(crate) fn quantile(of: &Quantiles, value: f64) -> String {
    if of.count == 0 { NOTHING.to_owned() } else { time(value) }
}

/// `1.25 %`; what is not nothing never looks like nothing.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let percent = float(part) / float(whole.max(1)) * 100.0;
    match percent {
        _ if whole == 0 => NOTHING.to_owned(),
        _ if part == 0 => "0 %".to_owned(),
        percent if percent < 0.01 => "under 0.01 %".to_owned(),
        percent if percent < 99.95 => format!("{percent:.*} %", if percent < 10.0 { 2 } else { 1 }),
        _ => format!("{} %", if part < whole { "over 99.9" } else { "100" }),
    }
}

/// A share of one as a percentage: `12.3 %`; what is not nothing never looks like nothing.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent <= 0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => "under 0.01 %".to_owned(),
        percent => format!("{percent:.*} %", if percent < 9.995 { 2 } else { 1 }),
    }
}

/// A span of whole seconds: `45 s`, `2 min 30 s`, `1 h`.
pub(crate) fn span(seconds: u64) -> String {
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(value, _)| *value > 0)
        .map(|(value, unit)| format!("{} {unit}", count(value)))
        .collect();
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}

/// A count as a floating number, for people and for places on the page.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// Commas between the thousands of a decimal number.
fn thousands(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = whole.trim_start_matches('-').len();
    let mut out = String::with_capacity(number.len() + digits / 3);
    for (at, c) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if c != '-' && left < digits && left.is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}
