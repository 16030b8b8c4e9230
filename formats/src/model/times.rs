//! Where exchanges and gaps stand in time: when an exchange was over, and moving all instants to another origin.
//!
//! Every field is named where things are moved, so that whoever adds one that holds an instant has to move it, too.

use super::{Exchange, Flow, Gap, Instants, Message, Piece, Tunnel};

impl Exchange {
    /// The latest instant of its messages and of its tunnel: when it was over, as far as is known. Sessions are written in this
    /// order, and who seeks in them by time trusts that it is not before the start of the request.
    #[must_use]
    pub fn last_ns(&self) -> u64 {
        let Self { request, response, instants, tunnel, .. } = self;
        let messages = std::iter::once(request).chain(response).flat_map(|message| &message.pieces);
        let flows = tunnel.iter().flat_map(|tunnel| [&tunnel.to_upstream, &tunnel.to_client]);
        messages.map(|piece| piece.at_ns).chain(flows.filter_map(Flow::latest_ns)).fold(instants.last_ns(), u64::max)
    }

    /// Adds to all its instants, for an origin that lies so much earlier. What would pass the end of time stays there.
    pub fn move_by(&mut self, ns: u64) {
        if ns == 0 {
            return;
        }
        let Self {
            request,
            response,
            instants,
            tunnel,
            seq: _,
            client: _,
            connection: _,
            protocol: _,
            informational: _,
            end: _,
            replay_of: _,
            ambiguous: _,
            resynchronised: _,
            rebuilt: _,
            facts: _,
        } = self;
        request.move_by(ns);
        response.iter_mut().for_each(|response| response.move_by(ns));
        instants.move_by(ns);
        if let Some(Tunnel { to_upstream, to_client }) = tunnel {
            to_upstream.move_by(ns);
            to_client.move_by(ns);
        }
    }
}

impl Gap {
    /// Whether it says that nothing is missing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.connections == 0 && self.exchanges == 0 && self.bytes == 0
    }

    /// Adds to both its instants, as [`Exchange::move_by`] does.
    pub fn move_by(&mut self, ns: u64) {
        later(&mut self.from_ns, ns);
        later(&mut self.to_ns, ns);
    }
}

impl Message {
    fn move_by(&mut self, ns: u64) {
        let Self { pieces, head: _, framing: _, body: _, trailers: _ } = self;
        pieces.iter_mut().for_each(|piece| piece.move_by(ns));
    }
}

impl Piece {
    fn move_by(&mut self, ns: u64) {
        later(&mut self.at_ns, ns);
    }
}

impl Flow {
    fn latest_ns(&self) -> Option<u64> {
        let Self { first_ns, last_ns, pieces, frames, bytes: _, content: _ } = self;
        let pieces = pieces.iter().map(|piece| piece.at_ns);
        let frames = frames.iter().map(|frame| frame.at_ns);
        first_ns.iter().chain(last_ns).copied().chain(pieces).chain(frames).max()
    }

    fn move_by(&mut self, ns: u64) {
        let Self { first_ns, last_ns, pieces, frames, bytes: _, content: _ } = self;
        first_ns.iter_mut().chain(last_ns).for_each(|at| later(at, ns));
        frames.iter_mut().for_each(|frame| later(&mut frame.at_ns, ns));
        pieces.iter_mut().for_each(|piece| piece.move_by(ns));
    }
}

impl Instants {
    /// The latest of those that are of the messages; the connection may be as old as it wants.
    fn last_ns(&self) -> u64 {
        let Self {
            request_start,
            request_head,
            request_end,
            connected: _,
            response_start,
            response_head,
            response_end,
        } = *self;
        let maybe = [request_end, response_start, response_head, response_end];
        maybe.into_iter().flatten().fold(request_start.max(request_head), u64::max)
    }

    fn move_by(&mut self, ns: u64) {
        let Self { request_start, request_head, request_end, connected, response_start, response_head, response_end } =
            self;
        later(request_start, ns);
        later(request_head, ns);
        let maybe = [request_end, connected, response_start, response_head, response_end];
        maybe.into_iter().flatten().for_each(|at| later(at, ns));
    }
}

fn later(at: &mut u64, ns: u64) {
    *at = at.saturating_add(ns);
}

#[cfg(test)]
mod tests {
    use super::super::Frame;
    use super::*;

    fn at(ns: u64) -> Exchange {
        let pieces = vec![Piece { at_ns: ns, len: 1 }, Piece { at_ns: ns + 9, len: 1 }];
        let message = Message { pieces: pieces.clone(), ..Message::default() };
        let flow = Flow { bytes: 2, first_ns: Some(ns), last_ns: Some(ns + 9), pieces, ..Flow::default() };
        Exchange {
            seq: 7,
            request: message.clone(),
            response: Some(message),
            instants: Instants {
                request_start: ns,
                request_head: ns + 1,
                request_end: Some(ns + 2),
                connected: Some(ns + 3),
                response_start: Some(ns + 4),
                response_head: Some(ns + 5),
                response_end: Some(ns + 6),
            },
            tunnel: Some(Tunnel { to_upstream: flow.clone(), to_client: flow }),
            ..Exchange::default()
        }
    }

    #[test]
    fn everything_that_holds_an_instant_is_moved() {
        let mut exchange = at(100);
        exchange.move_by(900);
        assert_eq!(exchange, at(1_000));
        assert_eq!(exchange.last_ns(), 1_009);
        let mut late = at(0);
        late.move_by(u64::MAX);
        assert_eq!(late.instants.response_end, Some(u64::MAX));
    }

    #[test]
    fn an_exchange_was_over_at_its_latest_instant_whichever_that_is() {
        let check = |change: fn(&mut Exchange, u64)| {
            let mut exchange = at(100);
            change(&mut exchange, 5_000);
            assert_eq!(exchange.last_ns(), 5_000, "{exchange:?}");
        };
        const fn piece(at_ns: u64) -> Piece {
            Piece { at_ns, len: 1 }
        }
        fn tunnel(exchange: &mut Exchange) -> &mut Tunnel {
            exchange.tunnel.get_or_insert_default()
        }
        check(|exchange, at| exchange.instants.request_start = at);
        check(|exchange, at| exchange.instants.request_head = at);
        check(|exchange, at| exchange.instants.request_end = Some(at));
        check(|exchange, at| exchange.instants.response_start = Some(at));
        check(|exchange, at| exchange.instants.response_head = Some(at));
        check(|exchange, at| exchange.instants.response_end = Some(at));
        check(|exchange, at| exchange.request.pieces.push(piece(at)));
        check(|exchange, at| exchange.response.iter_mut().for_each(|one| one.pieces.push(piece(at))));
        check(|exchange, at| tunnel(exchange).to_upstream.first_ns = Some(at));
        check(|exchange, at| tunnel(exchange).to_client.last_ns = Some(at));
        check(|exchange, at| tunnel(exchange).to_client.pieces.push(piece(at)));
        check(|exchange, at| tunnel(exchange).to_upstream.frames.push(Frame { at_ns: at, kind: 129, len: 1 }));
        let mut early = at(100);
        early.instants.connected = Some(5_000);
        assert_eq!(early.last_ns(), 109, "what the connection is told to have begun is not when the exchange was over");
    }
}
