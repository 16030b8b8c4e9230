//! What a client span costs to build, without its export.
//!
//! ```text
//! cargo bench -p replayer --bench spans -- [SPANS]
//! ```
//! Requests are those of a shop: eight endpoints, four User-Agents, one in 16 answered 404, one in 64 with a recorded trace.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and stops at the first error"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use formats::model::ClientKey;
use formats::trace::TraceContext;
use formats::wire::ResponseTo;
use replayer::clock::Clock;
use replayer::contexts::{Contexts, Origin};
use replayer::dial::Peer;
use replayer::job::{Budgeted, Facts, Job, Progress, RunFacts};
use replayer::spans::{SpanBuilder, SpanOptions};
use replayer::target::Target;

/// Jobs that are taken in turn.
const JOBS: u64 = 4_096;
const ROUNDS: usize = 5;

fn job(contexts: &Contexts, number: u64) -> Job {
    let trace = number.is_multiple_of(64).then_some(TraceContext { trace_id: [7; 16], parent_id: [9; 8], flags: 1 });
    let origin = Origin {
        position: number,
        copy: 0,
        recorded: trace,
        decision: None,
        generation: 0,
        first_in_trace: number.is_multiple_of(128),
    };
    let (fresh, agent) = (contexts.of(&origin), 120 + number % 4);
    let mut head = format!(
        "GET /shop/{}/items/{number}?page=1&sort=price&session=abcdef HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:{agent}.0) Gecko/20100101 Firefox/{agent}.0 reenact/0.1.0\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: sid={number:032x}",
        number % 8
    )
    .into_bytes();
    contexts.append_fields(&fresh, &mut head);
    let due_ns = number * 200_000;
    Job {
        facts: Facts {
            position: number,
            session: 0,
            seq: number,
            client: ClientKey::default(),
            copy: 0,
            endpoint: u32::try_from(number % 8).unwrap(),
            status: Some(200),
            response_ns: Some(3_000_000),
            trace,
        },
        due_ns,
        target: 0,
        slot: number,
        next_in_slot_ns: None,
        pipelined: false,
        life: number,
        life_ends_ns: u64::MAX,
        number: 0,
        recorded_end_ns: u64::MAX,
        after: None,
        head,
        body: Bytes::new(),
        opened: None,
        authorized: None,
        expects_continue: false,
        to: ResponseTo::Other,
        fresh,
        budgeted: Budgeted::Not,
        progress: Progress {
            released_ns: due_ns,
            dispatched_ns: Some(due_ns + 30_000),
            written_ns: Some(due_ns + 40_000),
            first_byte_ns: Some(due_ns + 2_000_000),
            done_ns: due_ns + 2_500_000,
            status: Some(if number.is_multiple_of(16) { 404 } else { 200 }),
            bytes_in: 1_200,
            bytes_out: 400,
            connecting_ns: number.is_multiple_of(32).then_some(due_ns),
            peer: Some(Peer::Address("127.0.0.1:8080".parse().unwrap())),
            ..Progress::default()
        },
        room: None,
    }
}

fn main() {
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let spans: u64 = asked.map_or(400_000, |argument| argument.parse().unwrap());
    let contexts = Contexts::random().unwrap();
    let jobs: Vec<Job> = (0..JOBS).map(|number| job(&contexts, number)).collect();
    let facts = RunFacts {
        contexts,
        endpoints: (0..8).map(|at| format!("GET /shop/{at}/items/{{id}}")).collect(),
        targets: vec![Target::resolve("http://127.0.0.1:8080").unwrap()],
        planned: spans,
        multiplier: 1.0,
    };
    let mut builder = SpanBuilder::new(Arc::new(facts), Clock::start(), 0, &SpanOptions::default());
    let attributes = builder.request(jobs.first().unwrap()).attributes.len();
    for _ in 0..ROUNDS {
        let since = Instant::now();
        for job in jobs.iter().cycle().take(usize::try_from(spans).unwrap()) {
            black_box(builder.request(black_box(job)));
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let each = since.elapsed().as_nanos() as f64 / spans as f64;
        println!("{each:>7.0} ns a span with {attributes} attributes");
    }
}
