//! Credentials that are known by how they look, wherever text stands.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexSet};

use super::keys::Words;

/// A default pattern: its name, what it finds (its group `secret`, if it has one), and texts of which one is part of
/// everything that it finds.
pub(super) struct Default {
    pub(super) name: &'static str,
    pub(super) regex: &'static str,
    literals: &'static [&'static str],
}

/// Where a token begins: at the edge of a word, or behind what an escape of a URL or of a string made of one.
macro_rules! token {
    ($regex:literal) => {
        concat!(r"(?:(?-u:\b)|%(?:25)*[0-9A-Fa-f]{2}|\\[nrtbf]|\\u[0-9A-Fa-f]{4})(?P<secret>", $regex, ")")
    };
}

#[rustfmt::skip]
pub(super) const DEFAULTS: &[Default] = &[
    Default { name: "jwt", regex: token!(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}"), literals: &["eyJ"] },
    Default { name: "private_key", regex: r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?P<secret>(?s:.)*?)(?:-----END|\z)", literals: &["-----BEGIN "] },
    Default { name: "aws_key", regex: token!(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?-u:\b)"), literals: &["AKIA", "ASIA", "ABIA", "ACCA"] },
    Default { name: "github_token", regex: token!(r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}"), literals: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"] },
    Default { name: "gitlab_token", regex: token!(r"gl(?:pat|ptt|rt|dt|cbt|soat|ft|imt|agent)-[A-Za-z0-9_.-]{20,}"), literals: &["glpat-", "glptt-", "glrt-", "gldt-", "glcbt-", "glsoat-", "glft-", "glimt-", "glagent-"] },
    Default { name: "slack_token", regex: token!(r"x(?:ox[abeoprs]|app)-[A-Za-z0-9.-]{10,}"), literals: &["xox", "xapp-"] },
    Default { name: "slack_webhook", regex: r"hooks\.slack\.com(?:/|%2F)(?:services|workflows|triggers)(?:/|%2F)(?P<secret>[A-Za-z0-9+/_%-]{20,})", literals: &["hooks.slack.com"] },
    Default { name: "stripe_key", regex: token!(r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,}"), literals: &["k_live_", "k_test_", "whsec_"] },
    Default { name: "google_key", regex: token!(r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}|1//0[A-Za-z0-9_-]{30,}"), literals: &["AIza", "ya29.", "GOCSPX-", "1//0"] },
    Default { name: "azure_key", regex: r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=(?P<secret>[A-Za-z0-9+/=%&_-]{20,})", literals: &["AccountKey=", "SharedAccess"] },
    Default { name: "azure_secret", regex: token!(r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}"), literals: &["7Q~", "8Q~"] },
    Default { name: "ai_key", regex: token!(r"sk-(?:[A-Za-z0-9]+-){0,3}[A-Za-z0-9_-]{20,}|(?:gsk_|xai-|pplx-|r8_)[A-Za-z0-9]{30,}"), literals: &["sk-", "gsk_", "xai-", "pplx-", "r8_"] },
    Default { name: "twilio_key", regex: token!(r"SK[0-9a-f]{32}(?-u:\b)"), literals: &[] },
    Default { name: "vendor_token", regex: token!(r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}|hf_[A-Za-z0-9]{30,}|do[opr]_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,}|hv[sb]\.[A-Za-z0-9_-]{24,}|AGE-SECRET-KEY-1[A-Z0-9]{50,}|dckr_pat_[A-Za-z0-9_-]{20,}|rubygems_[a-f0-9]{48}|gl(?:sa|c)_[A-Za-z0-9_=+/]{30,}|ATATT3[A-Za-z0-9_=-]{40,}|NRAK-[A-Z0-9]{20,}|sntry[su]_[A-Za-z0-9_=+/-]{30,}"), literals: &["npm_", "pypi-", "hf_", "_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "SG.", "sq0", "hvs.", "hvb.", "AGE-SECRET-KEY-1", "dckr_pat_", "rubygems_", "glsa_", "glc_", "ATATT3", "NRAK-", "sntry"] },
    Default { name: "url_parameter", regex: r#"(?i)(?:[?&;#]|%(?:25)*(?:3f|26|3b|23))(?:[a-z0-9._%\[\]-]*(?:token|secret|passw(?:or)?d|pwd|api[_-]?key|access[_-]?key|signature|jwt|session[_-]?id)(?:\]|%(?:25)*5d)?|sig|sid|code_verifier|x-amz-credential)(?:=|%(?:25)*3d)(?P<secret>(?:[^&\s"'<>\\#;%]|%(?:[^2&\s"'<>\\#;]|2[^6&\s"'<>\\#;]|2?$))+)"#, literals: &[] },
    // An @ in a password need not be escaped: the last one before the path ends it.
    Default { name: "url_userinfo", regex: r#"://(?P<secret>[^/?\#\s"'<>\\]+)@"#, literals: &[] },
];

/// What `url_parameter` finds has one of these in it, with any case of its letters.
const PARAMETER_ENDINGS: &[&[u8]] = &[
    b"token",
    b"secret",
    b"word",
    b"wd",
    b"key",
    b"ature",
    b"jwt",
    b"id",
    b"sig",
    b"verifier",
    b"credential",
    b"]",
    b"%5d",
];

static LITERALS: LazyLock<Words> = LazyLock::new(|| {
    let all: Vec<&str> = DEFAULTS.iter().flat_map(|one| one.literals).copied().collect();
    Words::new(&all)
});

static SK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("SK"));
static BEFORE_USERINFO: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("://"));

/// Those that compiled, which are all: a test says so.
pub(super) static REGEXES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    DEFAULTS.iter().filter_map(|one| Regex::new(one.regex).ok().map(|regex| (one.name, regex))).collect()
});

static SET: LazyLock<Option<RegexSet>> = LazyLock::new(|| RegexSet::new(DEFAULTS.iter().map(|one| one.regex)).ok());

/// The names of the default patterns.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    DEFAULTS.iter().map(|one| one.name)
}

