//! The sessions that are written: one, or the parts of a split.
//!
//! Not here: what is written ([`super::chosen`], [`super::bodies`]) and where it stands until it is whole
//! ([`super::folder`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use formats::model::{Exchange, Gap};
use formats::sample;
use formats::seal::Recipients;
use formats::session::{SessionWriter, WriterOptions, Written};

use super::folder::Folder;
use super::origin::Origin;
use super::words::{PARTS_MAX, SplitBy};
use crate::outcome::Failure;

/// Gaps that wait until it is known which windows of time there are. Those after so many go to the window in which they
/// begin, and to no other.
const WAITING_GAPS_MAX: usize = 65_536;

/// What is written.
pub(super) struct Output<'a> {
    folder: Folder,
    origin: &'a Origin,
    split_by: Option<SplitBy>,
    /// Where windows of time begin.
    windows_from_ns: u64,
    options: WriterOptions,
    recipients: Option<Recipients>,
    /// Those at work, by number.
    open: BTreeMap<u64, Part>,
    done: Vec<Done>,
    waiting: Vec<Gap>,
}

struct Part {
    writer: SessionWriter,
    label: Option<String>,
    gaps: u64,
    /// Whether exchanges may wait in a block, which a gap that came after them is not to overtake.
    has_open_block: bool,
}

struct Done {
    number: u64,
    label: Option<String>,
    gaps: u64,
    written: Written,
}

/// A session that was made.
pub(super) struct Made {
    pub(super) path: PathBuf,
    /// Which part of the split it is.
    pub(super) label: Option<String>,
    pub(super) gaps: u64,
    pub(super) written: Written,
}

impl<'a> Output<'a> {
    pub(super) fn new(
        folder: Folder,
        origin: &'a Origin,
        split_by: Option<SplitBy>,
        windows_from_ns: u64,
        mut options: WriterOptions,
        recipients: Option<Recipients>,
    ) -> Result<Self, Failure> {
        if let Some(SplitBy::Size(bytes)) = split_by {
            // A part ends with a block.
            options.block_bytes = options.block_bytes.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        let mut output = Self {
            folder,
            origin,
            split_by,
            windows_from_ns,
            options,
            recipients,
            open: BTreeMap::new(),
            done: Vec::new(),
            waiting: Vec::new(),
        };
        // Whole clients always make the same parts, also where one stays empty.
        if let Some(SplitBy::ClientHash(parts)) = split_by {
            (0..parts).try_for_each(|number| output.part(number).map(drop))?;
        }
        Ok(output)
    }

    pub(super) fn exchange(&mut self, exchange: &mut Exchange) -> Result<(), Failure> {
        let number = match self.split_by {
            None => 0,
            Some(SplitBy::Time(window_ns)) => self.window(window_ns, exchange.instants.request_start),
            Some(SplitBy::Size(_)) => self.done.len() as u64,
            Some(SplitBy::ClientHash(parts)) => sample::part(exchange.client, parts),
        };
        let part = self.part(number)?;
        part.writer.append(exchange)?;
        part.has_open_block = true;
        let bytes = part.writer.written().file_bytes;
        match self.split_by {
            Some(SplitBy::Size(most)) if bytes >= most => self.end(number),
            _ => Ok(()),
        }
    }

    pub(super) fn gap(&mut self, gap: Gap) -> Result<(), Failure> {
        match self.split_by {
            None => self.part(0)?.gap(&gap),
            Some(SplitBy::Size(_)) => {
                let number = self.done.len() as u64;
                self.part(number)?.gap(&gap)
            }
            // Whose exchanges are missing is not known.
            Some(SplitBy::ClientHash(_)) => self.open.values_mut().try_for_each(|part| part.gap(&gap)),
            Some(SplitBy::Time(_)) if self.waiting.len() < WAITING_GAPS_MAX => {
                self.waiting.push(gap);
                Ok(())
            }
            Some(SplitBy::Time(window_ns)) => {
                let number = self.window(window_ns, gap.from_ns);
                self.part(number)?.gap(&gap)
            }
        }
    }

    /// Completes all parts and puts them where they were asked for.
    pub(super) fn finish(mut self) -> Result<Vec<Made>, Failure> {
        if let Some(SplitBy::Time(window_ns)) = self.split_by {
            self.spread_gaps(window_ns)?;
        }
        if self.open.is_empty() && self.done.is_empty() {
            self.part(0)?;
        }
        while let Some(number) = self.open.keys().next().copied() {
            self.end(number)?;
        }
        let mut made = Vec::new();
        for (position, Done { number, label, gaps, written }) in (1..).zip(self.done) {
            let path = self.folder.put(number, self.split_by.map(|_| position))?;
            made.push(Made { path, label, gaps, written });
        }
        Ok(made)
    }

    /// Declares each gap in all windows that it reaches into; where none of these has an exchange, in one of its own.
    fn spread_gaps(&mut self, window_ns: u64) -> Result<(), Failure> {
        for gap in std::mem::take(&mut self.waiting) {
            let (first, last) = (self.window(window_ns, gap.from_ns), self.window(window_ns, gap.to_ns));
            let windows = first..=last.max(first);
            if self.open.range(windows.clone()).next().is_none() {
                self.part(first)?;
            }
            self.open.range_mut(windows).try_for_each(|(_, part)| part.gap(&gap))?;
        }
        Ok(())
    }

    fn window(&self, window_ns: u64, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.windows_from_ns).checked_div(window_ns).unwrap_or(0)
    }

    /// The part with this number, begun if it is not there yet.
    fn part(&mut self, number: u64) -> Result<&mut Part, Failure> {
        if !self.open.contains_key(&number) {
            let label = self.label(number);
            if self.open.len() as u64 >= PARTS_MAX {
                return Err(Failure::new(format!("there would be more than {PARTS_MAX} parts"))
                    .hint("split into longer stretches of time first, and then each of them again"));
            }
            let header = self.origin.header(label.as_deref());
            let directory = self.folder.part(number);
            let writer = SessionWriter::create_for(&directory, header, self.options, self.recipients.clone())?;
            self.open.insert(number, Part { writer, label, gaps: 0, has_open_block: false });
        }
        self.open.get_mut(&number).ok_or_else(|| Failure::new("a part of the session is gone"))
    }

    fn end(&mut self, number: u64) -> Result<(), Failure> {
        let Some(Part { writer, label, gaps, .. }) = self.open.remove(&number) else { return Ok(()) };
        let written = writer.finish()?;
        self.done.push(Done { number, label, gaps, written });
        Ok(())
    }

    fn label(&self, number: u64) -> Option<String> {
        Some(match self.split_by? {
            SplitBy::Time(window_ns) => {
                let at = |number: u64| {
                    let ns = number.saturating_mul(window_ns).saturating_add(self.windows_from_ns);
                    humantime::format_duration(Duration::from_nanos(ns)).to_string()
                };
                format!("requests from {} to {}", at(number), at(number.saturating_add(1)))
            }
            SplitBy::Size(_) => format!("part {}", number + 1),
            SplitBy::ClientHash(parts) => format!("clients {} of {parts}", number + 1),
        })
    }
}

impl Part {
    fn gap(&mut self, gap: &Gap) -> Result<(), Failure> {
        if std::mem::take(&mut self.has_open_block) {
            self.writer.flush()?;
        }
        self.writer.gap(gap)?;
        self.gaps += 1;
        Ok(())
    }
}
