//! Keeps secrets fresh on a thread of its own: looks again at an interval, and sooner when somebody was turned away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::LiveSecret;
use crate::clock::Clock;
use crate::error::ReplayError;

/// How often sources are looked at again without anybody having been turned away. A secret store is asked as often, and
/// a rotated value is taken over within this time at the latest.
const RENEW_NS: u64 = 30_000_000_000;
/// How often the thread looks whether somebody was turned away, and whether it is to be done: sources are asked at most
/// as often.
const POLL_NS: u64 = 1_000_000_000;

/// Renews secrets until it is dropped.
#[derive(Debug)]
pub struct Renewal {
    /// Somebody was turned away since the sources were looked at; the thread ends when nobody holds this any more.
    turned_away: Arc<AtomicBool>,
}

impl Renewal {
    /// Starts the thread; `name` is the thread's.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(name: &str, secrets: Vec<Arc<LiveSecret>>, clock: Clock) -> Result<Self, ReplayError> {
        let turned_away = Arc::new(AtomicBool::new(false));
        let flag = Arc::downgrade(&turned_away);
        let work = move || {
            crate::turns::go_last();
            let (mut again_ns, mut poll_ns) = (clock.now_ns() + RENEW_NS, clock.now_ns());
            while let Some(flag) = flag.upgrade() {
                if flag.swap(false, Ordering::Relaxed) || clock.now_ns() >= again_ns {
                    again_ns = clock.now_ns() + RENEW_NS;
                    secrets.iter().for_each(|secret| renew(secret));
                }
                drop(flag);
                poll_ns += POLL_NS;
                clock.sleep_until(poll_ns);
            }
        };
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        spawned.map_err(|source| ReplayError::System { doing: "start a thread that renews secrets", source })?;
        Ok(Self { turned_away })
    }

    /// Says that a value was refused (401, `UNAUTHENTICATED`): the sources are looked at again soon. Never waits.
    pub fn turned_away(&self) {
        self.turned_away.store(true, Ordering::Relaxed);
    }
}

fn renew(secret: &LiveSecret) {
    if let Err(error) = secret.renew() {
        log::warn!("{error}; the last value goes on");
    }
}
