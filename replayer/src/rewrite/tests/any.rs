//! Any request and any rules: what goes out is one request, with the body that was meant.

use proptest::prelude::*;
use proptest::sample::select;

use formats::model::Framing;

use super::*;

/// Lines that matter to hosts or marks among ordinary ones.
fn line() -> impl Strategy<Value = String> {
    let known = select(vec![
        "Host: old",
        "hOST:old:80 ",
        "Origin: http://old",
        "Referer: http://old/x?y",
        "Cookie: a=1; sid=2;;=; $Domain=old; x",
        "cookie:",
        "User-Agent: curl",
        "Content-Encoding: gzip",
        "Expect: 100-continue",
        "traceparent: 00-1",
        "X-User: u1",
    ]);
    prop_oneof!["[A-Za-z-]{1,8}: ?[ -~]{0,20}", known.prop_map(str::to_owned)]
}

/// Lines that make a request unreadable, or readable in two ways.
fn odd_line() -> impl Strategy<Value = String> {
    let known =
        select(vec!["Content-Length: 5", "content-length:", "Transfer-Encoding: gzip", " folded", "", "no colon"]);
    prop_oneof!["\\PC{0,20}", known.prop_map(str::to_owned), framing_line()]
}

fn framing_line() -> impl Strategy<Value = String> {
    select(vec!["Content-Length: 3", "Transfer-Encoding: chunked", "X: y"]).prop_map(str::to_owned)
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "/[!-~]{0,20}",
        4 => "/a\\?(q|u|[&=%+]){0,9}",
        2 => "http://[a-z.:]{0,8}[/?#]?[!-~]{0,9}",
        1 => "[ -~]{0,9}",
        1 => Just("*".to_owned()),
    ]
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let method = prop_oneof![9 => select(vec!["GET", "POST"]), 1 => select(vec!["P OST", ""])];
    let version = prop_oneof![9 => Just("HTTP/1.1"), 1 => select(vec!["HTTP/1.0", "HTTP/2", ""])];
    let lines = (
        proptest::collection::vec(line(), 0..6),
        framing_line(),
        proptest::option::weighted(0.2, odd_line()),
        proptest::collection::vec(line(), 0..3),
    );
    let body = prop_oneof![proptest::collection::vec(any::<u8>(), 0..40), "[a-z=&]{0,40}".prop_map(String::into_bytes)];
    let framing = select(vec![Framing::None, Framing::Length, Framing::Chunked]);
    let chunks = proptest::collection::vec(0u64..30, 0..4);
    let trailers = prop_oneof![9 => select(vec!["", "T: 1\r\n", "b3: 0\r\n"]), 1 => Just("no trailer")];
    let head = (method, target(), version, lines, select(vec!["\r\n", "\n"]));
    (head, body, framing, chunks, trailers).prop_map(|(head, body, framing, chunks, trailers)| {
        let (method, target, version, (before, framed, odd, after), end) = head;
        let lines = before.into_iter().chain([framed]).chain(odd).chain(after);
        let lines: String = lines.map(|line| format!("{line}{end}")).collect();
        let mut exchange = recorded(b"GET / HTTP/1.1\r\n\r\n", OK.as_bytes()).unwrap();
        let request = &mut exchange.request;
        request.head = format!("{method} {target} {version}{end}{lines}{end}").into_bytes().into();
        request.framing = framing;
        request.body.total_len = body.len() as u64;
        request.body.bytes = body.into();
        request.body.chunks = chunks;
        request.trailers = trailers.as_bytes().to_vec().into();
        exchange
    })
}

