//! Where a trace opens: the template of `--trace-url`, checked, and filled in for a request.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use crate::result::samples::Sample;

/// Longest template that is taken.
const LENGTH_MAX: usize = 1_000;
/// Around a request in `{start_ms}` and `{end_ms}`: clocks differ, and services finish spans late.
const MARGIN: Duration = Duration::from_mins(1);

/// What a template may have in braces.
pub const TRACE_URL_PLACES: [&str; 4] = ["{trace_id}", "{span_id}", "{start_ms}", "{end_ms}"];

/// A URL with `{trace_id}` in it, and perhaps other [`TRACE_URL_PLACES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceUrl(String);

/// Why a text is no template of a trace's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceUrlError {
    /// Another scheme, or none.
    #[error("it is no http:// or https:// URL")]
    Scheme,
    /// Nothing to connect to, or something of the request in it.
    #[error("its host is missing, or is none: `{0}`")]
    Host(String),
    /// A user, perhaps with a password.
    #[error("it has a user in it, and everybody who is given the report would be given it, too")]
    User,
    /// It is the same for all requests.
    #[error("it has no {{trace_id}} in it")]
    NoTraceId,
    /// Something else in braces.
    #[error(
        "it has `{0}` in it; there are {{trace_id}}, {{span_id}}, {{start_ms}} and {{end_ms}}, and any other brace is written %7B or %7D"
    )]
    Place(String),
    /// A character that stands in no URL.
    #[error("{0:?} is in no URL; write it percent-encoded")]
    Character(char),
    /// Longer than is taken.
    #[error("it is longer than {LENGTH_MAX} characters")]
    Long,
}

impl FromStr for TraceUrl {
    type Err = TraceUrlError;

