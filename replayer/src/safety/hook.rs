//! Telling others that a run begins and ends: to silence alerts, to mark a dashboard, to set a system up.
//!
//! A hook gets the facts of the run as a JSON object with `event` added to it (`start` or `end`): a URL by POST, a command
//! on its standard input, and there the plain values also as `REENACT_…` variables. It has a time limit, after which it
//! is stopped with all that it started, and so it is when nobody wants to wait any more. What a failed hook means is the
//! caller's: one for the start stops the run before anything is sent, one for the end is said.
//!
//! Not here: retries, redirects, TLS.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;
use url::Url;

/// A URL or a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Post(Url),
    Command(String),
}

/// When it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// Before the first request.
    Start,
    /// After the last answer, also of a run that was stopped.
    End,
    /// Before a repeat of an experiment.
    Reset,
}

impl HookEvent {
    /// `start`, `end` or `reset`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Reset => "reset",
        }
    }
}

/// Why a hook cannot be run, or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// Neither a URL nor a command.
    #[error("the hook is empty")]
    Empty,
    /// A URL that cannot be posted to.
    #[error("the hook `{given}` is no http:// URL: {why}")]
    Url {
        /// As given.
        given: String,
        /// What is wrong.
        why: String,
    },
    /// TLS.
    #[error("the hook `{given}` needs TLS, which hooks cannot do")]
    Tls {
        /// As given.
        given: String,
    },
    /// The command did not begin.
    #[error("cannot start the {event} hook")]
    Start {
        /// `start`, `end` or `reset`
        event: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The command ended badly.
    #[error("the {event} hook failed: {how}")]
    Failed {
        /// `start`, `end` or `reset`
        event: &'static str,
        /// Exit code or signal.
        how: std::process::ExitStatus,
    },
    /// The server of the URL did not take it.
    #[error("the {event} hook was answered with {status}")]
    Status {
        /// `start`, `end` or `reset`
        event: &'static str,
        /// Not 2xx.
        status: u16,
    },
    /// The server of the URL cannot be spoken to.
    #[error("the {event} hook could not be posted: {why}")]
    Post {
        /// `start`, `end` or `reset`
        event: &'static str,
        /// What happened.
        why: String,
    },
    /// It took too long, and was stopped.
    #[error("the {event} hook was stopped after {}", humantime::format_duration(*limit))]
    TimedOut {
        /// `start`, `end` or `reset`
        event: &'static str,
        /// What it had.
        limit: Duration,
    },
    /// Nobody wanted to wait for it any more, and it was stopped.
    #[error("the {event} hook was stopped by a signal")]
    Interrupted {
        /// `start`, `end` or `reset`
        event: &'static str,
    },
}

impl HookError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::Url { .. } => {
                "give a URL as in http://127.0.0.1:9000/runs, or a command as in './silence-alerts.sh'"
            }
            Self::Tls { .. } => "give a command: 'curl --fail --silent --json @- https://…' posts the same JSON",
            Self::Start { .. } | Self::Failed { .. } => {
                "run the command by hand; it gets the run's facts as JSON on its standard input"
            }
            Self::Status { .. } | Self::Post { .. } => "check the URL; redirects are not followed",
            Self::TimedOut { .. } => "give it more time with --hook-timeout, or let it go on in the background",
            Self::Interrupted { .. } => "what it had begun may be half done",
        }
    }
}

impl FromStr for Hook {
    type Err = HookError;

    fn from_str(given: &str) -> Result<Self, HookError> {
        let has_scheme =
            |scheme: &str| given.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        if given.trim().is_empty() {
            return Err(HookError::Empty);
        }
        if !has_scheme("http://") && !has_scheme("https://") {
            return Ok(Self(Kind::Command(given.to_owned())));
        }
        let bad = |why: String| HookError::Url { given: given.to_owned(), why };
        let url = Url::parse(given).map_err(|error| bad(error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            let without = HookError::Url { given: "http://…".to_owned(), why: "it has credentials in it".to_owned() };
            return Err(without);
        }
        if url.scheme() == "https" {
            return Err(HookError::Tls { given: given.to_owned() });
        }
        Ok(Self(Kind::Post(url)))
    }
}

impl Hook {
    /// Runs the hook and waits for its end, at most `timeout` and until `give_up` is there. `facts` is an object; nothing
    /// else has values to tell.
    ///
    /// Blocks, and has an event loop of its own: not to be called from a task of another one.
    ///
    /// # Errors
    /// When it cannot be run, fails, takes too long or is given up.
    pub fn run(
        &self,
        event: HookEvent,
        facts: &Value,
        timeout: Duration,
        give_up: impl Future<Output = ()>,
    ) -> Result<(), HookError> {
        let mut facts = facts.as_object().cloned().unwrap_or_default();
        facts.insert("event".to_owned(), Value::from(event.name()));
        let patience = Patience { event: event.name(), timeout, give_up };
        match &self.0 {
            Kind::Post(url) => super::hook_post::run(url, facts, patience),
            Kind::Command(command) => super::hook_command::run(command, facts, patience),
        }
    }
}

/// How long a hook is waited for.
pub(super) struct Patience<F> {
    /// `start`, `end` or `reset`
    pub(super) event: &'static str,
    timeout: Duration,
    give_up: F,
}

impl<F: Future<Output = ()>> Patience<F> {
    /// What the hook's work comes to, if it does so in time.
    pub(super) fn wait<T>(self, work: impl Future<Output = T>) -> Result<T, HookError> {
        let Self { event, timeout, give_up } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| HookError::Start { event, source })?;
        let waited = runtime.block_on(async {
            tokio::select! {
                biased;
                done = tokio::time::timeout(timeout, work) => {
                    done.map_err(|_| HookError::TimedOut { event, limit: timeout })
                }
                () = give_up => Err(HookError::Interrupted { event }),
            }
        });
        // A name that still resolves would otherwise be waited for.
        runtime.shutdown_background();
        waited
    }
}
