//! The body put back into its framing, with a head that says so: one Content-Length that is right, or chunks.

use bytes::Bytes;
use formats::head::trailer_fields;
use formats::model::{Framing, Message};
use formats::trace::is_trace_field;

use super::head::{END, Head};
use super::template::{Placeholder, Template};
use super::text::Text;

/// What is sent.
pub(super) struct Framed {
    pub(super) template: Template,
    /// The template's head and the empty line that ends it.
    pub(super) whole_head: Bytes,
}

/// Joins head and body. Chunks keep their recorded sizes unless the body was changed: then it is one chunk.
pub(super) fn frame(mut head: Head<'_>, body: Text<'_>, body_changed: bool, request: &Message, target: u16) -> Framed {
    let has_body = !body.is_empty();
    let framed = if head.line("transfer-encoding").is_some() {
        let recorded = (request.framing == Framing::Chunked && !body_changed).then_some(&request.body.chunks[..]);
        chunked(&body, recorded.unwrap_or_default(), &request.trailers)
    } else {
        set_length(&mut head, &body);
        body
    };
    let is_http_1_0 = head.is_http_1_0();
    // HTTP/1.0 has no interim answers.
    let expects_continue = has_body
        && !is_http_1_0
        && head.line("expect").is_some_and(|line| line.value.bytes().eq_ignore_ascii_case(b"100-continue"));
    let (head, head_marks) = head.into_text().into_parts();
    let whole_head = Bytes::from(head);
    let head = whole_head.slice(..whole_head.len().saturating_sub(END.len()));
    // A copy of the body: what was read is a slice of its whole block, responses included, and would keep that in memory.
    let (body, body_marks) = framed.into_parts();
    let body = Bytes::from(body);
    let template = Template { target, head, head_marks, body, body_marks, expects_continue, sealed: false };
    Framed { template, whole_head }
}

/// Makes Content-Length say the length of the body, once; one that is right already keeps its spelling.
fn set_length(head: &mut Head<'_>, body: &Text<'_>) {
    let (is_there, is_alone, is_right) = {
        let mut recorded = head.lines("content-length").map(|line| line.value.bytes());
        let first = recorded.next();
        let number = first.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let is_right = body.marks().is_empty() && number == Some(body.bytes().len());
        (first.is_some(), recorded.next().is_none(), is_right)
    };
    if is_there && is_alone && is_right {
        return;
    }
    if is_there || !body.is_empty() {
        let length = if body.marks().is_empty() {
            Text::of(body.bytes().len().to_string().into_bytes())
        } else {
            Text::mark(Placeholder::ContentLength)
        };
        head.set("Content-Length", length);
    }
}

fn chunked(body: &Text<'_>, sizes: &[u64], trailers: &[u8]) -> Text<'static> {
    let bytes = body.bytes();
    let mut out = Text::of(Vec::with_capacity(bytes.len() + sizes.len() * 12 + trailers.len() + 32));
    let sum = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add(*size));
    if body.marks().is_empty() && sum == Some(bytes.len() as u64) {
        let mut left = bytes;
        for size in sizes.iter().filter(|size| **size > 0) {
            let (chunk, rest) = left.split_at(left.len().min(usize::try_from(*size).unwrap_or(usize::MAX)));
            left = rest;
            out.push(format!("{size:x}\r\n").as_bytes());
            out.push(chunk);
            out.push(b"\r\n");
        }
    } else if !body.is_empty() {
        // Also a body of too many chunks, which was kept without their sizes.
        if body.marks().is_empty() {
            out.push(format!("{:x}", bytes.len()).as_bytes());
        } else {
            out.push_mark(Placeholder::ChunkSize { fixed: body.fixed_len() as u64 });
        }
        out.push(b"\r\n");
        out.push_text(body);
        out.push(b"\r\n");
    }
    out.push(b"0\r\n");
    if trailer_fields(trailers).any(|field| is_trace_field(field.name, field.value)) {
        for field in trailer_fields(trailers).filter(|field| !is_trace_field(field.name, field.value)) {
            out.push(trailers.get(field.line).unwrap_or_default());
        }
    } else {
        out.push(trailers);
    }
    out.push(b"\r\n");
    out
}
