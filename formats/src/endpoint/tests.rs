//! Names by shape alone, and their bounds.

use proptest::prelude::*;

use super::*;

#[test]
fn names() {
    let check =
        |target: &str, expected: &str| assert_eq!(endpoint(b"GET", target.as_bytes()), format!("GET {expected}"));
    check("/", "/");
    check("/items/42", "/items/{id}");
    check("/items/42/", "/items/{id}/");
    check("/items?id=42", "/items");
    check("/items/7#top", "/items/{id}");
    check("/v1/2024/03/x", "/v1/{id}/{id}/x");
    check("/u/7f9c24e8-3b5a-4c1e-9b1d-0a1b2c3d4e5f/x", "/u/{id}/x");
    check("/u/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "/u/{id}");
    check("/u/7F9C24E8-3B5A-4C1E-9B1D-0A1B2C3D4E5F", "/u/{id}");
    check("/u/7f9c24e8-3b5a-4c1e-9b1d", "/u/7f9c24e8-3b5a-4c1e-9b1d");
    check("/o/507f1f77bcf86cd799439011", "/o/{id}");
    check("/o/deadbeef", "/o/deadbeef");
    check("/o/dead1bee", "/o/{id}");
    check("/o/dead1be", "/o/dead1be");
    check("/img/12345.png", "/img/{id}.png");
    check("/img/12345.tar.gz", "/img/{id}.tar.gz");
    check("/api/1.25/x", "/api/1.25/x");
    check("/img/12345.", "/img/12345.");
    check("/user-42/ab1z", "/user-42/ab1z");
    check("/shop;jsessionid=0123456789abcdef/7;v=1", "/shop/{id}");
    check("http://example.com:80/a/1?x", "/a/{id}");
    check("http://example.com", "/");
    check("http://example.com?x", "/");
    check("/go/http://x/1", "/go/http://x/{id}");
    check("*", "*");
    check("example.com:443", "example.com:443");
    check("", "");
    check("//a//b", "//a//b");
    check("/grüße/a\u{85}b c", "/grüße/a%C2%85b%20c");
    check("/items/{id}", "/items/{id}");
}

#[test]
fn bounds_are_kept_at_the_limit_and_past_it() {
    let path = |segments: usize| "/a".repeat(segments);
    assert_eq!(endpoint(b"GET", path(SEGMENTS_MAX).as_bytes()), format!("GET {}", path(SEGMENTS_MAX)));
    assert_eq!(endpoint(b"GET", path(SEGMENTS_MAX + 1).as_bytes()), format!("GET {}/…", path(SEGMENTS_MAX)));
    let long = |chars: usize| endpoint(b"GET", format!("/{}", "ä".repeat(chars)).as_bytes());
    assert_eq!(long(195).chars().count(), 200);
    assert!(!long(195).ends_with('…'));
    assert_eq!(long(196).chars().count(), 201);
    assert!(long(196).ends_with("ä…"));
    assert_eq!(endpoint(b"G\xff\n", b"/\xff\x00\x7f"), "G%FF%0A /%FF%00%7F");
}

proptest! {
    #[test]
    fn any_bytes_make_a_bounded_printable_name(method: Vec<u8>, target in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let name = endpoint(&method, &target);
        prop_assert!(name.chars().count() <= NAME_CHARS_MAX + 1);
        prop_assert!(!name.chars().any(char::is_control));
    }
}

proptest! {
    #[test]
    fn a_name_without_templates_is_its_own(method in "[A-Z]{1,9}", target in "[/a-f0-9{}.;?*: é-]{0,60}|/(ab|12|x.1)(/(ab|12|deadbee1|é)){0,20}") {
        let name = endpoint(method.as_bytes(), target.as_bytes());
        prop_assert_eq!(Templates::default().rename(&name), name);
    }
}

#[test]
fn names_by_shape_are_renamed_by_templates() {
    let check = |all: &[&str], name: &str, expected: &str| assert_eq!(templates(all).rename(name), expected, "{all:?}");
    let users = &["/users/{name}", "/users/{name}/orders/{order}", "/users/me", "/img/{file}.png"];
    check(users, "GET /users/{id}", "GET /users/{name}");
    check(users, "GET /users/ann/orders/{id}/x", "GET /users/{name}/orders/{order}/x");
    check(users, "GET /users/me", "GET /users/me");
    check(users, "GET /img/{id}.png", "GET /img/{file}.png");
    check(users, "(unreadable)", "(unreadable)");
    // What was 42 cannot be told any more.
    check(&["/users/42/{what}"], "GET /users/{id}/x", "GET /users/{id}/x");
}

#[test]
fn endpoints_teach_as_their_paths_do() {
    let mut from_paths = Learner::new(templates(&["/api/{version}"]));
    let mut from_names = Learner::new(templates(&["/api/{version}"]));
    for number in 0..60u64 {
        let path = format!("/api/{number}/users/u{number}x/orders/{number}");
        (0..=number).for_each(|_| from_paths.see(path.as_bytes()));
        from_names.see_endpoint(&endpoint(b"GET", path.as_bytes()), number + 1);
    }
    from_names.see_endpoint("(unreadable)", 1);
    from_names.see_endpoint("GET /cut/off…", 1);
    assert_eq!(from_names.learned(), from_paths.learned());
    assert_eq!(from_names.learned()[0].template.to_string(), "/api/{version}/users/{id}");
    assert_eq!((from_names.learned()[0].values, from_names.learned()[0].exchanges), (Some(60), 1_830));
    // Where some names are missing fewer of them are enough.
    let sampled = |forgot: bool| {
        let mut learner = Learner::default();
        (0..20).for_each(|number| learner.see_endpoint(&format!("GET /users/u{number}x"), 1));
        if forgot {
            learner.forget_some();
        }
        learner.learned().len()
    };
    assert_eq!((sampled(false), sampled(true)), (0, 1));
}

fn templates(all: &[&str]) -> Templates {
    let all: Vec<Template> = all.iter().map(|one| one.parse().unwrap()).collect();
    Templates::new(&all).unwrap()
}

#[test]
fn names_by_templates() {
    let check = |all: &[&str], target: &str, expected: &str| {
        assert_eq!(templates(all).endpoint(b"GET", target.as_bytes()), format!("GET {expected}"), "{all:?}");
        let reversed: Vec<&str> = all.iter().rev().copied().collect();
        assert_eq!(templates(&reversed).endpoint(b"GET", target.as_bytes()), format!("GET {expected}"), "reversed");
    };
    let users = &["/users/{name}", "/users/{name}/orders/{order}", "/users/me"];
    check(users, "/users/ann", "/users/{name}");
    check(users, "/users/ann;v=1?x", "/users/{name}");
    check(users, "/users/42/orders/7", "/users/{name}/orders/{order}");
    check(users, "/users/ann/pets/7", "/users/{name}/pets/{id}");
    check(users, "/users/me", "/users/me");
    check(users, "/users/me/orders/7", "/users/me/orders/{id}");
    check(users, "/users/", "/users/");
    check(users, "/users", "/users");
    check(users, "/people/ann", "/people/ann");
    check(users, "http://x/users/ann", "/users/{name}");
    check(users, "*", "*");
    check(&["/{page}"], "host:443", "host:443");
    check(&["/v1/2024/{x}"], "/v1/2024/y", "/v1/2024/{x}");
    let files = &["/f/{name}.json", "/f/a-{name}.json", "/f/{any}"];
    check(files, "/f/b.json", "/f/{name}.json");
    check(files, "/f/a-b.json", "/f/a-{name}.json");
    check(files, "/f/a-.json", "/f/{name}.json");
    check(files, "/f/.json", "/f/{any}");
}

#[test]
fn what_is_no_template_is_said_with_its_column() {
    let check = |text: &str, column: Option<usize>, why: &str| {
        let error = text.parse::<Template>().unwrap_err();
        assert_eq!(error.column, column, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    };
    check("users/{id}", Some(1), "begins with `/`");
    check("", Some(1), "begins with `/`");
    check("/users?id=1", Some(7), "no `?`");
    check("/u /x", Some(3), "white space");
    check("/ü/{id", Some(4), "no `}` after it");
    check("/a/id}", Some(6), "no `{` before it");
    check("/a/{}", Some(5), "1 to 32 letters");
    check("/a/{a b}", Some(6), "white space");
    check("/a/{a}x{b}", Some(8), "one placeholder");
    check(&format!("/{}", "a".repeat(TEMPLATE_BYTES_MAX)), None, "longer than");
    check(&"/a".repeat(17), Some(34), "more than 16 segments");
    assert!("/a".repeat(16).parse::<Template>().is_ok());
    let two = ["/u/{id}", "/u/{name}/x"].map(|text| text.parse::<Template>().unwrap());
    assert!(Templates::new(&two).unwrap_err().to_string().contains("calls the same place `{id}`"));
    let many = |count: usize| vec!["/a".parse::<Template>().unwrap(); count];
    assert!(Templates::new(&many(TEMPLATES_MAX)).is_ok());
    assert!(Templates::new(&many(TEMPLATES_MAX + 1)).is_err());
}

/// What is learned from these paths, as text with the number of values.
fn learned(given: &[&str], paths: impl IntoIterator<Item = String>) -> Vec<(String, Option<u64>)> {
    let mut learner = Learner::new(templates(given));
    paths.into_iter().for_each(|path| learner.see(path.as_bytes()));
    learner.learned().into_iter().map(|one| (one.template.to_string(), one.values)).collect()
}

/// Words that no shape tells from others.
fn word(number: usize) -> String {
    let letter = |digit: usize| char::from(b'g' + u8::try_from(digit % 20).unwrap());
    [letter(number / 400), letter(number / 20), letter(number)].iter().collect()
}

#[test]
fn many_values_at_one_place_are_a_placeholder() {
    let products = |count: usize| (0..count).map(|i| format!("/products/{}?v={i}", word(i)));
    assert_eq!(learned(&[], products(VALUES_MAX)), []);
    let id = |path: &str, values: usize| (path.to_owned(), Some(values as u64));
    assert_eq!(learned(&[], products(VALUES_MAX + 1)), [id("/products/{id}", VALUES_MAX + 1)]);
    // A name that was given is known, and what has the shape of an id is one.
    assert_eq!(learned(&["/products/{slug}"], products(100)), []);
    assert_eq!(learned(&[], (0..1000).map(|i| format!("/products/{i}"))), []);
    // What stands below different values stands below the placeholder.
    let below = (0..100).flat_map(|i| [format!("/u/{}/orders/{}", word(i), word(i)), format!("/u/{}", word(i))]);
    assert_eq!(learned(&[], below), [id("/u/{id}", 100), id("/u/{id}/orders/{id}", 100)]);
    // Words beside a place that has the shape of an id stay words, although a template passes there.
    let beside = (0..60).map(|i| format!("/u/{i}/x/{}", word(i))).chain(["/u/me".to_owned()]);
    assert_eq!(learned(&[], beside), [id("/u/{id}/x/{id}", 60), ("/u/me".to_owned(), None)]);
    // Below `api` stands far more than below a page.
    let pages = (0..60).map(word).map(|page| format!("/{page}"));
    let api = (0..30).map(|i| format!("/api/{}", word(i)));
    assert_eq!(learned(&[], pages.chain(api)), [id("/{id}", 60), ("/api".to_owned(), None)]);
    // No path, and what would be taken for a template.
    assert_eq!(learned(&[], (0..100).flat_map(|i| [format!("host{}:1", word(i)), format!("/{{{}", word(i))])), []);
}

#[test]
fn names_by_learned_templates_are_few() {
    let paths: Vec<String> = (0..3000).map(|i| format!("/shop/{}/{}/reviews", word(i), word(i * 7))).collect();
    let mut learner = Learner::default();
    paths.iter().for_each(|path| learner.see(path.as_bytes()));
    let templates = learner.into_templates();
    let names: std::collections::BTreeSet<_> =
        paths.iter().map(|path| templates.endpoint(b"GET", path.as_bytes())).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["GET /shop/{id}/{id}/reviews"]);
}

#[test]
fn more_paths_than_are_remembered_are_learned_from_in_any_order() {
    let paths = || (0..PATHS_MAX + 3000).map(|i| format!("/p/{}-{}", word(i / 60), word(i % 8000)));
    let rare = || (0..200).map(|i| format!("/rare/{}", word(i)));
    let learn = |paths: &mut dyn Iterator<Item = String>| {
        let mut learner = Learner::default();
        paths.for_each(|path| learner.see(path.as_bytes()));
        (learner.learned(), learner.forgot())
    };
    let (forwards, forgot) = learn(&mut paths().chain(rare()));
    assert!(forgot);
    let templates: Vec<String> = forwards.iter().map(|one| one.template.to_string()).collect();
    assert_eq!(templates, ["/p/{id}", "/rare/{id}"]);
    assert_eq!(learn(&mut rare().chain(paths().collect::<Vec<_>>().into_iter().rev())), (forwards, true));
    // One path seen often is one path.
    assert!(!learn(&mut (0..PATHS_MAX + 10).map(|_| "/a".to_owned())).1);
}

proptest! {
    #[test]
    fn learning_depends_on_no_order(
        seeds in proptest::collection::vec((0_usize..4, 0_usize..90, 0_usize..90), 0..400),
        rotate in 0_usize..400,
    ) {
        let path = |(kind, a, b): &(usize, usize, usize)| match kind {
            0 => format!("/{}", word(*a)),
            1 => format!("/api/{}/{}", word(*a % 5), word(*b)),
            2 => format!("/u/{}/{a}/{}", word(*a), word(*b)),
            _ => format!("/{}/{}", word(*a), word(*b)),
        };
        let mut paths: Vec<String> = seeds.iter().map(path).collect();
        let first = learned(&[], paths.iter().cloned());
        let middle = rotate.min(paths.len());
        paths.rotate_left(middle);
        prop_assert_eq!(&learned(&[], paths.iter().cloned()), &first);
        paths.reverse();
        prop_assert_eq!(&learned(&[], paths.iter().cloned()), &first);
        // What was learned is known: with it nothing else is found, and it parses again.
        let given: Vec<&str> = first.iter().map(|(template, _)| template.as_str()).collect();
        prop_assert_eq!(learned(&given, paths.iter().cloned()), vec![]);
    }

    #[test]
    fn any_text_is_a_template_that_prints_as_itself_or_none(text in "/?[a-z{}/.?é-]{0,20}") {
        if let Ok(template) = text.parse::<Template>() {
            prop_assert_eq!(template.to_string(), text);
        }
    }

    #[test]
    fn any_target_has_a_bounded_name_by_templates(target in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut learner = Learner::default();
        learner.see(&target);
        let by = templates(&["/{a}/{b}", "/x{c}"]);
        let name = by.endpoint(b"GET", &target);
        prop_assert!(name.chars().count() <= NAME_CHARS_MAX + 1 && !name.chars().any(char::is_control));
    }
}
