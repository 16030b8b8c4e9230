//! Whether two scalars of one type that are written differently say the same.

use std::hash::BuildHasher;

use super::name;
use super::scan::Type;

pub(super) fn say_the_same(kind: Type, before: &[u8], after: &[u8]) -> bool {
    match kind {
        Type::Text => name(before) == name(after),
        Type::Number => number(before).is_some_and(|value| Some(value) == number(after)),
        Type::Object | Type::Array | Type::Bool | Type::Null => before == after,
    }
}

/// Of what a number says; of one that says nothing, as no parser takes it, of its text.
pub(super) fn hash_number(text: &[u8], hasher: &impl BuildHasher) -> u64 {
    match number(text) {
        Some(Number { is_negative, digits, exponent }) => hasher.hash_one((is_negative, digits, exponent)),
        None => hasher.hash_one(text),
    }
}

/// A number's digits without zeros at either end, the place of its point, and its sign: exact at any length.
#[derive(PartialEq, Eq)]
struct Number {
    is_negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

fn number(text: &[u8]) -> Option<Number> {
    let (is_negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => {
            let exponent = std::str::from_utf8(text.get(at + 1..)?).ok()?.parse::<i32>().ok()?;
            (text.get(..at)?, i64::from(exponent))
        }
        None => (text, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let fraction = point.map_or(0, |at| mantissa.len() - at - 1);
    let mut digits: Vec<u8> = mantissa.iter().copied().filter(|byte| *byte != b'.').collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut exponent = exponent - i64::try_from(fraction).ok()?;
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..zeros);
    if digits.is_empty() {
        return Some(Number { is_negative: false, digits, exponent: 0 });
    }
    Some(Number { is_negative, digits, exponent })
}
