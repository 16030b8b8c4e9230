//! How fast sessions are written and read, and lines printed and parsed, in raw bytes (heads and bodies) a second of
//! processor time.
//!
//! ```sh
//! cargo bench -p formats --bench sessions -- LINES.jsonl [BLOCK_BYTES LEVEL]
//! ```
//!
//! `LINES.jsonl` is what `reenact cat` prints; tests/bench/sessions.py makes such files. Each step is the fastest of
//! three. The session is written to a temporary folder and flushed to the disk once, at its end.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a bench stops at the first error")]

use std::path::Path;

use formats::jsonl::{self, Line, Reader};
use formats::model::{Exchange, Message};
use formats::session::{Event, Session, SessionHeader, SessionWriter, WriterOptions};

const ROUNDS: usize = 3;

/// Processor time of all threads so far, in nanoseconds.
fn processor_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of_task = |task: std::fs::DirEntry| {
        let spent = std::fs::read_to_string(task.path().join("schedstat")).unwrap();
        spent.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    tasks.map(|task| of_task(task.unwrap())).sum()
}

fn raw_bytes(exchange: &Exchange) -> usize {
    let message = |message: &Message| message.head.len() + message.body.bytes.len() + message.trailers.len();
    message(&exchange.request)
        + exchange.informational.iter().map(bytes::Bytes::len).sum::<usize>()
        + exchange.response.as_ref().map_or(0, message)
}

fn parse(lines: &[u8], mut take: impl FnMut(Exchange)) {
    let mut reader = Reader::new();
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        if let Line::Exchange(exchange) = reader.line(&lines[from..=end]).unwrap() {
            take(exchange);
        }
        from = end + 1;
    }
}

fn write(directory: &Path, options: WriterOptions, exchanges: &mut [Exchange]) -> u64 {
    let mut writer = SessionWriter::create(directory, SessionHeader::default(), options).unwrap();
    for exchange in exchanges {
        writer.append(exchange).unwrap();
    }
    writer.finish().unwrap().file_bytes
}

fn read(directory: &Path) -> usize {
    let session = Session::open(directory).unwrap();
    session.events().filter(|event| matches!(event.as_ref().unwrap(), Event::Exchange(_))).count()
}

fn print(exchanges: &[Exchange]) -> usize {
    let (mut line, mut printed) = (Vec::new(), 0);
    for exchange in exchanges {
        line.clear();
        jsonl::to_line(exchange, 0, &mut line);
        printed += std::hint::black_box(&line).len();
    }
    printed
}

/// Says how fast the fastest round was.
fn step<T>(name: &str, raw: usize, mut run: impl FnMut(usize) -> T) -> T {
    let mut fastest = u64::MAX;
    let mut result = None;
    for round in 0..ROUNDS {
        drop(result.take());
        let before = processor_ns();
        result = Some(run(round));
        fastest = fastest.min(processor_ns() - before);
    }
    println!("{name}: {:.1} MB/s", raw as f64 * 1e3 / fastest as f64);
    result.unwrap()
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(path) = arguments.next() else { panic!("give a file that `reenact cat` printed") };
    let mut options = WriterOptions::default();
    if let Some(block_bytes) = arguments.next() {
        options.block_bytes = block_bytes.parse().unwrap();
    }
    if let Some(level) = arguments.next() {
        options.level = level.parse().unwrap();
    }
    let lines = std::fs::read(path).unwrap();
    let mut exchanges = Vec::new();
    parse(&lines, |exchange| exchanges.push(exchange));
    let raw = exchanges.iter().map(raw_bytes).sum::<usize>();
    println!("{} exchanges, {raw} raw bytes", exchanges.len());
    let folder = tempfile::tempdir().unwrap();
    let session = |round: usize| folder.path().join(round.to_string());
    let size = step("write", raw, |round| write(&session(round), options, &mut exchanges));
    println!("{size} bytes of session");
    assert_eq!(step("read", raw, |_| read(&session(0))), exchanges.len());
    step("print", raw, |_| print(&exchanges));
    let parsed = step("parse", raw, |_| {
        let mut parsed = 0;
        parse(&lines, |_| parsed += 1);
        parsed
    });
    assert_eq!(parsed, exchanges.len());
}
