//! Conformance JSON (docs/SPEC.md §15) of what this crate reads.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::model::{Exchange, Flow, Gap, Message, Piece};
use formats::seal::Identities;
use formats::session::{Event, Session};
use serde_json::{Value, json};

/// All events of a session; null where it is refused.
pub(crate) fn events(path: &Path, identities: &Arc<Identities>) -> Value {
    let Ok(session) = Session::open_with(path, Some(identities.clone())) else { return Value::Null };
    let segment = |path: &Path| session.segments().iter().position(|segment| segment == path);
    let mut out = Vec::new();
    for event in session.events() {
        let Ok(event) = event else { return Value::Null };
        out.push(match event {
            Event::Exchange(exchange) => json!({ "exchange": exchange_json(&exchange) }),
            Event::Gap(gap) => gap_json(&gap),
            Event::Damage(damage) => json!({ "damage": {
                "segment": segment(&damage.path), "at": damage.at, "len": damage.len, "exchanges": damage.exchanges,
            } }),
            Event::Unfinished { path, missing, .. } => {
                out.push(json!({ "unfinished": segment(&path) }));
                out.extend(missing.as_ref().map(gap_json));
                continue;
            }
            Event::Index(index) => json!({ "index": {
                "clients": index.clients.iter().map(|(key, client)| json!([
                    key.source.name(), hex(key.id), client.first_ns, client.last_ns, client.exchanges,
                ])).collect::<Vec<_>>(),
                "blocks": index.blocks.iter().map(|block| json!([
                    block.offset, block.first_seq, block.exchanges, block.from_ns, block.to_ns,
                ])).collect::<Vec<_>>(),
            } }),
            Event::Ended { .. } => continue,
        });
    }
    Value::Array(out)
}

fn gap_json(gap: &Gap) -> Value {
    json!({ "gap": {
        "reason": gap.reason.name(), "from_ns": gap.from_ns, "to_ns": gap.to_ns,
        "connections": gap.connections, "exchanges": gap.exchanges, "bytes": gap.bytes,
    } })
}

fn hex(id: u64) -> String {
    format!("{id:016x}")
}

fn bytes(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn exchange_json(exchange: &Exchange) -> Value {
    let instants = &exchange.instants;
    json!({
        "seq": exchange.seq,
        "client": { "source": exchange.client.source.name(), "id": hex(exchange.client.id) },
        "connection": exchange.connection,
        "protocol": exchange.protocol.name(),
        "end": exchange.end.name(),
        "ambiguity": exchange.ambiguous.map(|ambiguity| ambiguity.name()),
        "resynchronised": exchange.resynchronised,
        "rebuilt": exchange.rebuilt,
        "instants": {
            "request_start": instants.request_start, "request_head": instants.request_head,
            "request_end": instants.request_end, "connected": instants.connected,
            "response_start": instants.response_start, "response_head": instants.response_head,
            "response_end": instants.response_end,
        },
        "informational": exchange.informational.iter().map(|head| bytes(head)).collect::<Vec<_>>(),
        "facts": exchange.facts.as_deref(),
        "replay_of": exchange.replay_of.map(|of| json!({ "session": of.session, "seq": of.seq, "copy": of.copy })),
        "tunnel": exchange.tunnel.as_ref().map(|tunnel| json!({
            "to_upstream": flow(&tunnel.to_upstream), "to_client": flow(&tunnel.to_client),
        })),
        "request": message(&exchange.request),
        "response": exchange.response.as_ref().map(message),
    })
}

fn message(message: &Message) -> Value {
    let body = &message.body;
    let digest = body.sha256.map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    json!({
        "head": bytes(&message.head), "framing": message.framing.name(), "body": bytes(&body.bytes),
        "total_len": body.total_len, "chunks": body.chunks, "trailers": bytes(&message.trailers),
        "pieces": pieces(&message.pieces), "sha256": digest, "redacted": body.redacted,
        "dropped": body.dropped.map(|why| why.name()),
    })
}

fn pieces(pieces: &[Piece]) -> Vec<[u64; 2]> {
    pieces.iter().map(|piece| [piece.at_ns, piece.len]).collect()
}

fn flow(flow: &Flow) -> Value {
    json!({
        "bytes": flow.bytes, "first": flow.first_ns, "last": flow.last_ns, "pieces": pieces(&flow.pieces),
        "frames": flow.frames.iter().map(|frame| json!([frame.at_ns, frame.kind, frame.len])).collect::<Vec<_>>(),
        "content": bytes(&flow.content),
    })
}
