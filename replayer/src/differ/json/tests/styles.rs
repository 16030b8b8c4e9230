//! However two texts are written, what differs between them is the same; and what is found the same in one walk, is.

use super::*;
use crate::differ::found::VALUE_BYTES_MAX;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Style {
    Compact,
    Indented,
    /// As Python's `json.dumps` does.
    Spaced,
    /// Members the other way round.
    Turned,
    /// Both.
    TurnedIndented,
    /// Keys in escapes alone.
    Escaped,
}

const STYLES: [Style; 6] =
    [Style::Compact, Style::Indented, Style::Spaced, Style::Turned, Style::TurnedIndented, Style::Escaped];

impl Style {
    fn write(self, value: &Value) -> String {
        let mut out = String::new();
        self.put(value, 0, &mut out);
        out
    }

    fn put(self, value: &Value, level: usize, out: &mut String) {
        let (comma, colon, indented) = match self {
            Self::Compact | Self::Turned | Self::Escaped => (",", ":", false),
            Self::Spaced => (", ", ": ", false),
            Self::Indented | Self::TurnedIndented => (",", ": ", true),
        };
        let line = |out: &mut String, level: usize| {
            if indented {
                out.push('\n');
                out.push_str(&"  ".repeat(level));
            }
        };
        let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty) || *value == json!({});
        match value {
            _ if is_empty(value) => out.push_str(&value.to_string()),
            Value::Array(elements) => {
                out.push('[');
                for (number, element) in elements.iter().enumerate() {
                    out.push_str(if number > 0 { comma } else { "" });
                    line(out, level + 1);
                    self.put(element, level + 1, out);
                }
                line(out, level);
                out.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if matches!(self, Self::Turned | Self::TurnedIndented) {
                    members.reverse();
                }
                out.push('{');
                for (number, (key, member)) in members.into_iter().enumerate() {
                    out.push_str(if number > 0 { comma } else { "" });
                    line(out, level + 1);
                    match self {
                        Self::Escaped => out.push_str(&escaped(key)),
                        _ => out.push_str(&Value::from(key.as_str()).to_string()),
                    }
                    out.push_str(colon);
                    self.put(member, level + 1, out);
                }
                line(out, level);
                out.push('}');
            }
            scalar => out.push_str(&scalar.to_string()),
        }
    }
}

fn escaped(key: &str) -> String {
    format!("\"{}\"", key.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>())
}

/// What differs, as values and in an order of its own: texts of the same value are different ones in different styles.
fn differences(before: &str, after: &str, fast: bool) -> Vec<String> {
    let mut differences = Differences::default();
    differences.same_key = true;
    let (a, b) = (before.as_bytes(), after.as_bytes());
    let same = if fast { Same::new(a, b) } else { Same::never(a, b) };
    let mut walk =
        Walk { before: a, after: b, path: Path::default(), keys: &|_| None, differences: &mut differences, same };
    walk.values().unwrap();
    // Of a long one only the beginning is there, how much of it hangs on the style.
    let value = |text: &[u8]| match serde_json::from_slice::<Value>(text) {
        Ok(it) if it.to_string().len() <= 128 => it.to_string(),
        Err(_) if text.len() < VALUE_BYTES_MAX => String::from_utf8_lossy(text).into(),
        _ => "a long one".to_owned(),
    };
    let said = |one: crate::differ::Difference<'_>| {
        format!("{} {} {} {}", one.place, one.kind.name(), value(one.before), value(one.after))
    };
    let mut said: Vec<String> = differences.iter().map(said).collect();
    said.sort();
    said
}

