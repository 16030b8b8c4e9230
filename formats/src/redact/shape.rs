//! Pseudonyms of the same shape: an e-mail address stays one, digits, hexadecimal digits and UUIDs keep their length.
//!
//! Not here: which values could be guessed, and what becomes of those.
//!
//! ```text
//! seed      the first 128 bits of HMAC-SHA-256(shape key, value)
//! letters   of each place from SHA-256(seed, counter), byte by byte; bytes that would make some letters likelier are
//!           passed over
//! mark      of UUIDs and of 24 or more hexadecimal digits, the last 8: the first 32 bits of
//!           SHA-256("reenact shape mark v1", the digits before)
//! ```
//! Why a mark: what an earlier redaction made is known by it, and left alone; a value that carries it by chance is one in
//! four milliards. Shorter values have no room for it. Why numbers fail the check digit of cards (Luhn): a pseudonym is
//! never the number of somebody's card.

use sha2::{Digest as _, Sha256};

/// Where e-mail addresses point: a name that is never given away (RFC 2606).
const EMAIL_DOMAIN: &[u8] = b"@redacted.invalid";
/// 128 bits, five in each.
const EMAIL_NAME_DIGITS: usize = 26;
/// What may stand between digits: of telephone numbers, cards, dates.
const SEPARATORS: &[u8] = b" -./()+";
/// Hexadecimal digits of a mark.
const MARK_DIGITS: usize = 8;
/// Shorter ones carry no mark.
const MARKED_DIGITS_MIN: usize = 24;
/// As long as numbers of cards are.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;
/// Longer ones are no identifiers.
const VALUE_BYTES_MAX: usize = 256;

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Email,
    Uuid,
    /// Digits, with separators between them.
    Digits,
    /// In one case.
    Hex,
}

impl Shape {
    /// `None` where the value has none of these shapes.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        let has_digit = value.iter().any(u8::is_ascii_digit);
        let all = |is: fn(&u8) -> bool| value.iter().all(is);
        let is_digits = || all(|byte| byte.is_ascii_digit() || SEPARATORS.contains(byte));
        let is_hex = || {
            all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                || all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
        };
        match () {
            () if value.is_empty() || value.len() > VALUE_BYTES_MAX => None,
            () if has_digit && is_digits() => Some(Self::Digits),
            () if is_uuid(value) => Some(Self::Uuid),
            () if is_hex() => Some(Self::Hex),
            () if is_email(value) => Some(Self::Email),
            () => None,
        }
    }

    /// Whether so few values have this shape that they could be tried out: fewer than 2⁴⁰.
    pub(super) fn is_guessable(self, value: &[u8]) -> bool {
        match self {
            // Ten to the twelfth is less, and to the thirteenth more.
            Self::Digits => value.iter().filter(|byte| byte.is_ascii_digit()).count() < 13,
            Self::Hex => value.len() < 10,
            // A UUID has 122 bits; of an address all characters count.
            Self::Uuid => false,
            Self::Email => super::values::is_guessable(value),
        }
    }

    /// Appends a value of this shape that only the seed decides.
    pub(super) fn write(self, seed: [u8; 16], value: &[u8], out: &mut Vec<u8>) {
        let mut letters = Letters { seed, counter: 0, block: [0; 32], at: 32 };
        let begin = out.len();
        match self {
            Self::Email => {
                out.extend((0..EMAIL_NAME_DIGITS).map(|_| letters.of(b"abcdefghijklmnopqrstuvwxyz234567")));
                out.extend_from_slice(EMAIL_DOMAIN);
            }
            Self::Digits => {
                for (index, byte) in value.iter().enumerate() {
                    out.push(match byte {
                        // A number keeps its length.
                        b'1'..=b'9' if index == 0 => letters.of(b"123456789"),
                        b'0'..=b'9' => letters.of(b"0123456789"),
                        other => *other,
                    });
                }
                let made = out.get_mut(begin..).unwrap_or_default();
                let digits = made.iter().filter(|byte| byte.is_ascii_digit()).count();
                if CARD_DIGITS.contains(&digits)
                    && is_luhn(made)
                    && let Some(last) = made.iter_mut().rev().find(|byte| byte.is_ascii_digit())
                {
                    *last = if *last == b'9' { b'0' } else { *last + 1 };
                }
            }
            Self::Uuid | Self::Hex => {
                let is_upper = value.iter().any(u8::is_ascii_uppercase);
                let alphabet = if is_upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
                for (index, byte) in value.iter().enumerate() {
                    let stays = *byte == b'-' || (self == Self::Uuid && matches!(index, VERSION_AT | VARIANT_AT));
                    out.push(if stays { *byte } else { letters.of(alphabet) });
                }
                let made = out.get_mut(begin..).unwrap_or_default();
                if let Some(mark) = mark(made, is_upper)
                    && let Some(end) = made.len().checked_sub(MARK_DIGITS).and_then(|at| made.get_mut(at..))
                {
                    end.copy_from_slice(&mark);
                }
            }
        }
    }
}

