//! Tables as people write them, and secrets that do not show.

use std::path::Path;
use std::sync::Arc;

use formats::model::KeySource;

use formats::model::ClientKey;

use super::*;
use crate::rewrite::{CopyFacts, Opened, RewriteOptions, Rewriter, Rules};
use crate::secret::{LiveSecret, Secret};

fn parse(text: &str) -> Result<Credentials, CredentialsError> {
    Credentials::parse(text, Path::new("users.csv"))
}

fn client(id: u64) -> ClientKey {
    ClientKey { source: KeySource::Named, id }
}

#[test]
fn tables() {
    let table = parse("Authorization, cookie:sid,query:key\nBearer a,s1,k 1\n\"Bearer b\",s2,\"k,2\"\n").unwrap();
    let columns = [Column::Header("Authorization".into()), Column::Cookie("sid".into()), Column::Query("key".into())];
    assert_eq!((table.columns(), table.rows()), (&columns[..], 2));
    let row = |row| (0..3).map(|at| table.cell(row, at).unwrap().reveal().to_vec()).collect::<Vec<_>>();
    assert_eq!(row(1), [&b"Bearer b"[..], b"s2", b"k%2C2"]);
    assert!(table.cell(2, 0).is_none() && table.cell(0, 3).is_none());
    assert!(!format!("{table:?}").contains("Bearer"));
}

#[test]
fn bad_tables_say_where_and_show_no_value() {
    let check = |text: &str, expected: &str| {
        let error = parse(text).expect_err(text);
        assert_eq!(error.to_string(), expected);
        assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"));
        assert!(!error.hint().is_empty());
    };
    check(
        "query:k\nhunter2\n\"hunter2\nhunter2\n",
        "users.csv:3: the value of `query:k` goes over several lines; is a quote before it not closed?",
    );
    check("A,B\nhunter2,x\nhunter2\n", "users.csv:3: 1 values, but the header row names 2 columns");
    check("A\n", "users.csv: no credentials after the header row");
    check("A,a\n1,2\n", "users.csv:1: the column `a` is there twice");
    check("A B\n1\n", "users.csv:1: the column `A B` is no name of a header");
    check(
        "Content-Length\n1\n",
        "users.csv:1: the column `Content-Length` says where the body ends, and always follows the body",
    );
    check(
        "traceparent\n1\n",
        "users.csv:1: the column `traceparent` carries a trace, and every replayed request gets a fresh one",
    );
    check("cookie:\n1\n", "users.csv:1: `` is no name of a cookie");
    check("query:\n1\n", "users.csv:1: `query:` names no key");
    check("A\nx\n\"\"\n", "users.csv:3: the value of `A` is empty");
    check(
        "A\nx\n\"hunter2\nX: 1\"\n",
        "users.csv:3: the value of `A` goes over several lines; is a quote before it not closed?",
    );
    check(
        "cookie:a\nhunter2; b=c\n",
        "users.csv:2: the value of `cookie:a` has a character that no cookie may have (white space, control, `;` or `,`)",
    );
    let wide = |columns: usize| {
        let names: Vec<_> = (0..columns).map(|at| format!("c{at}")).collect();
        parse(&format!("{}\n{}\n", names.join(","), vec!["x"; columns].join(",")))
    };
    assert_eq!(wide(64).unwrap().columns().len(), 64);
    assert_eq!(wide(65).unwrap_err().to_string(), "users.csv:1: 65 columns are more than 64");
    let missing = Credentials::read(Path::new("/nowhere/users.csv")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read the credentials /nowhere/users.csv");
}

#[test]
fn a_life_keeps_its_row_and_the_copies_of_a_client_differ() {
    let table = parse("A\n0\n1\n2\n3\n4\n").unwrap();
    for id in 0..100 {
        let rows: std::collections::BTreeSet<_> = (0..5).map(|copy| table.row(client(id), copy)).collect();
        assert_eq!(rows.len(), 5);
        assert_eq!(table.row(client(id), 7), table.row(client(id), 2));
    }
    assert!((0..100).any(|id| table.row(client(id), 0) != table.row(client(0), 0)));
    // Written down, since shards on other machines must agree.
    assert_eq!((table.row(client(1), 0), table.row(client(u64::MAX), u32::MAX)), (4, 0));
}

/// What a request becomes for a copy.
fn sent(options: RewriteOptions, request: &str, copy: u32) -> String {
    use formats::wire::{Direction, Http1, Limits};
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, request.as_bytes(), &mut out);
    connection.feed(Direction::Response, 2, b"HTTP/1.1 204 x\r\n\r\n", &mut out);
    let rewriter = Rewriter::new(RewriteOptions { target: Some("http://new".parse().unwrap()), ..options }).unwrap();
    let template = rewriter.template(0, &out[0]).unwrap();
    // Nothing of a secret goes to the spool.
    assert!(!String::from_utf8_lossy(&template.head).contains("hush"));
    assert!(!format!("{rewriter:?}").contains("hush"));
    let mut head = Vec::new();
    template.render(
        &CopyFacts { copy, client: client(0), seq: 1, session: 0 },
        &rewriter.secrets(),
        &mut head,
        &mut Opened::default(),
    );
    String::from_utf8(head).unwrap()
}

