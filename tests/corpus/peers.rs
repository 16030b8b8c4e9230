//! Two peers that hold a conversation, and what each of them saw of it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Case, Step};

/// How a peer's reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Eof,
    Reset,
    /// It reset the connection itself.
    Own,
}

/// What a peer saw.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Saw {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

impl std::fmt::Debug for Saw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tail = self.bytes.len().saturating_sub(60);
        write!(f, "{} bytes …{:?}, {:?}", self.bytes.len(), String::from_utf8_lossy(&self.bytes[tail..]), self.end)
    }
}

/// How far a peer is.
struct Progress {
    sent: watch::Sender<usize>,
    received: watch::Sender<usize>,
    ended: watch::Sender<bool>,
}

impl Progress {
    fn new() -> Self {
        let (sent, received, ended) = (watch::Sender::new(0), watch::Sender::new(0), watch::Sender::new(false));
        Self { sent, received, ended }
    }
}

/// Holds a conversation through `to`, which leads to `upstream`; returns what client and server saw.
pub(crate) async fn converse(case: &Case, to: SocketAddr, upstream: &TcpListener) -> (Saw, Saw) {
    let client = TcpStream::connect(to).await.unwrap();
    let server = upstream.accept().await.unwrap().0;
    let (of_client, of_server) = (Progress::new(), Progress::new());
    tokio::join!(play(client, &case.client, &of_client, &of_server), play(server, &case.server, &of_server, &of_client))
}

async fn play(mut socket: TcpStream, steps: &[Step], own: &Progress, other: &Progress) -> Saw {
    socket.set_nodelay(true).unwrap();
    let bytes = RefCell::new(Vec::new());
    let (mut ended, mut resets) = (None, false);
    {
        let (mut read_half, mut write_half) = socket.split();
        let mut reading = pin!(async {
            let mut buffer = vec![0; 64 * 1024];
            let end = loop {
                match read_half.read(&mut buffer).await {
                    Ok(0) => break End::Eof,
                    Err(_) => break End::Reset,
                    Ok(read) => {
                        bytes.borrow_mut().extend_from_slice(&buffer[..read]);
                        own.received.send_modify(|received| *received += read);
                    }
                }
            };
            own.ended.send_replace(true);
            end
        });
        let mut script = pin!(async {
            for step in steps {
                match step {
                    Step::Send(bytes) => {
                        own.sent.send_modify(|sent| *sent += bytes.len());
                        if write_half.write_all(bytes).await.is_err() {
                            return false;
                        }
                    }
                    Step::Dribble(bytes) => {
                        for byte in bytes {
                            own.sent.send_modify(|sent| *sent += 1);
                            if write_half.write_all(&[*byte]).await.is_err() {
                                return false;
                            }
                            seen(own, other).await;
                        }
                    }
                    Step::Got(count) => _ = own.received.subscribe().wait_for(|got| got >= count).await,
                    Step::Heard(_) => unreachable!("`case` has made a number of bytes of it"),
                    Step::Seen => seen(own, other).await,
                    Step::GotEnd => _ = own.ended.subscribe().wait_for(|ended| *ended).await,
                    Step::HalfClose => _ = write_half.shutdown().await,
                    Step::Reset => return true,
                }
            }
            false
        });
        let mut is_played = false;
        while ended.is_none() || !is_played {
            tokio::select! {
                end = &mut reading, if ended.is_none() => ended = Some(end),
                reset = &mut script, if !is_played => {
                    is_played = true;
                    resets = reset;
                    if reset {
                        break;
                    }
                }
            }
        }
    }
    if resets {
        socket.set_zero_linger().unwrap();
    }
    let end = if resets { End::Own } else { ended.unwrap() };
    Saw { bytes: bytes.into_inner(), end }
}

/// Waits until the other side has everything.
async fn seen(own: &Progress, other: &Progress) {
    let sent = *own.sent.borrow();
    let _ = other.received.subscribe().wait_for(|received| *received >= sent).await;
}
