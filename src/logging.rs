//! Lines on standard error: the log, and what a command says there to whoever started it; as text or as JSON.
//!
//! What a command is asked for (its result) is not here: that goes to standard output.

#[cfg(feature = "replay")]
pub(crate) mod held;

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::SystemTime;

use formats::visible;
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::json;

use crate::cli::{LogArgs, LogFormat};

/// Without `--log-level` and `RUST_LOG`; pingora warns of every client that goes away.
const DEFAULT: &str = "warn,pingora_core=error";
/// What a command says itself.
const TARGET: &str = "reenact";

static LINES: OnceLock<Lines> = OnceLock::new();

struct Lines {
    format: LogFormat,
    /// Changes with `--log-level`; locked only for lines of a level that somebody wants.
    logger: RwLock<env_logger::Logger>,
}

/// Begins to log. What is said before is text, what is logged before is lost.
pub(crate) fn start(args: LogArgs) {
    let lines = LINES.get_or_init(|| Lines { format: args.log_format, logger: RwLock::new(logger(args)) });
    // A second start has a logger already.
    if log::set_logger(lines).is_ok() {
        set_level(args);
    }
}

/// Takes another level; the format stays.
pub(crate) fn set_level(args: LogArgs) {
    let Some(lines) = LINES.get() else { return };
    let logger = logger(LogArgs { log_format: lines.format, ..args });
    log::set_max_level(logger.filter());
    *lines.logger.write().unwrap_or_else(PoisonError::into_inner) = logger;
}

/// Says something to whoever started the command, whatever the log's level is.
pub(crate) fn say(level: Level, text: &str) {
    #[cfg(feature = "replay")]
    if held::keep(|| visible::lines(text.trim_end()).into_owned()) {
        return;
    }
    let mut stderr = std::io::stderr().lock();
    // Nobody who listens is no reason to stop.
    let _ = match is_json() {
        false => writeln!(stderr, "{}", visible::lines(text.trim_end())),
        true => writeln!(stderr, "{}", json_line(now(), level, TARGET, without_level(text.trim_end()))),
    };
}

/// The level has a field of its own in JSON.
fn without_level(text: &str) -> &str {
    ["error: ", "warning: ", "note: "].iter().find_map(|level| text.strip_prefix(level)).unwrap_or(text)
}

/// Whether lines are JSON.
pub(crate) fn is_json() -> bool {
    LINES.get().is_some_and(|lines| lines.format == LogFormat::Json)
}

impl Lines {
    fn with<T>(&self, what: impl FnOnce(&env_logger::Logger) -> T) -> T {
        what(&self.logger.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.with(|logger| logger.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        self.with(|logger| {
            #[cfg(feature = "replay")]
            if logger.matches(record) && held::keep(|| visible::lines(&held_line(record)).into_owned()) {
                return;
            }
            if self.format == LogFormat::Json || !logger.matches(record) {
                return logger.log(record);
            }
            // A message may quote a peer.
            let message = record.args().to_string();
            match visible::lines(&message) {
                Cow::Borrowed(_) => logger.log(record),
                Cow::Owned(harmless) => logger.log(
                    &Record::builder()
                        .metadata(record.metadata().clone())
                        .module_path(record.module_path())
                        .file(record.file())
                        .line(record.line())
                        .args(format_args!("{harmless}"))
                        .build(),
                ),
            }
        });
    }

    fn flush(&self) {
        self.with(Log::flush);
    }
}

/// A line that is printed later says when it was logged.
#[cfg(feature = "replay")]
fn held_line(record: &Record<'_>) -> String {
    let at = humantime::format_rfc3339_seconds(now());
    format!("[{at} {} {}] {}", record.level(), record.target(), record.args())
}

fn logger(args: LogArgs) -> env_logger::Logger {
    let mut builder = match args.log_level {
        None => env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(DEFAULT)),
        Some(level) => {
            let mut builder = env_logger::Builder::new();
            builder.filter_level(level);
            if (LevelFilter::Error..LevelFilter::Debug).contains(&level) {
                builder.filter_module("pingora_core", LevelFilter::Error);
            }
            builder
        }
    };
    if args.log_format == LogFormat::Json {
        builder.format(|out, record| {
            writeln!(out, "{}", json_line(now(), record.level(), record.target(), &record.args().to_string()))
        });
    }
    builder.build()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a log line says when it was written, in wall time; nothing is timed by it"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

fn json_line(at: SystemTime, level: Level, target: &str, message: &str) -> String {
    let line = json!({
        "time": humantime::format_rfc3339_millis(at).to_string(),
        "level": level.as_str().to_ascii_lowercase(),
        "target": target,
        "message": message,
    });
    visible::lines(&line.to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_whatever_the_message_is() {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_123);
        let line = json_line(at, Level::Warn, "recorder::tap", "two\nlines, \"quoted\" \u{7}\u{9b}\u{202e}");
        assert!(!line.contains(visible::is_steering));
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "time": "2023-11-14T22:13:20.123Z",
            "level": "warn",
            "target": "recorder::tap",
            "message": "two\nlines, \"quoted\" \u{7}\u{9b}\u{202e}",
        });
        assert_eq!(read, expected);
        assert_eq!((without_level("warning: a: b"), without_level("a warning: b")), ("a: b", "a warning: b"));
    }
}
