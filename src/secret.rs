//! Secrets by reference: `env:NAME`, `file:PATH`, `exec:COMMAND`. A secret is never a flag's value.

use std::process::{Command, Stdio};

use formats::redact::RedactionKey;

use crate::outcome::Failure;

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Env(String),
    File(String),
    Exec(String),
}

impl std::str::FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text itself is not repeated: it may be the secret.
        let how = "a secret is given by reference: env:NAME, file:PATH or exec:COMMAND";
        match text.split_once(':') {
            Some((_, "")) => Err(format!("{how}; this reference names nothing")),
            Some(("env", name)) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) => Ok(Self::File(path.to_owned())),
            Some(("exec", command)) => Ok(Self::Exec(command.to_owned())),
            Some(("aws-sm", _)) => Err("aws-sm: references are not built yet".to_owned()),
            _ => Err(how.to_owned()),
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

/// A file is read again so often, which costs some microseconds.
#[cfg(feature = "replay")]
const REREAD_FILE: std::time::Duration = std::time::Duration::from_secs(1);
/// A command is run again so often, besides after a refusal.
#[cfg(feature = "replay")]
const REREAD_COMMAND: std::time::Duration = std::time::Duration::from_secs(300);

impl Reference {
    /// How often it is worth looking at again while nobody complains; `None` for what cannot change.
    #[cfg(feature = "replay")]
    pub(crate) const fn reread_every(&self) -> Option<std::time::Duration> {
        match self {
            Self::Env(_) => None,
            Self::File(_) => Some(REREAD_FILE),
            Self::Exec(_) => Some(REREAD_COMMAND),
        }
    }

    /// The secret without the line end that files and commands put after it.
    pub(crate) fn resolve(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = match self {
            Self::Env(name) => match std::env::var_os(name) {
                Some(value) => std::os::unix::ffi::OsStringExt::into_vec(value),
                None => {
                    return Err(
                        Failure::new(format!("the environment has no {name}")).hint("export it, or name another")
                    );
                }
            },
            Self::File(path) => std::fs::read(path)
                .map_err(|error| Failure::new(format!("cannot read the secret from {path}: {error}")))?,
            Self::Exec(command) => run(command)?,
        };
        while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            bytes.pop();
        }
        if bytes.is_empty() {
            return Err(Failure::new("the referenced secret is empty"));
        }
        Ok(bytes)
    }
}

fn run(command: &str) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::new(format!("the command of an exec: reference failed: {why}"));
    let output = Command::new("sh").arg("-c").arg(command).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() { Ok(output.stdout) } else { Err(failed(output.status.to_string())) }
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
        assert!(resolve("exec:exit 3").unwrap().is_err());
        assert!(resolve("file:/nowhere/at/all").unwrap().is_err());
        assert!(resolve("env:REENACT_NO_SUCH_NAME").unwrap().is_err());
        for bad in ["hunter2", "env:", "aws-sm:x", "http:x"] {
            let error = resolve(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
