//! Where a session that nobody recorded comes from: which sessions it was made of, by whom and how.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Redaction, SessionHeader};

/// One step: sessions became another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edit {
    /// Id of the session that was made.
    pub session_id: String,
    /// What made it: `reenact 0.1.0 edit`.
    pub by: String,
    /// The options in words, as they are written on a command line; secrets are not among them.
    pub options: Vec<String>,
    /// Where the session is one of several that were made together: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What it was made of, in the order in which they were given.
    pub sources: Vec<Source>,
}

/// A session that another was made of: what its header said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// See [`SessionHeader::session_id`]; so for the others.
    pub session_id: String,
    /// What wrote it.
    pub created_by: String,
    /// Wall-clock time of its origin.
    pub started_unix_ns: u64,
    /// What was done to credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redaction: Option<Redaction>,
    /// The rules by which clients were told apart.
    pub client_keys: Vec<String>,
    /// The share of the clients that it kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_millionths: Option<u32>,
    /// Filters of which one had to describe an exchange.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Filters that left out what they describe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl From<&SessionHeader> for Source {
    fn from(header: &SessionHeader) -> Self {
        let header = header.clone();
        Self {
            session_id: header.session_id,
            created_by: header.created_by,
            started_unix_ns: header.started_unix_ns,
            redaction: header.redaction,
            client_keys: header.client_keys,
            sample_millionths: header.sample_millionths,
            only: header.only,
            exclude: header.exclude,
        }
    }
}

/// An id for a session that is made of others: the same whenever the same is made of the same, so that making it again
/// gives the same files.
#[must_use]
pub fn derived_id<'a>(facts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for fact in facts {
        // Lengths keep different lists from meeting in the same bytes.
        hash.update((fact.len() as u64).to_le_bytes());
        hash.update(fact);
    }
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().map_or_else(String::new, |first| format!("{:016x}", u64::from_be_bytes(*first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_facts_and_their_borders() {
        assert_eq!(derived_id(["a", "b"]), derived_id(["a", "b"]));
        assert_eq!(derived_id(["a"]).len(), 16);
        assert_ne!(derived_id(["ab"]), derived_id(["a", "b"]));
    }

    #[test]
    fn a_header_of_before_has_no_history_and_writes_none() {
        let header: SessionHeader = serde_json::from_str(r#"{"session_id":"1"}"#).unwrap();
        assert!(header.history.is_empty() && header.connections_of.is_none());
        assert!(!serde_json::to_string(&header).unwrap().contains("history"));
    }
}
