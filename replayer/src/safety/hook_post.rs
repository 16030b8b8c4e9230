//! A hook that is a URL: one POST on a connection of its own.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use url::Url;

use super::HookError;

/// Posts the facts; anything but 2xx is a failure.
pub(super) fn run(
    url: &Url,
    event: &'static str,
    facts: Map<String, Value>,
    timeout: Duration,
) -> Result<(), HookError> {
    let system = |source| HookError::Start { event, source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    let body = Value::Object(facts).to_string();
    let posted = runtime.block_on(async { tokio::time::timeout(timeout, post(url, body)).await });
    // A name that still resolves would otherwise be waited for.
    runtime.shutdown_background();
    match posted {
        Err(_) => Err(HookError::TimedOut { event, limit: timeout }),
        Ok(Err(why)) => Err(HookError::Post { event, why }),
        Ok(Ok(status)) if (200..300).contains(&status) => Ok(()),
        Ok(Ok(status)) => Err(HookError::Status { event, status }),
    }
}

async fn post(url: &Url, body: String) -> Result<u16, String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let host = url.host_str().ok_or("the URL has no host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let address = (host.trim_start_matches('[').trim_end_matches(']'), port);
    let stream = TcpStream::connect(address).await.map_err(|error| said(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| said(&error))?;
    // Its end is the runtime's.
    tokio::spawn(connection);
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let request = hyper::Request::post(target)
        .header(HOST, url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        .header(USER_AGENT, concat!("reenact/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| said(&error))?;
    let response = sender.send_request(request).await.map_err(|error| said(&error))?;
    Ok(response.status().as_u16())
}
