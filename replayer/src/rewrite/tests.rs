//! What goes out, byte for byte, and what is refused.

mod any;
mod docs;
mod hosts;
mod refusals;
mod sealed;

use formats::model::{ClientKey, KeySource};
use formats::wire::{Direction, Http1, Limits};

use super::*;

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

pub(super) fn recorded(request: &[u8], response: &[u8]) -> Option<Exchange> {
    let mut connection = Http1::new(1, Limits { body_bytes_max: 10_000, pending_max: 9 });
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, request, &mut out);
    connection.feed(Direction::Response, 2, response, &mut out);
    connection.closed(&mut out);
    out.into_iter().next()
}

/// The third life of a client.
pub(super) fn facts() -> CopyFacts {
    CopyFacts { copy: 2, client: ClientKey { source: KeySource::Named, id: 0xab }, seq: 41, session: 0 }
}

pub(super) fn options(rules: &str) -> RewriteOptions {
    RewriteOptions {
        target: Some("http://new:2".parse().unwrap()),
        rules: Rules::from_toml(rules).unwrap(),
        ..RewriteOptions::default()
    }
}

/// Head and body of what is sent for [`facts`].
pub(super) fn sent(request: &str, rewriter: &Rewriter) -> (String, String) {
    let exchange = recorded(request.as_bytes(), OK.as_bytes()).expect("one exchange");
    let template = rewriter.template(0, &exchange).unwrap();
    let mut head = Vec::new();
    let body = template.render(&facts(), &rewriter.secrets(), &mut head, &mut Opened::default());
    (String::from_utf8(head).unwrap(), String::from_utf8_lossy(&body).into_owned())
}

#[track_caller]
fn check_with(options: RewriteOptions, request: &str, expected_head: &str, expected_body: &str) -> Rewriter {
    let rewriter = Rewriter::new(options).unwrap();
    let (head, body) = sent(request, &rewriter);
    assert_eq!(head, expected_head);
    assert_eq!(body, expected_body);
    rewriter
}

/// One rule, one request without a body.
#[track_caller]
fn check(rule: &str, request: &str, expected: &str) {
    let request = format!("{request}\r\n\r\n");
    let rewriter = check_with(options(&format!("[[rewrite]]\n{rule}")), &request, &format!("{expected}\r\n"), "");
    let did_something = !expected.is_empty() && rewriter.unused().is_empty();
    assert!(did_something, "{:?}", rewriter.unused());
}

#[test]
fn without_rules_only_host_traces_user_agent_and_credentials_for_a_proxy_change() {
    check_with(
        options(""),
        "GET /a?b HTTP/1.1\r\nhOsT:   old:1  \r\nX: 1\r\ntraceparent: 00-1\r\nuser-agent: curl\r\nX: 2\r\nTraceState: a=b\r\nB3: 0\r\nPROXY-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\nY: {{copy}}\r\n\r\n",
        &format!(
            "GET /a?b HTTP/1.1\r\nhOsT:   new:2  \r\nX: 1\r\nuser-agent: curl{USER_AGENT_SUFFIX}\r\nX: 2\r\nProxy-Connection: keep-alive\r\nY: {{{{copy}}}}\r\n"
        ),
        "",
    );
    let keep = || RewriteOptions { keep_host: true, ..options("") };
    check_with(keep(), "GET / HTTP/1.0\r\nHost: old\r\n\r\n", "GET / HTTP/1.0\r\nHost: old\r\n", "");
}

#[test]
fn a_replay_of_a_recorded_replay_says_only_once_who_sends() {
    for agent in [format!("curl{USER_AGENT_SUFFIX}"), USER_AGENT_SUFFIX.to_owned()] {
        let head = format!("GET / HTTP/1.1\r\nUser-Agent: {agent}\r\n");
        check_with(options(""), &format!("{head}\r\n"), &head, "");
    }
}

#[test]
fn bodies_keep_their_framing() {
    let check = |request: &str, head: &str, body: &str| {
        check_with(options(""), request, head, body);
    };
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
    check(
        &format!("{head}\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"),
        head,
        "3\r\nabc\r\na\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
    );
    check(&format!("{head}\r\n0\r\n\r\n"), head, "0\r\n\r\n");
    check(&format!("{head}\r\n0\r\nb3: 0\r\nT: 1\r\n\r\n"), head, "0\r\nT: 1\r\n\r\n");
    check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", "POST / HTTP/1.1\r\nContent-Length: 2\r\n", "ab");
    check("POST / HTTP/1.1\r\nContent-Length: 002\r\n\r\nab", "POST / HTTP/1.1\r\nContent-Length: 002\r\n", "ab");
    check(
        "POST / HTTP/1.1\r\nContent-Length: 2\r\nX: y\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nContent-Length: 2\r\nX: y\r\n",
        "ab",
    );
}

