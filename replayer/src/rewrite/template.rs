//! A request ready to be sent once for every copy, and the filling in of what differs between copies.
//!
//! Plain data: it is written to a spool and read back. Secrets are not part of it, only the places where they belong.

use std::borrow::Cow;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use formats::model::ClientKey;
use formats::seal::opened_len;
use formats::wire::{Kind, MessageReader, ResponseTo, Step};

use super::head::END;
use super::sealed::Seals;
use super::text::percent_encode;
use crate::credentials::{Column, Credentials};
use crate::secret::LiveSecret;

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
    /// Whether values that were sealed stand in it, whether they are opened or not.
    pub sealed: bool,
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
    /// What the sealed value holds whose text stands here; it is put in the place of that text.
    Sealed {
        /// Bytes of the text.
        len: u32,
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
    /// Number of the session.
    pub session: u32,
}

/// What is filled in and stands in no file: the sources of `--auth`, `--credentials` and `--identity`.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// `Authorization` for every request.
    pub authorization: Option<Arc<LiveSecret>>,
    /// A row for each life of a client.
    pub credentials: Option<Arc<Credentials>>,
    /// What opens sealed values.
    pub seals: Option<Seals>,
    /// For people: each of them is shown as [`Self::MASK`]. Lengths that are written stay those of the values.
    pub are_hidden: bool,
}

/// Where opened values stand in a request that was filled in: what must be in no file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// In the head, in order.
    pub head: Vec<Range<usize>>,
    /// Whether there are any in the body.
    pub in_body: bool,
    /// Where the value of `--auth` stands in the head, which a newer one may take the place of. It is in no file since its
    /// header's values are not.
    pub authorization: Option<Range<usize>>,
}

impl Opened {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && !self.in_body
    }

    /// Notes that so many bytes, of which none was opened, stand now where these stood in the head.
    pub fn replaced(&mut self, gone: Range<usize>, len: usize) {
        let moved = |at: usize| at.max(gone.end) - gone.len() + len;
        let stays = |at: &mut Range<usize>| {
            if at.end > gone.start || at.start >= gone.end {
                let is_gone = !gone.is_empty() && gone.start <= at.start && at.end <= gone.end;
                let start = if at.start < gone.start { at.start } else { moved(at.start) };
                *at = start..moved(at.end);
                return !is_gone;
            }
            true
        };
        self.head.retain_mut(stays);
        self.authorization.take_if(|at| !stays(at));
    }

    /// The head with `***` for each of them.
    #[must_use]
    pub fn mask(&self, head: &[u8]) -> Vec<u8> {
        let (mut out, mut from) = (Vec::with_capacity(head.len()), 0);
        for at in &self.head {
            out.extend_from_slice(head.get(from..at.start).unwrap_or_default());
            out.extend_from_slice(Secrets::MASK);
            from = at.end;
        }
        out.extend_from_slice(head.get(from..).unwrap_or_default());
        out
    }
}

impl Secrets {
    /// What is shown instead of a secret.
    pub const MASK: &[u8] = b"***";

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
    /// Bytes of head and body before anything is filled in.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Appends the head for this copy to `head_out`, notes in `opened` where opened values stand, and returns the body for
    /// it. Without marks this is one copy of the head's bytes and a reference to the body's.
    pub fn render(&self, facts: &CopyFacts, secrets: &Secrets, head_out: &mut Vec<u8>, opened: &mut Opened) -> Bytes {
        let (body, body_len) = if self.body_marks.is_empty() {
            (self.body.clone(), self.body.len())
        } else {
            let mut out = Vec::with_capacity(self.body.len() + self.body_marks.len() * 16);
            let mut places = Opened::default();
            let fill = Fill { facts, secrets, marks: &self.body_marks, body_len: 0 };
            let len = fill.write(&self.body, &mut out, &mut places);
            opened.in_body |= !places.head.is_empty();
            (Bytes::from(out), len)
        };
        if self.head_marks.is_empty() {
            head_out.extend_from_slice(&self.head);
        } else {
            let fill = Fill { facts, secrets, marks: &self.head_marks, body_len };
            fill.write(&self.head, head_out, opened);
        }
        body
    }

