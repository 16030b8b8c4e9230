//! What is refused before anything is read, and what is left out.

use formats::coding::{self, Coding};

use super::*;
use formats::model::{Ambiguity, Exchange, Protocol};

#[track_caller]
fn refused(rules: &str, expected: &str) {
    let error = Rules::from_toml(rules).expect_err(rules);
    let source = std::error::Error::source(&error).map(|fault| format!(": {fault}")).unwrap_or_default();
    let text = format!("{error}{source}");
    assert!(text.contains(expected), "{rules}\n{text}");
    assert!(!error.hint().is_empty());
}

#[test]
fn rules_that_cannot_be_meant() {
    refused("[[rewrite]]\nset_headers = { A = '1' }", "line 2");
    refused("[[rewrite]]\nset_headers = { A = '1' }", "unknown field `set_headers`");
    refused("[[rewrite]]\nreplace_path = { from = 'x', too = 'y' }", "line 2");
    refused("[[rewrite]\n", "line 1");
    refused("[[rewrite]]\nset_header = { A = 1 }", "expected a string");
    let one = |rule: &str, expected: &str| {
        refused(&format!("\n[[rewrite]]\n{rule}"), &format!("rewrite rule 1 (line 2): {expected}"))
    };
    one("method = 'GET'", "it has no action");
    one("set_header = { 'A B' = '1' }", "the header `A B` is no name of a header");
    one("set_header = { Content-Length = '1' }", "the header `Content-Length` says where the body ends");
    one("remove_header = ['transfer-ENCODING']", "the header `transfer-ENCODING` says where");
    one("replace_header = { name = 'traceparent', from = 'a', to = 'b' }", "the header `traceparent` carries a trace");
    one("remove_header = ['Host']", "it removes Host");
    one("set_header = { A = \"1\\r\\nB: 2\" }", "a header's value has control characters");
    one("set_header = { A = ' 1' }", "a header's value has white space around it");
    one("replace_header = { name = 'A', from = 'x', to = \"\\n\" }", "a header's value has control characters");
    one("set_header = { A = '{{user}}' }", "`{{user` is no placeholder");
    one("set_header = { A = '{{copy' }", "`{{copy` is no placeholder");
    one("replace_body = { from = '(', to = '' }", "regex parse error");
    one("replace_body = { from = '(a)', to = '$2' }", "`from` has no group `2`");
    one("replace_body = { from = '(?<a>a)', to = '${b}' }", "`from` has no group `b`");
    one("replace_body = { from = 'a', to = 'US$' }", "in `to`, a `$` is neither");
    one("replace_body = { from = 'a', to = '$a' }", "in `to`, a `$` is neither");
    one("remove_query = ['']", "a key of the query is empty");
    let second = "[[rewrite]]\nremove_header = ['A']\n[[rewrite]]\nname = 'b'\n";
    refused(second, "rewrite rule 2 (\"b\", line 3): it has no action");
}

#[test]
fn maps_and_targets_that_cannot_be_meant() {
    let check = |text: &str, expected: &str| {
        let error = text.parse::<Map>().expect_err(text);
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert!(!error.hint().is_empty());
    };
    check("shop", "it has no `=`");
    check("=http://a", "nothing before");
    check("http://shop=http://a", "a recorded authority");
    check("*.shop=http://a", "`*` stands alone");
    check("shop=a:80", "not http://HOST");
    check("shop=ftp://a", "`ftp` is no scheme");
    check("shop=http://a/x", "paths come from the recording");
    check("shop=http://user:hunter2@a", "credentials");
    let secret = "http://user:hunter2@a".parse::<TargetUrl>().unwrap_err().to_string();
    assert!(!secret.contains("hunter2"));

    let check = |target: Option<&str>, maps: &[&str], expected: &str| {
        let options = RewriteOptions {
            target: target.map(|target| target.parse().unwrap()),
            maps: maps.iter().map(|map| map.parse().unwrap()).collect(),
            ..RewriteOptions::default()
        };
        assert!(Rewriter::new(options).unwrap_err().to_string().contains(expected));
    };
    check(None, &[], "there is no target");
    check(None, &["a=http://x", "A=http://y"], "`a` is mapped twice");
    let many: Vec<_> = (0..1_001).map(|port| format!("h{port}=http://a:{}", port + 1_000)).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    check(None, &many, "more than 1000 targets");
    let options = RewriteOptions {
        maps: many[..1_000].iter().map(|map| map.parse().unwrap()).collect(),
        ..RewriteOptions::default()
    };
    assert_eq!(Rewriter::new(options).unwrap().targets().len(), 1_000);
}

#[test]
fn what_cannot_be_sent_says_why() {
    let long = format!("POST / HTTP/1.1\r\nContent-Length: 10001\r\n\r\n{}", "x".repeat(10_001));
    for (request, response, expected) in [
        (&long[..], OK, LeftOut::TruncatedBody),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n01", "", LeftOut::IncompleteRequest),
        ("CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", LeftOut::Connect),
        ("GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 101 OK\r\n\r\n", LeftOut::Upgrade),
    ] {
        let exchange = recorded(request.as_bytes(), response.as_bytes()).unwrap();
        let rewriter = Rewriter::new(options("")).unwrap();
        assert_eq!(rewriter.template(0, &exchange), Err(NotSent::LeftOut(expected)), "{request}");
    }
}

