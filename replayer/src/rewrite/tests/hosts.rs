//! Where requests go, and what of them follows.

use super::*;

fn mapped(target: Option<&str>, maps: &[&str]) -> RewriteOptions {
    RewriteOptions {
        target: target.map(|target| target.parse().unwrap()),
        maps: maps.iter().map(|map| map.parse().unwrap()).collect(),
        ..RewriteOptions::default()
    }
}

#[track_caller]
fn goes_to(rewriter: &Rewriter, host: &str) -> Result<String, NotSent> {
    let request = format!("GET / HTTP/1.1\r\n{host}\r\n\r\n");
    let template = rewriter.template(0, &recorded(request.as_bytes(), OK.as_bytes()).unwrap())?;
    Ok(rewriter.targets()[usize::from(template.target)].given.clone())
}

#[test]
fn the_most_exact_map_wins() {
    let maps = ["shop=http://a:1", "SHOP:8080=http://b:1", "[::1]:9=http://c", "::1=http://d", "img=http://a:1"];
    let rewriter = Rewriter::new(mapped(Some("http://rest"), &maps)).unwrap();
    assert_eq!(rewriter.targets().len(), 5, "one URL is one target");
    let check = |host: &str, expected: &str| assert_eq!(goes_to(&rewriter, host).unwrap(), expected, "{host}");
    check("Host: shop", "http://a:1");
    check("Host: Shop:81", "http://a:1");
    check("Host: shop:8080", "http://b:1");
    check("Host: shop.example", "http://rest");
    check("Host: [::1]:9", "http://c");
    check("Host: ::1", "http://d");
    check("X: no host at all", "http://rest");
    assert_eq!(rewriter.unused(), ["--map img=…: no recorded request was for it"]);

    let maps = ["a=unix:/one", "b=unix:/two", "c=unix:/one", "d=http://localhost", "e=http://localhost:80"];
    let sockets = Rewriter::new(mapped(None, &maps)).unwrap();
    let found = ["a", "b", "c", "d", "e"].map(|host| goes_to(&sockets, &format!("Host: {host}")).unwrap());
    assert_eq!(found, ["unix:/one", "unix:/two", "unix:/one", "http://localhost", "http://localhost"]);

    let others = Rewriter::new(mapped(Some("http://rest"), &["*=https://all:443", "shop=http://a"])).unwrap();
    assert_eq!(goes_to(&others, "Host: x").unwrap(), "https://all:443");
    assert_eq!(others.targets()[1].authority, "all");
}

#[test]
fn ports_are_told_from_addresses() {
    let check = |authority: &str, expected: &str| assert_eq!(crate::rewrite::hosts::host_of(authority), expected);
    check("a:1", "a");
    check("a", "a");
    check("a:", "a:");
    check("::1", "::1");
    check("[::1]", "[::1]");
    check("[::1]:9", "[::1]");
}

#[test]
fn what_nobody_maps_is_left_out_unless_there_is_a_target() {
    let rewriter = Rewriter::new(mapped(None, &["shop=http://a"])).unwrap();
    assert_eq!(goes_to(&rewriter, "Host: other"), Err(NotSent::LeftOut(LeftOut::NoTarget)));
    assert_eq!(goes_to(&rewriter, "Host: shop").unwrap(), "http://a");
}

#[test]
fn origin_referer_and_domains_follow() {
    let maps = ["shop.old=https://shop.new", "api.old=http://api.new:8080"];
    let check = |field: &str, expected: &str| {
        check_with(
            mapped(None, &maps),
            &format!("GET / HTTP/1.1\r\nHost: api.old\r\n{field}\r\n\r\n"),
            &format!("GET / HTTP/1.1\r\nHost: api.new:8080\r\n{expected}\r\n"),
            "",
        );
    };
    check("origin: https://api.old", "origin: http://api.new:8080");
    check("Origin: HTTPS://Shop.old:443", "Origin: https://shop.new");
    check("Origin: null", "Origin: null");
    check("Referer: https://shop.old/a?b=https://shop.old/", "Referer: https://shop.new/a?b=https://shop.old/");
    check("Referer: https://search.example/?q=shop.old", "Referer: https://search.example/?q=shop.old");
    check("Referer: /relative", "Referer: /relative");
    check(
        "Cookie: $Version=1; a=api.old; $Domain=\".API.old\"; b=1; $domain=else",
        "Cookie: $Version=1; a=api.old; $Domain=api.new; b=1; $domain=else",
    );
    // The host that stays is named as before.
    let request = "GET / HTTP/1.1\r\nHost: api.old\r\nOrigin: https://api.old\r\n";
    let keep = RewriteOptions { keep_host: true, ..mapped(None, &maps) };
    check_with(keep, &format!("{request}\r\n"), request, "");
}

#[test]
fn absolute_targets_follow() {
    check_with(
        mapped(None, &["shop=https://new"]),
        "GET HTTP://shop:8/x?y HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET https://new/x?y HTTP/1.1\r\nHost: new\r\n",
        "",
    );
}
