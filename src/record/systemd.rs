//! What systemd is told and gives: readiness, the watchdog, listening sockets. Without systemd all of it does nothing.

use std::os::fd::OwnedFd;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::outcome::Failure;

/// The sockets of socket activation, none without it.
pub(super) fn sockets() -> Result<Vec<OwnedFd>, Failure> {
    let mut given = ListenFd::from_env();
    let mut sockets = Vec::new();
    for at in 0..given.len() {
        // A descriptor is taken by the first kind that it is.
        let taken = match given.take_tcp_listener(at) {
            Ok(socket) => Ok(socket.map(OwnedFd::from)),
            Err(_) => given.take_unix_listener(at).map(|socket| socket.map(OwnedFd::from)),
        };
        let failed = |error| Failure::new(format!("socket {at} of systemd's is no listening stream socket: {error}"));
        sockets.extend(taken.map_err(failed)?);
    }
    Ok(sockets)
}

/// Traffic is accepted, by this process.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
}

/// The loop works.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("systemd cannot be told: {error}");
    }
}
