//! Which exchanges are sent, made ready by the rules of the run.
//!
//! This takes longer than what comes before it (`ahead.rs`) and after it (`build.rs`) to make a spool. Therefore several
//! threads do it, which take batches in turn: nothing here depends on what was in another batch.

use std::sync::mpsc::{Receiver, SyncSender};

use foldhash::HashMap;
use formats::head;
use formats::model::{ClientKey, Exchange};
use formats::session::{Event, Session};
use formats::trace::{self, TraceContext};
use formats::wire::ResponseTo;

use super::Traces;
use super::ahead::Batch;
use super::authorities::Authorities;
use crate::error::ReplayError;
use crate::rewrite::{LeftOut, NotSent, SealedFault, Template};
use crate::survey::{Selection, Survey};

/// Clients whose numbers are remembered.
const NUMBERS_MAX: usize = 1 << 14;

/// Makes a request of an exchange ready to be sent, or says why it is not; the session's number and the exchange's
/// endpoint are given.
pub type Prepare<'a> = dyn Fn(u32, &Exchange, &str) -> Result<Template, NotSent> + Sync + 'a;

/// What became of a batch.
#[derive(Default)]
pub(super) struct Choices {
    pub(super) session: u32,
    /// In the order of the files.
    pub(super) all: Vec<Choice>,
    /// Endpoints, by the numbers that they have in this batch.
    pub(super) endpoints: Vec<String>,
    /// Recorded authorities that were not among those of earlier batches of the same thread.
    pub(super) authorities: Vec<String>,
    pub(super) traces: Traces,
}

/// What became of one event.
pub(super) enum Choice {
    /// An exchange that can be sent.
    Sent(Box<Chosen>),
    /// One that is left out, of a client of the survey or none.
    LeftOut { client: Option<u32>, seq: u64, reason: LeftOut },
    /// No exchange.
    Other(Box<Event>),
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
    /// Its number in the batch, and once it is out of that, in the spool.
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

/// Chooses.
pub(super) struct Chooser<'a> {
    sessions: &'a [Session],
    survey: &'a Survey,
    selection: &'a Selection,
    prepare: &'a Prepare<'a>,
    /// Of clients that were met lately, by session: looking in the survey is a walk through memory that nobody else touches.
    numbers: HashMap<(u32, ClientKey), Option<u32>>,
    authorities: Authorities,
    choices: Choices,
    /// The numbers of the batch's endpoints.
    endpoints: HashMap<String, u32>,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(
        sessions: &'a [Session],
        survey: &'a Survey,
        selection: &'a Selection,
        prepare: &'a Prepare<'a>,
    ) -> Self {
        let (numbers, endpoints) = (HashMap::default(), HashMap::default());
        let (authorities, choices) = Default::default();
        Self { sessions, survey, selection, prepare, numbers, authorities, choices, endpoints }
    }

    /// Takes all batches, and hands over what became of each, until one fails or nobody listens any more.
    pub(super) fn run(mut self, read: Receiver<Batch>, out: &SyncSender<Result<Choices, ReplayError>>) {
        for batch in read {
            let choices = self.take(batch);
            let is_last = choices.is_err();
            if out.send(choices).is_err() || is_last {
                break;
            }
        }
    }

    fn take(&mut self, batch: Batch) -> Result<Choices, ReplayError> {
        let Batch { session: number, before, events } = batch;
        let Some(session) = self.sessions.get(number as usize) else { return Ok(Choices::default()) };
        self.choices = Choices { session: number, all: Vec::with_capacity(events.len()), ..Choices::default() };
        self.endpoints.clear();
        let header = session.header();
        let shift_ns = self.survey.shifts_ns.get(number as usize).copied().unwrap_or(0);
        let mut exchanges = before;
        for event in events {
            let exchange = match event? {
                Event::Exchange(exchange) => exchange,
                other => {
                    self.choices.all.push(Choice::Other(Box::new(other)));
                    continue;
                }
            };
            if self.selection.has(header, shift_ns, &exchange) {
                let at_ns = shift_ns.saturating_add(exchange.instants.request_start);
                let chosen = self.choose((number, exchanges), at_ns, &exchange);
                chosen.map_err(|fault| ReplayError::Sealed {
                    session: session.path().to_owned(),
                    seq: exchange.seq,
                    place: fault.place,
                    source: fault.error,
                })?;
            }
            exchanges += 1;
        }
        self.choices.authorities = self.authorities.take_new();
        Ok(std::mem::take(&mut self.choices))
    }

    /// Makes an exchange ready, or says why it is left out.
    fn choose(&mut self, (session, number): (u32, u64), at_ns: u64, exchange: &Exchange) -> Result<(), SealedFault> {
        let request_head = &exchange.request.head;
        self.authorities.note(exchange);
        let client = self.client(session, exchange.client);
        let mut leave_out = |reason| self.choices.all.push(Choice::LeftOut { client, seq: exchange.seq, reason });
        let Some(client) = client else {
            leave_out(LeftOut::NotInIndex);
            return Ok(());
        };
        let Some(line) = head::request_line(request_head) else {
            leave_out(LeftOut::IncompleteRequest);
            return Ok(());
        };
        let name = self.selection.templates.endpoint(line.method, line.target);
        let template = match (self.prepare)(session, exchange, &name) {
            Ok(template) => template,
            Err(NotSent::LeftOut(reason)) => {
                leave_out(reason);
                return Ok(());
            }
            Err(NotSent::Sealed(fault)) => return Err(fault),
        };
        let status = exchange.response.as_ref().and_then(|response| head::status_line(&response.head));
        let at_ns = at_ns.saturating_sub(self.survey.origin_ns);
        let after_start = |end: u64| at_ns.saturating_add(end.saturating_sub(exchange.instants.request_start));
        let recorded = trace::recorded(request_head);
        self.choices.traces.count(&recorded);
        let chosen = Chosen {
            at_ns,
            number,
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
        self.choices.all.push(Choice::Sent(Box::new(chosen)));
        Ok(())
    }

    /// The number of a client in the survey.
    fn client(&mut self, session: u32, key: ClientKey) -> Option<u32> {
        if self.numbers.len() >= NUMBERS_MAX {
            self.numbers.clear();
        }
        *self.numbers.entry((session, key)).or_insert_with(|| self.survey.number(session, key))
    }

    /// The number of an endpoint in the batch.
    fn endpoint(&mut self, name: String) -> u32 {
        if let Some(index) = self.endpoints.get(&name) {
            return *index;
        }
        let index = u32::try_from(self.choices.endpoints.len()).unwrap_or(u32::MAX);
        self.choices.endpoints.push(name.clone());
        self.endpoints.insert(name, index);
        index
    }
}
