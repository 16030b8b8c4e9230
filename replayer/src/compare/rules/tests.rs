use super::*;
use crate::differ::Kind;

fn value<'a>(place: &'a str, before: &'a str, after: &'a str) -> Difference<'a> {
    Difference { place, kind: Kind::Value, before: before.as_bytes(), after: after.as_bytes() }
}

fn rules(text: &str) -> Rules {
    Rules::of(Path::new("rules.toml"), text).unwrap().0
}

#[track_caller]
fn check(rule: &str, of: &Difference<'_>, expected: bool) {
    let text = format!("use_defaults = false\n[[rule]]\nwhere = \"$.a\"\n{rule}\n");
    assert_eq!(rules(&text).silence(of, (0, "GET /a"), 0, 0), expected, "{rule} {of:?}");
}

#[test]
fn each_matcher() {
    let at = |before, after| value("$.a", before, after);
    let of = |kind| Difference { place: "$.a", kind, before: b"1", after: b"2" };
    let below = |kind| Difference { place: "$.a.b", kind, before: b"1", after: b"2" };
    check("matcher = 'ignore'", &of(Kind::Missing), true);
    check("matcher = 'ignore'", &below(Kind::Type), true);
    check("matcher = 'presence'", &at("1", "2"), true);
    check("matcher = 'presence'", &of(Kind::Missing), false);
    check("matcher = 'presence'", &below(Kind::Missing), true);
    check("matcher = 'optional'", &of(Kind::Missing), true);
    check("matcher = 'optional'", &of(Kind::Added), true);
    check("matcher = 'optional'", &at("1", "2"), false);
    check("matcher = 'optional'", &of(Kind::Renamed), false);
    check("matcher = 'optional'", &below(Kind::Missing), false);
    check("matcher = 'type'", &at("1", "2"), true);
    check("matcher = 'type'", &of(Kind::Type), false);
    check("matcher = 'timestamp'", &at("\"2026-01-01T00:00:00Z\"", "\"2026-01-02T00:00:00Z\""), true);
    check("matcher = 'timestamp'", &at("\"2026-01-01T00:00:00Z\"", "\"never\""), false);
    check("matcher = 'timestamp'", &at("1767225600", "\"2026-01-01T00:00:00Z\""), false);
    check(
        "matcher = 'uuid'",
        &at("\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"", "\"00000000-8b86-d011-b42d-00c04fc964ff\""),
        true,
    );
    check("matcher = 'uuid'", &at("\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"", "\"x\""), false);
    check("matcher = 'set'", &of(Kind::Order), true);
    check("matcher = 'set'", &of(Kind::Value), false);
    check("matcher = 'pattern'\npattern = '^[a-c]+$'", &at("\"ab\"", "\"cc\""), true);
    check("matcher = 'pattern'\npattern = '^[a-c]+$'", &at("\"ab\"", "\"d\""), false);
    check("matcher = 'tolerance'\nwithin = '5%'", &at("100", "105"), true);
    check("matcher = 'tolerance'\nwithin = '5%'", &at("100", "106"), false);
    check("matcher = 'tolerance'\nwithin = 0.1", &at("1.0", "1.1"), true);
    check("matcher = 'tolerance'\nwithin = 0.1", &at("1.0", "1.2"), false);
    check("matcher = 'tolerance'\nwithin = 0.1", &at("\"a\"", "1"), false);
    check("matcher = 'ignore'\nendpoint = 'GET /*'", &at("1", "2"), true);
    check("matcher = 'ignore'\nendpoint = 'POST /*'", &at("1", "2"), false);
}

#[test]
fn mapped_ids_stand_for_one_another_everywhere() {
    let mut rules = rules("[[rule]]\nwhere = '$..id'\nmatcher = 'mapped'\n");
    let mut fits = |place, before, after| {
        rules.silence(&value(place, before, after), (0, "GET /a"), u32::from(place == "$.b.id"), 0)
    };
    assert!(fits("$.id", "1", "9") && fits("$.b.id", "1", "9") && fits("$.id", "2", "8"));
    assert!(!fits("$.id", "1", "8"), "1 stands for 9");
    assert!(!fits("$.id", "3", "9"), "9 is what 1 stands for");
}

#[test]
fn default_rules_hold_unless_a_file_says_otherwise() {
    let date = value("header:date", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT");
    assert!(Rules::read(None).unwrap().silence(&date, (0, "GET /a"), 0, 0));
    assert!(!rules("use_defaults = false").silence(&date, (0, "GET /a"), 0, 0));
    assert!(rules("").silence(&date, (0, "GET /a"), 0, 0));
}

#[test]
fn rules_of_no_use_are_said() {
    let mut rules = rules(
        "[[rule]]\nwhere = '$.a'\nmatcher = 'uuid'\n[[rule]]\nwhere = '$.none'\nmatcher = 'ignore'\n[[rule]]\nwhere = '$'\nmatcher = 'ignore'\n",
    );
    assert!(rules.silence(&value("$.a", "1", "2"), (0, "GET /a"), 0, 0));
    let said = rules.notices();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("line 1 (`$.a`, uuid) silences nothing: 1 differences"), "{said:?}");
    assert!(said[1].contains("line 4 (`$.none`, ignore) matches nothing"), "{said:?}");
    assert!(said[2].contains("line 7 (`$`, ignore) silences 1 differences at 1 of 1 places"), "{said:?}");
}

#[test]
fn bad_files_are_refused_with_their_lines() {
    let check = |text: &str, expected: &str| {
        let error = Rules::of(Path::new("r.toml"), text).unwrap_err();
        let said = format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
        assert!(said.contains(expected), "{text}: {said}");
    };
    check("[[rule]]\nwhere = '$.a'\nmatcher = 'ingore'", "r.toml, line 1: there is no matcher `ingore`");
    check("\n\n[[rule]]\nwhere = '$.a'\nmatcher = 'pattern'", "line 3: the matcher `pattern` needs `pattern`");
    check("[[rule]]\nwhere = '$.a'\nmatcher = 'pattern'\npattern = '('", "line 1: the pattern");
    check("[[rule]]\nwhere = '$.a'\nmatcher = 'tolerance'\nwithin = '-5%'", "`-5%` is no tolerance");
    check("[[rule]]\nwhere = '$.a'\nmatcher = 'ignore'\nby = 'id'", "`by` says nothing to the matcher `ignore`");
    check("[[rule]]\nwhere = '$.a[0]'\nmatcher = 'ignore'", "[*] stands for all of them");
    check("[[rule]]\nwere = '$.a'\nmatcher = 'ignore'", "unknown field `were`");
    check("use_default = true", "unknown field `use_default`");
    check("[[rule]]\nmatcher = 'ignore'", "missing field `where`");
}
