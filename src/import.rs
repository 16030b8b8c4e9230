//! `reenact import`: a session made of other files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;

use formats::jsonl::{Line, Reader};
use formats::session::{SessionHeader, SessionWriter, WriterOptions};
use log::Level;

use crate::cli::ImportArgs;
use crate::logging::say;
use crate::outcome::{self, Failure, Outcome};
use crate::units;

/// Longest line that is read: a body of the largest size that a recorder keeps, as base64, with room for the rest.
const LINE_BYTES_MAX: u64 = 128 << 20;

pub(crate) fn run(args: &ImportArgs) -> Result<Outcome, Failure> {
    match args.format.as_str() {
        "jsonl" => {}
        format @ ("har" | "gor" | "mitmproxy" | "envoy-tap" | "access-log" | "pcap") => {
            return Err(Failure::not_built(&format!("importing the format `{format}`")));
        }
        format => return Err(Failure::new(format!("`{format}` is no format")).hint("this version imports jsonl")),
    }
    // Files are opened before the session is made: a wrong name leaves nothing behind.
    let mut inputs = Vec::new();
    for path in &args.files {
        inputs.push((name(path), open(path)?));
    }
    let mut import = Import { args, options: options(args), reader: Reader::new(), writer: None, skipped: 0, gaps: 0 };
    for (name, input) in inputs {
        import.read(&name, input)?;
    }
    import.finish()
}

fn options(args: &ImportArgs) -> WriterOptions {
    let default = WriterOptions::default();
    let block_bytes = args.block_size.and_then(|bytes| usize::try_from(bytes).ok());
    WriterOptions {
        level: args.level.unwrap_or(default.level),
        block_bytes: block_bytes.unwrap_or(default.block_bytes),
        ..default
    }
}

struct Import<'a> {
    args: &'a ImportArgs,
    options: WriterOptions,
    reader: Reader,
    writer: Option<SessionWriter>,
    skipped: u64,
    gaps: u64,
}

impl Import<'_> {
    fn read(&mut self, name: &str, mut input: Box<dyn BufRead>) -> Result<(), Failure> {
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let read = input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
            let read = read.map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
            if read == 0 {
                break;
            }
            if read as u64 > LINE_BYTES_MAX {
                return Err(Failure::new(format!("{name} line {number}: it is longer than {LINE_BYTES_MAX} bytes")));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match self.reader.line(&line) {
                Ok(parsed) => self.take(parsed, name, number)?,
                Err(error) if self.args.lenient => {
                    self.skipped += 1;
                    say(Level::Warn, &format!("warning: {name} line {number}: {error}; left out"));
                }
                Err(error) => {
                    let failure = Failure::new(format!("{name} line {number}: {error}"));
                    return Err(failure.hint("mend the line, or leave such lines out with --lenient"));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, line: Line, name: &str, number: u64) -> Result<(), Failure> {
        match line {
            Line::Session(value) => {
                let header: SessionHeader = serde_json::from_value(value)
                    .map_err(|error| Failure::new(format!("{name} line {number}: the session's header: {error}")))?;
                if self.writer.is_some() {
                    return Err(Failure::new(format!("{name} line {number}: a second session begins here"))
                        .hint("import one session at a time: their instants count from different origins"));
                }
                self.create(header)?;
            }
            Line::Exchange(mut exchange) => {
                self.writer()?.append(&mut exchange)?;
            }
            Line::Gap(gap) => {
                self.gaps += 1;
                self.writer()?.gap(&gap)?;
            }
        }
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut SessionWriter, Failure> {
        if self.writer.is_none() {
            let started_unix_ns = self.reader.started_unix_ns().unwrap_or_default();
            self.create(SessionHeader { started_unix_ns, ..SessionHeader::default() })?;
        }
        self.writer.as_mut().ok_or_else(|| Failure::new("no session was made"))
    }

    fn create(&mut self, header: SessionHeader) -> Result<(), Failure> {
        let created_by = format!("reenact {} import", env!("CARGO_PKG_VERSION"));
        let header = SessionHeader { created_by, ..header };
        self.writer = Some(SessionWriter::create(&self.args.out, header, self.options)?);
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome, Failure> {
        self.writer()?;
        let Some(writer) = self.writer else { return Err(Failure::new("no session was made")) };
        let written = writer.finish()?;
        outcome::print(&format!(
            "{}: {} exchanges, {} gaps, {}\n",
            self.args.out.display(),
            units::count(written.exchanges),
            self.gaps,
            units::bytes(written.file_bytes)
        ));
        if self.skipped > 0 {
            say(Level::Warn, &format!("warning: {} lines were left out", units::count(self.skipped)));
            return Ok(Outcome::Loss);
        }
        Ok(Outcome::Done)
    }
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(stdin())));
    }
    let file = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    });
    let file = file.map_err(|error| {
        Failure::new(format!("cannot open {}: {error}", path.display())).hint("give files that `reenact cat` printed")
    })?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
}
