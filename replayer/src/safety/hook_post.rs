//! A hook that is a URL: one POST on a connection of its own.

use std::future::Future;

use serde_json::{Map, Value};
use url::Url;

use super::HookError;
use super::hook::Patience;
use crate::plain_http::{Sent, fetch};

/// Longest answer that is read; nothing of it is looked at.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Posts the facts; anything but 2xx is a failure.
pub(super) fn run(
    url: &Url,
    facts: Map<String, Value>,
    patience: Patience<impl Future<Output = ()>>,
) -> Result<(), HookError> {
    let event = patience.event;
    let sent = Sent::Post(Value::Object(facts).to_string());
    match patience.wait(fetch(url, sent, ANSWER_BYTES_MAX))? {
        Err(why) => Err(HookError::Post { event, why }),
        Ok((200..=299, _)) => Ok(()),
        Ok((status, _)) => Err(HookError::Status { event, status }),
    }
}