/// Whether a value was made here, as far as it can be known.
pub(super) fn is_made_here(value: &[u8]) -> bool {
    let is_name = |name: &[u8]| {
        name.len() == EMAIL_NAME_DIGITS
            && name.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'2'..=b'7'))
    };
    if value.strip_suffix(EMAIL_DOMAIN).is_some_and(is_name) {
        return true;
    }
    if value.len() < MARKED_DIGITS_MIN || value.len() > VALUE_BYTES_MAX {
        return false;
    }
    let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
    (value.iter().all(is_digit) || is_uuid(value))
        && [false, true].iter().any(|is_upper| mark(value, *is_upper).is_some_and(|mark| value.ends_with(&mark)))
}

/// Places of a UUID that say which kind it is (RFC 9562 §4).
const VERSION_AT: usize = 14;
const VARIANT_AT: usize = 19;

fn is_uuid(value: &[u8]) -> bool {
    let fits = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let one_case = !(value.iter().any(u8::is_ascii_lowercase) && value.iter().any(u8::is_ascii_uppercase));
    value.len() == 36 && one_case && value.iter().enumerate().all(fits)
}

/// A name, an @, and a domain with a dot in it.
fn is_email(value: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', value) else { return false };
    let (name, domain) = (value.get(..at).unwrap_or_default(), value.get(at + 1..).unwrap_or_default());
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b".!#$%&'*+/=?^_`{|}~-".contains(byte);
    let is_domain = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b".-".contains(byte);
    let has_dot = memchr::memchr(b'.', domain).is_some_and(|dot| dot > 0 && dot + 1 < domain.len());
    (1..=64).contains(&name.len()) && name.iter().all(is_name) && domain.iter().all(is_domain) && has_dot
}

/// What the last digits are, if they are a mark; `None` where there is no room for one.
fn mark(value: &[u8], is_upper: bool) -> Option<[u8; MARK_DIGITS]> {
    let before = value.get(..value.len().checked_sub(MARK_DIGITS)?)?;
    if value.len() < MARKED_DIGITS_MIN {
        return None;
    }
    let hash = Sha256::new().chain_update(b"reenact shape mark v1").chain_update(before).finalize();
    let mut mark = [0; MARK_DIGITS];
    for (index, slot) in mark.iter_mut().enumerate() {
        let byte = hash.get(index / 2).copied().unwrap_or_default();
        let digit = if index % 2 == 0 { byte >> 4 } else { byte & 15 };
        let letter = if is_upper { b'A' } else { b'a' };
        *slot = if digit < 10 { b'0' + digit } else { letter + digit - 10 };
    }
    Some(mark)
}

/// Whether the digits of a text, whatever stands between them, end in the check digit of cards (ISO/IEC 7812-1).
pub(crate) fn is_luhn(text: &[u8]) -> bool {
    let digits = text.iter().rev().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let doubled = |(index, digit): (usize, u32)| match index % 2 {
        0 => digit,
        _ => digit * 2 / 10 + digit * 2 % 10,
    };
    digits.enumerate().map(doubled).sum::<u32>() % 10 == 0
}

