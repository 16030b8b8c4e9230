//! Dropping bodies: what was sent stays known by its length, and the session says that a rule took it.

use formats::head;
use formats::model::{Dropped, Exchange, Message};

use super::words::{DropBodies, Which};

/// The rules, and how many bodies each of them took.
pub(super) struct Bodies {
    rules: Vec<(DropBodies, u64)>,
    pub(super) dropped: DroppedBodies,
}

/// What was dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DroppedBodies {
    pub(super) requests: u64,
    pub(super) responses: u64,
    /// Bytes that had been kept of them.
    pub(super) bytes: u64,
}

impl Bodies {
    pub(super) fn new(rules: Vec<DropBodies>) -> Self {
        Self { rules: rules.into_iter().map(|rule| (rule, 0)).collect(), dropped: DroppedBodies::default() }
    }

    pub(super) fn apply(&mut self, exchange: &mut Exchange) {
        if self.rules.is_empty() {
            return;
        }
        self.dropped.requests += u64::from(self.message(&mut exchange.request, |rule| rule.request));
        if let Some(response) = &mut exchange.response {
            self.dropped.responses += u64::from(self.message(response, |rule| rule.response));
        }
    }

    /// Rules that took nothing.
    pub(super) fn unused(&self) -> impl Iterator<Item = &DropBodies> {
        self.rules.iter().filter(|(_, took)| *took == 0).map(|(rule, _)| rule)
    }

    fn message(&mut self, message: &mut Message, concerns: impl Fn(&DropBodies) -> bool) -> bool {
        let body = &message.body;
        // A body that is not there keeps the reason why.
        let is_there = !body.bytes.is_empty() || body.redacted.is_some() || body.sha256.is_some();
        if !is_there || body.dropped.is_some() {
            return false;
        }
        let rule = self.rules.iter_mut().find(|(rule, _)| concerns(rule) && takes(&rule.which, message));
        let Some((_, took)) = rule else { return false };
        *took += 1;
        let body = &mut message.body;
        self.dropped.bytes += body.bytes.len() as u64;
        body.drop_for(Dropped::Rule);
        // It could tell that the body was a certain one.
        body.sha256 = None;
        true
    }
}

fn takes(which: &Which, message: &Message) -> bool {
    match which {
        Which::All => true,
        Which::LargerThan(bytes) => message.body.total_len > *bytes,
        Which::Type(pattern) => {
            let named = head::value(&message.head, "content-type").unwrap_or_default();
            let essence = named.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            pattern.matches(&String::from_utf8_lossy(essence).to_ascii_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use formats::model::Body;

    use super::*;

    fn message(media: &str, body: Body) -> Message {
        let head = Bytes::from(format!("POST / HTTP/1.1\r\nContent-Type: {media}\r\n\r\n"));
        Message { head, body, ..Message::default() }
    }

    fn kept(bytes: &'static [u8]) -> Body {
        Body { bytes: Bytes::from_static(bytes), total_len: bytes.len() as u64, ..Body::default() }
    }

    #[track_caller]
    fn check(rules: &str, request: bool, response: bool) {
        let mut exchange = Exchange {
            request: message("Image/PNG; x=y", kept(b"12345")),
            response: Some(message("text/plain", kept(b"1234567"))),
            ..Exchange::default()
        };
        let mut bodies = Bodies::new(rules.split(',').map(|rule| rule.parse().unwrap()).collect());
        bodies.apply(&mut exchange);
        let body = exchange.request.body;
        assert_eq!((body.dropped.is_some(), body.bytes.is_empty(), body.total_len), (request, request, 5), "{rules}");
        assert_eq!(exchange.response.unwrap().body.dropped, response.then_some(Dropped::Rule), "{rules}");
        let bytes = u64::from(request) * 5 + u64::from(response) * 7;
        let expected = DroppedBodies { requests: request.into(), responses: response.into(), bytes };
        assert_eq!(bodies.dropped, expected, "{rules}");
        assert_eq!(bodies.unused().count(), usize::from(!request && !response), "{rules}");
    }

    #[test]
    fn rules_choose_by_side_size_and_type() {
        check("all", true, true);
        check("request", true, false);
        check("response", false, true);
        check("larger:5", false, true);
        check("larger:4", true, true);
        check("request:larger:5", false, false);
        check("type:image/*", true, false);
        check("response:type:image/*", false, false);
        check("type:TEXT/*", false, true);
    }

    #[test]
    fn what_is_not_there_keeps_its_reason_and_a_digest_goes() {
        let mut bodies = Bodies::new(vec!["all".parse().unwrap()]);
        let gone = Body { total_len: 9, dropped: Some(Dropped::Behind), ..Body::default() };
        let digest = Body { total_len: 9, sha256: Some([1; 32]), ..Body::default() };
        let mut exchange = Exchange {
            request: message("a/b", gone.clone()),
            response: Some(message("a/b", digest)),
            ..Exchange::default()
        };
        bodies.apply(&mut exchange);
        assert_eq!(exchange.request.body, gone);
        let response = exchange.response.unwrap().body;
        assert_eq!((response.dropped, response.sha256, response.total_len), (Some(Dropped::Rule), None, 9));
        let mut empty = Exchange { request: message("a/b", Body::default()), ..Exchange::default() };
        bodies.apply(&mut empty);
        assert_eq!(empty.request.body, Body::default());
    }
}
