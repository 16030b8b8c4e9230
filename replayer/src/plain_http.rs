//! One HTTP request on a connection of its own, without TLS, redirects or retries: for hooks and for looking at targets.

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

/// What is sent.
pub(crate) enum Sent {
    /// GET
    Get,
    /// POST, as JSON.
    Post(String),
}

/// Status and body of the answer, or why there is none. A body of more than `bytes_max` is none.
pub(crate) async fn fetch(url: &Url, sent: Sent, bytes_max: usize) -> Result<(u16, Bytes), String> {
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
    let request = hyper::Request::builder()
        .uri(target)
        .header(HOST, url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        .header(USER_AGENT, concat!("reenact/", env!("CARGO_PKG_VERSION")));
    let request = match sent {
        Sent::Get => request.body(Full::new(Bytes::new())),
        Sent::Post(json) => {
            request.method("POST").header(CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(json)))
        }
    };
    let request = request.map_err(|error| said(&error))?;
    let response = sender.send_request(request).await.map_err(|error| said(&error))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), bytes_max).collect().await.map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes()))
}
