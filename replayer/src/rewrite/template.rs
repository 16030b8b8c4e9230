//! A request ready to be sent once for every copy, and the filling in of what differs between copies.
//!
//! Plain data: it is written to a spool and read back. Secrets are not part of it, only the places where they belong.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use formats::model::ClientKey;
use formats::wire::{Kind, MessageReader, ResponseTo, Step};

use super::text::percent_encode;
use crate::credentials::{Column, Credentials, LiveSecret};

/// A request without its trace headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Which of [`super::Rewriter::targets`] it goes to.
    pub target: u16,
    /// Start line and field lines, without the empty line that ends them.
    pub head: Bytes,
    /// Where something is filled into the head, in order of place.
    pub head_marks: Vec<Mark>,
    /// The body with its framing.
    pub body: Bytes,
    /// Where something is filled into the body, in order of place.
    pub body_marks: Vec<Mark>,
    /// Whether the client waited for a `100 Continue` before the body (RFC 9110 §10.1.1); never without a body.
    pub expects_continue: bool,
}

/// A place where something is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Before the byte with this index.
    pub at: usize,
    /// What is filled in.
    pub what: Placeholder,
}

/// What is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// `{{copy}}`: number of the client's life in decimal, 0 for the original.
    Copy,
    /// `{{client}}`: the client's key in 16 hexadecimal digits.
    Client,
    /// `{{seq}}`: sequence number of the exchange in its session in decimal.
    Seq,
    /// The secret of `--auth`.
    Authorization,
    /// The value of the row's column with this index, as in [`Credentials::columns`].
    Credential(u16),
    /// Length of the body in decimal; in the head only.
    ContentLength,
    /// Size of the body's only chunk in hexadecimal; in the body only.
    ChunkSize {
        /// Bytes of the content that are not filled in.
        fixed: u64,
    },
}

/// Which copy of a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyFacts {
    /// The life of the client; 0 is the original.
    pub copy: u32,
    /// The client.
    pub client: ClientKey,
    /// Sequence number of the exchange in its session.
    pub seq: u64,
}

/// What is filled in and stands in no file: the sources of `--auth` and `--credentials`.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// `Authorization` for every request.
    pub authorization: Option<Arc<LiveSecret>>,
    /// A row for each life of a client.
    pub credentials: Option<Arc<Credentials>>,
}

impl Secrets {
    /// Headers that secrets are filled into.
    #[must_use]
    pub fn headers(&self) -> Vec<String> {
        let authorization = self.authorization.iter().map(|_| "Authorization".to_owned());
        let columns = self.columns().filter_map(|column| match column {
            Column::Header(name) => Some(name.clone()),
            Column::Cookie(_) => Some("Cookie".to_owned()),
            Column::Query(_) => None,
        });
        authorization.chain(columns).collect()
    }

    /// Keys of queries that secrets are filled into, as they stand in a target.
    #[must_use]
    pub fn query_keys(&self) -> Vec<Vec<u8>> {
        let columns = self.columns();
        columns
            .filter_map(|column| match column {
                Column::Query(key) => Some(percent_encode(key.as_bytes())),
                _ => None,
            })
            .collect()
    }

    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.credentials.iter().flat_map(|credentials| credentials.columns())
    }
}

impl Template {
    /// Appends the head for this copy to `head_out` and returns the body for it. Without marks this is one copy of the
    /// head's bytes and a reference to the body's.
    pub fn render(&self, facts: &CopyFacts, secrets: &Secrets, head_out: &mut Vec<u8>) -> Bytes {
        let body = if self.body_marks.is_empty() {
            self.body.clone()
        } else {
            let mut out = Vec::with_capacity(self.body.len() + self.body_marks.len() * 16);
            let fill = Fill { facts, secrets, marks: &self.body_marks, body_len: 0 };
            fill.write(&self.body, &mut out);
            Bytes::from(out)
        };
        if self.head_marks.is_empty() {
            head_out.extend_from_slice(&self.head);
        } else {
            Fill { facts, secrets, marks: &self.head_marks, body_len: body.len() }.write(&self.head, head_out);
        }
        body
    }

    /// Whether a server that reads HTTP/1 in exactly one way finds one request here that ends where the body ends.
    pub(super) fn is_read_as_meant(&self, secrets: &Secrets) -> bool {
        let mut head = Vec::with_capacity(self.head.len() + 64);
        let body = self.render(&CopyFacts::default(), secrets, &mut head);
        head.extend_from_slice(b"\r\n");
        let mut reader = MessageReader::new(Kind::Request);
        let mut input = &head[..];
        // The whole head is the head: an empty line inside it would make the rest a body.
        match reader.step(&mut input, ResponseTo::Other) {
            Ok(Step::Head(..)) if input.is_empty() => {}
            _ => return false,
        }
        let mut input = &body[..];
        loop {
            match reader.step(&mut input, ResponseTo::Other) {
                Ok(Step::End) => return input.is_empty(),
                Ok(Step::Chunk(_) | Step::Data(_) | Step::Trailers(_)) => {}
                Ok(Step::NeedMore | Step::Head(..) | Step::Opaque(_)) | Err(_) => return false,
            }
        }
    }
}

struct Fill<'a> {
    facts: &'a CopyFacts,
    secrets: &'a Secrets,
    marks: &'a [Mark],
    body_len: usize,
}

impl Fill<'_> {
    fn write(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut from = 0;
        for mark in self.marks {
            out.extend_from_slice(bytes.get(from..mark.at).unwrap_or_default());
            from = from.max(mark.at);
            self.fill(mark.what, out);
        }
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    }

    fn fill(&self, what: Placeholder, out: &mut Vec<u8>) {
        let facts = self.facts;
        // Writing to memory does not fail.
        let _ = match what {
            Placeholder::Copy => write!(out, "{}", facts.copy),
            Placeholder::Client => write!(out, "{:016x}", facts.client.id),
            Placeholder::Seq => write!(out, "{}", facts.seq),
            Placeholder::ContentLength => write!(out, "{}", self.body_len),
            Placeholder::ChunkSize { fixed } => write!(out, "{:x}", fixed + self.filled_len()),
            Placeholder::Authorization => {
                if let Some(secret) = &self.secrets.authorization {
                    out.extend_from_slice(secret.current().reveal());
                }
                Ok(())
            }
            Placeholder::Credential(column) => {
                let cell = self.secrets.credentials.as_ref().and_then(|credentials| {
                    credentials.cell(credentials.row(facts.client, facts.copy), usize::from(column))
                });
                out.extend_from_slice(cell.map_or(&[], |cell| cell.reveal()));
                Ok(())
            }
        };
    }

    /// Bytes that the other marks of a chunk add to it.
    fn filled_len(&self) -> u64 {
        let mut out = Vec::new();
        let others = self.marks.iter().filter(|mark| !matches!(mark.what, Placeholder::ChunkSize { .. }));
        others.for_each(|mark| self.fill(mark.what, &mut out));
        out.len() as u64
    }
}
