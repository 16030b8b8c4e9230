//! SIGINT and SIGTERM as values to wait for.

use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(feature = "replay")]
use tokio::sync::watch;

use crate::outcome::Failure;

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGINT
    Interrupt,
    /// SIGTERM
    Terminate,
}

/// Both signals; made inside a runtime before anything that they should end.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| Failure::new(format!("cannot listen for signals: {error}")));
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
        }
    }
}

/// The signals that came, counted on a thread of their own: for whoever waits in several event loops one after the other, or
/// in none. Clones see the same signals, each at its own time.
#[cfg(feature = "replay")]
#[derive(Clone)]
pub(crate) struct Interrupts {
    count: watch::Receiver<u32>,
    seen: u32,
}

#[cfg(feature = "replay")]
impl Interrupts {
    /// Counts from now on, until this and its clones are gone; no signal ends the process any more.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |doing: &str, error: std::io::Error| Failure::new(format!("cannot {doing}: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed("start a runtime", error))?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen()?
        };
        let (counted, count) = watch::channel(0);
        let counting = move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = signals.next() => counted.send_modify(|count| *count += 1),
                        () = counted.closed() => return,
                    }
                }
            });
        };
        let thread = std::thread::Builder::new().name("signals".into()).spawn(counting);
        thread.map_err(|error| failed("start a thread", error))?;
        Ok(Self { count, seen: 0 })
    }

    /// How many came so far.
    pub(crate) fn count(&self) -> u32 {
        *self.count.borrow()
    }

    /// Waits for the next one; one that came already counts.
    pub(crate) async fn next(&mut self) {
        let seen = self.seen;
        if self.count.wait_for(|count| *count > seen).await.is_err() {
            // The thread is gone, and with it all signals.
            std::future::pending::<()>().await;
        }
        self.seen += 1;
    }

    /// Those that came already were for something else.
    pub(crate) fn pass(&mut self) {
        self.seen = self.count();
    }
}
