//! What the recorder's loop waits for, in one bounded queue: signals, ticks, callers of `--admin`, a process that takes over.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::Signal;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::admin::Call;
use crate::outcome::Failure;
use crate::signals::{Asked, Signals};

/// Events that may wait; who has more to say waits with it.
const EVENTS_MAX: usize = 64;
/// How often budgets and drains are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Something for the loop.
pub(super) enum Event {
    Signal(Asked),
    /// SIGHUP
    Hangup,
    Tick,
    Call(Call),
    /// Another process wants the listening sockets.
    Sockets(SocketsReply),
    /// It has them, and accepts.
    TakenOver,
}

/// Where the sockets go.
pub(super) struct SocketsReply(oneshot::Sender<std::io::Result<Vec<OwnedFd>>>);

impl SocketsReply {
    /// Hands them over; nobody there means that the other process is gone, which it will say itself.
    pub(super) fn send(self, sockets: std::io::Result<Vec<OwnedFd>>) {
        let _ = self.0.send(sockets);
    }
}

/// The receiving end, and the runtime of those who send.
pub(super) struct Events {
    runtime: Runtime,
    sender: mpsc::Sender<Event>,
    receiver: mpsc::Receiver<Event>,
}

impl Events {
    /// Listens for signals from here on.
    pub(super) fn listen() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("admin")
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let (mut signals, mut hangup) = {
            let _entered = runtime.enter();
            let hangup = signal(SignalKind::hangup());
            let listening = hangup.and_then(|hangup| {
                // A file that may not grow (`ulimit -f`) is an error of that file; by itself the signal ends the process,
                // and with it the traffic. Whoever listens once has it caught for good.
                signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(|_| hangup)
            });
            let hangup = listening.map_err(|error| Failure::new(format!("cannot listen for signals: {error}")))?;
            (Signals::listen()?, hangup)
        };
        let for_signals = sender.clone();
        runtime.spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let event = tokio::select! {
                    asked = signals.next() => Event::Signal(asked),
                    _ = hangup.recv() => Event::Hangup,
                    _ = ticks.tick() => Event::Tick,
                };
                if for_signals.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { runtime, sender, receiver })
    }

    /// The next one, however long it takes.
    pub(super) fn next(&mut self) -> Event {
        // There is always a sender, this one's own; a closed queue would mean that nothing can be asked any more.
        self.receiver.blocking_recv().unwrap_or(Event::Signal(Asked::Terminate))
    }

    pub(super) fn sender(&self) -> mpsc::Sender<Event> {
        self.sender.clone()
    }

    pub(super) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }
}

/// Asks for the sockets, from a thread that may wait.
pub(super) fn ask_for_sockets(events: &mpsc::Sender<Event>) -> Option<std::io::Result<Vec<OwnedFd>>> {
    let (reply, answer) = oneshot::channel();
    events.blocking_send(Event::Sockets(SocketsReply(reply))).ok()?;
    answer.blocking_recv().ok()
}
