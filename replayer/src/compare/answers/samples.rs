//! A few pairs of answers that show a cause, each to another request: always the same ones, whatever the order in which
//! they come.

use std::hash::BuildHasher as _;

use formats::trace::{TraceContext, recorded};

use super::causes::Pair;
use super::source::Key;
use crate::differ::{Answer, Difference};

/// Samples of a cause.
pub const SAMPLES_MAX: usize = 3;
/// Bytes of a request's head in a sample, which is cut behind a field.
const HEAD_BYTES_MAX: usize = 4 << 10;
/// Bytes of a value in a sample.
const VALUE_BYTES_MAX: usize = 300;

/// One pair of answers that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which request.
    pub key: Key,
    /// Numbers of the runs, those before first.
    pub runs: (u16, u16),
    /// The value before, as it stood there; cut.
    pub before: Vec<u8>,
    /// The value after.
    pub after: Vec<u8>,
    /// Statuses of both answers; 0 for none.
    pub status: (u16, u16),
    /// The head of the request that was sent after; of one that is too long as many fields as have room, without the empty
    /// line that would end it.
    pub request_head: Vec<u8>,
    /// Its body, if all of it is here.
    pub request_body: Option<Vec<u8>>,
    /// Trace contexts of both requests, where they had one.
    pub traces: (Option<TraceContext>, Option<TraceContext>),
}

impl Sample {
    pub(super) fn of(of: &Difference<'_>, key: Key, pair: Pair, before: &Answer, after: &Answer) -> Self {
        let cut = |bytes: &[u8], most: usize| bytes.get(..most).unwrap_or(bytes).to_vec();
        let trace = |answer: &Answer| recorded(answer.request_head()).context;
        let (body, is_whole) = after.request_body();
        Self {
            key,
            runs: pair.runs,
            before: cut(of.before, VALUE_BYTES_MAX),
            after: cut(of.after, VALUE_BYTES_MAX),
            status: (before.status, after.status),
            request_head: whole_lines(after.request_head(), HEAD_BYTES_MAX).to_vec(),
            request_body: is_whole.then(|| body.to_vec()),
            traces: (trace(before), trace(after)),
        }
    }
}

/// As many lines of a head as have room.
fn whole_lines(head: &[u8], most: usize) -> &[u8] {
    let Some(begin) = head.get(..most).filter(|_| head.len() > most) else { return head };
    let end = begin.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    begin.get(..end).unwrap_or_default()
}

/// What orders samples: those across sides first, by a hash of their requests, then by the runs.
type Rank = (bool, u64, u32);

/// The samples of a cause: those across sides whose requests have the smallest hashes; within a side only while there are
/// none. The same request in other runs would show nothing new.
#[derive(Debug, Default)]
pub(super) struct Samples {
    kept: Vec<(Rank, Sample)>,
}

impl Samples {
    fn rank(key: Key, pair: Pair) -> Rank {
        (!pair.across, foldhash::quality::FixedState::default().hash_one(key), pair.number)
    }

    pub(super) fn wants(&self, key: Key, pair: Pair) -> bool {
        let rank = Self::rank(key, pair);
        match self.kept.iter().find(|(_, sample)| sample.key == key) {
            Some((kept, _)) => rank < *kept,
            None => self.kept.len() < SAMPLES_MAX || self.kept.last().is_some_and(|(kept, _)| rank < *kept),
        }
    }

    pub(super) fn keep(&mut self, key: Key, pair: Pair, sample: Sample) {
        let rank = Self::rank(key, pair);
        self.kept.retain(|(_, kept)| kept.key != key);
        let at = self.kept.partition_point(|(kept, _)| *kept < rank);
        self.kept.insert(at, (rank, sample));
        self.kept.truncate(SAMPLES_MAX);
    }

    pub(super) fn first(&self) -> Option<&Sample> {
        self.kept.first().map(|(_, sample)| sample)
    }

    pub(super) fn take(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.kept).into_iter().map(|(_, sample)| sample).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_head_that_is_too_long_the_last_field_is_dropped() {
        let head = b"GET /a HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n";
        let kept = |most: usize| std::str::from_utf8(whole_lines(head, most)).unwrap();
        assert_eq!(kept(head.len()).as_bytes(), head);
        assert_eq!(kept(head.len() - 1), "GET /a HTTP/1.1\r\nA: 1\r\nB: 2\r\n");
        assert_eq!(kept(head.len() - 3), "GET /a HTTP/1.1\r\nA: 1\r\n");
        assert_eq!(kept(17), "GET /a HTTP/1.1\r\n");
        assert_eq!(kept(16), "");
    }
}
