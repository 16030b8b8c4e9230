//! A request or an answer: its head as sent, its content, its trailers, and when its pieces came.

use formats::head;
use formats::model::{Exchange, Message, Piece};
use formats::visible;

use super::facts::since;
use super::{Look, body};
use crate::terminal::Role;
use crate::units;

/// Pieces that are told one by one.
const PIECES_SHOWN: usize = 20;

pub(super) fn request(exchange: &Exchange, look: Look) -> String {
    let mut out = format!("\n{}\n", look.paint.text(Role::Heading, "── request"));
    out += &message(&exchange.request, exchange.instants.request_start, look);
    out
}

pub(super) fn answer(exchange: &Exchange, look: Look) -> String {
    let mut out = String::new();
    for informational in &exchange.informational {
        out += &format!("\n{}\n", look.paint.text(Role::Heading, "── answer before the answer"));
        out += &head_lines(informational, look);
    }
    out += &format!("\n{}\n", look.paint.text(Role::Heading, "── answer"));
    match &exchange.response {
        Some(response) => out += &message(response, exchange.instants.request_start, look),
        None => out += &format!("{}\n", look.paint.text(Role::Remark, "(none was seen)")),
    }
    out
}

fn message(message: &Message, start_ns: u64, look: Look) -> String {
    let mut out = head_lines(&message.head, look);
    let content = body::text(message, look);
    if !content.is_empty() {
        out += &format!("\n{content}");
    }
    if !message.trailers.is_empty() {
        out += &format!("{}\n", look.paint.text(Role::Remark, "(trailers)"));
        out += &lines(&message.trailers, None, look);
    }
    out += &pieces(&message.pieces, start_ns, look);
    out
}

/// The lines of a head as they were sent, without the empty one at its end.
fn head_lines(head: &[u8], look: Look) -> String {
    let role = match head::status_line(head).map(|line| line.status) {
        Some(..=399) => Role::Good,
        Some(400..=499) => Role::Doubtful,
        Some(_) => Role::Bad,
        None => Role::Heading,
    };
    lines(head, Some(role), look)
}

/// Lines, of which the first is a start line where it has a role.
fn lines(section: &[u8], first: Option<Role>, look: Look) -> String {
    let mut out = String::new();
    let mut role = first;
    for line in section.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let ends_in_crlf = text.ends_with(b"\r");
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        out += &match role.take() {
            Some(role) => look.paint.text(role, &visible::line_of_bytes(text)),
            None => field_line(text, look),
        };
        if !ends_in_crlf {
            out += &look
                .paint
                .text(Role::Remark, if line.ends_with(b"\n") { " (ends in LF alone)" } else { " (has no end)" });
        }
        out.push('\n');
    }
    out
}

fn field_line(line: &[u8], look: Look) -> String {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return visible::line_of_bytes(line) };
    let (name, value) = line.split_at(colon);
    format!("{}{}", look.paint.text(Role::Name, &visible::line_of_bytes(name)), visible::line_of_bytes(value))
}

fn pieces(pieces: &[Piece], start_ns: u64, look: Look) -> String {
    if pieces.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    let said = format!("(came in {})", units::plural(pieces.len() as u64, "piece"));
    out += &format!("{}\n", look.paint.text(Role::Remark, &said));
    for piece in pieces.iter().take(PIECES_SHOWN) {
        out += &format!("  {:>11}  {}\n", since(piece.at_ns, start_ns), units::bytes(piece.len));
    }
    if pieces.len() > PIECES_SHOWN {
        out += &format!("  and {} more\n", units::count((pieces.len() - PIECES_SHOWN) as u64));
    }
    out
}
