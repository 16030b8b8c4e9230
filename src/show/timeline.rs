//! When each part of an exchange was seen: a row for each stretch, and the instants in order.

use formats::model::Exchange;

use super::Look;
use super::facts::since;
use crate::terminal::Role;
use crate::units;

/// Columns beside the picture: name, frame and duration.
const BESIDE: usize = 32;
/// Fewest columns of the picture.
const PICTURE_MIN: usize = 10;

pub(super) fn text(exchange: &Exchange, look: Look) -> String {
    let instants = &exchange.instants;
    let start_ns = instants.request_start;
    let mut out = format!("\n{}\n", look.paint.text(Role::Heading, "── timeline"));
    let picture = look.columns.saturating_sub(BESIDE).max(PICTURE_MIN);
    let stretches = stretches(exchange);
    let last_ns = stretches.iter().map(|(_, _, to_ns)| *to_ns).max().unwrap_or(start_ns);
    for (name, from_ns, to_ns) in &stretches {
        let bar = bar(from_ns - start_ns, to_ns - start_ns, last_ns - start_ns, picture);
        out += &format!("  {name:<9} ▕{bar}▏ {}\n", units::nanos_text(to_ns - from_ns));
    }
    let mut seen: Vec<(u64, &str)> = [
        (Some(start_ns), "request: first byte"),
        (Some(instants.request_head), "request: end of the head"),
        (instants.request_end, "request: last byte"),
        (instants.connected, "connected to the upstream"),
        (instants.response_start, "answer: first byte"),
        (instants.response_head, "answer: end of the head"),
        (instants.response_end, "answer: last byte"),
    ]
    .into_iter()
    .filter_map(|(at_ns, what)| at_ns.map(|at_ns| (at_ns, what)))
    .collect();
    // Stable, so that what was seen at once stays in the order of the protocol.
    seen.sort_by_key(|(at_ns, _)| *at_ns);
    for (at_ns, what) in seen {
        out += &format!("  {:>11}  {what}\n", since(at_ns, start_ns));
    }
    out
}

/// Stretches with their beginnings and ends, none of which lies before the request's first byte or ends before it
/// begins, whatever a file says.
fn stretches(exchange: &Exchange) -> Vec<(&'static str, u64, u64)> {
    let instants = &exchange.instants;
    let start_ns = instants.request_start;
    let sent_ns = instants.request_end.unwrap_or(instants.request_head);
    let mut out = vec![("request", start_ns, sent_ns)];
    if let Some(answered_ns) = instants.response_start {
        out.push(("waiting", sent_ns, answered_ns));
        // One that was cut off lasted at least until its last piece.
        let pieces = exchange.response.iter().flat_map(|response| &response.pieces).map(|piece| piece.at_ns);
        let ended_ns = instants.response_end.into_iter().chain(instants.response_head).chain(pieces).max();
        out.push(("answer", answered_ns, ended_ns.unwrap_or(answered_ns)));
    }
    let ordered =
        |(name, from_ns, to_ns): (_, u64, u64)| (name, from_ns.max(start_ns), to_ns.max(from_ns).max(start_ns));
    out.into_iter().map(ordered).collect()
}

/// A bar from `from` to `to` of `whole`, in so many columns; what is there at all has a column.
fn bar(from: u64, to: u64, whole: u64, columns: usize) -> String {
    let place = |at: u64| {
        let place = u128::from(at) * columns as u128 / u128::from(whole.max(1));
        usize::try_from(place).unwrap_or(columns).min(columns)
    };
    let first = place(from).min(columns.saturating_sub(1));
    let len = place(to).saturating_sub(first).max(1);
    format!("{}{}{}", " ".repeat(first), "█".repeat(len), " ".repeat(columns.saturating_sub(first + len)))
}

#[cfg(test)]
mod tests {
    use formats::model::Instants;

    use super::*;
    use crate::terminal::Paint;

    fn check(instants: Instants, columns: usize, expected: &str) {
        let exchange = Exchange { instants, ..Exchange::default() };
        let look = Look { columns, paint: Paint::OFF, bytes_max: None };
        assert_eq!(text(&exchange, look), expected);
    }

    #[test]
    fn stretches_stand_where_they_were() {
        let instants = Instants {
            request_start: 1_000_000,
            request_head: 1_100_000,
            request_end: Some(2_000_000),
            connected: Some(900_000),
            response_start: Some(4_000_000),
            response_head: Some(4_000_000),
            response_end: Some(5_000_000),
        };
        let expected = "
── timeline
  request   ▕██        ▏ 1.0 ms
  waiting   ▕  █████   ▏ 2.0 ms
  answer    ▕       ███▏ 1.0 ms
      −100 µs  connected to the upstream
        +0 µs  request: first byte
      +100 µs  request: end of the head
      +1.0 ms  request: last byte
      +3.0 ms  answer: first byte
      +3.0 ms  answer: end of the head
      +4.0 ms  answer: last byte
";
        check(instants, 40, expected);
    }

    #[test]
    fn whatever_a_file_says_is_drawn() {
        let odd = [0, 1, 5, u64::MAX];
        for request_start in odd {
            for end in odd {
                let instants = Instants {
                    request_start,
                    request_head: end,
                    response_start: Some(5),
                    response_end: Some(end),
                    ..Instants::default()
                };
                let exchange = Exchange { instants, ..Exchange::default() };
                let text = text(&exchange, Look { columns: 80, paint: Paint::OFF, bytes_max: None });
                let rows: Vec<&str> = text.lines().filter(|line| line.contains('▕')).collect();
                let wide = |row: &str| row.chars().position(|c| c == '▏') == Some(61);
                assert!(rows.len() == 3 && rows.iter().all(|row| wide(row)), "{text}");
            }
        }
    }
}
