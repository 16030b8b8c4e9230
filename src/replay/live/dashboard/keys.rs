//! The keyboard, read by a thread of its own, and the terminal's size when it changes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Keys that may wait; more are lost, as nobody types so fast.
const KEYS_MAX: usize = 64;
/// How often the thread looks whether it is to end.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Read in one go.
const BYTES_MAX: usize = 64;

/// What a terminal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// It has another size.
    Resized,
    /// See [`Key`].
    Pressed(Key),
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Ctrl-C
    Interrupt,
    /// Return
    Enter,
    /// Escape
    Escape,
    /// Backspace
    Back,
    /// A character.
    Char(char),
}

/// The thread that reads.
pub(super) struct Keys {
    keys: Receiver<Key>,
    resized: Signal,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Begins to read, inside a runtime.
    pub(super) fn start() -> io::Result<Self> {
        let resized = signal(SignalKind::window_change())?;
        let (sender, keys) = channel(KEYS_MAX);
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = std::thread::Builder::new().name("keys".into()).spawn(move || read(&sender, &ends))?;
        Ok(Self { keys, resized, is_over, thread: Some(thread) })
    }

    /// What comes next; never anything, when the terminal is gone.
    pub(super) async fn next(&mut self) -> Input {
        tokio::select! {
            Some(key) = self.keys.recv() => Input::Pressed(key),
            Some(()) = self.resized.recv() => Input::Resized,
            else => std::future::pending().await,
        }
    }

    /// Reads no more, so that what is typed from now on is for others.
    pub(super) fn stop(&mut self) {
        self.is_over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // One that panicked reads nothing either.
            let _ = thread.join();
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read(sender: &Sender<Key>, is_over: &AtomicBool) {
    let keyboard = io::stdin();
    let mut bytes = [0; BYTES_MAX];
    while !is_over.load(Relaxed) {
        let mut waits = [PollFd::new(&keyboard, PollFlags::IN)];
        match poll(&mut waits, Some(&LOOK_EVERY)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        match rustix::io::read(&keyboard, &mut bytes) {
            // The terminal is gone.
            Ok(0) => return,
            Ok(length) => {
                for key in keys(bytes.get(..length).unwrap_or_default()) {
                    let _ = sender.try_send(key);
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// The keys of what a terminal sent in one go. Keys that send sequences (arrows, functions) mean nothing here.
fn keys(bytes: &[u8]) -> Vec<Key> {
    if bytes.len() > 1 && bytes.first() == Some(&0x1b) {
        return Vec::new();
    }
    let key = |char| match char {
        '\u{3}' => Some(Key::Interrupt),
        '\r' | '\n' => Some(Key::Enter),
        '\u{1b}' => Some(Key::Escape),
        '\u{8}' | '\u{7f}' => Some(Key::Back),
        char if char.is_control() || char == char::REPLACEMENT_CHARACTER => None,
        char => Some(Key::Char(char)),
    };
    String::from_utf8_lossy(bytes).chars().filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_sends_is_read_as_keys() {
        let some = [Key::Char('d'), Key::Char('é'), Key::Enter, Key::Back, Key::Interrupt];
        assert_eq!(keys("dé\r\u{7f}\u{3}".as_bytes()), some);
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
        for nothing in [&b"\x1b[A"[..], b"\x1bOP", b"\x01\x00", b"\xff", b""] {
            assert_eq!(keys(nothing), []);
        }
    }
}
