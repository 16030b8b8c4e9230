//! What becomes of sealed values: opened in what is sent, sealed in every template.

use std::ops::Range;

use formats::seal::{Identities, Opener, SealError, Sealer};

use super::*;

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// Of one session, which is number 0.
struct Sealed {
    sealer: Sealer,
    rewriter: Rewriter,
}

impl Sealed {
    fn new(rules: &str) -> Self {
        let sealer = Sealer::new(&[RECIPIENT]).unwrap();
        let opener = Opener::new(&Identities::parse(IDENTITY.as_bytes()).unwrap(), sealer.sealing()).unwrap();
        let mut rewriter = Rewriter::new(RewriteOptions { keep_host: true, ..options(rules) }).unwrap();
        rewriter.open_with(Seals::new(vec![Some(opener), None]));
        Self { sealer, rewriter }
    }

    /// `text` with everything between braces sealed, and with `LEN` for the length of what stands behind the head.
    fn request(&self, text: &str) -> Exchange {
        let mut parts = text.split(['<', '>']);
        let mut out = parts.next().unwrap().to_owned();
        while let (Some(secret), Some(plain)) = (parts.next(), parts.next()) {
            out += &self.sealer.seal(secret.as_bytes()).unwrap();
            out += plain;
        }
        let length = out.len() - out.find("\r\n\r\n").unwrap() - 4;
        recorded(out.replace("LEN", &length.to_string()).as_bytes(), OK.as_bytes()).unwrap()
    }

    fn rendered(&self, secrets: &Secrets, text: &str) -> (String, String, Opened) {
        let template = self.rewriter.template(0, &self.request(text)).unwrap();
        assert!(template.sealed);
        for secret in text.split(['<', '>']).skip(1).step_by(2).filter(|secret| !secret.is_empty()) {
            let bytes = [&template.head[..], &template.body].concat();
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} is in the template");
        }
        let (mut head, mut opened) = (Vec::new(), Opened::default());
        let body = template.render(&facts(), secrets, &mut head, &mut opened);
        (String::from_utf8(head).unwrap(), String::from_utf8(body.to_vec()).unwrap(), opened)
    }
}

#[track_caller]
fn check(rules: &str, request: &str, expected: (&str, &str)) {
    let sealed = Sealed::new(rules);
    let (head, body, _) = sealed.rendered(&sealed.rewriter.secrets(), request);
    assert_eq!((&head[..], &body[..]), expected);
}

#[test]
fn values_are_opened_wherever_they_stand() {
    check(
        "",
        "GET /reset/<Zt0ken>?a=1&key=<Zk%26y>&b=<Z+> HTTP/1.1\r\nAuthorization: Bearer <Zbearer>\r\nCookie: a=b; sid=<Zsid>; c=<>\r\n\r\n",
        (
            "GET /reset/Zt0ken?a=1&key=Zk%26y&b=Z+ HTTP/1.1\r\nAuthorization: Bearer Zbearer\r\nCookie: a=b; sid=Zsid; c=\r\n",
            "",
        ),
    );
}

#[test]
fn a_body_with_opened_values_is_as_long_as_its_head_says() {
    check(
        "",
        "POST / HTTP/1.1\r\nContent-Length: LEN\r\n\r\n{\"a\":\"<Zpass\\\"word>\",\"b\":[\"<Z=2>\"]}",
        ("POST / HTTP/1.1\r\nContent-Length: 31\r\n", "{\"a\":\"Zpass\\\"word\",\"b\":[\"Z=2\"]}"),
    );
    let sealed = Sealed::new("");
    let value = sealed.sealer.seal(b"Zsecret").unwrap();
    let (one, other) = value.split_at(20);
    let text = format!(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\na={one}\r\n{:x}\r\n{other}&b=c\r\n0\r\nT: x\r\n\r\n",
        one.len() + 2,
        other.len() + 4
    );
    let template = sealed.rewriter.template(0, &recorded(text.as_bytes(), OK.as_bytes()).unwrap()).unwrap();
    let body = template.render(&facts(), &sealed.rewriter.secrets(), &mut Vec::new(), &mut Opened::default());
    assert_eq!(body, "d\r\na=Zsecret&b=c\r\n0\r\nT: x\r\n\r\n", "a value that lay in two chunks");
}

#[test]
fn rules_come_first_and_placeholders_stand_beside_values() {
    let rules = "[[rewrite]]\nset_header = { X-Key = \"mine\" }\nremove_query = [\"k\"]\n\
        replace_body = { from = '^', to = '{{copy}}' }\n\
        [[rewrite]]\nreplace_header = { name = \"X-User\", from = '$', to = '{{copy}}' }\n";
    check(
        rules,
        "POST /?k=<Zgone>&l=<Z=l> HTTP/1.1\r\nX-Key: <Zgone>\r\nX-User: <Zuser>\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ("POST /?l=Z=l HTTP/1.1\r\nX-Key: mine\r\nX-User: Zuser2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    );
    check(
        rules,
        "POST / HTTP/1.1\r\nX-User: u\r\nContent-Length: LEN\r\n\r\n<Zbody>",
        ("POST / HTTP/1.1\r\nX-User: u2\r\nContent-Length: 6\r\nX-Key: mine\r\n", "2Zbody"),
    );
}

