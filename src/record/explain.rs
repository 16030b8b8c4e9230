//! `reenact record --explain-redaction`: which rule would change what, exchange by exchange, and never a value.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use formats::head;
use formats::jsonl::{Line, Reader};
use formats::model::Exchange;
use formats::redact::{Change, Redactor};
use formats::session::{Event, Session, SessionError};
use formats::visible;
use serde_json::{Value, json};

use crate::cli::RecordArgs;
use crate::outcome::{Failure, Outcome};
use crate::read::Problems;
use crate::{redaction, secret, units};

/// Longest line of a file: a body of the largest size that a recorder keeps, as base64, with room for the rest.
const LINE_BYTES_MAX: u64 = 128 << 20;
/// Characters of a target that are shown, without its query.
const TARGET_CHARS_MAX: usize = 60;

pub(super) fn run(args: &RecordArgs, path: &Path) -> Result<Outcome, Failure> {
    let key = secret::redaction_key(args.keep.redact_key.as_ref())?;
    let redactor = redaction::build(&key, &args.seal, args.config.as_deref())?.redactor;
    let mut explanation = Explanation {
        redactor,
        out: BufWriter::new(std::io::stdout().lock()),
        json: args.json,
        exchanges: 0,
        changed: 0,
        counts: BTreeMap::new(),
        redacted_before: None,
    };
    let outcome = if is_text(path) { explanation.lines(path)? } else { explanation.session(path)? };
    explanation.end()?;
    Ok(outcome)
}

/// Whether this is a file that begins as what `reenact cat` prints.
fn is_text(path: &Path) -> bool {
    let mut first = [0];
    path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *b"{"
}

struct Explanation<W> {
    redactor: Redactor,
    out: W,
    json: bool,
    exchanges: u64,
    changed: u64,
    /// By rule, place and action.
    counts: BTreeMap<(String, &'static str, &'static str), u64>,
    /// The key id of a session that was redacted before.
    redacted_before: Option<String>,
}

impl<W: Write> Explanation<W> {
    fn session(&mut self, path: &Path) -> Result<Outcome, Failure> {
        let session = Session::open(path).map_err(|error| match error {
            // Nothing but lines has a way in here that needs no identity.
            SessionError::Encrypted { .. } => Failure::of(&error)
                .hint("print it with `reenact cat --identity file:PATH`, and give the file of its lines"),
            error => error.into(),
        })?;
        self.redacted_before = session.header().redaction.as_ref().map(|redaction| redaction.key_id.clone());
        let mut problems = Problems::default();
        for event in session.events() {
            if let Some(Event::Exchange(exchange)) = problems.note(event)? {
                self.exchange(*exchange)?;
            }
        }
        Ok(problems.outcome())
    }

    fn lines(&mut self, path: &Path) -> Result<Outcome, Failure> {
        let shown = path.display();
        let cannot = |error: std::io::Error| Failure::new(format!("cannot read {shown}: {error}"));
        let mut input = BufReader::with_capacity(1 << 20, File::open(path).map_err(cannot)?);
        let (mut reader, mut line) = (Reader::new(), Vec::new());
        for number in 1u64.. {
            line.clear();
            let read = input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line).map_err(cannot)?;
            if read == 0 {
                break;
            }
            if read as u64 > LINE_BYTES_MAX {
                return Err(Failure::new(format!("{shown} line {number}: it is longer than {LINE_BYTES_MAX} bytes")));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let parsed = reader.line(&line).map_err(|error| Failure::new(format!("{shown} line {number}: {error}")))?;
            match parsed {
                Line::Exchange(exchange) => self.exchange(exchange)?,
                Line::Session(header) => {
                    self.redacted_before =
                        header.pointer("/redaction/key_id").and_then(Value::as_str).map(str::to_owned);
                }
                Line::Gap(_) => {}
            }
        }
        Ok(Outcome::Done)
    }

    fn exchange(&mut self, mut exchange: Exchange) -> Result<(), Failure> {
        self.exchanges += 1;
        let changes = self.redactor.explain(&mut exchange);
        if changes.is_empty() {
            return Ok(());
        }
        self.changed += 1;
        for change in &changes {
            *self.counts.entry((change.rule.clone(), change.place, change.action)).or_default() += 1;
        }
        // After redaction, so that the path shows no secret either.
        let line = head::request_line(&exchange.request.head);
        let (method, target) = line.map_or((&b""[..], &b""[..]), |line| (line.method, line.target));
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let [path, method] = [path, method].map(shown);
        if self.json {
            let changes: Vec<Value> = changes.iter().map(change_json).collect();
            let line =
                json!({"type": "exchange", "seq": exchange.seq, "method": method, "path": path, "changes": changes});
            return self.print(format_args!("{line}\n"));
        }
        self.print(format_args!("exchange {}: {method} {path}\n", exchange.seq))?;
        for Change { part, place, name, rule, action, bytes, .. } in &changes {
            let name = if name.is_empty() { String::new() } else { format!(" {name}") };
            self.print(format_args!("  {part} {place}{name}: {action} {bytes} bytes ({rule})\n"))?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        let (exchanges, changed) = (self.exchanges, self.changed);
        let before = self.redacted_before.take();
        if self.json {
            let count = |((rule, place, action), count): (&(String, &str, &str), &u64)| json!({"rule": rule, "place": place, "action": action, "count": count});
            let counts: Vec<Value> = self.counts.iter().map(count).collect();
            let summary = json!({"type": "summary", "exchanges": exchanges, "changed": changed, "counts": counts, "redacted_before": before});
            self.print(format_args!("{summary}\n"))?;
        } else {
            if let Some(key) = before {
                self.print(format_args!(
                    "redacted before, with key {key}: what that replaced is left as it is, and not told here\n"
                ))?;
            }
            self.print(format_args!(
                "{} of {} exchanges would be changed\n",
                units::count(changed),
                units::count(exchanges)
            ))?;
            for ((rule, place, action), count) in std::mem::take(&mut self.counts) {
                self.print(format_args!("  {:>8}  {action} in {place}: {rule}\n", units::count(count)))?;
            }
        }
        written(self.out.flush())
    }

    fn print(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        written(self.out.write_all(visible::lines(&text.to_string()).as_bytes()))
    }
}

/// The beginning of what a peer sent, without what would move a cursor.
fn shown(text: &[u8]) -> String {
    let printed = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    String::from_utf8_lossy(text).chars().take(TARGET_CHARS_MAX).map(printed).collect()
}

fn change_json(change: &Change) -> Value {
    let Change { part, place, name, rule, action, bytes, .. } = change;
    json!({"part": part, "place": place, "name": name, "rule": rule, "action": action, "bytes": bytes})
}

/// A reader of our output that went away, as `head` does, is no failure.
fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the output: {error}")))
        }
        _ => Ok(()),
    }
}
