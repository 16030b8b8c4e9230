//! What a scan looks for beside redaction's rules: personal data by its check digits, and credentials in plain text.
//!
//! Each is a regular expression for what may be one and a closer look that says whether it is.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use regex::bytes::Regex;

use crate::redact::{Detector, is_luhn};

/// A name, a regular expression, a closer look.
type Row = (&'static str, &'static str, fn(&[u8]) -> bool);

#[rustfmt::skip]
const ROWS: [Row; 5] = [
    ("email", r"(?i)[a-z0-9_][a-z0-9._%+-]{0,63}(?:@|%40)(?:[a-z0-9](?:[a-z0-9-]{0,62})\.)+[a-z]{2,24}", is_email),
    ("iban", r"(?-u:\b)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,40}", is_iban),
    ("card_number", r"(?:^|[^0-9A-Za-z_.])(?P<secret>[2-6](?:[ -]?[0-9]){11,22})(?-u:\b)", is_card),
    ("bearer", r"(?i)(?-u:\b)bearer(?: |\+|%20)+(?P<secret>[A-Za-z0-9._~+/-]{16,}=*)", |_| true),
    ("basic", r"(?i)(?-u:\b)basic(?: |\+|%20)+(?P<secret>[A-Za-z0-9+/]{4,}={0,2})", is_basic),
];

/// Length of a pseudonym: its prefix, and 128 bits in base64url.
const PSEUDONYM_BYTES: usize = 31;

/// Endings of names of files that look like domains.
const FILES: &[&[u8]] = &[b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".css", b".js", b".map", b".json"];

/// Lengths of account numbers by country (the IBAN registry of ISO 13616).
#[rustfmt::skip]
const IBAN_LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22), (b"BH", 22),
    (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DK", 18), (b"DO", 28),
    (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23),
    (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26),
    (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20),
    (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MR", 27), (b"MT", 31), (b"MU", 30),
    (b"NL", 18), (b"NO", 15), (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22),
    (b"SA", 24), (b"SC", 31), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"ST", 25), (b"SV", 28), (b"TL", 23),
    (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20),
];

/// First digits of cards, from and to, and how long their numbers are.
#[rustfmt::skip]
const CARDS: &[(&str, &str, &[usize])] = &[
    ("4", "4", &[13, 16, 19]), ("51", "55", &[16]), ("2221", "2720", &[16]), ("34", "34", &[15]), ("37", "37", &[15]),
    ("6011", "6011", &[16, 19]), ("644", "659", &[16, 19]), ("300", "305", &[14]), ("36", "36", &[14]), ("38", "39", &[14]),
    ("3528", "3589", &[16, 19]), ("62", "62", &[16, 17, 18, 19]), ("2200", "2204", &[16]),
];

/// All of them; that each compiles is tested.
pub(super) fn all() -> Vec<Detector> {
    let compiled = |(name, regex, is_one): Row| Some(Detector { name, regex: Regex::new(regex).ok()?, is_one });
    ROWS.into_iter().filter_map(compiled).collect()
}

fn is_email(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_file = FILES.iter().any(|ending| lower.ends_with(ending));
    let name_end = lower.iter().position(|byte| *byte == b'@').or_else(|| memchr::memmem::find(&lower, b"%40"));
    let name = lower.get(..name_end.unwrap_or_default()).unwrap_or_default();
    // What a redaction made of the name and password of a URL stands before an @, too; a sealed value ends with a dot.
    let is_pseudonym = name
        .len()
        .checked_sub(PSEUDONYM_BYTES)
        .and_then(|at| name.get(at..))
        .is_some_and(|end| end.starts_with(b"redacted-"));
    let is_ours = is_pseudonym || name.ends_with(b".") || lower.ends_with(b"redacted.invalid");
    // Repositories are addressed as git's.
    !is_file && !is_ours && name != b"git"
}

fn is_iban(text: &[u8]) -> bool {
    let letters: Vec<u8> = text.iter().copied().filter(|byte| *byte != b' ').collect();
    let country = letters.first_chunk::<2>();
    let Some(length) = IBAN_LENGTHS.iter().find_map(|(known, length)| (Some(*known) == country).then_some(*length))
    else {
        return false;
    };
    // What stands behind it may be words.
    let Some((account, check)) =
        letters.get(..length).and_then(|iban| iban.split_at_checked(4)).map(|(check, account)| (account, check))
    else {
        return false;
    };
    let remainder = account.iter().chain(check).try_fold(0u32, |sum, letter| {
        let value = char::from(*letter).to_digit(36)?;
        Some((sum * if value < 10 { 10 } else { 100 } + value) % 97)
    });
    remainder == Some(1)
}

/// Whether the digits, or those before one of the separators, are those of a card.
fn is_card(text: &[u8]) -> bool {
    let ends = text.iter().enumerate().filter(|(_, byte)| !byte.is_ascii_digit()).map(|(at, _)| at);
    ends.chain([text.len()]).any(|end| text.get(..end).is_some_and(is_card_number))
}

fn is_card_number(text: &[u8]) -> bool {
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    let fits = |(from, to, lengths): &(&str, &str, &[usize])| {
        let first = digits.get(..from.len()).unwrap_or_default();
        lengths.contains(&digits.len()) && first >= from.as_bytes() && first <= to.as_bytes()
    };
    let all_same = digits.windows(2).all(|pair| pair.first() == pair.last());
    CARDS.iter().any(fits) && !all_same && is_luhn(&digits)
}

/// Whether it is the base64 of a name, a colon and something.
fn is_basic(text: &[u8]) -> bool {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(text);
    decoded.is_ok_and(|plain| plain.contains(&b':') && !plain.iter().any(u8::is_ascii_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let is_there = |one: &Detector| {
            one.regex
                .captures_iter(text.as_bytes())
                .any(|captures| (one.is_one)(captures.name("secret").or_else(|| captures.get(0)).unwrap().as_bytes()))
        };
        let found: Vec<_> = all().iter().filter(|one| is_there(one)).map(|one| one.name).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_they_find() {
        assert_eq!(all().len(), ROWS.len());
        for email in ["ann@example.com", "write to <Ann.B+c@mail.example.co.uk>!", "a=ann%40example.com&b"] {
            check(email, &["email"]);
        }
        for iban in
            ["DE89 3704 0044 0532 0130 00", "to GB82WEST12345698765432 AND MORE", "NO9386011117947", "BE68539007547034"]
        {
            check(iban, &["iban"]);
        }
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5500-0000-0000-0004",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "3530111333300000",
            "2223003122003222",
            "card 4012888888881881, 12/30",
            "4111 1111 1111 1111 123",
        ] {
            check(card, &["card_number"]);
        }
        check("Bearer abcdefghijklmnop", &["bearer"]);
        check("\"Basic YW5uOnNlY3JldA==\"", &["basic"]);
        for plain in [
            "logo@2x.png",
            "@scope/name",
            "a@b",
            "xxx@redacted.invalid",
            "https://redacted-QNaCsr9WBMerjxME1vIcyA@x.test/",
            "https://reenact-sealed-1.QNaCsr9WBMerjxME1vIcyA.@x.test/",
            "https://***@x.test/",
            "DE89 3704 0044 0532 0130 01",
            "XX89370400440532013000",
            "4111111111111112",
            "0.4111111111111111",
            "1700000000000",
            "4444444444444444",
            "7111111111111111",
            "basic authentication",
            "bearer of news",
            "Basic ***",
            "git@github.com",
        ] {
            check(plain, &[]);
        }
    }
}
