//! Asking each upstream that has TLS, before anybody is accepted: one that can never work is refused, and one that does not
//! answer may come up later.
//!
//! An upstream in clear text is not asked. A server with TLS says nothing before its client does, and whoever is asked in TLS
//! and has none sees a bad request.

use std::time::Duration;

use rustls::CertificateError;

use super::endpoint::Endpoint;
use super::error::RelayError;
use super::loops::any_leads_to;
use super::tls_in::TlsServer;
use super::upstream::{Upstream, UpstreamError};
use crate::clock::Clock;

/// Each answer is waited for so long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// One pair's sides.
pub(super) type Sides = (Option<TlsServer>, Option<Upstream>);

/// Asks, and has clients offered what their upstream speaks where `alpn` says nothing.
pub(super) async fn ask(sides: &mut Sides, alpn: &[Vec<u8>], own: &[Endpoint], clock: Clock) -> Result<(), RelayError> {
    let (server, Some(upstream)) = sides else { return Ok(()) };
    let (Some(tls), endpoints) = (&upstream.tls, upstream.endpoints()) else { return Ok(()) };
    let Some(address) = endpoints.first() else { return Ok(()) };
    // Who would answer is not at work yet.
    if any_leads_to(&endpoints, own) {
        return Ok(());
    }
    let server = server.as_ref().filter(|_| alpn.is_empty());
    let asked = async {
        match server {
            None => upstream.choice(tls, alpn.to_vec()).await.map(|_| ()),
            Some(server) => upstream.probe(tls).await.map(|alpn| server.offer(&alpn)),
        }
    };
    let failed = match tokio::time::timeout_at(clock.deadline_after(ANSWER_TIMEOUT).into(), asked).await {
        Ok(Ok(())) => {
            upstream.has_answered = true;
            return Ok(());
        }
        Ok(Err(error)) => refusal(address, error)?,
        Err(_) => UpstreamError::TlsTimeout(ANSWER_TIMEOUT),
    };
    let meanwhile = if server.is_some() { ", and clients are offered HTTP/1.1 until it answers" } else { "" };
    log::warn!("upstream {address}: {failed}; it is taken to come up later{meanwhile}");
    Ok(())
}

/// What no later attempt changes is refused; the rest is given back, and so are certificates that are out of their dates:
/// they are renewed, or the clock of this machine is set.
fn refusal(upstream: &Endpoint, error: UpstreamError) -> Result<UpstreamError, RelayError> {
    let UpstreamError::Tls(why) = &error else { return Ok(error) };
    let upstream = upstream.clone();
    match why.get_ref().and_then(|why| why.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => Ok(error),
        Some(rustls::Error::InvalidCertificate(_)) => Err(RelayError::Unverified { upstream, reason: why.to_string() }),
        Some(rustls::Error::InvalidMessage(_) | rustls::Error::PeerIncompatible(_)) => {
            Err(RelayError::NoTls { upstream, reason: why.to_string() })
        }
        _ => Ok(error),
    }
}
