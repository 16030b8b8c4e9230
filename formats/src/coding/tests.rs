use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const ALL: [Coding; 5] = [Coding::Gzip, Coding::Deflate, Coding::DeflateRaw, Coding::Brotli, Coding::Zstd];
const BYTES_MAX: usize = 1_000;

#[test]
fn names_are_those_of_content_encoding() {
    let check = |field: &str, expected: &[Coding]| assert_eq!(codings(field.as_bytes()).unwrap(), expected, "{field}");
    check("gzip", &[Coding::Gzip]);
    check(" X-GZIP ,identity,, br", &[Coding::Gzip, Coding::Brotli]);
    check("deflate, zstd", &[Coding::Deflate, Coding::Zstd]);
    check("", &[]);
    check("gzip,gzip,gzip,gzip", &[Coding::Gzip; CODINGS_MAX]);
    assert_eq!(codings(b"gzip,gzip,gzip,gzip,gzip"), Err(CodingError::TooMany));
    assert_eq!(codings(b"gzip, dcb"), Err(CodingError::Unknown { name: "dcb".to_owned() }));
    for coding in ALL {
        assert_eq!(Coding::from_name(coding.name()), Some(coding));
    }
}

#[test]
fn a_bomb_ends_at_the_bound() {
    for coding in ALL {
        let encoded = encode(&[b'x'; BYTES_MAX], &[coding]).unwrap();
        assert_eq!(decode(&encoded, &[coding], BYTES_MAX).unwrap().0.len(), BYTES_MAX, "{coding:?}");
        let encoded = encode(&[b'x'; BYTES_MAX + 1], &[coding]).unwrap();
        let too_long = CodingError::TooLong { bytes_max: BYTES_MAX };
        assert_eq!(decode(&encoded, &[coding], BYTES_MAX), Err(too_long.clone()), "{coding:?}");
        let twice = encode(&vec![0; 10 << 20], &[coding, coding]).unwrap();
        assert_eq!(decode(&twice, &[coding, coding], BYTES_MAX).unwrap_err(), too_long, "{coding:?}");
    }
}

#[test]
fn what_is_cut_off_or_damaged_is_not_decoded() {
    for coding in ALL {
        let encoded = encode("a text that repeats, a text that repeats".repeat(9).as_bytes(), &[coding]).unwrap();
        for length in 1..encoded.len() {
            let cut = decode(&encoded[..length], &[coding], BYTES_MAX);
            assert!(cut.is_err(), "{coding:?} cut to {length} of {}", encoded.len());
        }
        assert!(decode(b"{\"password\":\"x\"}", &[coding], BYTES_MAX).is_err(), "{coding:?}");
    }
}

#[test]
fn what_stands_behind_the_end_is_not_passed_over() {
    for coding in ALL {
        let encoded = encode(b"a text", &[coding]).unwrap();
        for behind in [&b"x"[..], b"{\"password\":\"x\"}"] {
            let found = decode(&[&encoded, behind].concat(), &[coding], BYTES_MAX);
            assert!(found.is_err(), "{coding:?} {found:?}");
        }
    }
}

#[test]
fn both_kinds_of_deflate_are_told_apart() {
    for coding in [Coding::Deflate, Coding::DeflateRaw] {
        let encoded = encode(b"abcabcabc", &[coding]).unwrap();
        assert_eq!(decode(&encoded, &[Coding::Deflate], BYTES_MAX).unwrap(), (b"abcabcabc".to_vec(), vec![coding]));
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(
        content in proptest::collection::vec(any::<u8>(), 0..BYTES_MAX / 2),
        all in proptest::collection::vec(select(&ALL[..]), 0..=CODINGS_MAX),
    ) {
        let encoded = encode(&content, &all).unwrap();
        let (decoded, undone) = decode(&encoded, &all, BYTES_MAX).unwrap();
        prop_assert_eq!(decoded, content);
        prop_assert_eq!(undone, all);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(content: Vec<u8>, coding in select(&ALL[..])) {
        let _ = decode(&content, &[coding], BYTES_MAX);
    }
}
