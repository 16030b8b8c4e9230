//! What the target answered, as a session of its own in the run directory.
//!
//! The counting thread hands over what it has counted and never waits; a thread that comes last in turn puts each request
//! together with its answer, redacts both and writes them. What that thread has no time or no disk for is counted, and
//! written as a gap where it can be. Deliberately not here: keeping answers while they are read, which engines do.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use bytes::{Bytes, BytesMut};
use formats::model::{Body, End, Exchange, Gap, GapReason, Instants, Message, Protocol, ReplayOf};
use formats::redact::{RedactionKey, Redactor};
use formats::session::{SessionError, SessionHeader, SessionWriter, WriterOptions};
use formats::wire::{Kind, MessageReader, ResponseTo, Step};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::clock::Clock;
use crate::error::ReplayError;
use crate::job::{Answer, ErrorKind, Facts, Held, Job};
use crate::result;
use crate::rewrite::{Opened, Secrets};
use crate::send::KeepAnswers;

/// The session's name in the run directory.
pub const DIRECTORY: &str = "answers";
/// Answers that may wait to be written …
const QUEUE_ANSWERS_MAX: usize = 65_536;
/// … and bytes of their requests' bodies; those of answers are bounded where they are read.
const QUEUE_BODY_BYTES_MAX: u64 = 256 << 20;
/// Headers that are redacted because sealed values were opened in them; in requests each value is masked in any case.
const OPENED_NAMES_MAX: usize = 1_000;
/// How often a writer that has nothing to do looks again.
const POLL_NS: u64 = 5_000_000;
/// How often what is there is made durable.
const FLUSH_NS: u64 = 1_000_000_000;

/// How answers are kept.
pub struct AnswerOptions {
    /// What is kept of them.
    pub keep: KeepAnswers,
    /// The key of pseudonyms.
    pub key: RedactionKey,
    /// Where this run fills in secrets: these places are redacted, too.
    pub secrets: Secrets,
}

/// Where answers go when they have been counted.
pub struct AnswerSink {
    keep: KeepAnswers,
    queue: Option<Producer<Box<Answered>>>,
    thread: Option<JoinHandle<Written>>,
    /// Bytes of requests' bodies in the queue.
    body_bytes: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

/// A request that was sent, and what came of it.
struct Answered {
    facts: Facts,
    connection: u64,
    head: Vec<u8>,
    /// With its framing.
    body: Bytes,
    /// The body's room in the queue.
    _room: Option<Held>,
    opened: Option<Box<Opened>>,
    answer: Option<Box<Answer>>,
    error: Option<ErrorKind>,
    dispatched_ns: u64,
    written_ns: Option<u64>,
    first_byte_ns: Option<u64>,
    done_ns: u64,
}

#[derive(Default)]
struct Written {
    exchanges: u64,
    file_bytes: u64,
    /// Not written after a failure.
    lost: u64,
    failure: Option<String>,
}

impl AnswerSink {
    /// Keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        let (body_bytes, lost) = Default::default();
        Self { keep: KeepAnswers::None, queue: None, thread: None, body_bytes, lost }
    }

