//! `reenact cat`: a session as JSON, one object a line. How one exchange is laid out for a person is in [`crate::show`].

use std::io::{BufWriter, ErrorKind, Write};

use formats::filter::Context;
use formats::jsonl;
use formats::model::Exchange;
use formats::session::Event;
use formats::visible;

use crate::cli::CatArgs;
use crate::names;
use crate::outcome::{Failure, Outcome};
use crate::read::{self, Problems};
use crate::show::{self, Look};

pub(crate) fn run(args: &CatArgs) -> Result<Outcome, Failure> {
    let templates = names::given(&args.template)?;
    let sessions = read::open(&args.sessions, args.identity.as_ref())?;
    if !args.show.is_empty() {
        return show::run(&sessions, &args.show, Look::of_output(args.show_bytes));
    }
    let mut left = args.limit.unwrap_or(u64::MAX);
    let earliest = sessions.iter().map(|session| session.header().started_unix_ns).min().unwrap_or(0);
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let mut problems = Problems::default();
    let mut line = Vec::new();
    for (number, session) in sessions.iter().enumerate() {
        if left == 0 && number > 0 {
            break;
        }
        let started = session.header().started_unix_ns;
        let context =
            Context { session_started_unix_ns: started, recording_started_unix_ns: earliest, templates: &templates };
        let is_wanted =
            |exchange: &Exchange| args.filter.as_ref().is_none_or(|filter| filter.matches(exchange, &context));
        let header = serde_json::to_value(session.header());
        let header = header.map_err(|error| Failure::new(format!("cannot print the header: {error}")))?;
        line.clear();
        jsonl::session_to_line(&header, &mut line);
        if !write(&mut out, &line)? {
            return Ok(Outcome::Done);
        }
        for event in session.events() {
            if left == 0 {
                break;
            }
            line.clear();
            match problems.note(event)? {
                Some(Event::Exchange(exchange)) if is_wanted(&exchange) => {
                    left -= 1;
                    jsonl::to_line(&exchange, started, &mut line);
                }
                Some(Event::Gap(gap)) => jsonl::gap_to_line(&gap, &mut line),
                _ => continue,
            }
            if !write(&mut out, &line)? {
                return Ok(Outcome::Done);
            }
        }
    }
    write_failed(out.flush())?;
    Ok(problems.outcome())
}

/// False when the reader of our output has gone away, as `head` does.
fn write(out: &mut impl Write, line: &[u8]) -> Result<bool, Failure> {
    // Other control characters JSON spells out anyway; what begins with none of these bytes needs no second look. Most lines
    // are known to have none of them many bytes at a time.
    let may_steer =
        line.contains(&0x7f) || (!line.is_ascii() && line.iter().any(|byte| matches!(byte, 0xc2 | 0xd8 | 0xe2)));
    match std::str::from_utf8(line) {
        Ok(text) if may_steer => write_failed(out.write_all(visible::lines(text).as_bytes())),
        _ => write_failed(out.write_all(line)),
    }
}

fn write_failed(result: std::io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(format!("cannot write the output: {error}"))),
    }
}
