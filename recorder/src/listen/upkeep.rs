//! What goes on beside the connections: asking the upstream which protocols it speaks, looking its name up again, and taking
//! over changed files.

use std::sync::Arc;
use std::time::Duration;

use super::addresses::LookedUp;
use super::connection::Pair;
use super::counters::count;
use super::error::TlsError;
use super::pem::Fingerprint;
use super::upstream::HTTP_1_1;

/// How often certificates, keys and authorities are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);
/// An upstream is asked for its protocols at most this often.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// After a failure the addresses of a name are looked up at most this often.
const LOOK_UP_PAUSE: Duration = Duration::from_secs(1);

impl Pair {
    /// Asks again after each mismatch, and until there is an answer: also now, if there was none at the start.
    pub(super) async fn keep_probing(self: Arc<Self>) {
        if self.upstream.as_ref().is_some_and(|upstream| !upstream.has_answered) {
            self.mismatch.notify_one();
        }
        while self.is_to_be_probed() {
            self.mismatch.notified().await;
            let next = self.clock.deadline_after(PROBE_INTERVAL);
            if !self.probe().await {
                self.mismatch.notify_one();
            }
            tokio::time::sleep_until(next.into()).await;
        }
    }

    fn is_to_be_probed(&self) -> bool {
        let both = self.tls_in.is_some() && self.upstream.as_ref().is_some_and(|upstream| upstream.tls.is_some());
        both && self.alpn.is_empty() && !self.upstream.as_ref().is_some_and(|upstream| upstream.is_transparent())
    }

    async fn probe(&self) -> bool {
        let (Some(server), Some(upstream)) = (&self.tls_in, &self.upstream) else { return false };
        let Some(tls) = &upstream.tls else { return false };
        match upstream.probe(tls).await {
            Ok(alpn) => {
                server.offer(&alpn);
                true
            }
            Err(error) => {
                log::debug!("upstream {}: {error}", self.name);
                false
            }
        }
    }

    /// Looks the upstream's name up again: after a while, and at once after one of its addresses has failed.
    pub(super) async fn keep_looking_up(self: Arc<Self>) {
        while let Some(addresses) = self.upstream.as_ref().and_then(super::upstream::Upstream::named) {
            let (soonest, latest) =
                (self.clock.deadline_after(LOOK_UP_PAUSE), self.clock.deadline_after(self.look_up_interval));
            tokio::select! {
                () = tokio::time::sleep_until(latest.into()) => {}
                () = addresses.stale() => tokio::time::sleep_until(soonest.into()).await,
            }
            // A resolver may block for long.
            let pair = Arc::clone(&self);
            if tokio::task::spawn_blocking(move || pair.look_up()).await.is_err() {
                return;
            }
        }
    }

    fn look_up(&self) {
        let Some(addresses) = self.upstream.as_ref().and_then(super::upstream::Upstream::named) else { return };
        let found = addresses.look_up_again();
        let turns = addresses.turns(found.is_err());
        if turns && found.is_ok() {
            log::info!("upstream {}: its addresses can be looked up again", self.name);
        }
        match found {
            Ok(LookedUp::Same) => _ = count(&self.counting.lookups_same),
            Ok(LookedUp::Changed) => {
                count(&self.counting.lookups_changed);
                let now: Vec<String> = addresses.all().iter().map(ToString::to_string).collect();
                log::info!("upstream {}: its addresses are now {}", self.name, now.join(", "));
            }
            Err(error) => {
                count(&self.counting.lookup_failures);
                if turns {
                    log::warn!(
                        "upstream {}: its addresses cannot be looked up: {error}; those before stay in use",
                        self.name
                    );
                }
            }
        }
    }

    /// Takes over files that have changed.
    pub(super) async fn keep_reloading(self: Arc<Self>) {
        let files: Arc<[_]> = self.files().into();
        if files.is_empty() {
            return;
        }
        let mut seen = Fingerprint::of(&files);
        loop {
            tokio::time::sleep_until(self.clock.deadline_after(RELOAD_INTERVAL).into()).await;
            let (pair, looked_at) = (Arc::clone(&self), Arc::clone(&files));
            let look = tokio::task::spawn_blocking(move || {
                let now = Fingerprint::of(&looked_at);
                if now != seen {
                    pair.reload_and_count();
                }
                now
            });
            let Ok(now) = look.await else { return };
            seen = now;
        }
    }

    /// Reads all files again, changed or not; what cannot be used is logged and counted, and what was before stays.
    pub(super) fn reload_and_count(&self) -> bool {
        match self.reload() {
            Ok(()) => {
                count(&self.counting.reloads);
                log::info!("the certificates, keys and authorities for {} were read again", self.name);
                true
            }
            Err(error) => {
                count(&self.counting.reload_failures);
                let why = std::error::Error::source(&error).map_or_else(String::new, |why| format!(": {why}"));
                log::warn!("{error}{why}; what was read before stays in use");
                false
            }
        }
    }

    fn reload(&self) -> Result<(), TlsError> {
        self.tls_in.as_ref().map_or(Ok(()), super::tls_in::TlsServer::reload)?;
        let tls_out = self.upstream.as_ref().and_then(|upstream| upstream.tls.as_ref());
        tls_out.map_or(Ok(()), super::tls_out::TlsClient::reload)
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let tls_out = self.upstream.as_ref().and_then(|upstream| upstream.tls.as_ref());
        let server = self.tls_in.iter().flat_map(super::tls_in::TlsServer::files);
        server.chain(tls_out.iter().flat_map(|tls| tls.files())).collect()
    }

    /// What is offered before the upstream was asked.
    pub(super) fn first_offer(alpn: &[Vec<u8>]) -> Vec<Vec<u8>> {
        if alpn.is_empty() { vec![HTTP_1_1.to_vec()] } else { alpn.to_vec() }
    }
}
