//! Making the spool: one pass over the sessions, in the order of their files, nearly that of time.
//!
//! `ahead.rs` reads and `choose.rs` rewrites, on threads of their own; here requests are put into the order of their starts,
//! into pages, and into the list of what is due when.

use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use foldhash::HashSet;
use formats::session::{Session, Wanted};

use super::alive::Clients;
use super::authorities::AUTHORITIES_MAX;
use super::choose::{Choice, Choices, Chooser, Chosen, Prepare};
use super::connections::{ConnectionKey, Connections, Last};
use super::due::{DueEntry, DueSorter};
use super::limit::{DISK_RESERVE_BYTES, Limit, SpillError};
use super::names::Names;
use super::open::{Before, Open};
use super::order::Starts;
use super::pages::{Closed, Page, Pages, Place};
use super::record::{NEXT_AT, Record};
use super::store::Store;
use super::summary::Summary;
use super::warped::{Warped, WarpedList};
use super::{Spool, ahead};
use crate::error::ReplayError;
use crate::plan::{Factor, Life, Plan, Shard};
use crate::rewrite::LeftOut;
use crate::survey::{Selection, Survey};

/// Recorded traces that are remembered, to know the first request of each. When there are more, all are forgotten and a
/// new generation begins: a trace that goes on over such a change has a second first request.
const TRACES_MAX: usize = 1 << 20;
/// Batches of exchanges on their way from those who choose.
const BATCHES_MAX: usize = 8;
/// Threads that choose, where there are so many processors: with more, what follows them takes longest.
const CHOOSERS_MAX: usize = 4;

/// Where and how large a spool may be.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// For its files, if it does not fit into memory.
    pub directory: PathBuf,
    /// Bytes that it may take.
    pub bytes_max: u64,
    /// Whether requests are kept; without, they are only counted.
    pub kept: bool,
    /// Which part of the plan goes into it.
    pub shard: Shard,
}

/// Sees what becomes of every exchange and every request of the plan, exchanges that are left out in the order of the files.
pub type Watch<'a> = dyn FnMut(Seen) + 'a;

/// What a [`Watch`] sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// An exchange of the recording that can be sent.
    Recorded {
        /// Number of its client.
        client: u32,
        /// Index of its endpoint.
        endpoint: u32,
        /// Recording time.
        at_ns: u64,
    },
    /// A request of the whole plan, over all shards.
    Planned {
        /// Index of its endpoint.
        endpoint: u32,
        /// Run time.
        due_ns: u64,
    },
    /// An exchange of the recording that is not sent.
    LeftOut {
        /// Number of its session.
        session: u32,
        /// Its number there.
        seq: u64,
        /// Why.
        reason: LeftOut,
    },
}

/// Makes a spool.
pub struct Builder<'a> {
    survey: &'a Survey,
    plan: &'a mut Plan,
    selection: &'a Selection,
    options: SpoolOptions,
    limit: Arc<Limit>,
    watch: &'a mut Watch<'a>,
    pages: Pages,
    closed: Vec<Page>,
    connections: Connections,
    due: DueSorter,
    /// Requests of clients that are warped, whose copies are drawn when all of them are known.
    warped: WarpedList,
    starts: Starts,
    clients: Clients,
    traces: HashSet<[u8; 8]>,
    trace_generation: u32,
    open: Open,
    endpoints: Names,
    exchanges: u64,
    summary: Summary,
}

impl<'a> Builder<'a> {
    /// A builder for the requests of `plan`; `watch` sees each of them.
    pub fn new(
        survey: &'a Survey,
        plan: &'a mut Plan,
        selection: &'a Selection,
        options: SpoolOptions,
        watch: &'a mut Watch<'a>,
    ) -> Self {
        let limit = Limit::new(&options.directory, options.bytes_max);
        Self {
            survey,
            plan,
            selection,
            pages: Pages::new(Store::new(&limit, options.kept)),
            due: DueSorter::new(&limit),
            watch,
            closed: Vec::new(),
            connections: Connections::default(),
            warped: WarpedList::new(&limit),
            starts: Starts::default(),
            clients: Clients::default(),
            traces: HashSet::default(),
            trace_generation: 0,
            open: Open::default(),
            endpoints: Names::default(),
            exchanges: 0,
            summary: Summary::default(),
            limit,
            options,
        }
    }

