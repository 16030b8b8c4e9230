//! A hook that is a URL: one POST on a connection of its own.

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::HookError;
use crate::plain_http::{Sent, fetch};

/// Longest answer that is read; nothing of it is looked at.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Posts the facts; anything but 2xx is a failure.
pub(super) fn run(
    url: &Url,
    event: &'static str,
    facts: Map<String, Value>,
    timeout: Duration,
) -> Result<(), HookError> {
    let system = |source| HookError::Start { event, source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    let sent = Sent::Post(Value::Object(facts).to_string());
    let posted = runtime.block_on(async { tokio::time::timeout(timeout, fetch(url, sent, ANSWER_BYTES_MAX)).await });
    // A name that still resolves would otherwise be waited for.
    runtime.shutdown_background();
    match posted {
        Err(_) => Err(HookError::TimedOut { event, limit: timeout }),
        Ok(Err(why)) => Err(HookError::Post { event, why }),
        Ok(Ok((200..=299, _))) => Ok(()),
        Ok(Ok((status, _))) => Err(HookError::Status { event, status }),
    }
}
