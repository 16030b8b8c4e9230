//! Which headers are redacted, and finding them fast and whatever their spelling.
//!
//! The rules hold in requests and responses alike: a `Set-Cookie` in a request is odd, and no reason to keep a secret.

use super::pass::{Decision, Verdict};

/// What the value of a redacted header looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An optional scheme, then one secret.
    Credentials,
    /// `name=value` pairs, parted by semicolons.
    Cookies,
    /// One such pair, then attributes.
    SetCookie,
}

/// A line whose name is redacted, taken apart.
pub(super) struct Found<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a [u8],
    /// What is to be done; `None` where nothing is, by default or by a rule of the user.
    pub(super) verdict: Option<Verdict>,
    /// Name, colon and whatever stands between them.
    pub(super) before: &'a [u8],
    /// The rest of the line.
    pub(super) value: &'a [u8],
}

const COOKIES: &[&str] = &["cookie", "cookie2"];
const SET_COOKIES: &[&str] = &["set-cookie", "set-cookie2"];

/// Headers whose value is a credential by convention.
#[rustfmt::skip]
const CREDENTIALS: &[&str] = &[
    "authorization", "proxy-authorization", "authentication", "x-authorization",
    "api-key", "apikey", "x-api-key", "x-apikey", "api-token", "x-api-token", "x-key", "x-app-key", "app-key",
    "token", "x-token", "auth-token", "x-auth-token", "x-auth-key", "x-auth", "access-token", "x-access-token",
    "id-token", "x-id-token", "refresh-token", "x-refresh-token", "x-user-token", "x-admin-token", "x-service-token",
    "x-device-token", "session-token", "x-session-token", "session-id", "x-session-id", "x-session", "x-sid",
    "secret", "x-secret", "x-secret-key", "client-secret", "x-client-secret", "password", "x-password",
    "jwt", "x-jwt", "x-jwt-token", "x-jwt-assertion", "x-otp", "x-github-otp",
    "csrf-token", "csrftoken", "x-csrf-token", "x-csrftoken", "xsrf-token", "x-xsrf-token",
    // Clouds and API gateways
    "x-amz-security-token", "x-aws-ec2-metadata-token", "x-amzn-oidc-accesstoken", "x-amzn-oidc-data",
    "x-goog-api-key", "x-goog-iap-jwt-assertion", "x-goog-iam-authorization-token", "x-firebase-appcheck",
    "ocp-apim-subscription-key", "x-functions-key", "aeg-sas-key", "aeg-sas-token", "x-zumo-auth",
    "x-ms-token-aad-access-token", "x-ms-token-aad-id-token", "x-ms-token-aad-refresh-token",
    "cf-access-jwt-assertion", "cf-access-token", "x-auth-request-access-token", "x-forwarded-access-token",
    "x-rapidapi-key", "x-rapidapi-proxy-secret", "x-ibm-client-secret", "fastly-key", "x-endpoint-api-userinfo",
    // Keys that decrypt what is stored
    "x-amz-server-side-encryption-customer-key", "x-amz-copy-source-server-side-encryption-customer-key",
    "x-goog-encryption-key", "x-goog-copy-source-encryption-key", "x-ms-encryption-key",
    // Products
    "x-vault-token", "x-consul-token", "x-nomad-token", "private-token", "job-token", "deploy-token", "x-gitlab-token",
    "x-subject-token", "x-storage-token", "x-shopify-access-token", "x-shopify-storefront-access-token",
    "x-figma-token", "x-parse-session-token", "x-parse-master-key", "x-plex-token", "x-emby-token",
    "x-emby-authorization", "x-sentry-auth", "x-sentry-token", "x-postmark-server-token", "x-postmark-account-token",
    "dd-api-key", "dd-application-key", "x-honeycomb-team", "x-insert-key", "x-license-key", "x-query-key",
    "lightstep-access-token", "x-sf-token", "xi-api-key",
];

/// Endings that say the same of any vendor's header.
#[rustfmt::skip]
const CREDENTIAL_ENDINGS: &[&str] = &[
    "-api-key", "-apikey", "-api-token", "-access-token", "-auth-token", "-session-token", "-refresh-token",
    "-security-token", "-csrf-token", "-secret", "-secret-key", "-password", "-authorization", "-jwt",
];

/// Names as long as this or longer are compared with the endings only.
const NAME_LEN_MAX: usize = 64;

/// The rules, with a table that tells most names apart by their length, first and last byte.
#[derive(Clone)]
pub(super) struct Names {
    /// For each length: the low five bits of the first bytes and of the last bytes that redacted names have.
    ends: [(u32, u32); NAME_LEN_MAX],
    /// The low five bits of the bytes in which endings end.
    ending_ends: u32,
}

