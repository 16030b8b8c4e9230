//! Connections to a pair's upstream: the socket, then the PROXY header, then TLS; and what the upstream speaks by ALPN.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::upstreams::peer::BasicPeer;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::client::TlsStream;

use super::addresses::Addresses;
use super::config::{PairConfig, ProxyOut};
use super::endpoint::{Endpoint, Forward};
use super::error::RelayError;
use super::proxy_protocol::{self, Ends};
use super::tls_out::TlsClient;
use crate::clock::Clock;

pub(super) const H2: &[u8] = b"h2";
pub(super) const HTTP_1_1: &[u8] = b"http/1.1";

/// Where a pair's connections go.
pub(super) struct Upstream {
    connector: TransportConnector,
    place: Place,
    connect_timeout: Duration,
    handshake_timeout: Duration,
    proxy: ProxyOut,
    pub(super) tls: Option<TlsClient>,
    /// It answered when it was asked at the start.
    pub(super) has_answered: bool,
    clock: Clock,
}

/// Where it is.
enum Place {
    Host(Addresses),
    Unix(PathBuf, Box<BasicPeer>),
    /// Each connection has its own destination.
    Original,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("{0}")]
    Connect(Box<pingora_core::Error>),
    #[error("cannot send it a PROXY header: {0}")]
    Proxy(io::Error),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("TLS: the handshake took longer than {0:?}")]
    TlsTimeout(Duration),
    #[error("TLS: it speaks none of the protocols that the client agreed to")]
    Protocol,
    #[error("the original destination is unknown")]
    NoDestination,
    #[error("it leads back here")]
    Loop,
}

impl UpstreamError {
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::TlsTimeout(_))
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    pub(super) handshake: Duration,
}

impl Upstream {
    /// Resolves and loads; `None` when traffic goes nowhere.
    pub(super) fn new(config: &PairConfig, patience: Patience, clock: Clock) -> Result<Option<Self>, RelayError> {
        let place = match &config.forward {
            Forward::Sink => return Ok(None),
            Forward::OriginalDestination => Place::Original,
            Forward::Tcp { host, port } => Place::Host(Addresses::new(host, *port, patience.connect)?),
            Forward::Unix(path) => {
                let failed = |error: Box<pingora_core::Error>| RelayError::Path {
                    path: path.clone(),
                    reason: error.to_string(),
                };
                let mut peer = BasicPeer::new_uds(path).map_err(failed)?;
                peer.options.connection_timeout = Some(patience.connect);
                Place::Unix(path.clone(), Box::new(peer))
            }
        };
        Ok(Some(Self {
            connector: TransportConnector::new(None),
            place,
            connect_timeout: patience.connect,
            handshake_timeout: patience.handshake,
            proxy: config.proxy_out,
            tls: config.tls_out.clone().map(TlsClient::new).transpose()?,
            has_answered: false,
            clock,
        }))
    }

    /// Whether each connection has its own destination.
    pub(super) fn is_transparent(&self) -> bool {
        matches!(self.place, Place::Original)
    }

    /// Its addresses, if it is a name: they may change.
    pub(super) fn named(&self) -> Option<&Addresses> {
        match &self.place {
            Place::Host(addresses) => Some(addresses).filter(|addresses| addresses.is_name()),
            Place::Unix(..) | Place::Original => None,
        }
    }

    /// Every place where connections may go by now; none where each has its own.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        match &self.place {
            Place::Host(addresses) => addresses.all().into_iter().map(Endpoint::Tcp).collect(),
            Place::Unix(path, _) => vec![Endpoint::Unix(path.clone())],
            Place::Original => Vec::new(),
        }
    }

    /// A connection that has sent its PROXY header, if one is asked for.
    pub(super) async fn connect(
        &self,
        destination: Option<SocketAddr>,
        ends: Option<Ends>,
    ) -> Result<Stream, UpstreamError> {
        let connected = match (&self.place, destination) {
            (Place::Host(addresses), _) => addresses.connect(&self.connector).await,
            (Place::Unix(_, peer), _) => self.connector.new_stream(peer.as_ref()).await,
            (Place::Original, Some(destination)) => {
                let mut peer = BasicPeer::new(&destination.to_string());
                peer.options.connection_timeout = Some(self.connect_timeout);
                self.connector.new_stream(&peer).await
            }
            (Place::Original, None) => return Err(UpstreamError::NoDestination),
        };
        let mut stream = connected.map_err(UpstreamError::Connect)?;
        if self.proxy != ProxyOut::Off {
            let header = match self.proxy {
                ProxyOut::V2 => proxy_protocol::encode_v2(ends).map_err(UpstreamError::Proxy)?,
                _ => proxy_protocol::encode_v1(ends),
            };
            stream.write_all(&header).await.map_err(UpstreamError::Proxy)?;
            stream.flush().await.map_err(UpstreamError::Proxy)?;
        }
        Ok(stream)
    }

    /// Shakes hands on a connection.
    pub(super) async fn secure(
        &self,
        tls: &TlsClient,
        stream: Stream,
        alpn: Vec<Vec<u8>>,
    ) -> Result<TlsStream<Stream>, UpstreamError> {
        let until = self.clock.deadline_after(self.handshake_timeout);
        match tokio::time::timeout_at(until.into(), tls.connect(stream, alpn)).await {
            Ok(Err(error)) if is_about_protocols(&error) => Err(UpstreamError::Protocol),
            Ok(secured) => secured.map_err(UpstreamError::Tls),
            Err(_) => Err(UpstreamError::TlsTimeout(self.handshake_timeout)),
        }
    }

    /// The protocols that clients can be offered, found by offering them to the upstream.
    pub(super) async fn probe(&self, tls: &TlsClient) -> Result<Vec<Vec<u8>>, UpstreamError> {
        let chosen = self.choice(tls, vec![H2.to_vec(), HTTP_1_1.to_vec()]).await?;
        if chosen.as_deref() != Some(H2) {
            return Ok(vec![HTTP_1_1.to_vec()]);
        }
        // Whoever prefers h2 need not speak HTTP/1.1 at all.
        let also = self.choice(tls, vec![HTTP_1_1.to_vec()]).await;
        let both = also.is_ok_and(|chosen| chosen.is_none_or(|chosen| chosen == HTTP_1_1));
        Ok(if both { vec![H2.to_vec(), HTTP_1_1.to_vec()] } else { vec![H2.to_vec()] })
    }

    /// What it chooses of the offered protocols.
    pub(super) async fn choice(
        &self,
        tls: &TlsClient,
        offered: Vec<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, UpstreamError> {
        let stream = self.connect(None, None).await?;
        let mut secured = self.secure(tls, stream, offered).await?;
        let chosen = secured.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let _ = secured.shutdown().await; // the answer is known; how the upstream takes the farewell changes nothing
        Ok(chosen)
    }
}

/// Whether a handshake failed since both sides have no protocol in common (RFC 7301 §3.2).
pub(super) fn is_about_protocols(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        error,
        Some(
            rustls::Error::NoApplicationProtocol
                | rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)
        )
    )
}
