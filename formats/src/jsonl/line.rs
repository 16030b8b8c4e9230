//! The shape of lines as JSON has it: every field may be missing, none may be unknown.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, Visitor};
use serde_json::{Map, Value};

use super::fields::FieldLines;

/// Reads only what kind of line it is.
#[derive(serde::Deserialize)]
pub(super) struct KindLine<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionLine {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    pub(super) header: Map<String, Value>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GapLine<'a> {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    #[serde(borrow)]
    pub(super) reason: Text<'a>,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    #[serde(default)]
    pub(super) connections: u64,
    #[serde(default)]
    pub(super) exchanges: u64,
    #[serde(default)]
    pub(super) bytes: u64,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeLine<'a> {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    pub(super) seq: Option<u64>,
    #[serde(borrow)]
    pub(super) time: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) client: Option<Text<'a>>,
    pub(super) connection: Option<u64>,
    #[serde(borrow)]
    pub(super) protocol: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) end: Option<Text<'a>>,
    pub(super) replay_of: Option<ReplayOfLine>,
    #[serde(borrow)]
    pub(super) ambiguous: Option<Text<'a>>,
    #[serde(default)]
    pub(super) resynchronised: bool,
    #[serde(default)]
    pub(super) rebuilt: bool,
    #[serde(borrow)]
    pub(super) facts: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) tunnel: Option<TunnelLine<'a>>,
    #[serde(default)]
    pub(super) instants_ns: InstantsLine,
    #[serde(default, rename = "trace")]
    _trace: IgnoredAny,
    #[serde(borrow)]
    pub(super) request: RequestLine<'a>,
    #[serde(borrow, default)]
    pub(super) informational: Vec<StatusLine<'a>>,
    #[serde(borrow)]
    pub(super) response: Option<ResponseLine<'a>>,
}

#[derive(serde::Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayOfLine {
    #[serde(default)]
    pub(super) session: u32,
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) copy: u32,
}

/// What passed each way. The protocol is for readers: it stands in the heads.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TunnelLine<'a> {
    #[serde(default, rename = "protocol")]
    _protocol: IgnoredAny,
    #[serde(default, borrow)]
    pub(super) to_upstream: FlowLine<'a>,
    #[serde(default, borrow)]
    pub(super) to_client: FlowLine<'a>,
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct FlowLine<'a> {
    #[serde(default)]
    pub(super) bytes: u64,
    pub(super) first_ns: Option<u64>,
    pub(super) last_ns: Option<u64>,
    #[serde(default)]
    pub(super) pieces: Vec<PieceLine>,
    /// Instant, kind and length.
    #[serde(default)]
    pub(super) frames: Vec<(u64, u8, u64)>,
    #[serde(borrow)]
    pub(super) content_base64: Option<Text<'a>>,
}

/// Instant and length.
pub(super) type PieceLine = (u64, u64);

/// Of the optional instants, the outer `None` is a missing field and the inner one `null`.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct InstantsLine {
    pub(super) request_start: Option<u64>,
    pub(super) request_head: Option<u64>,
    #[serde(default, deserialize_with = "there")]
    pub(super) request_end: Option<Option<u64>>,
    #[serde(default, deserialize_with = "there")]
    pub(super) connected: Option<Option<u64>>,
    #[serde(default, deserialize_with = "there")]
    pub(super) response_start: Option<Option<u64>>,
    #[serde(default, deserialize_with = "there")]
    pub(super) response_head: Option<Option<u64>>,
    #[serde(default, deserialize_with = "there")]
    pub(super) response_end: Option<Option<u64>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestLine<'a> {
    #[serde(borrow)]
    pub(super) method: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) target: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) version: Option<Text<'a>>,
    #[serde(default)]
    pub(super) headers: FieldLines,
    #[serde(borrow)]
    pub(super) head_base64: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) framing: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) body: Option<BodyLine<'a>>,
    #[serde(default)]
    pub(super) trailers: FieldLines,
    #[serde(borrow)]
    pub(super) trailers_base64: Option<Text<'a>>,
    #[serde(default)]
    pub(super) pieces: Vec<PieceLine>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseLine<'a> {
    #[serde(borrow)]
    pub(super) version: Option<Text<'a>>,
    pub(super) status: Option<u16>,
    #[serde(borrow)]
    pub(super) reason: Option<Text<'a>>,
    #[serde(default)]
    pub(super) headers: FieldLines,
    #[serde(borrow)]
    pub(super) head_base64: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) framing: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) body: Option<BodyLine<'a>>,
    #[serde(default)]
    pub(super) trailers: FieldLines,
    #[serde(borrow)]
    pub(super) trailers_base64: Option<Text<'a>>,
    #[serde(default)]
    pub(super) pieces: Vec<PieceLine>,
}

/// An informational response: a head alone.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusLine<'a> {
    #[serde(borrow)]
    pub(super) version: Option<Text<'a>>,
    pub(super) status: Option<u16>,
    #[serde(borrow)]
    pub(super) reason: Option<Text<'a>>,
    #[serde(default)]
    pub(super) headers: FieldLines,
    #[serde(borrow)]
    pub(super) head_base64: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BodyLine<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) base64: Option<Text<'a>>,
    pub(super) total_len: Option<u64>,
    #[serde(borrow)]
    pub(super) sha256: Option<Text<'a>>,
    #[serde(default)]
    pub(super) chunks: Vec<u64>,
    pub(super) redacted: Option<Vec<String>>,
    #[serde(borrow)]
    pub(super) dropped: Option<Text<'a>>,
}

/// A string, borrowed from the line where it has no escapes; `Cow` alone does so only as a field of its own.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::<u64>::deserialize(deserializer).map(Some)
}
