//! What is counted of one endpoint.

use super::{Histogram, Merge, add};
use crate::model::Exchange;

/// One endpoint, or all that are not told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointRow {
    /// Exchanges.
    pub exchanges: u64,
    /// Of them, those without a final response.
    pub unanswered: u64,
    /// Of them, those answered with 400 to 499.
    pub client_errors: u64,
    /// Of them, those answered with 500 to 599.
    pub server_errors: u64,
    /// Bytes of content of requests, as sent.
    pub request_bytes: u64,
    /// Bytes of content of responses, as sent.
    pub response_bytes: u64,
    /// As [`super::Summary::response_ns`].
    pub response_ns: Histogram,
}

impl EndpointRow {
    pub(super) fn count(&mut self, exchange: &Exchange, status: Option<u16>, took_ns: Option<u64>) {
        add(&mut self.exchanges, 1);
        add(&mut self.request_bytes, exchange.request.body.total_len);
        took_ns.into_iter().for_each(|took_ns| self.response_ns.count(took_ns));
        let Some(response) = &exchange.response else { return add(&mut self.unanswered, 1) };
        add(&mut self.response_bytes, response.body.total_len);
        match status {
            Some(400..=499) => add(&mut self.client_errors, 1),
            Some(500..=599) => add(&mut self.server_errors, 1),
            _ => {}
        }
    }
}

impl Merge for EndpointRow {
    fn merge_with(&mut self, other: &Self) {
        self.exchanges.merge_with(&other.exchanges);
        self.unanswered.merge_with(&other.unanswered);
        self.client_errors.merge_with(&other.client_errors);
        self.server_errors.merge_with(&other.server_errors);
        self.request_bytes.merge_with(&other.request_bytes);
        self.response_bytes.merge_with(&other.response_bytes);
        self.response_ns.merge_with(&other.response_ns);
    }
}
