//! The reference is read as a user would: every example is parsed, and what it says about copies is what they send.

use super::*;

const REFERENCE: &str = include_str!("../../../../docs/rewriting.md");

fn examples(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    REFERENCE.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_examples_of_the_reference_are_rules() {
    let tables = examples("toml");
    assert_eq!(tables.len(), 5);
    for example in tables {
        let rules = Rules::from_toml(example).unwrap_or_else(|error| panic!("{example}\n{error}"));
        let policy = crate::safety::UnsafePolicy::default().with_overrides(example);
        let decisions = policy.unwrap_or_else(|error| panic!("{example}\n{error}")).unused().len();
        assert!(rules.len() + decisions > 0, "{example}");
    }
    let [table] = examples("csv")[..] else { panic!("one table") };
    assert_eq!(Credentials::parse(table, std::path::Path::new("example")).unwrap().rows(), 2);
}

#[test]
fn the_examples_about_copies_do_what_they_say() {
    let rewriter = Rewriter::new(options(&examples("toml").concat())).unwrap();
    let body = r#"{"email":"ann@shop.example"}"#;
    let request =
        format!("POST /register HTTP/1.1\r\nCookie: a=1; sid=77; b=2\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (head, body) = sent(&request, &rewriter);
    assert_eq!(body, r#"{"email":"ann+00000000000000ab.2@shop.example"}"#);
    assert_eq!(
        head,
        format!(
            "POST /register HTTP/1.1\r\nCookie: a=1; sid=77-2; b=2\r\nContent-Length: {}\r\nX-Load-User: load-00000000000000ab-2\r\n",
            body.len()
        )
    );
    let (head, _) = sent("GET /search?utm_source=x&q=on+2024-05&tenant=a&z HTTP/1.1\r\n\r\n", &rewriter);
    assert!(head.starts_with("GET /search?q=on+05/2024&tenant=load%20test&z HTTP/1.1\r\n"), "{head}");
}
