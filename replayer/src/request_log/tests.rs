//! What is written is read, by the fast way and by the other one alike; lines come out whole, however they come in.

use std::io::{self, Cursor, Read};

use proptest::prelude::*;

use super::write::put;
use super::*;
use crate::job::tests::job;
use crate::job::{ErrorKind, Job, Progress, Shed};

/// A line as it is written, with a newline at its end.
fn written(job: &Job, endpoint: &str) -> Vec<u8> {
    let mut line = Vec::new();
    put(job, endpoint, &mut line);
    line
}

fn any_job() -> impl Strategy<Value = Box<Job>> {
    let number = || prop_oneof![0..3_u64, any::<u64>(), 0..10_000_000_000_000_u64];
    let instant = || prop::option::of(number());
    let ends = (prop::option::of(any::<u16>()), 0..30_usize, 0..12_usize, any::<[u8; 16]>(), any::<[u8; 8]>());
    (number(), number(), number(), number(), [instant(), instant(), instant(), instant()], ends).prop_map(
        |(seq, due_ns, done_ns, bytes, [held, dispatched, written, first], (status, error, shed, trace, span))| {
            let mut job = job(due_ns, 0, b"GET / HTTP/1.1\r\n\r\n");
            (job.facts.seq, job.fresh.trace_id, job.fresh.span_id) = (seq, trace, span);
            const ERRORS: [ErrorKind; 3] = [ErrorKind::Timeout, ErrorKind::Io, ErrorKind::Refused];
            const SHEDS: [Shed; 2] = [Shed::Busy, Shed::Budget];
            job.progress = Progress {
                released_ns: due_ns,
                held_by_seq: held,
                busy_ns: bytes / 3,
                connect_ns: bytes / 7,
                dispatched_ns: dispatched,
                written_ns: written,
                first_byte_ns: first,
                done_ns,
                status,
                error: ERRORS.get(error).copied(),
                shed: SHEDS.get(shed).copied(),
                bytes_in: bytes,
                bytes_out: bytes.rotate_left(9),
                ..Progress::default()
            };
            job
        },
    )
}

fn numbers(job: &Job) -> impl Iterator<Item = u64> {
    let end = &job.progress;
    let done_ns = end.shed.is_none().then_some(end.done_ns);
    let some = [done_ns, end.held_by_seq, end.dispatched_ns, end.written_ns, end.first_byte_ns];
    some.into_iter().flatten().chain([
        job.facts.seq,
        job.due_ns,
        end.busy_ns,
        end.connect_ns,
        end.bytes_in,
        end.bytes_out,
    ])
}

fn json(text: &[u8]) -> Option<Line<'_>> {
    serde_json::from_slice(text).ok()
}

proptest! {
    #[test]
    fn both_ways_read_what_is_written(job in any_job(), endpoint in "null|\"[a-z/{}é ]{0,20}\"") {
        let text = written(&job, &endpoint);
        // Twenty digits are left to the other way.
        let is_long = numbers(&job).any(|number| number >= 10_u64.pow(19));
        let known = Line::known(&text);
        prop_assert!(known.is_some() != is_long, "{}", String::from_utf8_lossy(&text));
        prop_assert!(known.is_none() || known == json(&text));
        prop_assert_eq!(Line::read(&text).ok(), json(&text));
        let read = Line::read(&text).unwrap();
        prop_assert_eq!((read.seq, read.due_ns, read.status), (job.facts.seq, job.due_ns, job.progress.status));
        let endpoint: Option<String> = serde_json::from_str(&endpoint).unwrap();
        prop_assert_eq!(read.endpoint.map(String::from), endpoint);
    }

    #[test]
    fn of_a_line_that_is_changed_both_say_the_same_or_the_fast_one_nothing(
        job in any_job(),
        at: prop::sample::Index,
        len in 0..3_usize,
        more in prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 1..3), "[0-9\"\\\\,:.{}eEnul\\- \n]{1,3}".prop_map(String::into_bytes)],
    ) {
        let mut text = written(&job, "\"GET /é\"");
        let from = at.index(text.len());
        text.splice(from..(from + len).min(text.len()), more);
        if let Some(known) = Line::known(&text) {
            prop_assert_eq!(Some(known), json(&text), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn lines_come_out_whole_however_they_come_in(sizes in prop::collection::vec(1..2_000_usize, 1..9), jobs in prop::collection::vec(any_job(), 0..40)) {
        let text: Vec<u8> = jobs.iter().flat_map(|job| written(job, "\"a\"")).collect();
        let mut lines = Lines::new(Pieces { of: Cursor::new(&text), sizes: sizes.iter().cycle() });
        for job in &jobs {
            prop_assert_eq!(lines.next(|line| line.seq), Some(job.facts.seq));
        }
        prop_assert_eq!(lines.next(|line| line.seq), None);
        prop_assert_eq!(lines.ending(), &Ending { lines: jobs.len() as u64, ..Ending::default() });
    }
}

/// Gives as much at once as it was told to.
struct Pieces<'a, I> {
    of: Cursor<&'a Vec<u8>>,
    sizes: I,
}

impl<'a, I: Iterator<Item = &'a usize>> Read for Pieces<'_, I> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes.next().map_or(1, |size| into.len().min(*size));
        self.of.read(&mut into[..size])
    }
}

#[test]
fn members_may_come_in_any_order_with_others_between_them() {
    let text = br#" {"done_ns": 7, "due_ns":1,"new":[{}],"released_ns":2,"endpoint":"GET \/\u00e9","seq":3} "#;
    assert_eq!(Line::known(text), None);
    let line = Line::read(text).unwrap();
    assert_eq!((line.seq, line.due_ns, line.released_ns, line.done_ns), (3, 1, 2, Some(7)));
    assert_eq!((line.endpoint.as_deref(), line.trace_id), (Some("GET /é"), None));
}

/// What is read of a text: how many lines, how many that are none, and where it breaks off.
fn ending(text: &[u8]) -> Ending {
    let mut lines = Lines::new(text);
    while lines.next(|_| ()).is_some() {}
    lines.ending().clone()
}

#[test]
fn a_log_ends_where_its_last_line_does_and_breaks_off_anywhere_else() {
    let line = written(&job(5, 0, b""), "\"a\"");
    let ends = |text: &[u8], lines: u64, unreadable: u64, cut: Option<&str>| {
        assert_eq!(ending(text), Ending { lines, unreadable, cut: cut.map(str::to_owned) });
    };
    ends(b"", 0, 0, None);
    ends(&line.repeat(3_000), 3_000, 0, None);
    ends(&[&line.repeat(3_000), &line[..line.len() - 1]].concat(), 3_000, 0, Some("the middle of a line"));
    ends(&[&line[..], b"\n{}\n", &line].concat(), 2, 2, None);
    // The longest line that is one, and a longer one, with and without an end.
    let long = |bytes: usize| [vec![b' '; bytes - line.len()], line.clone()].concat();
    let too_long = Some("a line that is too long to be one of it");
    ends(&[long(64 << 10), line.clone()].concat(), 2, 0, None);
    ends(&[line.clone(), long((64 << 10) + 1), line.clone()].concat(), 1, 0, too_long);
    ends(&[line.clone(), vec![b' '; 1 << 20]].concat(), 1, 0, too_long);
}
