//! Header fields and trailers: values that the field's name makes secret, cookies one by one, and patterns in the others.
//!
//! It fails closed: lines are read raw, so that a folded, unfinished or oddly spaced line of a redacted header hides
//! nothing.

use super::lines::{Line, Lines};
use super::names::{Found, Kind, is_token_byte};
use super::pass::{Pass, Verdict};
use super::patterns;
use super::rule::Action;
use super::values::unquoted;
use crate::trace::parse_traceparent;

/// Authentication schemes that stay readable. Any other word before a space might be part of the secret.
#[rustfmt::skip]
const SCHEMES: &[&str] = &[
    "basic", "bearer", "digest", "negotiate", "ntlm", "hoba", "mutual", "oauth", "dpop", "gnap", "vapid", "hawk", "mac",
    "scram-sha-1", "scram-sha-256", "signature", "privatetoken", "concealed", "token", "apikey", "api-key", "key", "jwt",
    "aws", "aws4-hmac-sha256", "aws4-ecdsa-p256-sha256", "sharedkey", "sharedkeylite", "sharedaccesssignature",
    "googlelogin", "goog4-rsa-sha256", "eg1-hmac-sha256", "ssws", "geniekey", "bot", "splunk", "client-id",
];

/// Set-Cookie attributes that tell nothing about the cookie's value.
#[rustfmt::skip]
const ATTRIBUTES: &[&str] = &[
    "path", "domain", "expires", "max-age", "secure", "httponly", "samesite", "partitioned", "priority", "version",
    "discard", "port",
];

/// Stands for all lines of its form: no default pattern finds anything in the digits of a trace context.
const ANY_TRACEPARENT: &[u8] = b"traceparent: 00-00000000000000000000000000000001-0000000000000001-00";

