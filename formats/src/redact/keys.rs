//! Names of keys whose values are credentials, in queries, forms and JSON, and finding them fast and however spelled.
//!
//! Of a name only its letters and digits count, in lower case, without the digits at its end: `access_token`,
//! `accessToken`, `Access-Token` and `user[access_token]` are one.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, packed};

/// Names that are credentials by themselves.
#[rustfmt::skip]
pub(super) const NAMES: &[&str] = &[
    "password", "passwd", "passphrase", "passcode", "pwd", "pass", "secret", "token", "jwt", "otp", "totp", "pin",
    "authorization", "proxyauthorization", "auth", "credentials", "credential", "code_verifier", "device_code",
    "client_assertion", "saml_response", "saml_assertion", "one_time_code", "mfa_code", "otp_code", "auth_code",
    "authorization_code", "verification_code", "recovery_code", "backup_code", "bearer", "cookie", "set_cookie",
    "api_key", "x_api_key", "app_key", "app_secret", "auth_key", "access_key", "access_key_id", "account_key",
    "signing_key", "encryption_key", "master_key", "subscription_key", "license_key", "ssh_key", "secret_access_key",
    "session_id", "session_key", "session", "sess_id", "phpsessid", "jsessionid", "aspsessionid", "sid",
    "signature", "sig", "x_amz_signature", "x_amz_credential", "x_goog_signature", "x_goog_credential",
    "csrf", "xsrf", "csrf_token", "csrfmiddlewaretoken", "authenticity_token", "request_verification_token",
    "card_number", "cc_number", "credit_card", "credit_card_number", "debit_card_number", "primary_account_number",
    "cvv", "cvc", "card_cvv", "card_cvc", "card_code", "card_security_code", "security_code",
    "ssn", "social_security_number", "security_answer", "secret_answer",
];

/// Endings that say the same whatever stands before them.
#[rustfmt::skip]
pub(super) const ENDINGS: &[&str] = &[
    "password", "passwd", "passphrase", "pwd", "secret", "api_key", "access_token", "refresh_token", "id_token",
    "auth_token", "session_token", "session_id", "security_token", "csrf_token", "xsrf_token", "api_token",
    "bearer_token", "user_token", "device_token", "reset_token", "login_token", "verification_token", "jwt",
    "private_key", "secret_key", "access_key", "auth_key", "card_number", "password_confirmation", "password_confirm",
    "password_repeat", "password_again", "password_hash",
];

/// One of these is part of every name above: text without any has no such name. In lower case.
#[rustfmt::skip]
const STEMS: &[&str] = &[
    "pass", "pwd", "secret", "token", "jwt", "otp", "pin", "auth", "credential", "verifier", "code", "assertion",
    "saml", "bearer", "cookie", "key", "sess", "sid", "sig", "csrf", "xsrf", "card", "ccn", "cc_n", "cc-n", "primary", "social", "cvv", "cvc", "ssn",
    "answer",
];

/// Of a longer name only the end is looked at.
const NAME_BYTES_MAX: usize = 64;

/// Words found by one pass over a text.
pub(super) struct Words {
    packed: Option<packed::Searcher>,
    /// Where this machine or the number of words lets the faster one not be.
    other: Option<AhoCorasick>,
}

impl Words {
    pub(super) fn new(words: &[&str]) -> Self {
        let packed = packed::Searcher::new(words);
        let other = if packed.is_none() { AhoCorasick::new(words).ok() } else { None };
        Self { packed, other }
    }

    /// Where the first word at or after `from` stands.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        if let Some(packed) = &self.packed {
            return packed.find_in(text, (from.min(text.len())..text.len()).into()).map(|found| found.start());
        }
        let Some(other) = &self.other else {
            // Nothing can be ruled out by a search that is not there.
            return (from < text.len()).then_some(from);
        };
        let input = aho_corasick::Input::new(text).range(from.min(text.len())..);
        other.find(input).map(|found| found.start())
    }
}

struct Table {
    /// Sorted.
    names: Vec<String>,
    /// By their last letter.
    endings: Vec<Vec<String>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut names: Vec<String> = NAMES.iter().map(|name| normal(name.as_bytes())).collect();
    names.sort_unstable();
    let mut endings = vec![Vec::new(); 32];
    for ending in ENDINGS.iter().map(|ending| normal(ending.as_bytes())) {
        if let Some(same) = ending.bytes().last().and_then(|last| endings.get_mut(usize::from(last & 31))) {
            same.push(ending);
        }
    }
    Table { names, endings }
});

/// Finds the stems in text that is in lower case.
pub(super) static STEM_WORDS: LazyLock<Words> = LazyLock::new(|| Words::new(STEMS));

/// What counts of a name.
pub(super) fn normal(name: &[u8]) -> String {
    let mut buffer = [0; NAME_BYTES_MAX];
    String::from_utf8_lossy(normal_in(name, &mut buffer)).into_owned()
}

/// The same without allocating.
pub(super) fn normal_in<'a>(name: &[u8], buffer: &'a mut [u8; NAME_BYTES_MAX]) -> &'a [u8] {
    // Backwards, since of long names the end counts.
    let mut at = NAME_BYTES_MAX;
    let letters = name.iter().rev().filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    let is_number = name.iter().all(|byte| !byte.is_ascii_alphabetic());
    for byte in letters.skip_while(|byte| byte.is_ascii_digit() && !is_number) {
        let Some(slot) = at.checked_sub(1).and_then(|before| buffer.get_mut(before)) else { break };
        *slot = byte.to_ascii_lowercase();
        at -= 1;
    }
    buffer.get(at..).unwrap_or_default()
}

/// Whether the value of a key is a credential by default; `name` is [`normal`].
pub(super) fn is_credential(name: &[u8]) -> bool {
    let Some(last) = name.last() else { return false };
    let ends = |ending: &String| name.ends_with(ending.as_bytes());
    TABLE.endings.get(usize::from(last & 31)).is_some_and(|endings| endings.iter().any(ends))
        || TABLE.names.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
}

/// The same, of a name as it is spelled.
pub(crate) fn is_secret_key(name: &[u8]) -> bool {
    is_credential(normal_in(name, &mut [0; NAME_BYTES_MAX]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_stem() {
        for name in NAMES.iter().chain(ENDINGS) {
            // Also where words are set apart from each other.
            assert!(STEMS.iter().any(|stem| name.contains(stem)), "{name}");
            assert!(is_credential(normal(name.as_bytes()).as_bytes()), "{name}");
        }
    }

    #[test]
    fn spellings() {
        let check = |name: &str, expected: bool| {
            assert_eq!(is_credential(normal(name.as_bytes()).as_bytes()), expected, "{name}");
        };
        for name in [
            "password",
            "PASSWORD",
            "newPassword",
            "user[password]",
            "password1",
            "access_token",
            "accessToken",
            "Access-Token",
            "x-api-key",
            "apiKey",
            "APIKEY",
            "client_secret",
            "clientSecret",
            "sid",
            "cvv2",
            "jwt",
            "card[number]",
            "stripe.secretKey",
            "SAMLResponse",
            "JSESSIONID",
        ] {
            check(name, true);
        }
        for name in
            ["", "_", "name", "nextPageToken", "tokens_left", "key", "code", "card", "passenger", "author", "12"]
        {
            check(name, false);
        }
        check(&format!("{}{}", "a".repeat(100), "password"), true);
    }
}
