//! What a segment says about itself: who recorded, where, when, and under which rules.

use serde::{Deserialize, Serialize};

use super::cipher::Encryption;
use super::history::Edit;
use crate::redact::Policy;
use crate::seal::Sealing;

/// The header of a segment. The same in all segments of a session but for [`SessionHeader::segment`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionHeader {
    /// 16 hex digits, the same in every segment of a session.
    pub session_id: String,
    /// 1 for the first segment.
    pub segment: u64,
    /// `reenact 0.1.0`
    pub created_by: String,
    /// Wall-clock time of the session's origin, from which all instants count.
    pub started_unix_ns: u64,
    /// The address that the recorder listened on.
    pub listen: Option<String>,
    /// Where the traffic went.
    pub upstream: Option<String>,
    /// What was done to credentials.
    pub redaction: Option<Redaction>,
    /// How values were sealed, if any were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealing: Option<Sealing>,
    /// The rules by which clients were told apart, first that applies.
    pub client_keys: Vec<String>,
    /// The share of the clients that was kept, in millionths; all of them when it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_millionths: Option<u32>,
    /// Filters of which one had to describe an exchange for it to be kept; none when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Filters that left out what they describe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The session whose numbers of connections these are, where this one was made of (a part of) it: sessions that say the
    /// same here may have parts of one connection. Missing: numbers say nothing outside of this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_of: Option<String>,
    /// How the session was made of others, oldest first; the last one made this session. Empty in recordings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Edit>,
    /// How the segment is opened, if it is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// What a reader must understand; a name it does not know makes it refuse.
    pub features_required: Vec<String>,
}

/// Under which rules credentials were replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// Tells keys apart without telling the key.
    pub key_id: String,
    /// Header names whose values are redacted by default.
    pub headers: Vec<String>,
    /// Key names whose values are redacted by default in queries, forms and JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Names of the patterns that are looked for in text by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// The user's rules, which come before these, each with its action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

impl From<Policy> for Redaction {
    fn from(policy: Policy) -> Self {
        let Policy { key_id, headers, keys, patterns, rules } = policy;
        Self { key_id, headers, keys, patterns, rules }
    }
}

/// Features that this reader understands.
pub(super) const FEATURES: [&str; 2] = [ENCRYPTED, BODY_TEMPLATES];
/// The records behind the header are encrypted.
pub(super) const ENCRYPTED: &str = "encrypted";
/// Blocks may have bodies that are stored by templates. Who does not know their column would take bytes of other bodies for
/// theirs. A header stands before the first block, so that it says what the writer does and not what it met.
pub(super) const BODY_TEMPLATES: &str = "body_templates";
