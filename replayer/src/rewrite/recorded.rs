//! The same rules at work on what was recorded: a session is made whose requests are as the rules want them.
//!
//! Nothing but what rules name is changed: trace headers stay, and so does Content-Length, which says what was sent. Not
//! here: anything that differs between copies, since there are none yet.

use formats::endpoint::Templates;
use formats::model::Exchange;

use super::head::Head;
use super::rules::{Rule, Rules};
use super::text::Text;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// No rule changed anything.
    Unchanged,
    /// It is another one now.
    Changed,
    /// Its head could be read in more than one way, or was recorded in part, so that it was left as it is.
    NotRead,
}

impl Rules {
    /// The first rule that puts in what differs between copies (`{{copy}}` and its like), and so means nothing for a
    /// recording.
    #[must_use]
    pub fn with_placeholder(&self) -> Option<&str> {
        self.0.iter().find(|rule| rule.has_placeholder()).map(Rule::label)
    }

    /// Changes the request of an exchange. A body that changed is kept as one that redaction changed: its bytes without
    /// any coding, its length as it was sent.
    pub fn rewrite(&self, templates: &Templates, exchange: &mut Exchange) -> Rewritten {
        let request = &mut exchange.request;
        if exchange.ambiguous.is_some() {
            return Rewritten::NotRead;
        }
        let (new_head, new_body) = {
            let Ok(mut head) = Head::read_whole(&request.head) else { return Rewritten::NotRead };
            let mut body = Text::from(&request.body.bytes[..]);
            let is_decoded = request.body.redacted.is_some();
            let changed = self.apply(templates, &request.head, &mut head, &mut body, is_decoded);
            if !changed.anything {
                return Rewritten::Unchanged;
            }
            (head.into_text().into_parts().0, changed.body.then(|| body.into_parts().0))
        };
        request.head = new_head.into();
        if let Some(bytes) = new_body {
            request.body.bytes = bytes.into();
            request.body.redacted.get_or_insert_default();
        }
        Rewritten::Changed
    }
}

#[cfg(test)]
mod tests {
    use formats::model::{Body, Message};

    use super::*;

    fn exchange(head: &str, body: &'static [u8]) -> Exchange {
        let body = Body { bytes: body.into(), total_len: body.len() as u64, ..Body::default() };
        let request = Message { head: head.as_bytes().to_vec().into(), body, ..Message::default() };
        Exchange { request, ..Exchange::default() }
    }

    #[test]
    fn only_what_rules_name_changes() {
        let rules = Rules::from_toml(
            "[[rewrite]]\nendpoint = 'POST /a/*'\nset_header = { Via = 'x' }\nremove_query = ['k']\nreplace_body = { from = 'b+', to = 'c' }",
        )
        .unwrap();
        let head = "POST /a/1?k=v HTTP/1.1\r\nhOsT: h\r\ntraceparent: 00-1\r\nContent-Length: 4\r\n\r\n";
        let mut one = exchange(head, b"abbd");
        assert_eq!(rules.rewrite(&Templates::default(), &mut one), Rewritten::Changed);
        let expected = "POST /a/1 HTTP/1.1\r\nhOsT: h\r\ntraceparent: 00-1\r\nContent-Length: 4\r\nVia: x\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&one.request.head), expected);
        let Body { bytes, total_len, redacted, .. } = one.request.body;
        assert_eq!((&bytes[..], total_len, redacted), (&b"acd"[..], 4, Some(Vec::new())));
        let mut other = exchange("GET /b HTTP/1.1\r\n\r\n", b"");
        let before = other.clone();
        assert_eq!(rules.rewrite(&Templates::default(), &mut other), Rewritten::Unchanged);
        assert_eq!(other, before);
        let mut odd = exchange("POST /a/1 HTTP/1.1\r\nodd line\r\n\r\n", b"");
        assert_eq!(rules.rewrite(&Templates::default(), &mut odd), Rewritten::NotRead);
    }

    #[test]
    fn rules_for_copies_are_known() {
        let rules = |text: &str| Rules::from_toml(text).unwrap().with_placeholder().map(str::to_owned);
        assert_eq!(rules("[[rewrite]]\nset_header = { A = 'b' }"), None);
        let first = rules("[[rewrite]]\nset_header = { A = 'b' }\n[[rewrite]]\nset_header = { A = '{{copy}}' }");
        assert_eq!(first.as_deref(), Some("2 (line 3)"));
        assert!(rules("[[rewrite]]\nreplace_path = { from = 'a', to = '{{copy}}' }").is_some());
    }
}
