//! A line taken apart by the parts that `write.rs` puts together: five times as fast as reading any JSON.
//!
//! It says nothing of a line that has anything else in it: an escape, a number that is no plain one, a space. So what is
//! read here, a reader of JSON reads alike (a test holds the two against each other).

use std::borrow::Cow;

use memchr::memchr;

use super::line::Line;

/// Digits that fit into 64 bits, whichever they are.
const DIGITS_MAX: usize = 19;
/// Powers of ten, by the number of digits that they make room for.
const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

impl<'a> Line<'a> {
    /// Reads a line as it is written here; `None` for any other one, which may be a line all the same.
    pub(super) fn known(text: &'a [u8]) -> Option<Self> {
        let mut parts = Parts(text);
        let seq = parts.past(b"{\"seq\":")?.number()?;
        let session = parts.past(b",\"session\":")?.small()?;
        parts.past(b",\"client\":")?.word()?;
        let copy = parts.past(b",\"copy\":")?.small()?;
        let due_ns = parts.past(b",\"due_ns\":")?.number()?;
        let released_ns = parts.past(b",\"released_ns\":")?.number()?;
        let held_by_seq = parts.past(b",\"held_by_seq\":")?.unless_null(Parts::number)?;
        let busy_ns = parts.past(b",\"busy_ns\":")?.number()?;
        let connect_ns = parts.past(b",\"connect_ns\":")?.number()?;
        let dispatched_ns = parts.past(b",\"dispatched_ns\":")?.unless_null(Parts::number)?;
        let written_ns = parts.past(b",\"written_ns\":")?.unless_null(Parts::number)?;
        let first_byte_ns = parts.past(b",\"first_byte_ns\":")?.unless_null(Parts::number)?;
        let done_ns = parts.past(b",\"done_ns\":")?.unless_null(Parts::number)?;
        let status = parts.past(b",\"status\":")?.unless_null(Parts::small)?;
        let error = parts.past(b",\"error\":")?.unless_null(Parts::word)?;
        let shed = parts.past(b",\"shed\":")?.unless_null(Parts::word)?;
        parts.past(b",\"method\":")?.word()?;
        let endpoint = parts.past(b",\"endpoint\":")?.unless_null(Parts::word)?;
        let bytes_in = parts.past(b",\"bytes_in\":")?.number()?;
        let bytes_out = parts.past(b",\"bytes_out\":")?.number()?;
        let trace_id = Some(parts.past(b",\"trace_id\":")?.word()?);
        let span_id = Some(parts.past(b",\"span_id\":")?.word()?);
        parts.past(b",\"recorded_trace_id\":")?.unless_null(Parts::word)?;
        let is_over = matches!(parts.0, b"}" | b"}\n");
        is_over.then_some(Self {
            seq,
            session,
            copy,
            due_ns,
            released_ns,
            held_by_seq,
            busy_ns,
            connect_ns,
            dispatched_ns,
            written_ns,
            first_byte_ns,
            done_ns,
            status,
            error,
            shed,
            endpoint,
            bytes_in,
            bytes_out,
            trace_id,
            span_id,
        })
    }
}

/// What is left of a line.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn past<const LEN: usize>(&mut self, part: &[u8; LEN]) -> Option<&mut Self> {
        let (found, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        (found == part).then_some(self)
    }

    fn unless_null<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.0.strip_prefix(b"null") {
            Some(rest) => {
                self.0 = rest;
                Some(None)
            }
            None => read(self).map(Some),
        }
    }

    /// Digits, eight at once. What comes after them is looked at by whoever takes the next part.
    fn number(&mut self) -> Option<u64> {
        let (mut rest, mut value) = (self.0, 0_u64);
        loop {
            let (eight, after) = rest.split_first_chunk::<8>()?;
            let (digits, many) = digits(*eight);
            value = value.wrapping_mul(*TENS.get(many)?).wrapping_add(digits);
            if many < 8 {
                rest = rest.get(many..)?;
                break;
            }
            rest = after;
        }
        let many = self.0.len() - rest.len();
        let is_plain = many == 1 || (1..=DIGITS_MAX).contains(&many) && self.0.first() != Some(&b'0');
        self.0 = rest;
        is_plain.then_some(value)
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        self.number()?.try_into().ok()
    }

    /// A string that says what it is written as.
    fn word(&mut self) -> Option<Cow<'a, str>> {
        let text = self.0.strip_prefix(b"\"")?;
        let (word, rest) = text.split_at_checked(memchr(b'"', text)?)?;
        // All of them, without a way out: that is done many at once.
        let is_plain = word.iter().fold(true, |is_plain, byte| is_plain & (*byte >= b' ') & (*byte != b'\\'));
        self.0 = rest.get(1..)?;
        if is_plain { std::str::from_utf8(word).ok().map(Cow::Borrowed) } else { None }
    }
}

/// The digits that eight bytes begin with, as a number, and how many they are.
fn digits(bytes: [u8; 8]) -> (u64, usize) {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The first byte is the lowest; digits become 0 to 9, and anything else more.
    let values = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    // A carry out of a byte that is no digit changes only those behind it.
    let others = (values | values.wrapping_add(0x7676_7676_7676_7676)) & HIGH;
    let bits = others.trailing_zeros() & !7;
    // As if zeros stood before them.
    let Some(values) = values.checked_shl(64 - bits) else { return (0, 0) };
    // Ones and tens, then hundreds and below, then all (Lemire, "Quickly parsing eight digits", 2018).
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    (eight, usize::try_from(bits / 8).unwrap_or(0))
}