#[test]
fn headers() {
    let get = "GET / HTTP/1.1\r\nA: 1\r\nx-user:  bob \r\nX-User: eve\r\nZ: 1";
    check("set_header = { X-User = 'me' }", get, "GET / HTTP/1.1\r\nA: 1\r\nx-user:  me \r\nZ: 1");
    check(
        "set_header = { New = 'me', Also = '' }",
        "GET / HTTP/1.1\r\nA: 1",
        "GET / HTTP/1.1\r\nA: 1\r\nAlso: \r\nNew: me",
    );
    check("remove_header = ['X-USER']", get, "GET / HTTP/1.1\r\nA: 1\r\nZ: 1");
    check(
        "replace_header = { name = 'X-User', from = 'b(.)b|e', to = '<$1-$0-$$>' }",
        get,
        "GET / HTTP/1.1\r\nA: 1\r\nx-user:  <o-bob-$> \r\nX-User: <-e-$>v<-e-$>\r\nZ: 1",
    );
    check(
        "replace_header = { name = 'A', from = '(?<digit>[0-9])', to = '${digit}0$1x' }",
        get,
        "GET / HTTP/1.1\r\nA: 101x\r\nx-user:  bob \r\nX-User: eve\r\nZ: 1",
    );
    check(
        "set_header = { User-Agent = 'load' }",
        "GET / HTTP/1.1\r\nuser-agent: curl",
        &format!("GET / HTTP/1.1\r\nuser-agent: load{USER_AGENT_SUFFIX}"),
    );
    check("set_header = { Host = 'virtual' }", "GET / HTTP/1.1\r\nHost: old", "GET / HTTP/1.1\r\nHost: virtual");
}

#[test]
fn placeholders_make_copies_different_users() {
    check(
        "set_header = { X-User = 'u-{{client}}-{{ copy }}/{{seq}}' }",
        "GET / HTTP/1.1\r\nX-User: bob",
        "GET / HTTP/1.1\r\nX-User: u-00000000000000ab-2/41",
    );
    // What a rule put in stays what it is when a later rule searches the value, and the recorded text is only text.
    check(
        "set_header = { A = 'x{{copy}}x' }\n[[rewrite]]\nreplace_header = { name = 'A', from = 'x|2', to = '{{seq}}' }",
        "GET / HTTP/1.1\r\nB: {{copy}}",
        "GET / HTTP/1.1\r\nB: {{copy}}\r\nA: 41241",
    );
    check("set_query = { u = 'a b{{copy}}' }", "GET /x HTTP/1.1", "GET /x?u=a%20b2 HTTP/1.1");
    check(
        "replace_path = { from = '/users/[0-9]+', to = '/users/{{copy}}00$0' }",
        "GET /users/7/x?y=/users/8 HTTP/1.1",
        "GET /users/200/users/7/x?y=/users/8 HTTP/1.1",
    );
}

#[test]
fn queries_and_paths() {
    let check = |rule: &str, target: &str, expected: &str| {
        check(rule, &format!("GET {target} HTTP/1.1"), &format!("GET {expected} HTTP/1.1"));
    };
    check("set_query = { b = 'x&y' }", "/p?a=1&b=2&c&b=3", "/p?a=1&b=x%26y&c");
    check("set_query = { 'b[]' = '1' }", "/p?a&b%5B%5D=0", "/p?a&b%5B%5D=1");
    check("set_query = { 'b[]' = '1' }", "/p?", "/p?b%5B%5D=1");
    check("set_query = { b = '1' }", "/p#top", "/p?b=1#top");
    check("set_query = { b = '1' }", "http://old?a", "http://new:2/?a&b=1");
    check("remove_query = ['a', 'c']", "/p?a=1&b=2&c&a", "/p?b=2");
    check("remove_query = ['a b']", "/p?a+b=1", "/p");
    check(
        "replace_query = { name = 'q', from = 'b+', to = 'x y&z%20' }",
        "/p?q=abbc&Q=b&q",
        "/p?q=ax%20y%26z%20c&Q=b&q",
    );
    check("replace_path = { from = '^/v1', to = '/v2' }", "/v1/a/v1?x=/v1", "/v2/a/v1?x=/v1");
    check("replace_path = { from = '^/v1', to = '' }", "/v1", "/");
    check("replace_path = { from = '^/', to = 'a ?#b/' }", "http://old/x", "http://new:2/a%20%3F%23b/x");
    check("replace_path = { from = '^/.*', to = '{{copy}}' }", "/x", "/2");
    check("replace_path = { from = '^', to = '{{copy}}' }", "/x", "/2/x");
    check("set_query = { b = '1' }", "/p#x?y", "/p?b=1#x?y");
}

