//! Credentials that are known by how they look, wherever text stands.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexSet};

use super::keys::Words;

/// A default pattern: its name, what it finds (its group `secret`, if it has one), and texts of which one is part of
/// everything that it finds.
pub(super) struct Default {
    pub(super) name: &'static str,
    pub(super) regex: &'static str,
    literals: &'static [&'static str],
}

#[rustfmt::skip]
pub(super) const DEFAULTS: &[Default] = &[
    Default { name: "jwt", regex: r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}", literals: &["eyJ"] },
    Default { name: "private_key", regex: r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?P<secret>(?s:.)*?)(?:-----END|\z)", literals: &["-----BEGIN "] },
    Default { name: "aws_key", regex: r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b", literals: &["AKIA", "ASIA", "ABIA", "ACCA"] },
    Default { name: "github_token", regex: r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})", literals: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"] },
    Default { name: "gitlab_token", regex: r"\bgl(?:pat|ptt|rt|dt|cbt|soat)-[A-Za-z0-9_.-]{20,}", literals: &["glpat-", "glptt-", "glrt-", "gldt-", "glcbt-", "glsoat-"] },
    Default { name: "slack_token", regex: r"\bx(?:ox[abeoprs]|app)-[A-Za-z0-9.-]{10,}", literals: &["xox", "xapp-"] },
    Default { name: "slack_webhook", regex: r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9+/_-]{20,})", literals: &["hooks.slack.com"] },
    Default { name: "stripe_key", regex: r"\b(?:[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,})", literals: &["k_live_", "k_test_", "whsec_"] },
    Default { name: "google_key", regex: r"\b(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})", literals: &["AIza", "ya29.", "GOCSPX-"] },
    Default { name: "azure_key", regex: r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=(?P<secret>[A-Za-z0-9+/=%&_-]{20,})", literals: &["AccountKey=", "SharedAccess"] },
    Default { name: "ai_key", regex: r"\bsk-(?:[A-Za-z0-9]+-){0,3}[A-Za-z0-9_-]{20,}", literals: &["sk-"] },
    Default { name: "vendor_token", regex: r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}|hf_[A-Za-z0-9]{30,}|dop_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,}|hv[sb]\.[A-Za-z0-9_-]{24,}|AGE-SECRET-KEY-1[A-Z0-9]{50,})", literals: &["npm_", "pypi-", "hf_", "dop_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "SG.", "sq0", "hvs.", "hvb.", "AGE-SECRET-KEY-1"] },
    Default { name: "url_parameter", regex: r#"(?i)[?&;#](?:[a-z0-9._%\[\]-]*(?:token|secret|passw(?:or)?d|pwd|api[_-]?key|access[_-]?key|signature|jwt|session[_-]?id)(?:\]|%5d)?|sig|sid|code_verifier|x-amz-credential)=(?P<secret>[^&\s"'<>\\#;]+)"#, literals: &[] },
    Default { name: "url_userinfo", regex: r#"://(?P<secret>[^/?\#\s@"'<>\\]+)@"#, literals: &[] },
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
    LITERALS.find(text, 0).is_some() || has_parameter(text) || has_userinfo(text)
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
    let mut equals = memchr::memchr_iter(b'=', text);
    equals.any(|at| {
        let before = text.get(..at).unwrap_or_default();
        let ends = |ending: &&[u8]| {
            before
                .len()
                .checked_sub(ending.len())
                .and_then(|from| before.get(from..))
                .is_some_and(|end| end.eq_ignore_ascii_case(ending))
        };
        PARAMETER_ENDINGS.iter().any(ends)
    })
}

fn has_userinfo(text: &[u8]) -> bool {
    memchr::memchr(b'@', text).is_some() && memchr::memmem::find(text, b"://").is_some()
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
        ] {
            check(url, &["url_parameter"]);
        }
        check("https://ann:pw@host/", &["url_userinfo"]);
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
