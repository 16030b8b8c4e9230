//! Heads of lines that are known already come out as those that were never seen.

use super::*;

proptest! {
    #[test]
    fn what_is_known_changes_nothing(
        heads in proptest::collection::vec(
            (
                select(vec!["GET / HTTP/1.1", "GET /?access_token=s3cr3t-t0ken HTTP/1.1", "GET /a%20b HTTP/1.1", "HTTP/1.1 200 OK", ""]),
                proptest::collection::vec(
                    select(vec![
                        "Host: example", "Accept: */*", "Content-Type: text/plain", "x", " folded s3cr3t-t0ken", "", ": s3cr3t-t0ken",
                        "Authorization: Bearer s3cr3t-t0ken", "Authorization:", "Cookie: a=s3cr3t-t0ken; b", "Set-Cookie", "From: ann@example",
                        "Referer: https://example/", "Referer: https://ann:s3cr3t-t0ken@example/", "X-Note: AKIAIOSFODNN7EXAMPLE", "\"cookie\"",
                        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-00000000000000a1-00",
                        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-AKIAIOSFODNN7EXAMPLE", "traceparent: AKIAIOSFODNN7EXAMPLE",
                    ]),
                    0..6,
                ),
                select(vec!["\r\n", "\n", "\r"]),
                any::<bool>(),
            ),
            1..8,
        ),
    ) {
        let knows = Redactor::new(&key());
        // With a rule of the user, each line is searched.
        let searches = Redactor::new(&key()).with_headers(&["x-of-nobody".to_owned()]);
        for (start, lines, ending, has_start_line) in &heads {
            let head = format!("{start}{ending}{}{ending}{ending}", lines.join(ending));
            let (found, expected) =
                (rebuilt(&knows, head.as_bytes(), *has_start_line), rebuilt(&searches, head.as_bytes(), *has_start_line));
            prop_assert_eq!(found, expected, "{:?}", head);
        }
    }
}

#[test]
fn trace_contexts_are_known_as_one_unless_a_rule_names_them() {
    let head = |digit: u8| {
        let traceparent = format!("00-{}-{}-01", format!("{digit:x}").repeat(32), format!("{digit:x}").repeat(16));
        format!("GET / HTTP/1.1\r\ntraceparent: {traceparent}\r\n\r\n")
    };
    let redactor = Redactor::new(&key());
    assert!((1..16).all(|digit| rebuilt(&redactor, head(digit).as_bytes(), true).is_none()));
    let names_it = redactor.with_headers(&["traceparent".to_owned()]);
    for digit in 1..16 {
        let rebuilt = rebuilt(&names_it, head(digit).as_bytes(), true).unwrap();
        assert!(!String::from_utf8(rebuilt).unwrap().contains(&format!("{digit:x}").repeat(16)));
    }
}