fn rule() -> impl Strategy<Value = String> {
    let text = || select(vec!["", "x", "{{copy}}", "a{{client}}b{{seq}}", "ä ö", "&=?#%/", "0\r\n\r\nGET / HTTP/1.1"]);
    let from = || select(vec!["", "a", "[a-z]+", "(.)", "^", "$", "(?s).*", "0"]);
    let to = || prop_oneof![text().prop_map(|text| text.replace('$', "$$")), Just("$0{{copy}}$0".to_owned())];
    let name = select(vec!["X-User", "Cookie", "A", "Host", "Content-Type", "Expect", "User-Agent"]);
    prop_oneof![
        (name.clone(), text()).prop_map(|(name, text)| format!("set_header = {{ {name} = {text:?} }}")),
        name.clone().prop_map(|name| format!("remove_header = ['{name}']")),
        (name, from(), to()).prop_map(|(name, from, to)| format!(
            "replace_header = {{ name = '{name}', from = '{from}', to = {to:?} }}"
        )),
        (select(vec!["q", "u", "a b"]), text()).prop_map(|(key, text)| format!("set_query = {{ '{key}' = {text:?} }}")),
        select(vec!["q", "u", "="]).prop_map(|key| format!("remove_query = ['{key}']")),
        (from(), to()).prop_map(|(from, to)| format!("replace_query = {{ name = 'q', from = '{from}', to = {to:?} }}")),
        (from(), to()).prop_map(|(from, to)| format!("replace_path = {{ from = '{from}', to = {to:?} }}")),
        (from(), to()).prop_map(|(from, to)| format!("replace_body = {{ from = '{from}', to = {to:?} }}")),
    ]
}

/// The only request in `bytes`: its head and its content.
fn read_back(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut connection = Http1::new(1, Limits { body_bytes_max: 1 << 20, pending_max: 9 });
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, bytes, &mut out);
    assert_eq!((connection.blind(), connection.pending()), (None, 1), "{}", String::from_utf8_lossy(bytes));
    connection.feed(Direction::Response, 2, OK.as_bytes(), &mut out);
    let exchange = out.pop()?;
    assert!(exchange.instants.request_end.is_some() && out.is_empty());
    Some((exchange.request.head.to_vec(), exchange.request.body.bytes.to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_goes_out_is_what_was_meant(
        exchange in exchange(),
        rules in proptest::collection::vec(rule(), 0..5),
        with_credentials: bool,
        keep_host: bool,
    ) {
        let text: String = rules.iter().map(|rule| format!("[[rewrite]]\n{rule}\n")).collect();
        // Some rules cannot be meant (control characters in a header): refused, never applied.
        let Ok(parsed) = Rules::from_toml(&text) else { return Ok(()) };
        let table = "Authorization,cookie:sid,query:u\nsecret,s1,ü &\n";
        let credentials = Credentials::parse(table, std::path::Path::new("table")).unwrap();
        let rewriter = Rewriter::new(RewriteOptions {
            target: Some("http://new:2".parse().unwrap()),
            rules: parsed,
            keep_host,
            credentials: with_credentials.then(|| Arc::new(credentials)),
            ..RewriteOptions::default()
        }).unwrap();
        let Ok(template) = rewriter.template(0, &exchange) else { return Ok(()) };
        for copy in [0, 1, 4_000_000_000] {
            let mut bytes = Vec::new();
            let body = template.render(&CopyFacts { copy, ..facts() }, &rewriter.secrets(), &mut bytes, &mut Opened::default());
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(&body);
            let (head, content) = read_back(&bytes).unwrap();
            let count = |name: &str| formats::head::fields(&head).filter(|field| field.is(name)).count();
            prop_assert!(count("content-length") + count("transfer-encoding") <= 1);
            prop_assert!(!formats::head::fields(&head).any(|field| formats::trace::is_trace_header(field.name)));
            if with_credentials {
                prop_assert_eq!(count("authorization"), 1);
                prop_assert_eq!(formats::head::value(&head, "authorization"), Some(&b"secret"[..]));
            }
            if !text.contains("replace_body") {
                prop_assert_eq!(&content, &exchange.request.body.bytes);
            }
            if rules.is_empty() && !with_credentials {
                prop_assert!(template.head_marks.is_empty() && template.body_marks.is_empty());
            }
        }
    }
}