/// Whether a default pattern may find something here: false is certain.
pub(super) fn may_match(text: &[u8]) -> bool {
    LITERALS.find(text, 0).is_some() || has_twilio_key(text) || has_parameter(text) || has_userinfo(text)
}

/// Whether a default pattern finds something here.
pub(super) fn do_match(text: &[u8]) -> bool {
    may_match(text) && matching(text).next().is_some()
}

/// Two letters are common, and would slow down the search for all others.
fn has_twilio_key(text: &[u8]) -> bool {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    SK.find_iter(text).any(|at| text.get(at + 2..at + 34).is_some_and(|digits| digits.iter().all(is_hex)))
}

/// The default patterns that find something.
pub(super) fn matching(text: &[u8]) -> impl Iterator<Item = &'static (&'static str, Regex)> {
    let matched = SET.as_ref().map(|set| set.matches(text));
    REGEXES
        .iter()
        .enumerate()
        .filter(move |(index, _)| matched.as_ref().is_none_or(|all| all.matched(*index)))
        .map(|(_, one)| one)
}

fn has_parameter(text: &[u8]) -> bool {
    let is_parameter = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        let ends = |ending: &&[u8]| {
            before
                .len()
                .checked_sub(ending.len())
                .and_then(|from| before.get(from..))
                .is_some_and(|end| end.eq_ignore_ascii_case(ending))
        };
        PARAMETER_ENDINGS.iter().any(ends)
    };
    memchr::memchr_iter(b'=', text).any(is_parameter)
        || memchr::memchr_iter(b'%', text).any(|at| is_escaped_equals(text.get(at + 1..)) && is_parameter(at))
}

/// Whether an escape goes on as one of `=` does, escaped any number of times.
fn is_escaped_equals(after: Option<&[u8]>) -> bool {
    let mut rest = after.unwrap_or_default();
    while let Some(more) = rest.strip_prefix(b"25") {
        rest = more;
    }
    rest.get(..2).is_some_and(|digits| digits.eq_ignore_ascii_case(b"3d"))
}

fn has_userinfo(text: &[u8]) -> bool {
    memchr::memchr(b'@', text).is_some() && BEFORE_USERINFO.find(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_compile() {
        assert_eq!(REGEXES.len(), DEFAULTS.len());
        assert!(SET.is_some());
    }

    #[test]
    fn what_they_find() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<_> = if may_match(text.as_bytes()) {
                matching(text.as_bytes()).map(|one| one.0).collect()
            } else {
                Vec::new()
            };
            assert_eq!(found, expected, "{text}");
        };
        let x = |count: usize| "x1Y2".repeat(20).chars().take(count).collect::<String>();
        check("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sflKxw b", &["jwt"]);
        check("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", &["private_key"]);
        check("-----BEGIN PRIVATE KEY-----\nMII", &["private_key"]);
        check("-----BEGIN CERTIFICATE-----\nMII", &[]);
        check("AKIAIOSFODNN7EXAMPLE", &["aws_key"]);
        check(&format!("ghp_{}", x(36)), &["github_token"]);
        check(&format!("glpat-{}", x(20)), &["gitlab_token"]);
        check(&format!("xoxb-{}", x(20)), &["slack_token"]);
        check(&format!("https://hooks.slack.com/services/T0/B0/{}", x(24)), &["slack_webhook"]);
        check(&format!("sk_live_{}", x(24)), &["stripe_key"]);
        check(&format!("AIza{}", x(35)), &["google_key"]);
        check(&format!("AccountKey={}==", x(40)), &["azure_key"]);
        check(&format!("sk-proj-{}", x(40)), &["ai_key"]);
        check(&format!("npm_{}", x(36)), &["vendor_token"]);
        for url in [
            "https://x/?a=b&access_token=abc",
            "/x?Signature=a",
            "x?user%5Bp%5D=1&sid=4",
            "#id_token=a",
            "?user[password]=b",
            "https://x/?to=https%3A%2F%2Fy%2F%3Fa%3D1%26access_token%3Dabc",
            "?to=%253Fsession_id%253Dabc",
        ] {
            check(url, &["url_parameter"]);
        }
        check("https://ann:pw@host/", &["url_userinfo"]);
        check("https://ann:p@w@host/", &["url_userinfo"]);
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sflKxw";
        for before in ["%3D", "%253d", r"\n", r"\u003d"] {
            check(&format!("a{before}{jwt}"), &["jwt"]);
        }
        check(&format!("1//0{}", x(40)), &["google_key"]);
        check(&format!("abc8Q~{}", x(34)), &["azure_secret"]);
        check(&format!("gsk_{}", x(40)), &["ai_key"]);
        check(&format!("SK{}", "0a".repeat(16)), &["twilio_key"]);
        check(&format!("SKU, SK{}", "0a".repeat(16)), &["twilio_key"]);
        for token in [
            format!("pypi-{}", x(60)),
            format!("dor_v1_{}", "0a".repeat(32)),
            format!("SG.{}.{}", x(22), x(43)),
            format!("dckr_pat_{}", x(27)),
            format!("glsa_{}", x(40)),
            format!("ATATT3{}", x(60)),
            format!("NRAK-{}", "A1".repeat(13)),
            format!("sntrys_{}", x(60)),
        ] {
            check(&token, &["vendor_token"]);
        }
        for plain in [
            "task-list of the disk-usage page",
            "ann@example.com",
            "https://example.com/?page=2&id=7",
            "x?paid=1",
            "hello",
        ] {
            check(plain, &[]);
        }
    }
}
