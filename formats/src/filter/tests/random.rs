//! Properties: no text breaks the parser, and a filter prints as itself.

use proptest::collection::vec;
use proptest::sample::select;

use super::*;

fn value() -> impl Strategy<Value = String> {
    // Text that needs quotes in every way that there is, and text that needs none.
    prop_oneof!["[a-z/{}*]{1,8}", "[ -~]{0,12}", "\\PC{0,6}", "[\"'\\\\\n\t ]{1,6}"].prop_map(|text| {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    })
}

fn number() -> impl Strategy<Value = (String, &'static str)> {
    let span = |one: String, other: String, is_range: bool| if is_range { format!("{one}..{other}") } else { one };
    let of = move |field: &'static str, unit: &'static str| {
        (any::<u32>(), any::<u32>(), any::<bool>()).prop_map(move |(a, b, is_range)| {
            let (from, to) = (a.min(b), a.max(b));
            (span(format!("{from}{unit}"), format!("{to}{unit}"), is_range), field)
        })
    };
    prop_oneof![
        of("duration", "ns"),
        of("first_byte", "ms"),
        of("request.size", ""),
        of("response.size", "KiB"),
        of("seq", ""),
        of("time", "us"),
        (1_u8..10).prop_map(|class| (format!("{class}xx"), "status")),
        (100_u16..1000).prop_map(|status| (status.to_string(), "status")),
        any::<i32>().prop_map(|seconds| {
            let mut text = Vec::new();
            jsonl::time::write(u64::from(seconds.unsigned_abs()) * 1_000_000_007, &mut text);
            (String::from_utf8(text).unwrap(), "time")
        }),
    ]
}

fn comparison() -> impl Strategy<Value = String> {
    let texts = ["method", "host", "path", "query", "query.x", "endpoint", "request.header.\"x!\"", "response.body"];
    let text = select(texts.to_vec());
    let sign = select(vec!["=", "!=", "==", "like", "not like"]);
    prop_oneof![
        text.clone().prop_map(str::to_owned),
        (text.clone(), sign, value()).prop_map(|(field, sign, value)| format!("{field} {sign} {value}")),
        (text.clone(), any::<bool>(), vec(value(), 1..4)).prop_map(|(field, is_negated, values)| {
            format!("{field} {}in ({})", if is_negated { "not " } else { "" }, values.join(","))
        }),
        (text, "[a-c.*|()\\[\\]]{0,6}").prop_map(|(field, regex)| format!("{field} ~ '{regex}'")),
        (number(), select(vec!["=", "!=", "<", ">="])).prop_map(|((value, field), sign)| {
            // Only a single number is less or more than another.
            let single = !value.contains("..") && !value.ends_with("xx");
            format!("{field} {} {value}", if single { sign } else { "=" })
        }),
        number().prop_map(|(value, field)| format!("{field} not in ({value}, {value})")),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    comparison().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" and "))),
            vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" or "))),
            inner.prop_map(|one| format!("not {one}")),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_filter_parses_to_the_same_filter(text in filter()) {
        // Some of the regular expressions are none.
        if let Ok(filter) = Filter::parse(&text) {
            let printed = filter.to_string();
            let again = Filter::parse(&printed);
            prop_assert_eq!(again.as_ref(), Ok(&filter), "{} as {}", text, printed);
            prop_assert_eq!(again.unwrap().to_string(), printed);
        } else {
            prop_assert!(text.contains('~'), "{}", text);
        }
    }

    #[test]
    fn no_text_breaks_the_parser(text in "\\PC{0,60}", bytes in vec(any::<u8>(), 0..80)) {
        for text in [text.as_str(), &String::from_utf8_lossy(&bytes)] {
            if let Err(error) = Filter::parse(text) {
                prop_assert!(error.column >= 1 && !error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn no_order_of_words_breaks_the_parser_or_the_evaluation(
        words in vec(select(vec![
            "status", "path", "request.body", "time", "and", "or", "not", "in", "like", "=", "!=", "<", "~", "(", ")", ",",
            "200", "5xx", "1s..2s", "\"", "'", "/a*", "..", "xx", "query.", "!", "9999999999999999999999s", "é",
        ]), 0..14),
        spaced: bool,
    ) {
        let text = words.join(if spaced { " " } else { "" });
        if let Ok(filter) = Filter::parse(&text) {
            let matches = |exchange| filter.matches(&exchange, &context(&Templates::default()));
            let empty = matches(Exchange::default());
            let answered = matches(with_response(Body::default(), ""));
            let negated = Filter::parse(&format!("not ({text})")).unwrap();
            prop_assert_eq!(negated.matches(&Exchange::default(), &context(&Templates::default())), !empty);
            // An answer is something else than none only to those who ask for it.
            prop_assert!(empty == answered || text.contains("status"));
        }
    }
}