    /// Reads `sessions`, and says now and then how many exchanges are done.
    ///
    /// # Errors
    /// When a session cannot be read, the spool cannot be written, or it is too large.
    pub fn build(
        mut self,
        sessions: &[Session],
        prepare: &Prepare<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Spool, ReplayError> {
        for header in sessions.iter().map(Session::header) {
            // A recorder with several listeners names them all.
            let places = header.upstream.iter().chain(&header.listen).flat_map(|places| places.split(", "));
            self.summary.origins.extend(places.map(str::to_owned));
        }
        let choosers = std::thread::available_parallelism().map_or(1, NonZero::get).min(CHOOSERS_MAX);
        let (survey, selection) = (self.survey, self.selection);
        let shifts_ns = survey.shifts_ns.iter();
        let wanted: Vec<(&Session, Wanted)> =
            sessions.iter().zip(shifts_ns.map(|shift_ns| selection.wanted(*shift_ns))).collect();
        let (taken, is_whole) = std::thread::scope(|scope| {
            let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
            let (mut read, mut choosing, mut choices) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..choosers {
                let (to, batches) = sync_channel(ahead::BATCHES_MAX.div_ceil(choosers));
                let (out, from) = sync_channel(BATCHES_MAX.div_ceil(choosers));
                let chooser = Chooser::new(sessions, survey, selection, prepare);
                choosing.push(named("spool-choose").spawn_scoped(scope, move || chooser.run(batches, &out))?);
                read.push(to);
                choices.push(from);
            }
            let reading = named("spool-read").spawn_scoped(scope, move || ahead::read(wanted, &read))?;
            // On an error the channels are dropped here, which ends the choosing, and that the reading.
            let taken = self.take_all(choices, progress);
            // All of them: a scope panics of one that is not joined.
            let joined = choosing.into_iter().chain([reading]).map(|thread| thread.join());
            Ok((taken, joined.collect::<Vec<_>>().into_iter().all(|one| one.is_ok())))
        })
        .map_err(|source: io::Error| ReplayError::System { doing: "start a thread", source })?;
        taken?;
        if !is_whole {
            let source = io::Error::other("a thread panicked");
            return Err(ReplayError::System { doing: "read the sessions", source });
        }
        self.finish()
    }

    /// Takes one batch from each in turn, which is the order of the files.
    fn take_all(
        &mut self,
        choices: Vec<Receiver<Result<Choices, ReplayError>>>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ReplayError> {
        for batch in choices.iter().cycle().map_while(|one| one.recv().ok()) {
            self.take(batch?)?;
            progress(self.exchanges);
        }
        while let Some(first) = self.starts.pop() {
            self.emit(*first)?;
        }
        Ok(())
    }

    fn take(&mut self, choices: Choices) -> Result<(), ReplayError> {
        let Choices { session, all, endpoints, authorities, traces } = choices;
        self.summary.traces.add(traces);
        for authority in authorities {
            if self.summary.origins.len() < AUTHORITIES_MAX {
                self.summary.origins.insert(authority);
            }
        }
        let endpoints: Vec<u32> = endpoints.into_iter().map(|name| self.endpoints.number(name)).collect();
        for choice in all {
            self.exchanges += u64::from(!matches!(choice, Choice::Other(_)));
            match choice {
                Choice::Sent(mut chosen) => {
                    chosen.endpoint = endpoints.get(chosen.endpoint as usize).copied().unwrap_or_default();
                    self.starts.push(chosen);
                }
                Choice::LeftOut { client, seq, reason } => {
                    *self.summary.left_out.entry(reason).or_default() += 1;
                    (self.watch)(Seen::LeftOut { session, seq, reason });
                    if let Some(client) = client {
                        self.clients.left_out(client);
                        self.end_client(client);
                    }
                }
                Choice::Other(event) => self.summary.event(*event),
            }
            while let Some(first) = self.starts.pop_if_full() {
                self.emit(*first)?;
            }
        }
        Ok(())
    }

    /// Takes the next exchange in the order of starts into its client's page, and plans its copies.
    fn emit(&mut self, chosen: Chosen) -> Result<(), ReplayError> {
        let at_ns = chosen.at_ns;
        let (client, endpoint) = (chosen.client, chosen.endpoint);
        let key = ConnectionKey {
            client,
            session: chosen.session,
            connection: chosen.connection,
            target: chosen.template.target,
        };
        let end_ns = chosen.end_ns.unwrap_or(at_ns);
        self.summary.recorded += 1;
        self.summary.sealed += u64::from(chosen.template.sealed);
        self.summary.endpoint(endpoint).recorded += 1;
        (self.watch)(Seen::Recorded { client, endpoint, at_ns });

        let before = self.connections.get(key).copied();
        let record = self.record(chosen, before.as_ref());
        let is_warped = self.plan.is_warped(client);
        if let Some(before) = &before {
            self.pages
                .patch(client, before.place, NEXT_AT, &at_ns.to_le_bytes())
                .map_err(|source| self.failed(source.into()))?;
        }
        let place = if is_warped || self.plan_copies(client, &record, before.as_ref()) {
            let mut closed = Closed { pages: &mut self.closed, connections: &mut self.connections };
            let added = self.pages.add(client, &record, is_warped, &mut closed);
            added.map_err(|error| self.failed(error))?
        } else {
            Place::Nowhere
        };
        self.connections.set(key, Last { place, at_ns, end_ns, is_first: before.is_none() });
        if before.is_none() {
            self.clients.connected(key);
        }
        self.end_client(client);

        if is_warped {
            self.plan.pooled(at_ns);
            if before.is_some_and(|before| before.is_first) {
                self.open.shared_connection();
            }
            let before = before.map(|before| Before {
                due_ns: at_ns.saturating_sub(before.at_ns),
                end_ns: at_ns.saturating_sub(before.end_ns),
            });
            let page = self.closed.pop();
            if let (Some(page), Place::Stored(page_at)) = (page, place) {
                let (page_len, ordinal, response_ns) = (page.len, record.number, record.response_ns());
                let target = record.template.target;
                self.warped
                    .push(&Warped {
                        at_ns,
                        before,
                        page_at,
                        page_len,
                        sent_len: u32::try_from(record.template.bytes()).unwrap_or(u32::MAX),
                        client,
                        ordinal,
                        endpoint,
                        target,
                        response_ns,
                    })
                    .map_err(|error| self.failed(error))?;
            }
        }
        self.list_closed()
    }

    /// Counts what the lives of a client send of one exchange, and the pause before it, as recorded and as each life keeps it.
    /// Whether one of this shard sends it.
    fn plan_copies(&mut self, client: u32, record: &Record, before: Option<&Last>) -> bool {
        let mut is_sent = false;
        let Record { at_ns, endpoint, .. } = *record;
        let response_ns = record.response_ns();
        let bytes = record.template.bytes() as u64;
        let ended_ns = record.after.map(|(_, _, end_ns)| end_ns);
        if let Some(ended_ns) = ended_ns {
            self.summary.thinks_recorded.add(at_ns.saturating_sub(ended_ns));
        }
        for life in self.plan.lives(client) {
            let Some(due_ns) = self.plan.due_ns(client, life, at_ns) else { continue };
            if let Some(ended_ns) = ended_ns.and_then(|ended_ns| self.plan.due_ns(client, life, ended_ns)) {
                self.summary.thinks_planned.add(due_ns.saturating_sub(ended_ns));
            }
            self.summary.planned += 1;
            (self.watch)(Seen::Planned { endpoint, due_ns });
            if !self.plan.is_in(self.options.shard, client, life.copy, 0) {
                continue;
            }
            is_sent = true;
            self.summary.plan(endpoint, record.template.target, due_ns, response_ns);
            self.summary.bytes += bytes;
            let end_ns = due_ns.saturating_add(response_ns.unwrap_or(0));
            let before = before.and_then(|before| {
                let due_ns = self.plan.due_ns(client, life, before.at_ns)?;
                Some(Before { due_ns, end_ns: self.plan.due_ns(client, life, before.end_ns).unwrap_or(due_ns) })
            });
            self.open.user(before, due_ns, end_ns);
        }
        is_sent
    }

    /// Lists the pages that were closed, once for each life that needs them.
    fn list_closed(&mut self) -> Result<(), ReplayError> {
        if !self.options.kept {
            self.closed.clear();
        }
        for page in std::mem::take(&mut self.closed) {
            for life in self.plan.lives(page.client) {
                if !self.plan.is_in(self.options.shard, page.client, life.copy, 0) {
                    continue;
                }
                let Some(due_ns) = self.page_due_ns(&page, life) else { continue };
                let (copy, shift_ns) = (life.copy, life.shift_ns);
                let (page_at, page_len, client) = (page.at, page.len, page.client);
                self.due
                    .push(DueEntry { due_ns, page_at, copy, page_len, client, shift_ns })
                    .map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    /// When a life needs a page at the earliest; `None` where it needs none of it.
    fn page_due_ns(&self, page: &Page, life: Life) -> Option<u64> {
        page.last_ns.checked_add_signed(life.shift_ns)?;
        let unrolled_ns = page.first_ns.saturating_add_signed(life.shift_ns);
        self.plan.timing().run_ns(unrolled_ns)
    }

    fn record(&mut self, chosen: Chosen, before: Option<&Last>) -> Record {
        let at_ns = chosen.at_ns;
        let (number, after) = self.clients.request(chosen.client, at_ns, chosen.end_ns, chosen.seq);
        let first_in_trace = chosen.trace.is_some_and(|trace| self.remember(trace.group()));
        Record {
            at_ns,
            next_ns: None,
            end_ns: chosen.end_ns,
            session: chosen.session,
            seq: chosen.seq,
            connection: chosen.connection,
            number,
            after,
            endpoint: chosen.endpoint,
            status: chosen.status,
            trace: chosen.trace,
            trace_decision: chosen.trace_decision,
            trace_generation: self.trace_generation,
            first_in_trace,
            first_on_connection: before.is_none(),
            pipelined: before.is_some_and(|before| before.end_ns > at_ns),
            to: chosen.to,
            template: chosen.template,
        }
    }

    /// Forgets a client that has had its last exchange.
    fn end_client(&mut self, client: u32) {
        let known = self.survey.clients.get(client as usize);
        // What is still recorded may have more of it than was surveyed.
        if let Some(known) = known.filter(|_| !self.survey.is_growing) {
            self.clients.end_after(client, known.exchanges, &mut self.connections);
        }
    }

    /// Whether a recorded trace is seen for the first time.
    fn remember(&mut self, group: [u8; 8]) -> bool {
        if self.traces.len() >= TRACES_MAX {
            self.traces.clear();
            self.trace_generation = self.trace_generation.wrapping_add(1);
        }
        self.traces.insert(group)
    }

    /// Draws the copies of what is warped, and sorts the list.
    fn finish(mut self) -> Result<Spool, ReplayError> {
        let mut closed = Closed { pages: &mut self.closed, connections: &mut self.connections };
        let pages = std::mem::replace(&mut self.pages, Pages::new(Store::new(&self.limit, false)));
        let store = pages.finish(&mut closed).map_err(|error| self.failed(error))?;
        self.list_closed()?;
        self.plan.pools_are_complete();
        let warped = std::mem::replace(&mut self.warped, WarpedList::new(&self.limit));
        warped.each(|one| self.plan_warped(&one)).map_err(|error| self.failed(error))?;
        let due = std::mem::replace(&mut self.due, DueSorter::new(&self.limit));
        let due = due.finish().map_err(|error| self.failed(error))?;
        if self.options.kept {
            self.limit.check(store.len() + due.bytes()).map_err(|error| self.failed(error))?;
        }
        for (index, name) in (0..).zip(self.endpoints.into_names()) {
            self.summary.endpoint(index).name = name;
        }
        self.summary.open = self.open.estimate(self.summary.seconds.len());
        // Where the rate is lower than the recorded one, some of a connection's requests are left out.
        let is_whole = self.plan.profile().as_constant().is_some_and(|factor| factor >= Factor::ONE);
        self.summary.surely_open = self.open.surely(is_whole);
        self.summary.connections = self.connections.seen;
        self.summary.connections_forgotten = self.connections.forgotten;
        Ok(Spool { directory: self.options.directory, kept_in: None, pages: store, due, summary: self.summary })
    }

    /// Lists and counts the copies of one exchange.
    fn plan_warped(&mut self, one: &Warped) -> Result<(), SpillError> {
        let Warped { page_at, page_len, client, endpoint, response_ns, .. } = *one;
        let (ordinal, mut drawn) = (u64::from(one.ordinal), 0_u64);
        for (copy, due_ns) in self.plan.copies(client, ordinal, one.at_ns) {
            self.summary.planned += 1;
            (self.watch)(Seen::Planned { endpoint, due_ns });
            if !self.plan.is_in(self.options.shard, client, copy, ordinal) {
                continue;
            }
            self.summary.plan(endpoint, one.target, due_ns, response_ns);
            self.summary.bytes += u64::from(one.sent_len);
            // Of a connection a shard has only some of the requests.
            if self.options.shard == Shard::WHOLE && self.plan.is_in_place(copy, one.at_ns, due_ns) {
                self.open.pooled(one.before, due_ns, response_ns);
            } else {
                self.open.drawn(one.before.is_none(), due_ns, response_ns);
                drawn += 1;
            }
            if self.options.kept {
                self.due.push(DueEntry { due_ns, page_at, copy, page_len, client, shift_ns: 0 })?;
            }
        }
        self.open.drawn_at_once(drawn.div_ceil(u64::from(self.plan.timing().rounds.max(1))));
        Ok(())
    }

    fn failed(&self, error: SpillError) -> ReplayError {
        let directory = self.options.directory.clone();
        match error {
            SpillError::Io(source) => ReplayError::Spool { doing: "write", directory, source },
            SpillError::Disk { free_bytes, more_bytes } => {
                ReplayError::SpoolDisk { directory, free_bytes, more_bytes, reserve_bytes: DISK_RESERVE_BYTES }
            }
            SpillError::TooLarge => ReplayError::SpoolTooLarge {
                limit_bytes: self.options.bytes_max,
                done: self.exchanges,
                of: self.survey.exchanges,
            },
        }
    }
}