    fn from_str(text: &str) -> Result<Self, TraceUrlError> {
        if text.len() > LENGTH_MAX {
            return Err(TraceUrlError::Long);
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || r#""'<>\^`|"#.contains(*c)) {
            return Err(TraceUrlError::Character(c));
        }
        let (scheme, rest) = text.split_once("://").ok_or(TraceUrlError::Scheme)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(TraceUrlError::Scheme);
        }
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(TraceUrlError::User);
        }
        // Letters, digits, a port, an address in brackets: nothing that a request could change.
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if authority.trim_start_matches(':').is_empty() || !authority.chars().all(is_host) {
            return Err(TraceUrlError::Host(authority.to_owned()));
        }
        let bare = TRACE_URL_PLACES.iter().fold(after.to_owned(), |text, place| text.replace(place, ""));
        if let Some(at) = bare.find(['{', '}']) {
            let rest = bare.get(at..).unwrap_or_default();
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            return Err(TraceUrlError::Place(rest.get(..end).unwrap_or_default().to_owned()));
        }
        if !after.contains("{trace_id}") {
            return Err(TraceUrlError::NoTraceId);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TraceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TraceUrl {
    /// Where the trace of a request opens; `started_at` is when due instant 0 was (RFC 3339). `None` where its ids are
    /// none.
    pub(crate) fn of(&self, sample: &Sample, started_at: &str) -> Option<String> {
        if !is_hex(&sample.trace_id) || !is_hex(&sample.span_id) {
            return None;
        }
        let due = since_epoch(started_at).saturating_add(Duration::from_nanos(sample.due_ns));
        let answer = Duration::try_from_secs_f64(sample.response_us / 1e6).unwrap_or_default();
        Some(self.fill(&sample.trace_id, &sample.span_id, due, due.saturating_add(answer)))
    }

    /// Where a trace opens of which only its id and its run are known; `None` where that is none, or where the template
    /// wants a span, too.
    pub(crate) fn of_trace(&self, trace_id: &str, started_at: &str, duration_s: f64) -> Option<String> {
        let is_enough = is_hex(trace_id) && !self.0.contains("{span_id}");
        is_enough.then(|| self.of_run(trace_id, "", started_at, duration_s))
    }

    /// Where a trace opens of which only its run is known: somewhere in it. Ids are hex digits.
    pub(crate) fn of_run(&self, trace_id: &str, span_id: &str, started_at: &str, duration_s: f64) -> String {
        let started = since_epoch(started_at);
        let length = Duration::try_from_secs_f64(duration_s).unwrap_or_default();
        self.fill(trace_id, span_id, started, started.saturating_add(length))
    }

    fn fill(&self, trace_id: &str, span_id: &str, from: Duration, to: Duration) -> String {
        let (start, end) = (from.saturating_sub(MARGIN), to.saturating_add(MARGIN));
        let values =
            [trace_id.to_owned(), span_id.to_owned(), start.as_millis().to_string(), end.as_millis().to_string()];
        let fill = |url: String, (place, value): (&&str, &String)| url.replace(*place, value);
        TRACE_URL_PLACES.iter().zip(&values).fold(self.0.clone(), fill)
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn since_epoch(rfc3339: &str) -> Duration {
    let at = humantime::parse_rfc3339(rfc3339).unwrap_or(UNIX_EPOCH);
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_template_is_refused_by_name() {
        use TraceUrlError::{Character, Host, Long, NoTraceId, Place, Scheme, User};
        let long = format!("https://h/{{trace_id}}{}", "x".repeat(LENGTH_MAX));
        for (text, expected) in [
            ("javascript:alert('{trace_id}')", Character('\'')),
            ("javascript:alert(1)//{trace_id}", Scheme),
            ("javascript://h/%0aalert(1)//{trace_id}", Scheme),
            ("data://h/{trace_id}", Scheme),
            (" https://h/{trace_id}", Character(' ')),
            ("https:/h/{trace_id}", Scheme),
            ("https:///{trace_id}", Host(String::new())),
            ("https://{trace_id}.h/", Host("{trace_id}.h".into())),
            ("https://user:word@h/{trace_id}", User),
            ("https://h/trace", NoTraceId),
            ("https://{trace_id}", Host("{trace_id}".into())),
            ("https://h/{trace_id}?team={team}&x", Place("{team}".into())),
            ("https://h/{trace_id}}", Place("}".into())),
            ("https://h/{{trace_id}", Place("{".into())),
            ("https://h/{trace_id}\"onclick=", Character('"')),
            ("https://h/{trace_id}\u{202e}", Character('\u{202e}')),
            (&long, Long),
        ] {
            assert_eq!(text.parse::<TraceUrl>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_request_is_filled_in_with_a_minute_around_it() {
        let sample = Sample {
            trace_id: "aa".repeat(16),
            span_id: "bb".repeat(8),
            due_ns: 2_000_000_000,
            response_us: 500_000.0,
            ..Sample::default()
        };
        let of = |template: &str, sample: &Sample| {
            template.parse::<TraceUrl>().unwrap().of(sample, "1970-01-02T00:00:00.250Z")
        };
        assert_eq!(
            of("HTTP://[::1]:16686/trace/{trace_id}", &sample).unwrap(),
            format!("HTTP://[::1]:16686/trace/{}", "aa".repeat(16))
        );
        assert_eq!(
            of("https://h/?t={trace_id}&s={span_id}&from={start_ms}&to={end_ms}", &sample).unwrap(),
            format!("https://h/?t={}&s={}&from=86342250&to=86462750", "aa".repeat(16), "bb".repeat(8))
        );
        let hostile = Sample { trace_id: "javascript:".into(), ..sample };
        assert_eq!(of("https://h/{trace_id}", &hostile), None);
        let of_trace = |template: &str, id: &str| {
            template.parse::<TraceUrl>().unwrap().of_trace(id, "1970-01-02T00:00:00.250Z", 2.0)
        };
        assert_eq!(of_trace("https://h/{trace_id}?to={end_ms}", "ab"), Some("https://h/ab?to=86462250".into()));
        assert_eq!(of_trace("https://h/{trace_id}/{span_id}", "ab"), None);
        assert_eq!(of_trace("https://h/{trace_id}", "javascript:"), None);
    }
}
