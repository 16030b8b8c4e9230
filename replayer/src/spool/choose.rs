//! Which exchanges are sent, made ready by the rules of the run, in the order of the files.
//!
//! This is the middle one of three threads that make a spool, since rewriting costs as much as what comes before it
//! (`ahead.rs`) and after it (`build.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, SyncSender};

use foldhash::HashMap;
use formats::head;
use formats::model::{ClientKey, Exchange, Gap, Protocol};
use formats::session::{Damage, Event, Session};
use formats::trace::{self, TraceContext};
use formats::wire::ResponseTo;

use super::Traces;
use super::ahead::Batch;
use crate::endpoints::{ENDPOINTS_MAX, OTHER_METHOD, ROWS_MAX, others, parts};
use crate::error::ReplayError;
use crate::rewrite::{LeftOut, NotSent, SealedFault, Template, any_authority_at};
use crate::survey::{Selection, Survey};

/// Exchanges that are handed over at once.
const BATCH: usize = 128;
/// Clients whose numbers are remembered.
const NUMBERS_MAX: usize = 1 << 14;
/// Recorded authorities that are remembered for the origin check.
const AUTHORITIES_MAX: usize = 1_000;

/// Makes a request of an exchange ready to be sent, or says why it is not; the session's number and the exchange's
/// endpoint are given.
pub type Prepare<'a> = dyn FnMut(u32, &Exchange, &str) -> Result<Template, NotSent> + Send + 'a;

/// What became of one exchange.
pub(super) enum Choice {
    /// It can be sent.
    Sent(Box<Chosen>),
    /// An exchange of this client is left out.
    LeftOut(u32),
}

/// An exchange that can be sent. Instants are recording time.
pub(super) struct Chosen {
    pub(super) at_ns: u64,
    /// Its place in the order of the files.
    pub(super) number: u64,
    pub(super) client: u32,
    pub(super) session: u32,
    pub(super) seq: u64,
    pub(super) connection: u64,
    pub(super) endpoint: u32,
    pub(super) status: u16,
    pub(super) end_ns: Option<u64>,
    pub(super) trace: Option<TraceContext>,
    pub(super) trace_decision: Option<bool>,
    pub(super) to: ResponseTo,
    pub(super) template: Template,
}

impl Chosen {
    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.template.bytes() + size_of::<Self>()
    }
}

/// What was found besides.
#[derive(Default)]
pub(super) struct Found {
    pub(super) origins: BTreeSet<String>,
    pub(super) left_out: BTreeMap<LeftOut, u64>,
    pub(super) gaps: Vec<Gap>,
    pub(super) damage: Vec<Damage>,
    pub(super) unfinished: u64,
    pub(super) traces: Traces,
    /// Names by index.
    pub(super) endpoints: Vec<String>,
}

impl Found {
    /// Whom a request was for: its Host, and whom its target names, be it the whole of it (CONNECT, RFC 9112 §3.2.3) or
    /// a part.
    fn note_authorities(&mut self, exchange: &Exchange) {
        let request = &exchange.request.head;
        head::values(request, "host").for_each(|host| self.note_authority(host));
        if matches!(exchange.protocol, Protocol::Http2 | Protocol::Http3) {
            head::values(request, ":authority").for_each(|authority| self.note_authority(authority));
        } else if let Some(line) = head::request_line(request) {
            let named =
                if line.method == b"CONNECT" { Some(0..line.target.len()) } else { any_authority_at(line.target) };
            if let Some(authority) = named.and_then(|at| line.target.get(at)) {
                // Credentials before the host are none of it, and are shown nowhere.
                self.note_authority(authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default());
            }
        }
    }

    fn note_authority(&mut self, authority: &[u8]) {
        if self.origins.len() < AUTHORITIES_MAX
            && let Ok(authority) = std::str::from_utf8(authority)
            && !authority.is_empty()
            && !self.origins.contains(authority)
        {
            self.origins.insert(authority.to_owned());
        }
    }
}

