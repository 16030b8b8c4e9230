//! What is sealed comes back, and nothing else does.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn identities() -> Identities {
    Identities::parse(format!("# a comment\n\n{IDENTITY}\n").as_bytes()).unwrap()
}

/// Of one session, for tests that make many values.
static SESSION: LazyLock<(Sealer, Opener)> = LazyLock::new(both);

fn both() -> (Sealer, Opener) {
    let sealer = Sealer::new(&[RECIPIENT]).unwrap();
    let opener = Opener::new(&identities(), sealer.sealing()).unwrap();
    (sealer, opener)
}

fn found(text: &[u8]) -> Vec<&[u8]> {
    find(text).map(|at| &text[at]).collect()
}

/// Computed by another implementation (HMAC of Python's library, XChaCha20-Poly1305 written from its draft) from a data key
/// of the bytes 0 to 31.
#[test]
fn the_form_is_the_stated_one_byte_by_byte() {
    let data_key: Vec<u8> = (0..32).collect();
    let keys = DataKey::of(&data_key).unwrap().keys();
    for (secret, sealed) in [
        ("", "reenact-sealed-1.1LpcpdElOED2tohk1jsu48RzjXCAEg3sQywFHIRWd_081SonxkTBhQ."),
        ("secret token", "reenact-sealed-1.zlYNL8GTKOqPYm9BC6zkpiG7EXB8WoojNw5ZAgE-h4CUGoXj4nY0ySEZHWyErTHrjt8FtA."),
    ] {
        assert_eq!(value::seal(&keys, secret.as_bytes()).unwrap(), sealed);
        assert_eq!(value::open(&keys, sealed.as_bytes()).unwrap(), secret.as_bytes());
        assert_eq!(opened_len(sealed.as_bytes()), secret.len());
    }
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    let other = age::x25519::Identity::generate();
    let sealer = Sealer::new(&[RECIPIENT, &other.to_public().to_string()]).unwrap();
    let sealed = sealer.seal(b"secret").unwrap();
    let text = |identity: &age::x25519::Identity| {
        let text = identity.to_string();
        Identities::parse(age::secrecy::ExposeSecret::expose_secret(&text).as_bytes()).unwrap()
    };
    for identities in [identities(), text(&other)] {
        let opener = Opener::new(&identities, sealer.sealing()).unwrap();
        assert_eq!(opener.open(sealed.as_bytes()).unwrap(), b"secret");
    }
    let stranger = text(&age::x25519::Identity::generate());
    assert_eq!(Opener::new(&stranger, sealer.sealing()).unwrap_err(), SealError::WrongIdentity);
    let (_, another_session) = both();
    assert_eq!(another_session.open(sealed.as_bytes()).unwrap_err(), SealError::ValueDamaged);
}

#[test]
fn each_fault_has_an_error_of_its_own_that_repeats_no_secret() {
    let refused = |recipients: &[&str]| Sealer::new(recipients).unwrap_err();
    assert_eq!(refused(&[]), SealError::NoRecipients);
    assert!(matches!(refused(&[RECIPIENT, IDENTITY]), SealError::Recipient { number: 2, .. }));
    for text in ["", "# nothing\n", "hunter2", &format!("{IDENTITY}\nhunter2"), &"\n".repeat(70_000)] {
        let error = Identities::parse(text.as_bytes()).unwrap_err();
        let said = format!("{error} {error:?} {:?}", error.hint());
        assert!(matches!(error, SealError::Identities { .. }) && !said.contains("hunter2"), "{said}");
    }
    assert!(Identities::parse(&[0xff, 0xfe]).is_err());
    let (sealer, opener) = both();
    let opened =
        |version, key: &str| Opener::new(&identities(), &Sealing { version, key: key.to_owned() }).unwrap_err();
    let key = &sealer.sealing().key;
    assert_eq!(opened(2, key), SealError::HeaderVersion { found: 2 });
    let short = STANDARD.encode(age::encrypt(&RECIPIENT.parse::<age::x25519::Recipient>().unwrap(), b"short").unwrap());
    let long = STANDARD.encode(age::encrypt(&RECIPIENT.parse::<age::x25519::Recipient>().unwrap(), &[7; 33]).unwrap());
    for damaged in ["", "!", "AAAA", &key[..key.len() - 8], &"A".repeat(KEY_TEXT_BYTES_MAX + 4), &short, &long] {
        assert_eq!(opened(1, damaged), SealError::HeaderDamaged);
    }
    let sealed = sealer.seal(b"a secret").unwrap();
    let newer = sealed.replace("sealed-1.", "sealed-2.");
    assert_eq!(opener.open(newer.as_bytes()).unwrap_err(), SealError::ValueVersion { found: 2 });
    for damaged in ["", "reenact-sealed-1.", "reenact-sealed-1.AAAA.", &sealed[1..], &sealed[..sealed.len() - 1]] {
        assert_eq!(opener.open(damaged.as_bytes()).unwrap_err(), SealError::ValueDamaged, "{damaged}");
    }
    let too_long = vec![0; VALUE_BYTES_MAX + 1];
    assert_eq!(sealer.seal(&too_long).unwrap_err(), SealError::TooLong { bytes: too_long.len() });
    let shown = format!("{sealer:?} {opener:?} {:?}", identities());
    assert_eq!(shown, "Sealer(***) Opener(***) Identities(***)");
}

