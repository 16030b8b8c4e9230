//! Which exchanges are kept: by the head of the request and by client. Pure; whole clients, so that no user is torn apart.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use formats::model::ClientKey;
use formats::sample::Sample;
use formats::stars::Pattern;
use formats::{endpoint, head, trace};

/// What becomes of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is kept.
    Keep,
    /// It carries a replay's mark.
    Replay,
    /// Its client is not in the sample.
    SampledOut,
    /// A filter leaves it out.
    Filtered,
}

/// The rules.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Whether requests that a replay sent are kept.
    pub record_replays: bool,
    /// Of which clients.
    pub sample: Option<Sample>,
    /// If there are any, only what one of them describes.
    pub only: Vec<Filter>,
    /// And nothing that one of these describes.
    pub exclude: Vec<Filter>,
}

impl Selection {
    /// Decides about a request by its head, before anything else is done with it. A client is asked for with
    /// [`Self::of_client`] once it is known.
    #[must_use]
    pub fn of_head(&self, request_head: &[u8]) -> Choice {
        if !self.record_replays && trace::is_replay(request_head) {
            return Choice::Replay;
        }
        if self.only.is_empty() && self.exclude.is_empty() {
            return Choice::Keep;
        }
        let asked = Asked::of(request_head);
        let is = |filter: &Filter| filter.matches(&asked, request_head);
        let wanted = self.only.is_empty() || self.only.iter().any(is);
        if wanted && !self.exclude.iter().any(is) { Choice::Keep } else { Choice::Filtered }
    }

    /// Decides about a client, the same way every time and in every recorder with the same redaction key.
    #[must_use]
    pub fn of_client(&self, client: ClientKey) -> Choice {
        match self.sample {
            Some(sample) if !sample.contains(client) => Choice::SampledOut,
            _ => Choice::Keep,
        }
    }
}

/// Why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// No filter.
    #[error(
        "`{0}` is no filter: write it as in 'GET /health*', '/health*', 'host:*.internal' or 'header:user-agent=kube-probe/*'"
    )]
    Filter(String),
}

/// What a request's head can be asked for. In its patterns `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Of the method, a space, and the path without its query.
    Line(Pattern),
    Host(Pattern),
    Header(String, Pattern),
}

/// A request's line, taken apart once for all filters.
struct Asked<'a> {
    line: String,
    host: Cow<'a, str>,
}

impl<'a> Asked<'a> {
    fn of(request_head: &'a [u8]) -> Self {
        let line = head::request_line(request_head);
        let target = line.map_or(&b""[..], |line| line.target);
        let method = line.map_or(&b""[..], |line| line.method);
        let path = endpoint::path(target);
        Self {
            line: format!("{} {}", String::from_utf8_lossy(method), String::from_utf8_lossy(path)),
            host: field(request_head, "host").unwrap_or_default(),
        }
    }
}

fn field<'a>(request_head: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    let found = head::fields(request_head).find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))?;
    Some(String::from_utf8_lossy(found.value))
}

impl Filter {
    fn matches(&self, asked: &Asked<'_>, request_head: &[u8]) -> bool {
        match &self.kind {
            Kind::Line(pattern) => pattern.matches(&asked.line),
            Kind::Host(pattern) => pattern.matches(&asked.host.to_ascii_lowercase()),
            Kind::Header(name, pattern) => field(request_head, name).is_some_and(|value| pattern.matches(&value)),
        }
    }
}

impl FromStr for Filter {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || SelectionError::Filter(text.to_owned());
        let kind = if let Some(host) = text.strip_prefix("host:") {
            Kind::Host(Pattern::new(&host.to_ascii_lowercase()))
        } else if let Some(header) = text.strip_prefix("header:") {
            let (name, value) = header.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(bad)?;
            Kind::Header(name.to_owned(), Pattern::new(value))
        } else {
            let is_path = |path: &str| path.starts_with('/') || path.starts_with('*');
            match text.split_once(' ') {
                Some((method, path)) if !method.is_empty() && is_path(path) => Kind::Line(Pattern::new(text)),
                None if is_path(text) => Kind::Line(Pattern::new(&format!("* {text}"))),
                _ => return Err(bad()),
            }
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_in_absolute_form_has_a_path_too() {
        let selection = Selection { exclude: vec!["/health".parse().unwrap()], ..Selection::default() };
        let head = b"GET http://shop/health?x HTTP/1.1\r\nHost: shop\r\n\r\n";
        assert_eq!(selection.of_head(head), Choice::Filtered);
    }

    const HEAD: &[u8] =
        b"GET /health/live?full=1 HTTP/1.1\r\nHost: API.internal:80\r\nUser-Agent: kube-probe/1.29\r\n\r\n";

    fn choice(only: &[&str], exclude: &[&str]) -> Choice {
        let filters = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let selection = Selection { only: filters(only), exclude: filters(exclude), ..Selection::default() };
        selection.of_head(HEAD)
    }

    #[test]
    fn filters_ask_the_head() {
        for (filter, matches) in [
            ("GET /health*", true),
            ("/health/live", true),
            ("POST /health*", false),
            ("/health", false),
            ("* *", true),
            ("host:api.*", true),
            ("host:shop.*", false),
            ("header:user-agent=kube-probe/*", true),
            ("header:USER-AGENT=curl*", false),
            ("header:x=*", false),
        ] {
            let (keep, leave) = (Choice::Keep, Choice::Filtered);
            assert_eq!(choice(&[filter], &[]), if matches { keep } else { leave }, "only {filter}");
            assert_eq!(choice(&[], &[filter]), if matches { leave } else { keep }, "exclude {filter}");
        }
        assert_eq!(choice(&["/other", "/health*"], &[]), Choice::Keep);
        assert_eq!(choice(&["/health*"], &["/health/live"]), Choice::Filtered);
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in ["", "GET", "GET health", " /x", "header:x", "header:=x"] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }
}
