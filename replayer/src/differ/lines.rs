//! Two texts, line by line: lines that are the same on both sides are taken away, the others are held against each other in
//! their order. A difference is named by the line's look: `line:Total: #`.

use std::collections::HashMap;

use super::found::{Differences, Kind};

/// Characters of a line that name it.
const LOOK_CHARS: usize = 40;

pub(super) fn diff(before: &[u8], after: &[u8], differences: &mut Differences) {
    let (mut a, mut b) = (lines(before), lines(after));
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    a.drain(..same);
    b.drain(..same);
    while a.last().is_some() && a.last() == b.last() {
        a.pop();
        b.pop();
    }
    let (a, b, is_moved) = without_equal(a, b);
    if is_moved && a.is_empty() && b.is_empty() {
        return differences.add(Kind::Order, b"", b"", |out| out.push_str("lines"));
    }
    if a.is_empty() && b.is_empty() {
        // Other line ends are a difference, too.
        let (before, after) = (ends(before), ends(after));
        return differences.add(Kind::Value, before.as_bytes(), after.as_bytes(), |out| out.push_str("line ends"));
    }
    let pairs = a.len().min(b.len());
    for (a, b) in a.iter().zip(&b) {
        differences.add(Kind::Value, a, b, |out| look(a, out));
    }
    for line in a.iter().skip(pairs) {
        differences.add(Kind::Missing, line, b"", |out| look(line, out));
    }
    for line in b.iter().skip(pairs) {
        differences.add(Kind::Added, b"", line, |out| look(line, out));
    }
}

fn ends(text: &[u8]) -> String {
    let crlf = memchr::memmem::find_iter(text, b"\r\n").count();
    let last = if text.ends_with(b"\n") { "one" } else { "none" };
    format!("{crlf} CR LF, {last} at the end")
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut all: Vec<&[u8]> =
        text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    all.pop_if(|last| last.is_empty());
    all
}

/// What stands on one side only, and whether what stands on both is in another order.
fn without_equal<'t>(a: Vec<&'t [u8]>, b: Vec<&'t [u8]>) -> (Vec<&'t [u8]>, Vec<&'t [u8]>, bool) {
    let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (index, line) in b.iter().enumerate().rev() {
        places.entry(line).or_default().push(index);
    }
    let (mut left, mut matched, mut is_taken) = (Vec::new(), Vec::new(), vec![false; b.len()]);
    for line in a {
        match places.get_mut(line).and_then(Vec::pop) {
            Some(index) => {
                matched.push(index);
                if let Some(taken) = is_taken.get_mut(index) {
                    *taken = true;
                }
            }
            None => left.push(line),
        }
    }
    let rest = b.into_iter().zip(is_taken).filter(|(_, taken)| !taken).map(|(line, _)| line).collect();
    (left, rest, !matched.is_sorted())
}

/// The beginning of a line, with `#` for numbers and ids.
fn look(line: &[u8], out: &mut String) {
    out.push_str("line:");
    let text = formats::visible::line_of_bytes(line.get(..4 * LOOK_CHARS).unwrap_or(line).trim_ascii());
    let mut shown = 0;
    for word in text.split_inclusive(|character: char| !character.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
        let end = word.get(bare.len()..).unwrap_or_default();
        let bare = if bare.bytes().any(|byte| byte.is_ascii_digit()) { "#" } else { bare };
        for part in [bare, end] {
            for character in part.chars() {
                if shown == LOOK_CHARS {
                    out.push('…');
                    return;
                }
                out.push(character);
                shown += 1;
            }
        }
    }
}