#[test]
fn where_opened_values_stand_is_known_and_for_people_they_are_masked() {
    let sealed = Sealed::new("");
    let text = "POST /<Zpath> HTTP/1.1\r\nX: a <Z b> c\r\nContent-Length: LEN\r\n\r\nx=<Zlonger than three>";
    let (head, _, opened) = sealed.rendered(&sealed.rewriter.secrets(), text);
    assert!(opened.in_body && !opened.is_empty());
    let masked = "POST /*** HTTP/1.1\r\nX: a *** c\r\nContent-Length: 20\r\n";
    assert_eq!(String::from_utf8(opened.mask(head.as_bytes())).unwrap(), masked);
    let mut secrets = sealed.rewriter.secrets();
    secrets.are_hidden = true;
    let (head, body, _) = sealed.rendered(&secrets, text);
    assert_eq!((&head[..], &body[..]), (masked, "x=***"));
    let check = |gone: Range<usize>, len: usize, expected: &[Range<usize>]| {
        let mut moved = Opened { head: vec![5..6, 8..9, 12..14], in_body: false, ..Opened::default() };
        moved.replaced(gone.clone(), len);
        assert_eq!(moved.head, expected, "{gone:?} {len}");
    };
    check(5..5, 10, &[15..16, 18..19, 22..24]);
    check(6..7, 3, &[5..6, 10..11, 14..16]);
    check(7..11, 0, &[5..6, 8..10]);
    check(7..13, 1, &[5..6, 8..9]);
    check(14..20, 0, &[5..6, 8..9, 12..14]);
}

#[test]
fn without_an_identity_values_are_sent_as_they_are_and_counted() {
    let sealed = Sealed::new("");
    let rewriter = Rewriter::new(RewriteOptions { keep_host: true, ..options("") }).unwrap();
    let exchange =
        sealed.request("POST / HTTP/1.1\r\nX: <Z>\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let template = rewriter.template(0, &exchange).unwrap();
    assert!(template.sealed && template.head_marks.is_empty() && template.body_marks.is_empty());
    assert_eq!(template.head, exchange.request.head.strip_suffix(b"\r\n").unwrap());
    let plain = sealed.request("GET / HTTP/1.1\r\nX: reenact-sealed-1.\r\n\r\n");
    assert!(!rewriter.template(0, &plain).unwrap().sealed);
}

#[test]
fn a_value_that_cannot_be_opened_is_named_by_its_place() {
    let sealed = Sealed::new("");
    let bad = "reenact-sealed-1.AAAA.";
    for (text, place) in [
        (format!("GET /{bad} HTTP/1.1\r\n\r\n"), "the path"),
        (format!("GET /?a=1&b%20c={bad} HTTP/1.1\r\n\r\n"), "the query's key b%20c"),
        (format!("GET / HTTP/1.1\r\nX-Key: {bad}\r\n\r\n"), "the header X-Key"),
        (format!("GET / HTTP/1.1\r\nCookie: a=b; sid={bad}\r\n\r\n"), "the cookie sid"),
        (format!("GET / HTTP/1.1\r\nContent-Length: 24\r\n\r\nx={bad}"), "the body, at byte 2"),
    ] {
        let fault = SealedFault { place: place.to_owned(), error: SealError::ValueDamaged };
        assert_eq!(sealed.rewriter.template(0, &sealed.request(&text)), Err(NotSent::Sealed(fault)), "{text}");
    }
    let text = "GET / HTTP/1.1\r\nX: <Z>\r\n\r\n";
    for session in [1, 2] {
        let Err(NotSent::Sealed(fault)) = sealed.rewriter.template(session, &sealed.request(text)) else { panic!() };
        assert_eq!(fault.error, SealError::NoKey);
    }
    let changed = Sealed::new("[[rewrite]]\nreplace_header = { name = \"X\", from = '\\.$', to = '{{copy}}' }\n");
    let Err(NotSent::Sealed(fault)) = changed.rewriter.template(0, &changed.request(text)) else { panic!() };
    assert_eq!(fault.error, SealError::ValueDamaged, "a rule took the value's end away");
}

#[test]
fn what_would_end_a_field_or_a_target_is_left_out() {
    let sealed = Sealed::new("");
    let ambiguous = Err(NotSent::LeftOut(LeftOut::Ambiguous));
    for secret in ["Z\r\nX-Evil: 1", "Z\n", "Z\0"] {
        for text in
            ["GET / HTTP/1.1\r\nX: <S>\r\n\r\n", "GET /<S> HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nCookie: a=<S>\r\n\r\n"]
        {
            let value = sealed.sealer.seal(secret.as_bytes()).unwrap();
            assert_eq!(
                sealed.rewriter.template(0, &sealed.request(&text.replace("<S>", &value))),
                ambiguous,
                "{secret:?} {text}"
            );
        }
    }
    assert_eq!(sealed.rewriter.template(0, &sealed.request("GET /<Z 1> HTTP/1.1\r\n\r\n")), ambiguous);
    assert_eq!(
        sealed
            .rewriter
            .template(0, &sealed.request("POST / HTTP/1.1\r\nContent-Length: LEN\r\n\r\n<Z\r\n\0>"))
            .map(|_| ()),
        Ok(())
    );
}