#[test]
fn bodies_that_were_stored_decoded_are_coded_again_or_left_out() {
    let plain = "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab";
    let mut exchange = recorded(plain.as_bytes(), OK.as_bytes()).unwrap();
    let mut check = |rules: &str, codings: &[&str], expected: Option<&[u8]>| {
        exchange.request.body.redacted = Some(codings.iter().map(|name| (*name).to_owned()).collect());
        let template = Rewriter::new(options(rules)).unwrap().template(0, &exchange);
        match expected {
            Some(expected) => {
                let template = template.unwrap();
                let known: Vec<_> = codings.iter().filter_map(|name| Coding::from_name(name)).collect();
                assert_eq!(coding::decode(&template.body, &known, 1_000).unwrap().0, expected, "{rules} {codings:?}");
                let head = String::from_utf8(template.head.to_vec()).unwrap();
                assert!(head.contains(&format!("Content-Length: {}\r\n", template.body.len())), "{head}");
            }
            None => assert_eq!(template, Err(NotSent::LeftOut(LeftOut::CannotEncode)), "{rules} {codings:?}"),
        }
    };
    check("", &["gzip"], Some(b"ab"));
    check("", &["deflate-raw", "br", "zstd", "gzip"], Some(b"ab"));
    check("", &[], Some(b"ab"));
    check("", &["gzip"; 5], None);
    check("", &["dcz"], None);
    check("[[rewrite]]\nreplace_body = { from = 'a', to = 'c' }", &["gzip"], Some(b"cb"));
    check("[[rewrite]]\nreplace_body = { from = 'a', to = '{{copy}}' }", &["gzip"], None);
}

/// Sessions also come from importers and from files that people wrote.
#[test]
fn what_a_server_could_read_in_another_way_is_left_out() {
    let plain = recorded(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", OK.as_bytes()).unwrap();
    let rewriter = Rewriter::new(options("")).unwrap();
    let check = |head: &'static str, expected: Option<LeftOut>| {
        let mut exchange = plain.clone();
        exchange.request.head = bytes::Bytes::from_static(head.as_bytes());
        assert_eq!(rewriter.template(0, &exchange).err(), expected.map(NotSent::LeftOut), "{head}");
    };
    check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", None);
    check("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/2\r\nContent-Length: 2\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST /a b HTTP/1.1\r\nContent-Length: 2\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/1.1\r\nA: x\ry\r\nContent-Length: 2\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/1.1\r\nA: x\r\n folded\r\nContent-Length: 2\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/1.1\r\nA: x\r\n\tb: folded\r\nContent-Length: 2\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/1.1\r\n A: x\r\nContent-Length: 2\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/1.1\r\nContent-Length: 2\r\nno colon\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/1.1\r\nContent-Length: 2\r\n: x\r\n\r\n", Some(LeftOut::Ambiguous));
    check("POST / HTTP/1.1\r\ntraceparent: 0\r\n 0\r\nContent-Length: 2\r\n\r\n", Some(LeftOut::Ambiguous));
    let unsure = Exchange { ambiguous: Some(Ambiguity::BadChunk), ..plain.clone() };
    assert_eq!(rewriter.template(0, &unsure), Err(NotSent::LeftOut(LeftOut::Ambiguous)));
    let unsure = Exchange { resynchronised: true, ..plain.clone() };
    assert_eq!(rewriter.template(0, &unsure), Err(NotSent::LeftOut(LeftOut::Resynchronised)));
    let mut smuggled =
        recorded(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", OK.as_bytes()).unwrap();
    smuggled.request.trailers = bytes::Bytes::from_static(b"T: 1\r\n\r\nGET /admin HTTP/1.1\r\n");
    assert_eq!(rewriter.template(0, &smuggled), Err(NotSent::LeftOut(LeftOut::Ambiguous)));
    smuggled.request.trailers = bytes::Bytes::from_static(b"T: 1\r\nTraceparent: 1\r\n folded\r\n");
    assert_eq!(rewriter.template(0, &smuggled), Err(NotSent::LeftOut(LeftOut::Ambiguous)));
    // A length that is wrong or missing is put right.
    for head in ["POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"] {
        let mut exchange = plain.clone();
        exchange.request.head = bytes::Bytes::from_static(head.as_bytes());
        assert_eq!(rewriter.template(0, &exchange).unwrap().head, "POST / HTTP/1.1\r\nContent-Length: 2\r\n");
    }
}

#[test]
fn http_2_and_3_are_left_out_by_name() {
    let rewriter = Rewriter::new(options("")).unwrap();
    for protocol in [Protocol::Http2, Protocol::Http3] {
        let mut exchange = recorded(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", OK.as_bytes()).unwrap();
        assert!(rewriter.template(0, &exchange).is_ok());
        exchange.protocol = protocol;
        assert_eq!(rewriter.template(0, &exchange), Err(NotSent::LeftOut(LeftOut::OtherProtocol)));
        exchange.request.head = bytes::Bytes::from_static(b":method: GET\r\n:path: /\r\n\r\n");
        assert_eq!(rewriter.template(0, &exchange), Err(NotSent::LeftOut(LeftOut::OtherProtocol)));
    }
}
