//! What requests have in common: their path, a parameter of their query, their answer's status and type before.
//!
//! An attribute says something of a cause when all of its requests share a value that not all requests of the endpoint do.

use formats::endpoint::path;
use formats::head;

use crate::differ::Answer;

/// Parameters of a query that are looked at.
const PARAMETERS_MAX: usize = 16;
/// Bytes of a value that are kept.
const VALUE_BYTES_MAX: usize = 120;
/// Requests below which sharing something may be chance.
const REQUESTS_MIN: u64 = 3;

/// Attributes that all requests so far have with one value.
#[derive(Debug, Default)]
pub(super) struct Shared {
    requests: u64,
    same: Vec<(String, Vec<u8>)>,
}

impl Shared {
    pub(super) fn note(&mut self, answer: &Answer) {
        self.requests += 1;
        if self.requests == 1 {
            self.same = attributes(answer);
        } else if !self.same.is_empty() {
            let of = Request::of(answer);
            self.same.retain(|(name, value)| of.has(name, value));
        }
    }

    /// What all of these requests share, and not all of `others`.
    pub(super) fn apart_from(&self, others: &Self) -> Vec<(String, String)> {
        if self.requests < REQUESTS_MIN {
            return Vec::new();
        }
        let own = self.same.iter().filter(|pair| !others.same.contains(pair));
        own.map(|(name, value)| (name.clone(), formats::visible::line_of_bytes(value))).collect()
    }
}

/// A request, taken apart once.
struct Request<'a> {
    answer: &'a Answer,
    target: &'a [u8],
}

impl<'a> Request<'a> {
    fn of(answer: &'a Answer) -> Self {
        let target = head::request_line(answer.request_head()).map_or(&b""[..], |line| line.target);
        Self { answer, target }
    }

    fn has(&self, name: &str, value: &[u8]) -> bool {
        match name {
            "path" => cut(path(self.target)) == value,
            "status before" => self.answer.status.to_string().as_bytes() == value,
            "type before" => content_type(self.answer) == value,
            name => parameters(self.target).any(|(key, one)| {
                name.strip_prefix('?').is_some_and(|name| name.as_bytes() == key) && cut(one) == value
            }),
        }
    }
}

fn attributes(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let request = Request::of(answer);
    let mut all = vec![
        ("path".to_owned(), cut(path(request.target)).to_vec()),
        ("status before".to_owned(), answer.status.to_string().into_bytes()),
        ("type before".to_owned(), content_type(answer).to_vec()),
    ];
    let named = |(key, value): (&[u8], &[u8])| (format!("?{}", String::from_utf8_lossy(key)), cut(value).to_vec());
    all.extend(parameters(request.target).map(named));
    all
}

fn content_type(answer: &Answer) -> &[u8] {
    cut(head::value(answer.head(), "content-type").unwrap_or_default())
}

/// Parameters of the query: keys and values.
fn parameters(target: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let query = target.iter().position(|byte| *byte == b'?').and_then(|at| target.get(at + 1..)).unwrap_or_default();
    query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX).map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default())
    })
}

fn cut(value: &[u8]) -> &[u8] {
    value.get(..VALUE_BYTES_MAX).unwrap_or(value)
}
