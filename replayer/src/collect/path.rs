//! The critical path of one request: what the end of its answer waited for, instant by instant.
//!
//! From its end a request is followed back. Whoever was working at an instant is asked which of its children ended last
//! before it; until then the time is its own (its *self time*), from then on the child's, which is asked in turn, and from
//! the child's start on the next one that ended before. This is the last-finishing-child definition of CRISP (Zhang et al.,
//! USENIX ATC 2022) and of critical path tracing (Eaton et al., ACM Queue 2022). Where two children overlap, the earlier
//! one counts up to the start of the later one: the overlap is cut off, never counted twice.
//!
//! Every instant of the request belongs to exactly one step, so the steps add up to its time, whatever spans came.

use super::skew::{Clocks, Stretch, TOLERANCE_NS, US};
use super::span::Kind;
use super::tree::Tree;

/// Who was working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    /// From sending the request to the first service: network, queues, what exports no spans.
    ToFirst,
    /// After a service, and before another one.
    Between,
    /// From the last service to the end of the answer.
    FromLast,
    /// Index of a service's span.
    Span(usize),
}

/// What was found on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// Calls whose server span lies outside of its client span, after the clocks were corrected.
    pub(super) skewed: u64,
    /// Children that went on after their parent: nobody waited for them.
    pub(super) not_waited_for: u64,
}

/// A piece of the path that is still to be told apart.
struct Piece {
    /// `None`: the client span itself.
    span: Option<usize>,
    /// What of it is on the path.
    part: Stretch,
    /// All of it.
    whole: Stretch,
    /// What is added to the clock of its process.
    shift: i64,
}

/// Follows the request of `client` back, whose spans start at `origin_unix_ns` by our clock and last `len_ns`. Adds
/// nothing where no service's span came.
pub(super) fn steps(
    tree: &Tree<'_>,
    client: usize,
    origin_unix_ns: u64,
    len_ns: u64,
    clocks: &Clocks,
    out: &mut Vec<(Place, u64)>,
) -> Oddities {
    let mut odd = Oddities::default();
    let whole = Stretch { start: 0, end: super::skew::bounded(len_ns.into()) };
    // Each piece is within its parent's, and a span has one parent: there are at most as many as there are spans.
    let mut pieces = vec![Piece { span: None, part: whole, whole, shift: 0 }];
    while let Some(piece) = pieces.pop() {
        let (process, kind, below) = match piece.span.and_then(|at| Some((at, tree.spans.get(at)?))) {
            Some((at, span)) => (span.process, span.kind, tree.of_span(at)),
            None => (US, Kind::Client, tree.of_client(client)),
        };
        let mut children = Vec::new();
        for (at, child) in below.iter().filter_map(|at| Some((*at, tree.spans.get(*at)?))) {
            let shift =
                super::skew::bounded(i128::from(piece.shift) + i128::from(clocks.offset(process, child.process)));
            let span = Stretch::since(origin_unix_ns, child.start_unix_ns, child.end_unix_ns).shifted(shift);
            let is_call = child.kind == Kind::Server || kind == Kind::Client;
            if is_call && child.process != process {
                odd.skewed += u64::from(span.is_outside(piece.whole));
            }
            // A server may go on after its answer began, and is waited for all the same.
            if !is_call && span.end - piece.whole.end > TOLERANCE_NS {
                odd.not_waited_for += 1;
                continue;
            }
            children.push((at, span, shift));
        }
        children.sort_by_key(|(at, span, _)| (std::cmp::Reverse((span.end, span.start)), *at));
        let mut until = piece.part.end;
        let mut is_last = true;
        for (at, span, shift) in children {
            let part = Stretch { start: span.start.max(piece.part.start), end: span.end.min(until) };
            if part.start >= part.end {
                continue;
            }
            let place = piece.span.map_or(if is_last { Place::FromLast } else { Place::Between }, Place::Span);
            step(place, until - part.end, out);
            pieces.push(Piece { span: Some(at), part, whole: span, shift });
            (until, is_last) = (part.start, false);
        }
        step(piece.span.map_or(Place::ToFirst, Place::Span), until - piece.part.start, out);
    }
    odd
}

fn step(place: Place, ns: i64, out: &mut Vec<(Place, u64)>) {
    if let Ok(ns @ 1..) = u64::try_from(ns) {
        out.push((place, ns));
    }
}

#[cfg(test)]
mod tests;
