//! A run that is controlled from outside: a Unix socket for its owner, on which each line is answered with a line of JSON.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::Level;
use replayer::clock::Clock;
use replayer::run::{Control, Live};
use replayer::tempo::Asked;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::watch::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::state;
use crate::logging::say;
use crate::outcome::Failure;

/// Callers at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// Longest line; a caller that sends a longer one is told so, and left.
const LINE_BYTES_MAX: u64 = 1_024;
/// What may be said.
const WORDS: &str =
    "pause, resume, scale FACTOR, drain, quit or status; the first three with `alone` behind for a shard";

/// A socket that is taken; its path is removed in the end.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// What somebody said.
#[derive(Debug, PartialEq)]
enum Said {
    Change { asked: Asked, alone: bool },
    Drain,
    Quit,
    Status,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Changed { ok: bool, at_s: f64, factor: f64 },
    Done { ok: bool },
    Refused { ok: bool, error: &'a str },
    Status(Box<Status>),
}

#[derive(Serialize)]
struct Status {
    ok: bool,
    state: &'static str,
    speed: f64,
    elapsed_s: f64,
    length_s: f64,
    planned: u64,
    due: u64,
    sent: u64,
    completed: u64,
    failed: u64,
    in_flight: u64,
    waiting: u64,
}

impl Socket {
    /// Takes the path, which must be free, or left behind by a process that is gone.
    pub(super) fn bind(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new(format!("cannot listen on {} for --control: {error}", path.display()))
                .hint("give another path; that of a Unix socket has at most 107 bytes")
        };
        let listener = crate::sockets::bind_unix(path).map_err(failed)?;
        let socket = Self { listener, path: path.to_owned() };
        socket.listener.set_nonblocking(true).map_err(failed)?;
        Ok(socket)
    }

    /// Answers callers until the runtime ends.
    pub(super) fn serve(&self, control: &Control, live: &Receiver<Arc<Live>>) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::new(format!("cannot listen for --control: {error}"));
        let listener = self.listener.try_clone().map_err(failed)?;
        let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
        let (control, live) = (control.clone(), live.clone());
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            loop {
                // The semaphore is never closed.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((stream, _)) => {
                        tokio::spawn(connection(stream, control.clone(), live.clone(), place));
                    }
                    Err(error) => {
                        log::warn!("--control: {error}");
                        // Out of descriptors, most likely: trying again at once would only spin.
                        tokio::time::sleep_until(Clock::start().deadline(1_000_000_000).into()).await;
                    }
                }
            }
        });
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            say(Level::Warn, &format!("warning: cannot remove the socket {}: {error}", self.path.display()));
        }
    }
}

async fn connection(stream: UnixStream, control: Control, live: Receiver<Arc<Live>>, _place: OwnedSemaphorePermit) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        let is_whole = line.last() == Some(&b'\n');
        let is_too_long = !is_whole && line.len() as u64 == LINE_BYTES_MAX;
        let mut answer = if is_too_long {
            text(&Answer::Refused { ok: false, error: &format!("a line has at most {LINE_BYTES_MAX} bytes") })
        } else {
            answer(&String::from_utf8_lossy(&line), &control, &live)
        };
        answer.push('\n');
        if writer.write_all(answer.as_bytes()).await.is_err() || !is_whole {
            return;
        }
    }
}

fn answer(line: &str, control: &Control, live: &Receiver<Arc<Live>>) -> String {
    let said = match read(line) {
        Ok(said) => said,
        Err(error) => return text(&Answer::Refused { ok: false, error: &error }),
    };
    match said {
        Said::Change { asked, alone } => match control.change(asked, "control", alone) {
            Ok(change) => {
                text(&Answer::Changed { ok: true, at_s: super::seconds(change.at_ns), factor: change.factor })
            }
            Err(error) => text(&Answer::Refused { ok: false, error: &error.to_string() }),
        },
        Said::Drain => {
            control.stop().drain();
            text(&Answer::Done { ok: true })
        }
        Said::Quit => {
            control.stop().abort();
            text(&Answer::Done { ok: true })
        }
        Said::Status => text(&Answer::Status(Box::new(status(&live.borrow(), control)))),
    }
}

/// Reads a line.
fn read(line: &str) -> Result<Said, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (words, alone) = match words.as_slice() {
        [rest @ .., "alone"] => (rest, true),
        all => (all, false),
    };
    let change = |asked| Ok(Said::Change { asked, alone });
    match words {
        ["pause"] => change(Asked::Pause),
        ["resume"] => change(Asked::Resume),
        ["scale", factor] => {
            let number = factor.strip_suffix('x').unwrap_or(factor).parse();
            change(Asked::Scale(number.map_err(|_| format!("`{factor}` is no factor; say it as in: scale 1.5"))?))
        }
        ["drain"] if !alone => Ok(Said::Drain),
        ["quit"] if !alone => Ok(Said::Quit),
        ["status"] if !alone => Ok(Said::Status),
        _ => Err(format!("`{}` is nothing that can be said here: say {WORDS}", line.trim())),
    }
}

fn status(live: &Live, control: &Control) -> Status {
    let (is_paused, speed) = control.speed();
    Status {
        ok: true,
        state: state(live),
        speed: if is_paused { 0.0 } else { speed },
        elapsed_s: super::seconds(live.elapsed_ns),
        length_s: super::seconds(live.length_ns),
        planned: live.planned,
        due: live.due,
        sent: live.totals.sent,
        completed: live.totals.completed,
        failed: live.totals.failed(),
        in_flight: live.in_flight,
        waiting: live.waiting,
    }
}

fn text(answer: &Answer<'_>) -> String {
    // Numbers and texts cannot fail.
    serde_json::to_string(answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_refused_by_name() {
        let change = |asked, alone| Ok(Said::Change { asked, alone });
        assert_eq!(read("pause\n"), change(Asked::Pause, false));
        assert_eq!(read(" resume  alone \r\n"), change(Asked::Resume, true));
        assert_eq!(read("scale 1.5x"), change(Asked::Scale(1.5), false));
        assert_eq!((read("drain"), read("quit"), read("status")), (Ok(Said::Drain), Ok(Said::Quit), Ok(Said::Status)));
        for (bad, why) in [
            ("scale fast", "`fast` is no factor"),
            ("status alone", "say pause"),
            ("", "`` is nothing"),
            ("PAUSE", "say pause"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
