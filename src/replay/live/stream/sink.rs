//! What a stream is written to: standard output, a pipe or a device that is there, or a new file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use log::Level;
use replayer::clock::Clock;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::logging::say;
use crate::outcome::Failure;
use crate::replay::safety::interrupted;
use crate::signals::Interrupts;

/// Between two looks whether a pipe has a reader: to wait inside of `open` would be to hear no signal.
const READER_LOOK_NS: u64 = 20_000_000;

/// Opens it; its path comes with it if it is new. A pipe needs a reader, which is waited for until a signal comes.
pub(super) fn open(
    path: &Path,
    interrupts: &mut Interrupts,
) -> Result<(Box<dyn Write + Send>, Option<PathBuf>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdout()), None));
    }
    let failed = |error| failed(path, &error);
    let file = match std::fs::metadata(path).map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_fifo() => pipe(path, interrupts)?,
        Ok(kind) if kind.is_char_device() => OpenOptions::new().write(true).open(path).map_err(failed)?,
        _ => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let file = file.map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => failed(error).hint("name a file that is not there yet"),
                _ => failed(error),
            })?;
            return Ok((Box::new(file), Some(path.to_owned())));
        }
    };
    Ok((Box::new(file), None))
}

/// What is said when it cannot be written.
pub(super) fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write --json-stream to {}: {error}", path.display()))
}

/// A pipe, as soon as somebody reads it.
fn pipe(path: &Path, interrupts: &mut Interrupts) -> Result<File, Failure> {
    let look = || open_if_read(path).map_err(|error| failed(path, &error));
    if let Some(file) = look()? {
        return Ok(file);
    }
    let shown = path.display();
    say(Level::Info, &format!("waiting for somebody to read {shown} (--json-stream)"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
    let clock = Clock::start();
    runtime.block_on(async {
        loop {
            tokio::select! {
                () = interrupts.next() => {
                    let why = format!("interrupted before anything was sent: nobody read {shown}");
                    return Err(interrupted(Failure::new(why)));
                }
                () = tokio::time::sleep_until(clock.deadline(clock.now_ns() + READER_LOOK_NS).into()) => {}
            }
            if let Some(file) = look()? {
                return Ok(file);
            }
        }
    })
}

/// A pipe that somebody has opened to read; writing to it waits for room.
fn open_if_read(path: &Path) -> io::Result<Option<File>> {
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    match OpenOptions::new().write(true).custom_flags(without_waiting).open(path) {
        Ok(file) => {
            rustix::io::ioctl_fionbio(&file, false)?;
            Ok(Some(file))
        }
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => Ok(None),
        Err(error) => Err(error),
    }
}
