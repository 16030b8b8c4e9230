mod styles;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::differ::Kind;

/// All differences as `place kind before after`, or which side is no JSON.
fn found(before: &str, after: &str) -> Result<Vec<String>, Unread> {
    let mut differences = Differences::default();
    differences.same_key = true;
    diff(before.as_bytes(), after.as_bytes(), &|_| None, &mut differences)?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(differences
        .iter()
        .map(|one| {
            format!("{} {} {} {}", one.place, one.kind.name(), said(one.before), said(one.after)).trim_end().to_owned()
        })
        .collect())
}

#[track_caller]
fn check(before: &str, after: &str, expected: &[&str]) {
    assert_eq!(found(before, after).unwrap(), expected, "{before} {after}");
}

#[test]
fn what_means_the_same_is_the_same() {
    check(r#"{"a":1,"b":[1,2]}"#, r#" { "b" : [1, 2] , "a" : 1 } "#, &[]);
    check(r#"["\u00e9",1.0,10,-0,1e2]"#, r#"["é",1,1e1,0,100]"#, &[]);
    check("\u{feff}{}", "{}", &[]);
    check("{}\n{}\n", "{} {}", &[]);
    check(r#"{"a":12345678901234567890}"#, r#"{"a":12345678901234567890.0}"#, &[]);
}

#[test]
fn each_kind_is_found_at_its_place() {
    check(r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, &["$.a.b value 1 2"]);
    check(
        r#"{"a":12345678901234567890}"#,
        r#"{"a":12345678901234567891}"#,
        &["$.a value 12345678901234567890 12345678901234567891"],
    );
    check(r#"{"a":1}"#, r#"{"a":10}"#, &["$.a value 1 10"]);
    check(r#"[1]"#, r#"[12]"#, &["$[*] value 1 12"]);
    check(r#"{"a":1}"#, r#"{"a":"1"}"#, &[r#"$.a type 1 "1""#]);
    check(r#"{"a":1,"b":true}"#, r#"{"a":1}"#, &["$.b missing true"]);
    check(r#"{"a":1}"#, r#"{"a":1,"b":true}"#, &["$.b added  true"]);
    check(r#"{"price":4.25,"a":1}"#, r#"{"a":1,"price_eur":4.25}"#, &["$.price renamed 4.25 price_eur"]);
    check(r#"{"a":[1,2,3]}"#, r#"{"a":[3,1,2]}"#, &["$.a order [1,2,3] [3,1,2]"]);
    check(r#"{"a":[1,2,3]}"#, r#"{"a":[1,2]}"#, &["$.a[*] missing 3"]);
    check(r#"{"a":[1,3]}"#, r#"{"a":[1,2,3]}"#, &["$.a[*] added  2"]);
    check(r#"[1,1,2]"#, r#"[1,2,2]"#, &["$[*] value 1 2"]);
    check(
        r#"{"7c9e6679-7425-40de-944b-e07fc1f90ae7":{"n":1}}"#,
        r#"{"7c9e6679-7425-40de-944b-e07fc1f90ae7":{"n":2}}"#,
        &["$.{id}.n value 1 2"],
    );
    check(r#"{"a b":1}"#, r#"{"a b":2}"#, &["$['a b'] value 1 2"]);
    check("{}{}", "{}", &["$[*] missing {}"]);
}

#[test]
fn elements_are_found_by_their_ids_wherever_they_stand() {
    check(
        r#"[{"id":1,"n":"a"},{"id":2,"n":"b"},{"id":3,"n":"c"}]"#,
        r#"[{"id":3,"n":"x"},{"id":1,"n":"y"},{"id":2,"n":"z"}]"#,
        &[
            r#"$ order [{"id":1,"n":"a"},{"id":2,"n":"b"},{"id":3,"n":"c"}] [{"id":3,"n":"x"},{"id":1,"n":"y"},{"id":2,"n":"z"}]"#,
            r#"$[*].n value "a" "y""#,
            r#"$[*].n value "b" "z""#,
            r#"$[*].n value "c" "x""#,
        ],
    );
    check(r#"[{"id":1,"n":1}]"#, r#"[{"id":2},{"id":1,"n":2}]"#, &["$[*].n value 1 2", r#"$[*] added  {"id":2}"#]);
    check(r#"[{"n":1},{"n":2}]"#, r#"[{"n":1},{"n":3}]"#, &["$[*].n value 2 3"]);
}

#[test]
fn the_side_that_is_no_json_is_named() {
    let check = |before: &str, after: &str, expected: Result<(), bool>| {
        let read = found(before, after).map(|_| ()).map_err(|unread| matches!(unread, Unread::Before(_)));
        assert_eq!(read, expected, "{before} {after}");
    };
    check("{", "{}", Err(true));
    check("{}", "{\"a\"}", Err(false));
    check("[1,]", "[1,2]", Err(true));
    check("[1 2]", "[1,2]", Err(true));
    check("{} x", "{}", Err(true));
    check("{}", "{} [", Err(false));
    check("\"a", "\"b\"", Err(true));
    check("", "1", Err(true));
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    check(&deep(100), &deep(101), Ok(()));
    check(&(deep(50_000) + " "), &deep(50_000), Err(true));
}

/// Any JSON, with keys and texts that need escapes.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        "[a-z\"\\\\é\u{1}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z'\\.]{1,5}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

/// The places of all scalars, as this module writes them.
fn scalars(value: &mut Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| scalars(element, &format!("{path}[*]"), out));
        }
        Value::Object(members) => members.iter_mut().for_each(|(key, member)| {
            let mut written = Path::default();
            written.key(Cow::Borrowed(key.as_bytes()));
            let mut place = String::new();
            written.write(&mut place);
            scalars(member, &format!("{path}{}", &place[1..]), out);
        }),
        _ => out.push(path.to_owned()),
    }
}

/// Changes the scalar with this number into a text that is nowhere else.
fn mutate(value: &mut Value, left: &mut usize) -> bool {
    match value {
        Value::Array(elements) => elements.iter_mut().any(|element| mutate(element, left)),
        Value::Object(members) => members.values_mut().any(|member| mutate(member, left)),
        scalar if *left == 0 => {
            *scalar = Value::from("changed here and nowhere else");
            true
        }
        _ => {
            *left -= 1;
            false
        }
    }
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(value in any_json()) {
        let (compact, pretty) = (value.to_string(), serde_json::to_string_pretty(&value).unwrap());
        prop_assert_eq!(found(&compact, &compact).unwrap(), Vec::<String>::new());
        prop_assert_eq!(found(&compact, &pretty).unwrap(), Vec::<String>::new());
        prop_assert_eq!(check_bytes(compact.as_bytes()), None);
    }

    #[test]
    fn one_change_is_found_at_its_place_and_nowhere_else(mut value in any_json(), pick: prop::sample::Index) {
        let mut places = Vec::new();
        scalars(&mut value, "$", &mut places);
        prop_assume!(!places.is_empty());
        let index = pick.index(places.len());
        let before = value.to_string();
        mutate(&mut value, &mut index.clone());
        let mut differences = Differences::default();
        differences.same_key = true;
        diff(before.as_bytes(), value.to_string().as_bytes(), &|_| None, &mut differences).unwrap();
        let found: Vec<(&str, Kind)> = differences.iter().map(|one| (one.place, one.kind)).collect();
        prop_assert!(found.len() == 1 && matches!(found[0].1, Kind::Value | Kind::Type), "{:?}", found);
        prop_assert_eq!(found[0].0, places[index].as_str());
    }

    #[test]
    fn no_bytes_panic(before: Vec<u8>, after: Vec<u8>, odd in "[\\[\\]{}\",:\\\\0-9tfnue. ]{0,60}", other in "[\\[\\]{}\",:\\\\0-9tfnue. ]{0,60}") {
        for (a, b) in [(before.as_slice(), after.as_slice()), (odd.as_bytes(), other.as_bytes()), (odd.as_bytes(), odd.as_bytes())] {
            let _ = diff(a, b, &|_| None, &mut Differences::default());
            let _ = check_bytes(a);
        }
    }
}

fn check_bytes(text: &[u8]) -> Option<Bad> {
    super::check(text)
}