#[test]
fn each_life_sends_its_row() {
    let table = || Some(Arc::new(parse("x-token,cookie:sid,query:key\nhush-0,s0,hush 0\nhush-1,s1,hush 1\n").unwrap()));
    let check = |request: &str, copy: u32, expected: &str| {
        let options = RewriteOptions { credentials: table(), ..RewriteOptions::default() };
        let first = u32::try_from(table().unwrap().row(client(0), 0)).unwrap();
        assert_eq!(sent(options, &format!("{request}\r\n\r\n"), copy + first), format!("{expected}\r\n"));
    };
    check(
        "GET /?key=x&b HTTP/1.1\r\nX-Token: old\r\nCookie: a=1; sid=old; SID=2\r\nZ: 1",
        0,
        "GET /?key=hush%200&b HTTP/1.1\r\nX-Token: hush-0\r\nCookie: a=1; sid=s0; SID=2\r\nZ: 1",
    );
    check(
        "GET / HTTP/1.1\r\nCookie: a=1\r\nCookie: b",
        1,
        "GET /?key=hush%201 HTTP/1.1\r\nCookie: a=1\r\nCookie: b; sid=s1\r\nx-token: hush-1",
    );
    check("GET / HTTP/1.1", 3, "GET /?key=hush%201 HTTP/1.1\r\nx-token: hush-1\r\nCookie: sid=s1");
    let rules = Rules::from_toml("[[rewrite]]\nset_header = { Cookie = 'sid={{copy}}; b=1' }").unwrap();
    let options = RewriteOptions { credentials: table(), rules, ..RewriteOptions::default() };
    let head = sent(options, "GET / HTTP/1.1\r\n\r\n", 0);
    assert!(head.contains("Cookie: sid=s0; b=1\r\n") || head.contains("Cookie: sid=s1; b=1\r\n"), "{head}");
    check("GET / HTTP/1.1\r\nCookie: ", 2, "GET /?key=hush%200 HTTP/1.1\r\nCookie: sid=s0\r\nx-token: hush-0");
}

#[test]
fn credentials_come_after_rules_and_exclude_each_other() {
    let live = || Arc::new(LiveSecret::new("the secret", Secret::new(b"Bearer hush"), || Err(String::new())).unwrap());
    let options = RewriteOptions {
        authorization: Some(live()),
        rules: Rules::from_toml("[[rewrite]]\nset_header = { authorization = 'rule' }").unwrap(),
        ..RewriteOptions::default()
    };
    let request = "GET / HTTP/1.1\r\nAUTHORIZATION: old\r\nAuthorization: older\r\n\r\n";
    assert_eq!(sent(options, request, 0), "GET / HTTP/1.1\r\nAUTHORIZATION: Bearer hush\r\n");
    for (authorization, table) in [(Some(live()), "authorization\nx\n"), (None, "Cookie,cookie:a\nx,y\n")] {
        let credentials = Some(Arc::new(parse(table).unwrap()));
        let target = Some("http://new".parse().unwrap());
        let options = RewriteOptions { target, authorization, credentials, ..RewriteOptions::default() };
        assert!(Rewriter::new(options).unwrap_err().to_string().starts_with("two options set the header"));
    }
}
