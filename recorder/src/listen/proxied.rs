//! Reading a PROXY header from a client's stream without taking a byte that comes after it.

use std::io;

use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as SocketStream;
use tokio::io::AsyncReadExt as _;

use super::proxy_protocol::{self, Ends, Progress, ProxyError};

/// Why there is no header to go by.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxiedError {
    #[error(transparent)]
    Header(#[from] ProxyError),
    #[error("the connection began without a PROXY header")]
    Missing,
    #[error("the connection ended within its PROXY header")]
    Ended,
    #[error("reading the PROXY header")]
    Read(#[from] io::Error),
}

/// Reads the header; without `required`, the bytes of a connection that has none go back to where they were.
pub(super) async fn read(mut client: Stream, required: bool) -> Result<(Stream, Option<Ends>), ProxiedError> {
    let mut bytes = Vec::new();
    loop {
        match proxy_protocol::decode(&bytes)? {
            Progress::Whole(ends) => return Ok((client, ends)),
            Progress::None if required => return Err(ProxiedError::Missing),
            Progress::None => return Ok((put_back(client, &bytes)?, None)),
            Progress::Missing(missing) => {
                let before = bytes.len();
                bytes.resize(before + missing, 0);
                let read = client.read(bytes.get_mut(before..).unwrap_or_default()).await?;
                bytes.truncate(before + read);
                match read {
                    0 if required || before > 0 => return Err(ProxiedError::Ended),
                    0 => return Ok((client, None)),
                    _ => {}
                }
            }
        }
    }
}

fn put_back(client: Stream, bytes: &[u8]) -> io::Result<Stream> {
    let mut socket = client
        .into_any()
        .downcast::<SocketStream>()
        .map_err(|_| io::Error::other("the accepted stream is no plain socket"))?;
    socket.rewind(bytes);
    Ok(socket)
}