#[test]
fn what_only_looks_like_a_sealed_value_is_none_and_what_was_cut_off_is_one() {
    for text in [
        "",
        "reenact-sealed-",
        "reenact-sealed-1",
        "reenact-sealed-1.",
        "reenact-sealed-.AAAA.",
        "reenact-sealed-12345.A.",
    ] {
        assert!(found(text.as_bytes()).is_empty(), "{text}");
    }
    assert_eq!(found(b"x=reenact-sealed-1.AA_-; y"), [b"reenact-sealed-1.AA_-"]);
    assert_eq!(found(b"reenact-sealed-reenact-sealed-17.A."), [b"reenact-sealed-17.A."]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_secret_comes_back_and_equal_ones_are_equal(one: Vec<u8>, other: Vec<u8>) {
        let (sealer, opener) = &*SESSION;
        let (sealed, again) = (sealer.seal(&one).unwrap(), sealer.seal(&one).unwrap());
        prop_assert_eq!(&sealed, &again);
        prop_assert_eq!(sealed == sealer.seal(&other).unwrap(), one == other);
        prop_assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        prop_assert_eq!(opened_len(sealed.as_bytes()), one.len());
        prop_assert_eq!(opener.open(sealed.as_bytes()).unwrap(), one);
    }

    #[test]
    fn any_flipped_bit_is_refused(secret in prop::collection::vec(any::<u8>(), 0..12)) {
        let (sealer, opener) = &*SESSION;
        let sealed = sealer.seal(&secret).unwrap().into_bytes();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(opener.open(&flipped).is_err(), "bit {}", bit);
        }
    }

    #[test]
    fn values_are_found_in_any_text(parts in prop::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 0..6), last: Vec<u8>) {
        let (sealer, opener) = &*SESSION;
        let mut text = Vec::new();
        for (before, secret) in &parts {
            text.extend_from_slice(before);
            text.extend_from_slice(sealer.seal(secret).unwrap().as_bytes());
        }
        text.extend_from_slice(&last);
        let opened: Vec<_> = found(&text).into_iter().map(|sealed| opener.open(sealed).unwrap()).collect();
        let secrets: Vec<_> = parts.into_iter().map(|(_, secret)| secret).collect();
        prop_assert_eq!(opened, secrets);
    }

    #[test]
    fn nothing_panics(text in "(reenact-sealed-)?[0-9]{0,6}\\.?[A-Za-z0-9_-]{0,90}\\.?.{0,9}", key: String, raw: Vec<u8>) {
        let (_, opener) = &*SESSION;
        for text in [text.as_bytes(), &raw] {
            let _ = (opener.open(text), opened_len(text));
            for sealed in found(text) {
                let _ = opener.open(sealed);
            }
        }
        let _ = Opener::new(&identities(), &Sealing { version: VERSION, key });
        let _ = Identities::parse(&raw);
    }
}