    /// Whether a server that reads HTTP/1 in exactly one way finds one request here that ends where the body ends.
    /// `whole_head` is the head and the empty line that ends it.
    pub(super) fn is_read_as_meant(&self, whole_head: &Bytes, facts: &CopyFacts, secrets: &Secrets) -> bool {
        let (head, body) = if self.head_marks.is_empty() && self.body_marks.is_empty() {
            (Cow::Borrowed(&whole_head[..]), self.body.clone())
        } else {
            let mut head = Vec::with_capacity(self.head.len() + 64);
            let body = self.render(facts, secrets, &mut head, &mut Opened::default());
            head.extend_from_slice(END);
            (Cow::Owned(head), body)
        };
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
    /// Writes the bytes with everything filled in, and returns how long that is on the wire: masked values count as what
    /// they stand for.
    fn write(&self, bytes: &[u8], out: &mut Vec<u8>, opened: &mut Opened) -> usize {
        let (mut from, mut len) = (0, 0);
        let (mut size, mut filled) = (None, 0);
        for mark in self.marks {
            let fixed = bytes.get(from..mark.at).unwrap_or_default();
            out.extend_from_slice(fixed);
            len += fixed.len();
            from = from.max(mark.at);
            let before = out.len();
            let added = match mark.what {
                Placeholder::ChunkSize { fixed } => {
                    size = Some((before, fixed));
                    continue;
                }
                Placeholder::Sealed { len } => {
                    let end = from.saturating_add(len as usize);
                    let added = self.open(bytes.get(from..end).unwrap_or_default(), out);
                    opened.head.push(before..out.len());
                    from = end;
                    added
                }
                what => {
                    self.fill(what, out);
                    if what == Placeholder::Authorization {
                        opened.authorization = Some(before..out.len());
                    }
                    out.len() - before
                }
            };
            filled += added;
            len += added;
        }
        let rest = bytes.get(from..).unwrap_or_default();
        out.extend_from_slice(rest);
        // A chunk's size is known when all of it is written, so that nothing is opened twice.
        let size = size.map(|(at, fixed)| (at, format!("{:x}", fixed + filled as u64)));
        len + rest.len() + size.map_or(0, |(at, text)| out.splice(at..at, text.bytes()).count() + text.len())
    }

    /// Puts in what a sealed value holds, and returns its length.
    fn open(&self, sealed: &[u8], out: &mut Vec<u8>) -> usize {
        let secret = self.secrets.seals.as_ref().and_then(|seals| match self.secrets.are_hidden {
            true => Some((Secrets::MASK.to_vec(), opened_len(sealed))),
            false => seals.open(self.facts.session, sealed).ok().map(|secret| {
                let len = secret.len();
                (secret, len)
            }),
        });
        // Each was opened when the request was chosen; if it cannot be now, it goes out sealed.
        let (secret, len) = secret.unwrap_or_else(|| (sealed.to_vec(), sealed.len()));
        out.extend_from_slice(&secret);
        len
    }

    fn fill(&self, what: Placeholder, out: &mut Vec<u8>) {
        let facts = self.facts;
        // Writing to memory does not fail.
        let _ = match what {
            Placeholder::Copy => write!(out, "{}", facts.copy),
            Placeholder::Client => write!(out, "{:016x}", facts.client.id),
            Placeholder::Seq => write!(out, "{}", facts.seq),
            Placeholder::ContentLength => write!(out, "{}", self.body_len),
            Placeholder::Authorization | Placeholder::Credential(_) if self.secrets.are_hidden => {
                out.extend_from_slice(Secrets::MASK);
                Ok(())
            }
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
            // These need what stands around them, and are filled in by `write`.
            Placeholder::ChunkSize { .. } | Placeholder::Sealed { .. } => Ok(()),
        };
    }
}