/// Letters drawn evenly from what a seed makes.
struct Letters {
    seed: [u8; 16],
    counter: u32,
    block: [u8; 32],
    at: usize,
}

impl Letters {
    fn of(&mut self, alphabet: &[u8]) -> u8 {
        let even = 256 / alphabet.len() * alphabet.len();
        loop {
            let byte = usize::from(self.next());
            if byte < even
                && let Some(letter) = alphabet.get(byte % alphabet.len())
            {
                return *letter;
            }
        }
    }

    fn next(&mut self) -> u8 {
        if self.at >= self.block.len() {
            let hash = Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize();
            self.block = hash.into();
            self.counter += 1;
            self.at = 0;
        }
        let byte = self.block.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        byte
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shapes() {
        let check = |value: &str, expected: Option<Shape>| assert_eq!(Shape::of(value.as_bytes()), expected, "{value}");
        check("ann@example.com", Some(Shape::Email));
        check("a.b+c@mail.example.co.uk", Some(Shape::Email));
        check("0f8fad5b-d9cb-469f-a165-70867728950e", Some(Shape::Uuid));
        check("4111 1111-1111 1111", Some(Shape::Digits));
        check("+49 (30) 1234567", Some(Shape::Digits));
        check("deadbeef01", Some(Shape::Hex));
        check("DEADBEEF01", Some(Shape::Hex));
        for other in
            ["", "-", "DeadBeef01", "a@b", "@b.c", "a b@c.de", "hello", "1,5", "0F8FAD5B-d9cb-469f-a165-70867728950e"]
        {
            check(other, None);
        }
    }

    #[test]
    fn check_digits() {
        let check = |text: &str, expected: bool| assert_eq!(is_luhn(text.as_bytes()), expected, "{text}");
        check("4111 1111 1111 1111", true);
        check("4111 1111 1111 1112", false);
        check("79927398713", true);
    }

    proptest! {
        #[test]
        fn the_shape_stays(
            value in prop_oneof![
                "[a-z.]{1,20}@[a-z]{2,9}\\.[a-z]{2,3}", "[0-9]{13,40}", "[0-9]{4}( [0-9]{4}){3}", "[0-9a-f]{10,80}", "[0-9A-F]{10,80}",
                "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            ],
            seed: [u8; 16],
            other: [u8; 16],
        ) {
            let shape = Shape::of(value.as_bytes()).unwrap();
            let made = |seed| {
                let mut out = b"before".to_vec();
                shape.write(seed, value.as_bytes(), &mut out);
                String::from_utf8(out.split_off(6)).unwrap()
            };
            let text = made(seed);
            prop_assert_eq!(&text, &made(seed));
            prop_assert_eq!(text == made(other), seed == other);
            if shape == Shape::Email {
                prop_assert_eq!(Shape::of(text.as_bytes()), Some(shape));
            } else {
                prop_assert_eq!(text.len(), value.len());
                // Hexadecimal digits may happen to be digits only.
                prop_assert!(Shape::of(text.as_bytes()) == Some(shape) || shape == Shape::Hex);
                prop_assert!(!(text.chars().any(|c| c.is_ascii_uppercase()) && text.chars().any(|c| c.is_ascii_lowercase())));
            }
            let has_mark = matches!(shape, Shape::Email | Shape::Uuid) || (shape == Shape::Hex && value.len() >= MARKED_DIGITS_MIN);
            prop_assert_eq!(is_made_here(text.as_bytes()), has_mark);
            prop_assert!(!is_made_here(value.as_bytes()));
            if shape == Shape::Digits && CARD_DIGITS.contains(&text.chars().filter(char::is_ascii_digit).count()) {
                prop_assert!(!is_luhn(text.as_bytes()));
            }
        }
    }
}