/// Reads and chooses.
pub(super) struct Chooser<'a> {
    survey: &'a Survey,
    selection: &'a Selection,
    out: SyncSender<Vec<Choice>>,
    batch: Vec<Choice>,
    endpoints: HashMap<String, u32>,
    /// Of clients that were met lately, by session: looking in the survey is a walk through memory that nobody else touches.
    numbers: HashMap<(u32, ClientKey), Option<u32>>,
    exchanges: u64,
    found: Found,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(survey: &'a Survey, selection: &'a Selection, out: SyncSender<Vec<Choice>>) -> Self {
        let (endpoints, numbers) = (HashMap::default(), HashMap::default());
        Self { survey, selection, out, batch: Vec::new(), endpoints, numbers, exchanges: 0, found: Found::default() }
    }

    /// Takes everything that was read of `sessions`, unless nobody listens any more.
    pub(super) fn run(
        mut self,
        sessions: &[Session],
        read: Receiver<Batch>,
        prepare: &mut Prepare<'_>,
    ) -> Result<Found, ReplayError> {
        for Batch { session: number, events } in read {
            let Some(session) = sessions.get(number as usize) else { continue };
            let header = session.header();
            // A recorder with several listeners names them all.
            let places = header.upstream.iter().chain(&header.listen).flat_map(|places| places.split(", "));
            self.found.origins.extend(places.map(str::to_owned));
            let shift_ns = self.survey.shifts_ns.get(number as usize).copied().unwrap_or(0);
            for event in events {
                match event? {
                    Event::Exchange(exchange) => {
                        let at_ns = shift_ns.saturating_add(exchange.instants.request_start);
                        if self.selection.has(header, shift_ns, &exchange) {
                            let chosen = self.choose(number, at_ns, &exchange, prepare);
                            chosen.map_err(|fault| ReplayError::Sealed {
                                session: session.path().to_owned(),
                                seq: exchange.seq,
                                place: fault.place,
                                source: fault.error,
                            })?;
                        }
                        self.exchanges += 1;
                        if self.batch.len() >= BATCH && self.out.send(std::mem::take(&mut self.batch)).is_err() {
                            return Ok(self.found);
                        }
                    }
                    Event::Gap(gap) => self.found.gaps.push(gap),
                    Event::Damage(damage) => self.found.damage.push(damage),
                    Event::Unfinished { writing, missing, .. } => {
                        self.found.unfinished += u64::from(!writing);
                        self.found.gaps.extend(missing);
                    }
                    Event::Index(_) | Event::Ended { .. } => {}
                }
            }
        }
        // Nobody listening is told by the end of the channel, not here.
        let _ = self.out.send(std::mem::take(&mut self.batch));
        Ok(self.found)
    }

    /// Makes an exchange ready, or counts why it is left out.
    fn choose(
        &mut self,
        session: u32,
        at_ns: u64,
        exchange: &Exchange,
        prepare: &mut Prepare<'_>,
    ) -> Result<(), SealedFault> {
        let request_head = &exchange.request.head;
        self.found.note_authorities(exchange);
        let Some(client) = self.client(session, exchange.client) else {
            *self.found.left_out.entry(LeftOut::NotInIndex).or_default() += 1;
            return Ok(());
        };
        let Some(line) = head::request_line(request_head) else {
            self.leave_out(client, LeftOut::IncompleteRequest);
            return Ok(());
        };
        let name = self.selection.templates.endpoint(line.method, line.target);
        let template = match prepare(session, exchange, &name) {
            Ok(template) => template,
            Err(NotSent::LeftOut(reason)) => {
                self.leave_out(client, reason);
                return Ok(());
            }
            Err(NotSent::Sealed(fault)) => return Err(fault),
        };
        let status = exchange.response.as_ref().and_then(|response| head::status_line(&response.head));
        let at_ns = at_ns.saturating_sub(self.survey.origin_ns);
        let after_start = |end: u64| at_ns.saturating_add(end.saturating_sub(exchange.instants.request_start));
        let recorded = trace::recorded(request_head);
        self.found.traces.count(&recorded);
        let chosen = Chosen {
            at_ns,
            number: self.exchanges,
            client,
            session,
            seq: exchange.seq,
            connection: exchange.connection,
            endpoint: self.endpoint(name),
            status: status.map_or(0, |line| line.status),
            end_ns: exchange.instants.response_end.map(after_start),
            trace: recorded.context,
            trace_decision: recorded.decision,
            to: ResponseTo::method(line.method),
            template,
        };
        self.batch.push(Choice::Sent(Box::new(chosen)));
        Ok(())
    }

    /// The number of a client in the survey.
    fn client(&mut self, session: u32, key: ClientKey) -> Option<u32> {
        if self.numbers.len() >= NUMBERS_MAX {
            self.numbers.clear();
        }
        *self.numbers.entry((session, key)).or_insert_with(|| self.survey.number(session, key))
    }

    fn leave_out(&mut self, client: u32, reason: LeftOut) {
        *self.found.left_out.entry(reason).or_default() += 1;
        self.batch.push(Choice::LeftOut(client));
    }

    fn endpoint(&mut self, name: String) -> u32 {
        if let Some(index) = self.endpoints.get(&name) {
            return *index;
        }
        let name = match self.endpoints.len() {
            0..ENDPOINTS_MAX => name,
            rows => {
                let name = others(parts(&name).0);
                // The last row is for those of all other methods.
                let has_room = rows < ROWS_MAX - 1 || self.endpoints.contains_key(&name);
                if has_room { name } else { others(OTHER_METHOD) }
            }
        };
        let next = u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX);
        let index = *self.endpoints.entry(name.clone()).or_insert(next);
        if index == next {
            self.found.endpoints.push(name);
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_request_was_for_is_noted_without_credentials() {
        let check = |protocol, head: &'static str, expected: &[&str]| {
            let mut exchange = Exchange { protocol, ..Exchange::default() };
            exchange.request.head = head.into();
            let mut found = Found::default();
            found.note_authorities(&exchange);
            assert_eq!(Vec::from_iter(&found.origins), expected, "{head}");
        };
        let http1 = |head, expected: &[&str]| check(Protocol::Http11, head, expected);
        http1("GET / HTTP/1.1\r\nHost: a:1\r\nHost: b\r\n\r\n", &["a:1", "b"]);
        http1("GET http://u:p@[::1]:8/x HTTP/1.1\r\nHost: a\r\n\r\n", &["[::1]:8", "a"]);
        http1("GET FTP://b?c HTTP/1.0\r\n\r\n", &["b"]);
        http1("CONNECT b:443 HTTP/1.1\r\nHost:\r\n\r\n", &["b:443"]);
        http1("GET /http://b/ HTTP/1.1\r\n\r\n", &[]);
        check(Protocol::Http2, ":method: GET\r\n:authority: b:8\r\nhost: a\r\n\r\n", &["a", "b:8"]);
    }
}