    /// Makes the session in the run directory `run`, and the thread that writes it. `target` and the wall-clock time of
    /// due instant 0 stand in its header.
    ///
    /// # Errors
    /// When the directory or the thread cannot be made.
    pub fn start(
        options: &AnswerOptions,
        run: &Path,
        target: String,
        clock: Clock,
        start_ns: u64,
    ) -> Result<Self, ReplayError> {
        let redactor = Redactor::new(&options.key).with_headers(&options.secrets.headers());
        let policy = redactor.policy();
        let started = clock.wall(start_ns).duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let started_unix_ns = u64::try_from(started.as_nanos()).unwrap_or(u64::MAX);
        let header = SessionHeader {
            session_id: format!("{:016x}", started_unix_ns ^ u64::from(std::process::id()) << 40),
            created_by: format!("reenact {}", env!("CARGO_PKG_VERSION")),
            started_unix_ns,
            upstream: Some(target),
            redaction: Some(policy.into()),
            ..SessionHeader::default()
        };
        let directory = run.join(DIRECTORY);
        let failed = |source: SessionError| ReplayError::Answers { directory: directory.clone(), source };
        let writer = SessionWriter::create(&directory, header, WriterOptions::default()).map_err(failed)?;
        let (queue, answers) = RingBuffer::new(QUEUE_ANSWERS_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let worker = Worker {
            keep: options.keep,
            redactor,
            masked: options.secrets.query_keys(),
            opened_in: BTreeSet::new(),
            clock,
            start_ns,
            answers,
            writer: Some(writer),
            directory,
            lost: Arc::clone(&lost),
            lost_before: 0,
            flushed_ns: clock.now_ns(),
            written: Written::default(),
        };
        let spawned = std::thread::Builder::new().name("answers".into()).spawn(move || {
            crate::turns::go_last();
            worker.run()
        });
        let thread = spawned.map_err(|source| ReplayError::System { doing: "start a thread", source })?;
        Ok(Self { keep: options.keep, queue: Some(queue), thread: Some(thread), body_bytes: Arc::default(), lost })
    }

    /// The share of the queue, in thousandths, that is not written yet.
    pub(crate) fn behind_permille(&self) -> u64 {
        let of_bytes = self.body_bytes.load(Ordering::Relaxed) * 1_000 / QUEUE_BODY_BYTES_MAX;
        self.queue.as_ref().map_or(0, crate::turns::full_permille).max(of_bytes)
    }

    /// Takes what is to be kept out of an outcome; never waits.
    pub fn take(&mut self, job: &mut Job) {
        let (Some(queue), Some(dispatched_ns)) = (&mut self.queue, job.progress.dispatched_ns) else { return };
        let mut room = None;
        if !job.body.is_empty() {
            let held = room.insert(Held::of(Arc::clone(&self.body_bytes)));
            let bytes = job.body.len() as u64;
            // One that is larger has its turn when nothing else waits.
            if !held.grow(bytes, QUEUE_BODY_BYTES_MAX.max(bytes)) {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let answered = Answered {
            facts: job.facts,
            connection: job.slot,
            head: job.head.clone(),
            body: job.body.clone(),
            _room: room,
            opened: job.opened.clone(),
            answer: job.progress.answer.take(),
            error: job.progress.error,
            dispatched_ns,
            written_ns: job.progress.written_ns,
            first_byte_ns: job.progress.first_byte_ns,
            done_ns: job.progress.done_ns,
        };
        if queue.push(Box::new(answered)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what is left and says what became of the answers; `None` if none were to be kept.
    #[must_use]
    pub fn finish(mut self) -> Option<result::Answers> {
        drop(self.queue.take());
        let failure = || Written { failure: Some("its thread panicked".to_owned()), ..Written::default() };
        let written = self.thread.take()?.join().unwrap_or_else(|_| failure());
        Some(result::Answers {
            kept: self.keep.name().to_owned(),
            exchanges: written.exchanges,
            file_bytes: written.file_bytes,
            lost: written.lost + self.lost.load(Ordering::Relaxed),
            failure: written.failure,
        })
    }
}

struct Worker {
    keep: KeepAnswers,
    redactor: Redactor,
    /// Keys of queries whose values are masked.
    masked: Vec<Vec<u8>>,
    /// Headers, in lower case, in which sealed values were opened so far.
    opened_in: BTreeSet<String>,
    clock: Clock,
    start_ns: u64,
    answers: Consumer<Box<Answered>>,
    writer: Option<SessionWriter>,
    directory: PathBuf,
    lost: Arc<AtomicU64>,
    lost_before: u64,
    flushed_ns: u64,
    written: Written,
}

impl Worker {
    fn run(mut self) -> Written {
        loop {
            let over = self.answers.is_abandoned();
            while let Ok(answered) = self.answers.pop() {
                self.append(*answered);
                // Also when they come without a pause.
                self.flush_in_time();
            }
            if over {
                return self.finish();
            }
            self.flush_in_time();
            self.clock.sleep_until(self.clock.now_ns() + POLL_NS);
        }
    }

    fn append(&mut self, mut answered: Answered) {
        if let Some(opened) = &answered.opened {
            // What was opened must be in no file; an answer may repeat it in a header of the same name.
            self.redact_also(&answered.head, opened);
            answered.head = opened.mask(&answered.head);
        }
        let keep = self.keep.bytes(&answered.facts).unwrap_or(0);
        let mut exchange = exchange(answered, keep);
        if !self.masked.is_empty() {
            mask_query(&mut exchange.request.head, &self.masked);
        }
        self.redactor.redact(&mut exchange);
        let mut appended = false;
        self.write(|writer| writer.append(&mut exchange).map(|_| appended = true));
        self.written.exchanges += u64::from(appended);
        self.written.lost += u64::from(!appended);
    }

    /// From now on redacts the headers in which something was opened, whoever sends them.
    fn redact_also(&mut self, head: &[u8], opened: &Opened) {
        for field in formats::head::fields(head) {
            let has = |at: &Range<usize>| field.line.start <= at.start && at.start < field.line.end;
            let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
            if self.opened_in.len() < OPENED_NAMES_MAX && opened.head.iter().any(has) && !self.opened_in.contains(&name)
            {
                self.redactor = self.redactor.clone().with_headers(std::slice::from_ref(&name));
                self.opened_in.insert(name);
            }
        }
    }

    fn flush_in_time(&mut self) {
        let now = self.clock.now_ns();
        if now.saturating_sub(self.flushed_ns) >= FLUSH_NS {
            self.flush(now);
        }
    }

    fn flush(&mut self, now_ns: u64) {
        let lost = self.lost.load(Ordering::Relaxed);
        let since = lost - std::mem::replace(&mut self.lost_before, lost);
        if since > 0 {
            let gap = Gap {
                reason: GapReason::QueueFull,
                from_ns: self.flushed_ns.saturating_sub(self.start_ns),
                to_ns: now_ns.saturating_sub(self.start_ns),
                connections: 0,
                exchanges: since,
                bytes: 0,
            };
            self.write(|writer| writer.gap(&gap));
        }
        self.write(SessionWriter::flush);
        self.flushed_ns = now_ns;
    }

    /// After a failure nothing more is written; what was flushed before stays readable.
    fn write(&mut self, work: impl FnOnce(&mut SessionWriter) -> Result<(), SessionError>) {
        let Some(writer) = &mut self.writer else { return };
        let Err(error) = work(writer) else { return };
        self.written.file_bytes = writer.written().file_bytes;
        if !matches!(error, SessionError::ExchangeTooLarge { .. }) {
            self.writer = None;
        }
        self.fail(&error);
    }

    fn fail(&mut self, error: &dyn std::error::Error) {
        let text = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        log::warn!("keeping answers in {}: {text}", self.directory.display());
        self.written.failure.get_or_insert(text);
    }

    fn finish(mut self) -> Written {
        self.flush(self.clock.now_ns());
        if let Some(writer) = self.writer.take() {
            match writer.finish() {
                Ok(written) => self.written.file_bytes = written.file_bytes,
                Err(error) => self.fail(&error),
            }
        }
        self.written
    }
}

/// A request as it was sent, with at most `body_max` bytes of its content, and what came back.
fn exchange(answered: Answered, body_max: u64) -> Exchange {
    let Answered { facts, answer, error, .. } = answered;
    let hides_body = answered.opened.is_some_and(|opened| opened.in_body);
    let kept_max = if hides_body { 0 } else { usize::try_from(body_max).unwrap_or(usize::MAX) };
    let request = request(&answered.head, &answered.body, kept_max);
    let answer = answer.map(|answer| *answer).unwrap_or_default();
    let Answer { head, framing, body, total_len, chunks, trailers, sha256, informational, .. } = answer;
    let response = framing.filter(|_| !head.is_empty()).map(|framing| {
        let sha256 = (total_len > body.len() as u64).then_some(sha256);
        Message {
            head,
            framing,
            body: Body { bytes: body, total_len, chunks, sha256, ..Body::default() },
            trailers,
            ..Message::default()
        }
    });
    let has_response = response.is_some();
    let first_line = formats::head::start_line(&request.head);
    Exchange {
        seq: 0,
        client: facts.client,
        connection: answered.connection,
        protocol: if first_line.ends_with(b"HTTP/1.0") { Protocol::Http10 } else { Protocol::Http11 },
        request,
        informational,
        response,
        instants: Instants {
            request_start: answered.dispatched_ns,
            request_head: answered.dispatched_ns,
            request_end: answered.written_ns,
            connected: None,
            response_start: answered.first_byte_ns.filter(|_| has_response),
            response_head: None,
            response_end: (error.is_none() && has_response).then_some(answered.done_ns),
        },
        end: match error {
            None => End::Complete,
            Some(ErrorKind::Timeout | ErrorKind::Stopped | ErrorKind::Protocol) => End::ClientGone,
            Some(_) => End::UpstreamGone,
        },
        replay_of: Some(ReplayOf { session: facts.session, seq: facts.seq, copy: facts.copy }),
        ..Exchange::default()
    }
}

/// Masks the values of these keys in the query of a request.
fn mask_query(head: &mut Bytes, keys: &[Vec<u8>]) {
    let Some(query) = formats::head::request_line(head).and_then(|line| {
        let at = line.target.iter().position(|byte| *byte == b'?')?;
        let start = line.method.len() + 1 + at + 1;
        Some(start..line.method.len() + 1 + line.target.len())
    }) else {
        return;
    };
    let (before, rest) = head.split_at(query.start);
    let (pairs, after) = rest.split_at(query.len());
    let mut masked = before.to_vec();
    for (index, pair) in pairs.split(|byte| *byte == b'&').enumerate() {
        if index > 0 {
            masked.push(b'&');
        }
        let key = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        if key.len() < pair.len() && keys.iter().any(|one| one == key) {
            masked.extend_from_slice(key);
            masked.extend_from_slice(b"=***");
        } else {
            masked.extend_from_slice(pair);
        }
    }
    masked.extend_from_slice(after);
    *head = masked.into();
}

/// A request taken apart again. It was read back when it was made ready, so that it can be read; if not, its head tells.
fn request(head: &[u8], body: &[u8], body_max: usize) -> Message {
    let mut message = Message::default();
    let mut kept = BytesMut::new();
    let mut reader = MessageReader::new(Kind::Request);
    'parts: for mut part in [head, body] {
        loop {
            match reader.step(&mut part, ResponseTo::Other) {
                Ok(Step::Head(head, framing)) => (message.head, message.framing) = (head, framing),
                Ok(Step::Chunk(size)) => message.body.chunks.push(size),
                Ok(Step::Data(data)) => {
                    message.body.total_len += data.len() as u64;
                    let room = body_max.saturating_sub(kept.len());
                    kept.extend_from_slice(data.get(..data.len().min(room)).unwrap_or_default());
                }
                Ok(Step::Trailers(lines)) => message.trailers = lines,
                Ok(Step::NeedMore) => break,
                Ok(Step::End | Step::Opaque(_)) | Err(_) => break 'parts,
            }
        }
    }
    if message.head.is_empty() {
        message.head = Bytes::copy_from_slice(head);
    }
    message.body.bytes = kept.freeze();
    message
}

#[cfg(test)]
mod tests;
