//! What a relay counts: one number for each way in which a connection can end otherwise than by its peers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::relay::Passed;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counted since the start.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct RelayCounters {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// Bytes from clients.
            pub request_bytes: u64,
            /// Bytes from the upstream.
            pub response_bytes: u64,
        }

        /// The same while it counts.
        #[derive(Debug, Default)]
        pub(crate) struct Counting {
            $(pub(crate) $name: AtomicU64,)+
            pub(crate) passed: Passed,
        }

        impl Counting {
            pub(crate) fn read(&self) -> RelayCounters {
                RelayCounters {
                    $($name: self.$name.load(Ordering::Acquire),)+
                    request_bytes: self.passed.requests.load(Ordering::Relaxed),
                    response_bytes: self.passed.responses.load(Ordering::Relaxed),
                }
            }
        }
    };
}

counters! {
    /// Connections that were accepted.
    connections,
    /// Of these, still open.
    active,
    /// Connections for which the upstream could not be reached, or its TLS handshake failed.
    upstream_failures,
    /// Of these, those whose TLS handshake failed.
    upstream_tls_failures,
    /// Clients whose TLS handshake failed.
    tls_handshake_failures,
    /// Clients whose PROXY header was missing, malformed or too long.
    proxy_protocol_failures,
    /// Clients that did not finish PROXY header and TLS handshake in time.
    handshake_timeouts,
    /// Connections whose client and upstream agreed to different protocols by ALPN.
    alpn_mismatches,
    /// Connections on which nothing passed for too long.
    idle_timeouts,
    /// Connections of this relay that came back to it, and those of a transparent pair that nothing redirected here.
    loops_refused,
    /// Mirrored connections that were no HTTP/1 that can be read in exactly one way.
    mirror_failures,
    /// Certificates or keys that changed and could not be taken over; the ones before stay in use.
    reload_failures,
    /// Certificates, keys or authorities that changed and were taken over.
    reloads,
    /// Looking up an upstream's name came to the addresses that were known.
    lookups_same,
    /// It came to other addresses, which are used from then on.
    lookups_changed,
    /// It failed; the addresses before stay in use.
    lookup_failures,
}

impl RelayCounters {
    /// What went wrong, for people: how often, and what. Upstreams that could not be reached stand apart from these.
    pub fn troubles(&self) -> impl Iterator<Item = (u64, &'static str)> {
        [
            (self.upstream_tls_failures, "TLS handshakes with the upstream failed"),
            (self.tls_handshake_failures, "TLS handshakes with clients failed"),
            (self.proxy_protocol_failures, "clients had no PROXY header that could be read"),
            (self.handshake_timeouts, "clients did not finish PROXY header and TLS handshake in time"),
            (self.alpn_mismatches, "connections closed: client and upstream agreed to different protocols (ALPN)"),
            (self.idle_timeouts, "connections closed: nothing passed for --idle-timeout"),
            (self.loops_refused, "connections closed: they came back here, or no firewall rule redirected them here"),
            (self.mirror_failures, "mirrored connections were no HTTP/1 that can be read in exactly one way"),
            (self.reload_failures, "changed certificates or keys could not be taken over"),
            (self.lookup_failures, "times an upstream's name could not be looked up again"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
    }
}

/// Adds one, and says how many that makes.
pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

/// Counts a connection as long as it lives, also when its task panics.
pub(crate) struct Active(Arc<Counting>);

impl Active {
    pub(crate) fn begin(counting: &Arc<Counting>) -> Self {
        counting.active.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(counting))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::AcqRel);
    }
}
