//! Secrets by reference: `env:NAME`, `file:PATH`, `exec:COMMAND`, `aws-sm:ID`. A secret is never a flag's value.
//!
//! Each look at a reference goes to its source again; what keeps a value for a while and looks again is
//! [`replayer::secret::LiveSecret`].

mod aws;

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use formats::redact::RedactionKey;
use log::Level;
#[cfg(feature = "replay")]
use replayer::secret::{LiveSecret, Secret};

use crate::logging::say;
use crate::outcome::Failure;

/// Longest secret of a file or a command: room for thousands of identities, and `file:/dev/zero` ends.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// After so long somebody must be told what is waited for.
const TELL_AFTER: Duration = Duration::from_secs(5);

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Env(String),
    File(String),
    Exec(String),
    Aws(aws::SecretId),
}

/// What references look like, for help and errors.
const FORMS: &str = "env:NAME, file:PATH, exec:COMMAND or aws-sm:ID";

impl std::str::FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text itself is not repeated: it may be the secret.
        let how = format!("a secret is given by reference: {FORMS}");
        match text.split_once(':') {
            Some((_, "")) => Err(format!("{how}; this reference names nothing")),
            Some(("env", name)) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) => Ok(Self::File(path.to_owned())),
            Some(("exec", command)) => Ok(Self::Exec(command.to_owned())),
            Some(("aws-sm", id)) => id.parse().map(Self::Aws),
            _ => Err(how),
        }
    }
}

impl std::fmt::Display for Reference {
    /// As it was given, but of a command only its first word: the others may be anything.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Exec(command) => match command.trim_start().split_once(char::is_whitespace) {
                Some((program, _)) => write!(f, "exec:{program} …"),
                None => write!(f, "exec:{command}"),
            },
            Self::Aws(id) => write!(f, "aws-sm:{id}"),
        }
    }
}

/// The key of pseudonyms: the one that is referred to, or a new one that is never written.
pub(crate) fn redaction_key(reference: Option<&Reference>) -> Result<RedactionKey, Failure> {
    let key = match reference {
        Some(reference) => RedactionKey::from_secret(&reference.resolve()?),
        None => RedactionKey::random(),
    };
    key.map_err(|error| Failure::of(&error))
}

/// As often as [`replayer::secret::Renewal`] looks: a secret store is asked as often.
#[cfg(feature = "replay")]
const REREAD: std::time::Duration = std::time::Duration::from_secs(30);

impl Reference {
    /// How often it is worth looking at again while nobody complains; `None` for what cannot change.
    #[cfg(feature = "replay")]
    pub(crate) const fn reread_every(&self) -> Option<std::time::Duration> {
        match self {
            Self::Env(_) => None,
            Self::File(_) | Self::Exec(_) | Self::Aws(_) => Some(REREAD),
        }
    }

    /// The secret without the line end that files and commands put after it. Takes as long as its source takes.
    pub(crate) fn resolve(&self) -> Result<Vec<u8>, Failure> {
        let failed = |why: String| Failure::new(format!("cannot read the secret {self}: {why}"));
        let mut bytes = match self {
            Self::Env(name) => match std::env::var_os(name) {
                Some(value) => std::os::unix::ffi::OsStringExt::into_vec(value),
                None => {
                    return Err(
                        failed(format!("the environment has no {name}")).hint("export it, or name another variable")
                    );
                }
            },
            Self::File(path) => {
                let read = std::fs::File::open(path).and_then(bounded);
                read.map_err(|error| failed(error.to_string()).hint("name a file that this user may read"))?
            }
            Self::Exec(command) => self.told_while(|| run(command)).map_err(|why| {
                failed(why).hint("the command is run by `sh -c`, prints the secret and nothing else, and ends with 0")
            })?,
            Self::Aws(id) => aws::fetch(id).map_err(|refused| failed(refused.why).hint(refused.hint))?,
        };
        while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            bytes.pop();
        }
        if bytes.is_empty() {
            return Err(failed("it is empty".to_owned()));
        }
        Ok(bytes)
    }

    /// Does what may take long, and says so when it does.
    fn told_while<T>(&self, work: impl FnOnce() -> T) -> T {
        let (done, waits) = mpsc::sync_channel::<()>(1);
        std::thread::scope(|scope| {
            let tells = std::thread::Builder::new().name("tell".to_owned());
            // Without it nothing is said.
            let _ = tells.spawn_scoped(scope, move || {
                if waits.recv_timeout(TELL_AFTER) == Err(mpsc::RecvTimeoutError::Timeout) {
                    say(Level::Warn, &format!("note: still waiting for the secret {self}"));
                }
            });
            let found = work();
            drop(done);
            found
        })
    }

    /// The value of a header, which is looked at again while it is in use; `what` names it in errors. `scheme` stands
    /// before what the reference gives, as `Bearer ` does.
    #[cfg(feature = "replay")]
    pub(crate) fn live(&self, what: &'static str, scheme: &'static str) -> Result<LiveSecret, Failure> {
        let again = self.clone();
        let resolve = move || again.resolve().map(|bytes| Secret::new(&[scheme.as_bytes(), &bytes].concat()));
        let first = resolve()?;
        LiveSecret::new(what, first, move || resolve().map_err(|failure| failure.to_string()))
            .map_err(|error| Failure::new(format!("{error} ({self})")).hint(error.hint()))
    }
}

