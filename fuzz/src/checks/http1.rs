//! The HTTP/1 parser, against itself and against hyper.

use formats::wire::{Direction, Http1, Limits, RESYNC_QUIET_NS};

#[path = "../../../formats/tests/oracle/mod.rs"]
mod oracle;

/// Both directions in any order, cut in two ways: the exchanges are the same, and whatever comes the bounds hold.
///
/// The input is a list of turns: a byte that says who speaks and how long (or that bytes were lost), and the bytes.
pub fn http1_connection(data: &[u8]) {
    let Some((cuts, mut rest)) = data.split_at_checked(3) else { return };
    let mut feeds: Vec<oracle::Feed<'_>> = Vec::new();
    let mut live = Http1::new(1, Limits { body_bytes_max: 64, pending_max: 8 });
    let (mut out, mut at_ns) = (Vec::new(), 0);
    while let Some((turn, after)) = rest.split_first() {
        let from = if turn & 1 == 0 { Direction::Request } else { Direction::Response };
        let (now, later) = after.split_at(after.len().min(usize::from(turn >> 2) * 4));
        rest = later;
        if turn & 2 != 0 {
            at_ns += RESYNC_QUIET_NS;
        }
        feeds.push((from, now));
        live.feed(from, at_ns, now, &mut out);
        if turn == &0xff {
            live.lost(at_ns, &mut out);
        }
        // Heads of at most 256 KiB, of no more exchanges than may wait, with bodies of 64 bytes.
        assert!(live.pending() <= 8 && live.held_bytes() <= 16 * data.len() + 4_096, "{}", live.held_bytes());
    }
    live.closed(&mut out);
    assert_eq!((live.pending(), live.is_tunnel()), (0, false));
    if let Err(difference) = oracle::cuts_do_not_matter(&feeds, cuts) {
        panic!("{difference}");
    }
}

/// The same bytes to the parser and to hyper. The first byte says whose they are.
pub fn http1_oracle(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    let checked = match which % 3 {
        0 => oracle::requests_are_hypers(bytes),
        1 => oracle::a_response_is_hypers("GET", bytes),
        _ => oracle::a_response_is_hypers("HEAD", bytes),
    };
    if let Err(difference) = checked {
        panic!("{difference}");
    }
}