#[test]
fn a_changed_body_has_the_right_length() {
    let rule = |to: &str| format!("[[rewrite]]\nreplace_body = {{ from = 'user=[a-z]*', to = '{to}' }}");
    let post = |headers: &str, body: &str| format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n{body}");
    let length = "A: 1\r\ncontent-length: 8\r\nB: 1";
    check_with(
        options(&rule("user=someone&x=$0")),
        &post(length, "user=bob"),
        "POST / HTTP/1.1\r\nA: 1\r\ncontent-length: 23\r\nB: 1\r\n",
        "user=someone&x=user=bob",
    );
    check_with(
        options(&rule("user={{client}}-{{copy}}")),
        &post(length, "user=bob"),
        "POST / HTTP/1.1\r\nA: 1\r\ncontent-length: 23\r\nB: 1\r\n",
        "user=00000000000000ab-2",
    );
    let (chunked, chunks) = ("Transfer-Encoding: chunked", "5\r\n{user\r\n5\r\n=bob}\r\n0\r\nT: 1\r\n\r\n");
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
    check_with(options(&rule("me")), &post(chunked, chunks), head, "4\r\n{me}\r\n0\r\nT: 1\r\n\r\n");
    check_with(
        options(&rule("user={{client}}-{{copy}}")),
        &post(chunked, chunks),
        head,
        "19\r\n{user=00000000000000ab-2}\r\n0\r\nT: 1\r\n\r\n",
    );
    check_with(options(&rule("USER=BOB")), &post(chunked, chunks), head, "a\r\n{USER=BOB}\r\n0\r\nT: 1\r\n\r\n");
    // All of a body may go.
    check_with(
        options(&rule("")),
        &post(length, "user=bob"),
        "POST / HTTP/1.1\r\nA: 1\r\ncontent-length: 0\r\nB: 1\r\n",
        "",
    );
    check_with(options(&rule("")), &post(chunked, "8\r\nuser=bob\r\n0\r\n\r\n"), head, "0\r\n\r\n");
}

#[test]
fn what_is_no_text_is_not_searched_and_said() {
    let rule = "[[rewrite]]\nname = 'anonymous'\nreplace_body = { from = 'user', to = 'x' }";
    for head in ["Content-Encoding: gzip", "A: 1"] {
        let rewriter = Rewriter::new(options(rule)).unwrap();
        let body = if head == "A: 1" { &b"user\xff"[..] } else { b"user!" };
        let request = [format!("POST / HTTP/1.1\r\n{head}\r\nContent-Length: 5\r\n\r\n").as_bytes(), body].concat();
        let template = rewriter.template(0, &recorded(&request, OK.as_bytes()).unwrap()).unwrap();
        assert_eq!(template.body, body);
        let expected = "rewrite rule 1 (\"anonymous\", line 1): changed none of 1 requests; 1 bodies are no plain text";
        assert_eq!(rewriter.unused(), [expected]);
    }
}

#[test]
fn rules_apply_where_they_say_and_count() {
    let rules = "[[rewrite]]\nendpoint = 'POST /cart/*'\nset_header = { A = '1' }\n\
                 [[rewrite]]\nhost = '*.OLD'\nset_header = { B = '1' }\n\
                 [[rewrite]]\nmethod = 'PUT'\nset_header = { C = '1' }\n\
                 [[rewrite]]\nhost = 'a.old:8'\nremove_header = ['Nothing']\n";
    let rewriter = check_with(
        options(rules),
        "POST /cart/7 HTTP/1.1\r\nHost: a.old:8\r\n\r\n",
        "POST /cart/7 HTTP/1.1\r\nHost: new:2\r\nA: 1\r\nB: 1\r\n",
        "",
    );
    assert_eq!(
        rewriter.unused(),
        [
            "rewrite rule 3 (line 7): no request is described by it",
            "rewrite rule 4 (line 10): changed none of 1 requests"
        ]
    );
    assert_eq!(
        sent("PUT /cart HTTP/1.1\r\nHost: old\r\n\r\n", &rewriter).0,
        "PUT /cart HTTP/1.1\r\nHost: new:2\r\nC: 1\r\n"
    );
    // The absolute target names the host, whatever Host says.
    let absolute = sent("GET http://b.old/ HTTP/1.1\r\nHost: other\r\n\r\n", &rewriter).0;
    assert_eq!(absolute, "GET http://new:2/ HTTP/1.1\r\nHost: new:2\r\nB: 1\r\n");
}

#[test]
fn a_client_that_waits_for_100_is_told_apart() {
    let check = |request: &str, expected: bool| {
        let rewriter = Rewriter::new(options("")).unwrap();
        let template = rewriter.template(0, &recorded(request.as_bytes(), OK.as_bytes()).unwrap()).unwrap();
        assert_eq!(template.expects_continue, expected, "{request}");
    };
    check("POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", true);
    check("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", false);
    check("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", false);
    check("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", false);
}