/// Something else at a place, and elements and members that are gone, new, moved or renamed.
fn change(value: &mut Value, choices: &mut impl Iterator<Item = u8>) {
    let choice = choices.next().unwrap_or(9);
    match value {
        Value::Array(elements) if choice < 5 && !elements.is_empty() => {
            let at = usize::from(choices.next().unwrap_or(0)) % elements.len();
            match choice {
                0 => drop(elements.remove(at)),
                1 => elements.insert(at, json!({"new": [1.5, "x"], "id": 77})),
                2 => elements.swap(0, at),
                3 => elements.rotate_left(at),
                _ => elements.reverse(),
            }
        }
        Value::Object(members) if choice < 4 && !members.is_empty() => {
            let at = usize::from(choices.next().unwrap_or(0)) % members.len();
            let key = members.keys().nth(at).unwrap().clone();
            match choice {
                0 => drop(members.remove(&key)),
                1 => drop(members.insert("new".into(), json!([{"a": "b"}]))),
                2 => {
                    let member = members.remove(&key).unwrap();
                    members.insert(format!("{key}_new"), member);
                }
                _ => drop(members.insert(key, json!("other"))),
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| change(element, choices)),
        Value::Object(members) => members.values_mut().for_each(|member| change(member, choices)),
        scalar if choice == 0 => *scalar = json!("something else"),
        _ => {}
    }
}

/// JSON with elements that have ids, too.
fn documents() -> impl Strategy<Value = (Value, Value)> {
    let row = (0..9_u64, any_json()).prop_map(|(id, more)| json!({"id": id, "more": more}));
    let rows = prop::collection::vec(row, 0..6).prop_map(Value::from);
    let document =
        prop_oneof![any_json(), (any_json(), rows).prop_map(|(one, rows)| json!({"one": one, "rows": rows}))];
    (document, prop::collection::vec(0..12_u8, 0..40)).prop_map(|(before, choices)| {
        let mut after = before.clone();
        change(&mut after, &mut choices.into_iter());
        (before, after)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, ..ProptestConfig::default() })]
    #[test]
    fn styles_make_no_difference((before, after) in documents(), a in 0..STYLES.len(), b in 0..STYLES.len()) {
        let expected = differences(&before.to_string(), &after.to_string(), true);
        let written = (STYLES[a].write(&before), STYLES[b].write(&after));
        prop_assert_eq!(differences(&written.0, &written.1, true), expected, "{} {}", written.0, written.1);
    }

    #[test]
    fn one_walk_over_what_is_the_same_changes_nothing((before, after) in documents(), style in 0..STYLES.len()) {
        let (before, after) = (STYLES[style].write(&before), STYLES[style].write(&after));
        prop_assert_eq!(differences(&before, &after, true), differences(&before, &after, false), "{} {}", before, after);
    }

    #[test]
    fn what_says_the_same_is_the_same_and_ends_together(value in any_json(), a in 0..STYLES.len(), b in 0..STYLES.len()) {
        let (before, after) = (STYLES[a].write(&value), STYLES[b].write(&value));
        let (before, after) = (format!("{before} 1"), format!("{after}\n2"));
        let ends = Same::new(before.as_bytes(), after.as_bytes()).ends((0, 0), 0);
        prop_assert_eq!(ends, Some((before.len() - 2, after.len() - 2)), "{} {}", before, after);
    }
}

#[test]
fn after_a_colon_there_may_be_a_space_on_either_side() {
    check(r#"{"a":1,"b":[2]}"#, r#"{"a": 1, "b": [2]}"#, &[]);
    check(r#"{"a": 1, "b": [2]}"#, r#"{"a":1,"b":[2]}"#, &[]);
    check(r#"[{"a":1}]"#, "[{\"a\":\t1}]", &[]);
}

#[test]
fn keys_that_are_there_twice_belong_together_by_their_order() {
    check(r#"[{"a":1,"a":2}]"#, r#"[{"a":1,"a":2}]"#, &[]);
    check(r#"[{"b":0,"a":1,"a":2}]"#, r#"[{"a":1,"a":2,"b":0}]"#, &[]);
    check(r#"[{"b":0,"a":1,"a":1}]"#, r#"[{"a":1,"c":1,"b":0}]"#, &["$[*].a renamed 1 c"]);
}

#[test]
fn keys_are_the_same_however_they_are_written() {
    let is_same = |before: &str, after: &str| Same::new(before.as_bytes(), after.as_bytes()).ends((0, 0), 0).is_some();
    for (before, after, expected) in [
        (r#"{"ö":1,"a":{"b":2}}"#, r#"{"\u00f6":1,"\u0061":{"b":2}}"#, true),
        (r#"{"ö":1,"a":{"b":2}}"#, r#"{"a":{"\u0062":2},"\u00F6":1}"#, true),
        (r#"{"a\/b":1,"c":2}"#, r#"{"c":2,"a/b":1}"#, true),
        (r#"{"a":1,"b":2}"#, r#"{"\u0062":1,"\u0061":2}"#, false),
        (r#"{"\\u0061":1}"#, r#"{"a":1}"#, false),
        // What is there twice is told apart by those who note.
        (r#"{"a":1,"b":2}"#, r#"{"b":2,"\u0061":1,"a":1}"#, false),
    ] {
        assert_eq!((is_same(before, after), is_same(after, before)), (expected, expected), "{before} {after}");
    }
    check(r#"{"x":{"ö":1,"b":2}}"#, r#"{"y":{"b":2,"\u00f6":1}}"#, &[r#"$.x renamed {"ö":1,"b":2} y"#]);
    check(r#"[{"id":1,"n":1},{"id":2,"n":2}]"#, r#"[{"\u0069d":1,"n":1},{"\u0069d":2,"n":3}]"#, &["$[*].n value 2 3"]);
    check(r#"[{"id":1,"n":1}]"#, r#"[{"id":2},{"\u0069d":1,"n":2}]"#, &["$[*].n value 1 2", r#"$[*] added  {"id":2}"#]);
}

#[test]
fn elements_that_moved_are_found_in_another_style() {
    check(
        r#"[{"n":1,"m":[1]},{"n":2,"m":[2]}]"#,
        r#"[ {"m": [2.0], "n": 2}, {"m": [1], "n": 1} ]"#,
        &[r#"$ order [{"n":1,"m":[1]},{"n":2,"m":[2]}] [ {"m": [2.0], "n": 2}, {"m": [1], "n": 1} ]"#],
    );
}

#[test]
fn what_is_told_apart_without_that_walk_is_told_apart() {
    assert_eq!(differences("[[1],[2, 3]]", "[[1] ,[2,4]]", false), ["$[*][*] value 3 4"]);
}