impl Pass<'_> {
    /// The section with its secrets replaced; `None` when nothing is.
    pub(super) fn section(&mut self, section: &[u8], has_start_line: bool) -> Option<Vec<u8>> {
        if self.is_clean(section, has_start_line) { None } else { self.rewritten(section, has_start_line) }
    }

    /// Whether the default rules find nothing in any line, and nobody wants to know of more; false is no statement. A line
    /// without a redacted name says nothing of the next one, so that each can be known by itself.
    fn is_clean(&mut self, section: &[u8], has_start_line: bool) -> bool {
        let rules = self.rules;
        if !rules.own.is_empty() || self.scans() || self.changes.is_some() {
            return false;
        }
        let mut lines = Lines::new(section);
        if has_start_line
            && let Some(line) = lines.next()
            && self.start_line(line.text, true).is_some()
        {
            return false;
        }
        let mut known = rules.known_lines.open();
        let search =
            |line: &[u8]| rules.names.find(line, |name| self.header(name)).is_none() && !patterns::do_match(line);
        lines.all(|line| line.text.is_empty() || known.is_clean(known_as(line.text), search))
    }

    fn rewritten(&mut self, section: &[u8], has_start_line: bool) -> Option<Vec<u8>> {
        let look_for_patterns = self.has_own_patterns() || patterns::may_match(section);
        let mut lines = Lines::new(section);
        let mut out = Vec::new();
        let mut copied = 0;
        let begin = |copied: usize, at: usize, out: &mut Vec<u8>| {
            if out.is_empty() {
                out.reserve(section.len() + section.len() / 4);
            }
            out.extend_from_slice(section.get(copied..at).unwrap_or_default());
        };
        if has_start_line
            && let Some(line) = lines.next()
            && let Some(text) = self.start_line(line.text, look_for_patterns)
        {
            out.extend_from_slice(&text);
            out.extend_from_slice(line.ending);
            copied = end_of(&line);
        }
        while let Some(line) = lines.next() {
            let found = self.rules.names.find(line.text, |name| self.header(name));
            let verdict = found.as_ref().and_then(|found| found.verdict);
            let Some((found, verdict)) = found.zip(verdict).filter(|(_, verdict)| verdict.action != Action::Keep)
            else {
                let is_kept = verdict.is_some();
                let changed = (look_for_patterns && !is_kept).then(|| self.other_line(line.text)).flatten();
                if let Some(text) = changed {
                    begin(copied, line.at, &mut out);
                    out.extend_from_slice(&text);
                    out.extend_from_slice(line.ending);
                    copied = end_of(&line);
                }
                continue;
            };
            let mut last = line;
            let mut unfolded = Vec::new();
            while let Some(more) = lines.next_if_continues(&last) {
                if unfolded.is_empty() {
                    unfolded.extend_from_slice(found.value);
                }
                unfolded.push(b' ');
                unfolded.extend_from_slice(more.text.trim_ascii());
                last = more;
            }
            begin(copied, line.at, &mut out);
            copied = end_of(&last);
            let value = if unfolded.is_empty() { found.value } else { &unfolded };
            let mark = out.len();
            out.extend_from_slice(found.before);
            if self.field_value(&found, verdict, value, &mut out) {
                out.extend_from_slice(last.ending);
            } else {
                out.truncate(mark);
            }
        }
        if copied == 0 {
            return None;
        }
        out.extend_from_slice(section.get(copied..).unwrap_or_default());
        Some(out)
    }

    /// A line whose name is no reason to redact it.
    fn other_line(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let name = line.get(..memchr::memchr(b':', line).unwrap_or(0)).unwrap_or_default();
        self.text(self.section_name, name, line)
    }

    /// Appends what may be known of a value; false when the line goes.
    fn field_value(&mut self, found: &Found<'_>, verdict: Verdict, value: &[u8], out: &mut Vec<u8>) -> bool {
        match found.kind {
            Kind::Credentials => {
                if verdict.action == Action::Drop {
                    self.note(self.section_name, found.name, verdict.rule, Action::Drop, value.trim_ascii().len());
                    return false;
                }
                self.credentials(found.name, verdict, value, out);
                true
            }
            Kind::Cookies => self.pairs(verdict, value, out, |_, _| false),
            Kind::SetCookie => self.pairs(verdict, value, out, |index, piece| index > 0 && is_attribute(piece)),
        }
    }

    fn credentials(&mut self, name: &[u8], verdict: Verdict, value: &[u8], out: &mut Vec<u8>) {
        let begin = value.len() - value.trim_ascii_start().len();
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
        let length = value.get(begin..).unwrap_or_default().iter().position(is_space);
        let end = length.map_or(value.len(), |length| begin + length);
        let scheme = value.get(begin..end).unwrap_or_default();
        if SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes())) {
            out.extend_from_slice(value.get(..end).unwrap_or_default());
            self.secret(self.section_name, name, verdict, value.get(end..).unwrap_or_default(), out);
        } else {
            self.secret(self.section_name, name, verdict, value, out);
        }
    }

    /// Pieces parted by semicolons: `keep(index, piece)` says which stay; of the others the value is replaced. False when
    /// nothing is left of the field.
    fn pairs(
        &mut self,
        verdict: Verdict,
        value: &[u8],
        out: &mut Vec<u8>,
        keep: impl Fn(usize, &[u8]) -> bool,
    ) -> bool {
        let mut rest = value;
        let (mut written, mut dropped) = (0usize, 0usize);
        for index in 0.. {
            let (piece, after) = rest.split_at(piece_len(rest));
            let is_attribute = keep(index, piece);
            let verdict = if is_attribute { None } else { self.cookie(cookie_name(piece), verdict) };
            if verdict.is_some_and(|verdict| verdict.action == Action::Drop) {
                dropped += 1;
                if let Some(verdict) = verdict {
                    self.note("cookie", cookie_name(piece), verdict.rule, Action::Drop, piece.len());
                }
                // Attributes say nothing without the cookie that they belong to.
                if index == 0 && keep(1, b"Path=/") {
                    return false;
                }
            } else {
                // Where the first cookies went, the white space before the next one stays as it was before the first.
                let is_first = written == 0 && dropped > 0;
                if written > 0 {
                    out.push(b';');
                } else if is_first {
                    out.push(b' ');
                }
                let piece = if is_first { piece.trim_ascii_start() } else { piece };
                match verdict {
                    Some(verdict) if verdict.action != Action::Keep => self.pair(verdict, piece, out),
                    _ => out.extend_from_slice(piece),
                }
                written += 1;
            }
            let Some((_, next)) = after.split_first() else { break };
            rest = next;
        }
        written > 0
    }

    fn pair(&mut self, verdict: Verdict, piece: &[u8], out: &mut Vec<u8>) {
        let equals = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(equals.map_or(0, |equals| equals + 1));
        let bare = name.strip_suffix(b"=").unwrap_or_default().trim_ascii();
        // Of what is no name it cannot be said where the secret begins.
        let (name, value) =
            if bare.iter().all(|byte| is_token_byte(*byte)) { (name, value) } else { (&b""[..], piece) };
        out.extend_from_slice(name);
        self.secret("cookie", bare, verdict, value, out);
    }

    /// One secret, with the white space and the quotes around it, which do not count.
    fn secret(&mut self, place: &'static str, name: &[u8], verdict: Verdict, value: &[u8], out: &mut Vec<u8>) {
        let trimmed = value.trim_ascii();
        let lead = value.len() - value.trim_ascii_start().len();
        let secret = unquoted(trimmed);
        if secret.is_empty() {
            out.extend_from_slice(value);
            return;
        }
        let is_quoted = secret.len() < trimmed.len();
        out.extend_from_slice(value.get(..lead).unwrap_or_default());
        out.extend(is_quoted.then_some(b'"'));
        self.put(place, name, verdict, secret, secret, out);
        out.extend(is_quoted.then_some(b'"'));
        out.extend_from_slice(value.get(lead + trimmed.len()..).unwrap_or_default());
    }
}