impl Names {
    pub(super) fn default_rules() -> Self {
        let mut names = Self { ends: [(0, 0); NAME_LEN_MAX], ending_ends: 0 };
        for name in CREDENTIALS.iter().chain(COOKIES).chain(SET_COOKIES) {
            let name = name.as_bytes();
            if let (Some(slot), Some(first), Some(last)) = (names.ends.get_mut(name.len()), name.first(), name.last()) {
                slot.0 |= bit(*first);
                slot.1 |= bit(*last);
            }
        }
        for last in CREDENTIAL_ENDINGS.iter().filter_map(|ending| ending.as_bytes().last()) {
            names.ending_ends |= bit(*last);
        }
        names
    }

    /// The rules' names, as a session's header publishes them.
    pub(super) fn published() -> Vec<String> {
        let known = CREDENTIALS.iter().chain(COOKIES).chain(SET_COOKIES).map(|name| (*name).to_owned());
        let endings = CREDENTIAL_ENDINGS.iter().map(|ending| format!("*{ending}"));
        let mut names: Vec<String> = known.chain(endings).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Takes `line` apart if its name is redacted.
    ///
    /// The name is the first run of token characters that begins and ends with a letter or digit, whatever stands around
    /// it (white space, quotes, an underscore, a missing colon), so that odd spelling hides no secret.
    ///
    /// `decide` says what is to be done with a name, and whether a default rule is asked at all.
    pub(super) fn find<'a>(&self, line: &'a [u8], decide: impl Fn(&[u8]) -> Decision) -> Option<Found<'a>> {
        let start = line.iter().position(u8::is_ascii_alphanumeric)?;
        let run = line.get(start..)?;
        let length = run.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(run.len());
        let name = run.get(..length)?;
        let name = name.get(..=name.iter().rposition(u8::is_ascii_alphanumeric)?)?;
        let (kind, verdict) = match (decide(name), self.kind(name)) {
            (Decision::Own(verdict), kind) => (kind.unwrap_or(Kind::Credentials), Some(verdict)),
            (Decision::Default(verdict), Some(kind)) => (kind, Some(verdict)),
            (Decision::Default(_), None) => return None,
        };
        let name_end = start + name.len();
        let rest = line.get(name_end..)?;
        let colon = rest.iter().position(|byte| *byte == b':' || byte.is_ascii_alphanumeric() || !byte.is_ascii());
        let (kind, separator) = match colon {
            Some(at) if rest.get(at) == Some(&b':') => (kind, at + 1),
            // Without a colon before the next word there is no telling how the value is made: all of it is one secret.
            _ => (Kind::Credentials, usize::from(rest.first().is_some_and(|first| b" \t=".contains(first)))),
        };
        let (before, value) = line.split_at_checked(name_end + separator)?;
        Some(Found { kind, name, verdict, before, value })
    }

    fn kind(&self, name: &[u8]) -> Option<Kind> {
        let (first, last) = (bit(*name.first()?), bit(*name.last()?));
        let (firsts, lasts) = self.ends.get(name.len()).copied().unwrap_or_default();
        if firsts & first != 0 && lasts & last != 0 {
            let is = |known: &&str| same(name, known);
            if COOKIES.iter().any(is) {
                return Some(Kind::Cookies);
            }
            if SET_COOKIES.iter().any(is) {
                return Some(Kind::SetCookie);
            }
            if CREDENTIALS.iter().any(is) {
                return Some(Kind::Credentials);
            }
        }
        let ends_in = |ending: &&str| {
            name.len().checked_sub(ending.len()).and_then(|at| name.get(at..)).is_some_and(|end| same(end, ending))
        };
        (self.ending_ends & last != 0 && CREDENTIAL_ENDINGS.iter().any(ends_in)).then_some(Kind::Credentials)
    }
}

/// A character that a header name can have (RFC 9110 §5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// A table, since every byte of every header name is looked up on the capture thread.
static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        let is_token = byte.is_ascii_alphanumeric() || byte.is_ascii_punctuation() && !is_delimiter(byte);
        let (_, rest) = table.split_at_mut(byte as usize);
        if let [slot, ..] = rest {
            *slot = is_token;
        }
        byte += 1;
    }
    table
};

const fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        b'"' | b'('
            | b')'
            | b','
            | b'/'
            | b':'
            | b';'
            | b'<'
            | b'='
            | b'>'
            | b'?'
            | b'@'
            | b'['
            | b'\\'
            | b']'
            | b'{'
            | b'}'
    )
}

/// Whether `name` is `known`, which is in lower case; an underscore counts as the hyphen that CGI makes of it.
fn same(name: &[u8], known: &str) -> bool {
    name.len() == known.len()
        && name.iter().zip(known.as_bytes()).all(|(byte, known)| match byte {
            b'_' => *known == b'-',
            _ => byte.to_ascii_lowercase() == *known,
        })
}

fn bit(byte: u8) -> u32 {
    1 << (byte & 31)
}
