//! Room that requests take in memory: counted over all threads, and given back by whoever lets go of it last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that count in a shared total for as long as this lives.
#[derive(Debug, Default)]
pub struct Held {
    total: Arc<AtomicU64>,
    bytes: u64,
}

impl Held {
    /// Nothing yet, of `total`.
    #[must_use]
    pub const fn of(total: Arc<AtomicU64>) -> Self {
        Self { total, bytes: 0 }
    }

    /// Takes `bytes` more, unless the total would go beyond `bytes_max`.
    pub fn grow(&mut self, bytes: u64, bytes_max: u64) -> bool {
        let fits = self.total.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= bytes_max;
        if fits {
            self.bytes += bytes;
        } else {
            self.total.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Gives everything back.
    pub fn release(&mut self) {
        self.total.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// Requests that are made ready and may not leave yet, and their bytes; counted by the feed and its engines together.
#[derive(Debug, Default)]
pub struct Ahead {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Ahead {
    /// Whether there may be another one.
    #[must_use]
    pub fn has_room(&self, requests_max: u64, bytes_max: u64) -> bool {
        self.requests.load(Ordering::Relaxed) < requests_max && self.bytes.load(Ordering::Relaxed) <= bytes_max
    }

    /// One of so many bytes, for as long as the room is held.
    #[must_use]
    pub fn take(this: &Arc<Self>, bytes: u64) -> Room {
        this.requests.fetch_add(1, Ordering::Relaxed);
        this.bytes.fetch_add(bytes, Ordering::Relaxed);
        Room { ahead: Arc::clone(this), bytes }
    }
}

/// What one request takes of it.
#[derive(Debug)]
pub struct Room {
    ahead: Arc<Ahead>,
    bytes: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.ahead.requests.fetch_sub(1, Ordering::Relaxed);
        self.ahead.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
