//! An exchange as its fields; what costs something is made once, and only when it is asked for.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::field::{Field, Side};
use super::number::Scale;
use super::{Context, DECODED_BYTES_MAX};
use crate::head::RequestLine;
use crate::model::{Exchange, Message};
use crate::redact::decoded;
use crate::{coding, endpoint, head};

pub(super) struct View<'a> {
    exchange: &'a Exchange,
    context: &'a Context<'a>,
    line: Option<RequestLine<'a>>,
    endpoint: OnceCell<String>,
    bodies: [OnceCell<Option<Cow<'a, [u8]>>>; 2],
}

impl<'a> View<'a> {
    pub(super) fn new(exchange: &'a Exchange, context: &'a Context<'a>) -> Self {
        let line = head::request_line(&exchange.request.head);
        Self { exchange, context, line, endpoint: OnceCell::new(), bodies: Default::default() }
    }

    /// Whether one of the values of a text field is as `wanted` says; a field that is not there has none.
    pub(super) fn any(&self, field: &Field, wanted: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let exchange = self.exchange;
        match field {
            Field::Method => self.line.is_some_and(|line| wanted(line.method)),
            Field::Target => self.line.is_some_and(|line| wanted(line.target)),
            Field::Path => self.line.is_some_and(|line| wanted(endpoint::path(line.target))),
            Field::Query => self.query().is_some_and(wanted),
            Field::Parameter(name) => self.query().is_some_and(|query| {
                query.split(|byte| *byte == b'&').any(|pair| {
                    let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
                    let (key, value) = pair.split_at(equals);
                    *decoded(key) == *name.as_bytes() && wanted(&decoded(value.get(1..).unwrap_or_default()))
                })
            }),
            Field::Host => self.host().is_some_and(|host| {
                let without_port = host.iter().rposition(|byte| *byte == b':').and_then(|colon| host.get(..colon));
                wanted(&host) || without_port.filter(|name| !is_cut_address(name)).is_some_and(wanted)
            }),
            Field::Endpoint => self.endpoint().is_some_and(|name| {
                let path = name.split_once(' ').map(|(_, path)| path);
                wanted(name.as_bytes()) || path.is_some_and(|path| wanted(path.as_bytes()))
            }),
            Field::Protocol => wanted(exchange.protocol.name().as_bytes()),
            Field::Client => wanted(exchange.client.to_string().as_bytes()),
            Field::End => wanted(exchange.end.name().as_bytes()),
            Field::Header(side, name) => {
                self.message(*side).is_some_and(|message| head::values(&message.head, name).any(wanted))
            }
            Field::Body(side) => self.body(*side).is_some_and(wanted),
            _ => false,
        }
    }

    /// The value of a field that is a number, on this scale.
    pub(super) fn number(&self, field: &Field, scale: Scale) -> Option<u64> {
        let Exchange { instants, seq, connection, .. } = self.exchange;
        let start = instants.request_start;
        match (field, scale) {
            (Field::Status, _) => {
                head::status_line(&self.exchange.response.as_ref()?.head).map(|line| line.status.into())
            }
            (Field::Seq, _) => Some(*seq),
            (Field::Connection, _) => Some(*connection),
            (Field::Duration, _) => instants.response_end.map(|end| end.saturating_sub(start)),
            (Field::FirstByte, _) => instants.response_start.map(|first| first.saturating_sub(start)),
            (Field::Size(side), _) => self.message(*side).map(|message| message.body.total_len),
            (Field::Time, Scale::Duration) => Some(self.time().saturating_sub(self.context.recording_started_unix_ns)),
            (Field::Time, _) => Some(self.time()),
            _ => None,
        }
    }

    /// Whether a field is there.
    pub(super) fn has(&self, field: &Field) -> bool {
        if field.kind().is_text() {
            self.any(field, &mut |_| true)
        } else {
            self.number(field, Scale::Number).is_some()
        }
    }

    /// Whether all of a body was kept.
    pub(super) fn is_whole(&self, side: Side) -> bool {
        self.message(side).is_some_and(|message| !message.body.is_truncated())
    }

    fn message(&self, side: Side) -> Option<&'a Message> {
        match side {
            Side::Request => Some(&self.exchange.request),
            Side::Response => self.exchange.response.as_ref(),
        }
    }

    fn time(&self) -> u64 {
        self.context.session_started_unix_ns.saturating_add(self.exchange.instants.request_start)
    }

    fn query(&self) -> Option<&'a [u8]> {
        let target = self.line?.target;
        let mark = memchr::memchr2(b'?', b'#', target).filter(|at| target.get(*at) == Some(&b'?'))?;
        let query = target.get(mark + 1..)?;
        query.get(..memchr::memchr(b'#', query).unwrap_or(query.len()))
    }

    /// The authority that the request is for, in lower case.
    fn host(&self) -> Option<Vec<u8>> {
        let target = self.line?.target;
        let in_target = target.windows(3).position(|window| window == b"://").filter(|_| !target.starts_with(b"/"));
        let in_target = in_target.and_then(|scheme| {
            let authority = target.get(scheme + 3..)?;
            authority.split(|byte| b"/?#".contains(byte)).next()
        });
        let host = in_target.or_else(|| head::value(&self.exchange.request.head, "host"))?;
        Some(host.to_ascii_lowercase())
    }

    fn endpoint(&self) -> Option<&str> {
        let line = self.line?;
        Some(self.endpoint.get_or_init(|| self.context.templates.endpoint(line.method, line.target)))
    }

    /// What was kept of a content, without codings; `None` where nothing was kept of one, or it cannot be decoded.
    fn body(&self, side: Side) -> Option<&[u8]> {
        let [request, response] = &self.bodies;
        let known = match side {
            Side::Request => request,
            Side::Response => response,
        };
        known.get_or_init(|| content(self.message(side)?)).as_deref()
    }
}

/// Whether this is the beginning of an IPv6 address, whose last colon is before no port.
fn is_cut_address(name: &[u8]) -> bool {
    name.starts_with(b"[") && !name.ends_with(b"]")
}

fn content(message: &Message) -> Option<Cow<'_, [u8]>> {
    let body = &message.body;
    if body.dropped.is_some() || (body.bytes.is_empty() && body.is_truncated()) {
        return None;
    }
    // What was redacted is there without its codings.
    let codings = match (&body.redacted, body.bytes.is_empty()) {
        (None, false) => {
            let fields: Vec<&[u8]> = head::values(&message.head, "content-encoding").collect();
            coding::codings(&fields.join(&b","[..])).ok()?
        }
        _ => Vec::new(),
    };
    if codings.is_empty() {
        return Some(Cow::Borrowed(&body.bytes));
    }
    coding::decode(&body.bytes, &codings, DECODED_BYTES_MAX).ok().map(|(bytes, _)| Cow::Owned(bytes))
}
