use proptest::prelude::*;

use super::*;

type Diff = fn(&[u8], &[u8], &mut Differences);

fn found(diff: Diff, before: &[u8], after: &[u8]) -> Vec<String> {
    let mut differences = Differences::default();
    diff(before, after, &mut differences);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    differences
        .iter()
        .map(|one| format!("{} {} {}|{}", one.place, one.kind.name(), said(one.before), said(one.after)))
        .collect()
}

#[track_caller]
fn check(diff: Diff, before: &str, after: &str, expected: &[&str]) {
    assert_eq!(found(diff, before.as_bytes(), after.as_bytes()), expected, "{before} {after}");
}

#[test]
fn xml_by_its_structure() {
    let check = |before, after, expected| check(xml, before, after, expected);
    check("<?xml version='1.0'?><a x='1' y='2'><b/></a>", "<a y=\"2\" x=\"1\">\n  <b></b>\n</a>", &[]);
    check("<a>x &amp; y</a>", "<a><![CDATA[x & y]]></a>", &[]);
    check("<a x='1'/>", "<a x='2'/>", &["/a/@x value 1|2"]);
    check("<a x='1'/>", "<a y='1'/>", &["/a/@x missing 1|", "/a/@y added |1"]);
    check("<a><b>1</b><b>2</b></a>", "<a><b>1</b><b>3</b></a>", &["/a/b/text() value 2|3"]);
    check("<a><b>1</b><b>2</b></a>", "<a><b>2</b><b>1</b></a>", &["/a order <a>|<a>"]);
    check("<a><b>1</b></a>", "<a><b>1</b><c>2</c></a>", &["/a/c added |<c>2"]);
    check("<a><b>1</b></a>", "<a/>", &["/a/b missing <b>1|"]);
    check("<a>", "<a/>", &["body unreadable no XML: it ends before its elements do|"]);
    check("no\nXML <", "no\nXML <<", &["line:XML < value XML <|XML <<"]);
}

#[test]
fn html_by_its_structure() {
    let check = |before, after, expected| check(html, before, after, expected);
    check("<ul><li>a<li>b</ul>", "<UL>\n<li>a</li>\n<li>b</li></UL>", &[]);
    check("<p>a<br>b", "<p>a<br/>b</p>", &[]);
    check("<html><body><p class='x'>Hi", "<html><body><p class='y'>Hi", &["/html/body/p/@class value x|y"]);
    check("<table><tr><td>1<td>2</table>", "<table><tr><td>1<td>3</table>", &["/table/tr/td/text() value 2|3"]);
    check("<script>if (a<b) {}</script><p>x", "<script>if (a<b) {}</script><p>y", &["/p/text() value x|y"]);
    check("<p>1 &euro;", "<p>1 €", &[]);
    check("</p></b>x", "x", &[]);
}

#[test]
fn what_is_too_deep_is_compared_as_text() {
    let deep = |text: &str| "<a>".repeat(300) + text;
    let found = found(html, deep("1").as_bytes(), deep("2").as_bytes());
    assert!(found.len() == 1 && found[0].starts_with("line:<a><a>"), "{found:?}");
}

proptest! {
    #[test]
    fn nothing_panics_and_nothing_differs_from_itself(
        before: Vec<u8>, odd in "(<[a-c/!?]{0,3}[a-c]? ?(x='1')?>|[a-z& ;\\[\\]-]){0,20}", other in "(<[a-c/]{0,2}>|[a-z ]){0,20}",
    ) {
        for diff in [xml as Diff, html] {
            for (a, b) in [(&before[..], odd.as_bytes()), (odd.as_bytes(), other.as_bytes())] {
                let _ = found(diff, a, b);
                prop_assert_eq!(found(diff, a, a), Vec::<String>::new());
            }
        }
    }
}
