use proptest::prelude::*;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Feeds a header as a socket would: never more than what is missing.
fn read(mut from: &[u8]) -> (Result<Progress, ProxyError>, usize) {
    let (mut bytes, all) = (Vec::new(), from.len());
    loop {
        match decode(&bytes) {
            Ok(Progress::Missing(missing)) if !from.is_empty() => {
                let (now, later) = from.split_at(missing.min(from.len()));
                bytes.extend_from_slice(now);
                from = later;
            }
            end => return (end, all - from.len()),
        }
    }
}

#[test]
fn what_the_specification_shows_is_understood() {
    let ends = |a, b| Ok(Progress::Whole(Some(Ends { source: address(a), destination: address(b) })));
    for (line, expected) in [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", ends("192.168.0.1:56324", "192.168.0.11:443")),
        ("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", ends("[2001:db8::1]:1", "[::1]:65535")),
        ("PROXY UNKNOWN\r\n", Ok(Progress::Whole(None))),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Ok(Progress::Whole(None))),
        ("GET / HTTP/1.1\r\n", Ok(Progress::None)),
        ("PUT / HTTP/1.1\r\n", Ok(Progress::None)),
        ("\r\n\r\nGET", Ok(Progress::None)),
        ("PROX", Ok(Progress::Missing(2))),
        ("", Ok(Progress::Missing(6))),
    ] {
        assert_eq!(read(line.as_bytes()).0, expected, "{line}");
    }
    for line in [
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 a b 1 2\r\n",
        "PROXY \r\n",
        "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
    ] {
        assert!(matches!(read(line.as_bytes()).0, Err(ProxyError::Malformed(_))), "{line}");
    }
}

#[test]
fn a_line_has_a_limit() {
    let line = |len: usize| [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; len - 16], b"\r\n".to_vec()].concat();
    assert_eq!(read(&line(V1_BYTES_MAX)), (Ok(Progress::Whole(None)), V1_BYTES_MAX));
    assert_eq!(read(&line(V1_BYTES_MAX + 1)).0, Err(ProxyError::LineTooLong));
    // One that never ends is given up when its end would be too late.
    let endless = [b"PROXY ".to_vec(), vec![b'x'; 10_000]].concat();
    let (end, taken) = read(&endless);
    assert_eq!(end, Err(ProxyError::LineTooLong));
    assert!(taken <= V1_BYTES_MAX, "{taken}");
}

#[test]
fn a_binary_header_has_a_limit() {
    let header = |len: usize| {
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([0x20, 0x00]);
        header.extend(u16::try_from(len - 16).unwrap().to_be_bytes());
        header.resize(len, 0);
        header
    };
    assert_eq!(read(&header(HEADER_BYTES_MAX)), (Ok(Progress::Whole(None)), HEADER_BYTES_MAX));
    let (end, taken) = read(&header(HEADER_BYTES_MAX + 1));
    assert_eq!((end, taken), (Err(ProxyError::TooLong { len: HEADER_BYTES_MAX + 1 }), 16));
}

#[test]
fn unknown_ends_are_said_to_be_unknown() {
    assert_eq!(encode_v1(None), b"PROXY UNKNOWN\r\n");
    let header = encode_v2(None).unwrap();
    assert_eq!(header.get(12..).unwrap(), [0x20, 0x00, 0, 0]);
}

#[test]
fn two_families_become_one() {
    let mixed = Ends { source: address("[::1]:5"), destination: address("10.0.0.1:80") };
    assert_eq!(encode_v1(Some(mixed)), b"PROXY TCP6 ::1 ::ffff:10.0.0.1 5 80\r\n");
    let mapped = Ends { source: address("[::ffff:10.0.0.9]:5"), destination: address("10.0.0.1:80") };
    assert_eq!(encode_v1(Some(mapped)), b"PROXY TCP4 10.0.0.9 10.0.0.1 5 80\r\n");
}

fn any_ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>(), any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(a, p, b, q)| ends((a.into(), p), (b.into(), q))),
        (any::<[u8; 16]>(), any::<u16>(), any::<[u8; 16]>(), any::<u16>())
            .prop_map(|(a, p, b, q)| ends((a.into(), p), (b.into(), q))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_nothing_beyond_it(ends in any_ends(), rest in any::<Vec<u8>>()) {
        let (source, destination) = one_family(ends);
        let expected = Ok(Progress::Whole(Some(Ends { source, destination })));
        for header in [encode_v1(Some(ends)), encode_v2(Some(ends)).unwrap()] {
            let all = [header.as_slice(), &rest].concat();
            let (end, taken) = read(&all);
            // Mapped addresses stay mapped when the other end is IPv6.
            prop_assert_eq!(&end, &expected);
            prop_assert_eq!(taken, header.len());
        }
    }

    #[test]
    fn no_bytes_panic_or_take_more_than_the_limit(bytes in any::<Vec<u8>>(), tail in any::<Vec<u8>>()) {
        for prefix in [&b""[..], V1_PREFIX, v2::PROTOCOL_PREFIX] {
            let all = [prefix, &bytes, &tail].concat();
            let (_, taken) = read(&all);
            prop_assert!(taken <= HEADER_BYTES_MAX);
        }
    }
}