fn end_of(line: &Line<'_>) -> usize {
    line.at + line.text.len() + line.ending.len()
}

/// The name of a cookie; empty where the piece has none.
fn cookie_name(piece: &[u8]) -> &[u8] {
    let equals = memchr::memchr(b'=', piece).unwrap_or(0);
    piece.get(..equals).unwrap_or_default().trim_ascii()
}

/// Length of the first piece: up to a semicolon that is not inside quotes. An open quote takes in all the rest.
fn piece_len(rest: &[u8]) -> usize {
    let end = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
    let piece = rest.get(..end).unwrap_or_default();
    let value = piece.iter().position(|byte| *byte == b'=').and_then(|equals| piece.get(equals + 1..));
    let quoted =
        [Some(piece), value].into_iter().flatten().map(<[u8]>::trim_ascii).find(|part| part.starts_with(b"\""));
    match quoted {
        None => end,
        Some(part) if part.len() > 1 && part.ends_with(b"\"") => end,
        Some(_) => {
            let closes = |at: &usize| {
                let after = rest.get(at + 1..).unwrap_or_default().trim_ascii_start();
                after.is_empty() || after.starts_with(b";")
            };
            let quotes = memchr::memchr_iter(b'"', rest.get(end..).unwrap_or_default());
            let quote = quotes.map(|at| end + at).find(closes);
            let semicolon =
                quote.and_then(|quote| rest.get(quote..)?.iter().position(|byte| *byte == b';').map(|at| quote + at));
            semicolon.unwrap_or(rest.len())
        }
    }
}

/// Whether a piece of a Set-Cookie is an attribute that nothing secret can stand in.
fn is_attribute(piece: &[u8]) -> bool {
    let mut parts = piece.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let value = parts.next().unwrap_or_default().trim_ascii();
    let is_known = ATTRIBUTES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    // A comma in anything but a date begins another cookie, where someone joined two Set-Cookie headers into one.
    let is_date = name.eq_ignore_ascii_case(b"expires");
    let commas = value.iter().filter(|byte| **byte == b',').count();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"\"-._~/:+%@!$&'()*".contains(byte);
    let value_is_fine = if is_date {
        commas <= 1 && value.len() <= 40 && value.iter().all(|byte| is_plain(byte) || matches!(byte, b' ' | b','))
    } else {
        value.iter().all(is_plain)
    };
    piece.is_empty() || (is_known && value_is_fine)
}

/// The line in whose place this one is looked for among those that are known. Each request has another trace context, so that
/// no such line would ever be known.
fn known_as(line: &[u8]) -> &[u8] {
    let value = line.split_at_checked(b"traceparent: ".len());
    let is_one = |(name, value): (&[u8], &[u8])| {
        name.eq_ignore_ascii_case(b"traceparent: ") && value.starts_with(b"00-") && parse_traceparent(value).is_some()
    };
    if value.is_some_and(is_one) { ANY_TRACEPARENT } else { line }
}