/// Everything that `source` gives, up to the bound.
fn bounded(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(std::io::Error::other(format!("it is longer than {SECRET_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn run(command: &str) -> Result<Vec<u8>, String> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = shell.spawn().map_err(|error| error.to_string())?;
    // A command that prints beyond the bound is ended by its closed pipe.
    let bytes = child.stdout.take().map_or_else(|| Ok(Vec::new()), bounded);
    let status = child.wait().map_err(|error| error.to_string())?;
    let bytes = bytes.map_err(|error| error.to_string())?;
    if status.success() { Ok(bytes) } else { Err(format!("the command failed: {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\r\n").unwrap();
        let resolve = |text: &str| text.parse::<Reference>().map(|reference| reference.resolve());
        assert_eq!(resolve(&format!("file:{}", path.display())).unwrap().unwrap(), b"s3cret");
        assert_eq!(resolve("exec:printf 'a b'").unwrap().unwrap(), b"a b");
        for bad in ["hunter2", "env:", "http:x", "aws-sm:", "aws-sm:hunter2?stge=x"] {
            let error = resolve(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_never_shown() {
        let check = |text: &str, expected: &str| {
            let failure = text.parse::<Reference>().unwrap().resolve().unwrap_err().to_string();
            assert!(failure.starts_with(&format!("error: cannot read the secret {expected}")), "{failure}");
            assert!(!failure.contains("hunter2"), "{failure}");
        };
        check("file:/nowhere/at/all", "file:/nowhere/at/all: No such file");
        check("file:/dev/zero", "file:/dev/zero: it is longer than 1048576 bytes");
        check("file:/dev/null", "file:/dev/null: it is empty");
        check("env:REENACT_NO_SUCH_NAME", "env:REENACT_NO_SUCH_NAME: the environment has no REENACT_NO_SUCH_NAME");
        check("exec:echo hunter2; exit 3", "exec:echo …: the command failed: exit status: 3");
        check("exec:yes hunter2", "exec:yes …: it is longer than 1048576 bytes");
        check("exec:true", "exec:true: it is empty");
    }

    #[test]
    #[cfg(feature = "replay")]
    fn a_live_secret_is_read_again_with_its_scheme() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let reference: Reference = format!("file:{}", path.display()).parse().unwrap();
        std::fs::write(&path, "one\n").unwrap();
        let live = reference.live("the token", "Bearer ").unwrap();
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(live.current().reveal(), b"Bearer one");
        assert!(live.renew().unwrap());
        assert_eq!(live.current().reveal(), b"Bearer two");
        std::fs::remove_file(&path).unwrap();
        let error = live.renew().unwrap_err().to_string();
        assert!(
            error.contains("the token could not be read again") && error.contains("token: No such file"),
            "{error}"
        );
        std::fs::write(&path, "a\nb").unwrap();
        let failure = reference.live("the token", "").unwrap_err().to_string();
        assert!(failure.contains("the token is empty, has white space") && failure.contains("(file:"), "{failure}");
    }
}
