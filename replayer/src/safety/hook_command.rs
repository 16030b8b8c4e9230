//! A hook that is a command: `sh -c`, in a process group of its own, so that nothing of it outlives its time.

use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde_json::{Map, Value};

use super::HookError;
use crate::clock::Clock;

/// Runs `command`; its output goes to standard error, since results are what stands on standard output.
pub(super) fn run(
    command: &str,
    event: &'static str,
    facts: Map<String, Value>,
    timeout: Duration,
) -> Result<(), HookError> {
    let system = |source| HookError::Start { event, source };
    let variables: Vec<_> = facts.iter().filter_map(|(key, value)| Some((variable(key), plain(value)?))).collect();
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .envs(variables)
        .stdin(input(&Value::Object(facts)).map_err(system)?)
        .stdout(Stdio::from(std::io::stderr()))
        .process_group(0)
        .spawn()
        .map_err(system)?;
    let ended = wait(&child, timeout);
    if !matches!(ended, Ok(true)) {
        // The child is not waited for yet, so the number is still its group's.
        let killed = pid(&child).is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
        if !killed {
            // It may have ended by itself this very moment; what must not happen is to wait for it without an end.
            let _ = child.kill();
        }
    }
    let status = child.wait().map_err(system)?;
    match ended.map_err(system)? {
        false => Err(HookError::TimedOut { event, limit: timeout }),
        true if status.success() => Ok(()),
        true => Err(HookError::Failed { event, how: status }),
    }
}

/// The JSON as a file in memory: a pipe would need somebody to fill it, and breaks when nobody reads.
fn input(facts: &Value) -> std::io::Result<Stdio> {
    let memory = rustix::fs::memfd_create("facts", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    writeln!(file, "{facts}")?;
    file.rewind()?;
    Ok(Stdio::from(file))
}

/// Whether the child ended within its time.
fn wait(child: &Child, timeout: Duration) -> std::io::Result<bool> {
    let pid = pid(child).ok_or_else(|| std::io::Error::other("the process has no id"))?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
    let clock = Clock::start();
    let limit_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    loop {
        let left = Duration::from_nanos(limit_ns.saturating_sub(clock.now_ns()));
        let left = Timespec::try_from(left).map_err(std::io::Error::other)?;
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// `run_id` is `REENACT_RUN_ID`.
fn variable(key: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("REENACT_{}", key.chars().map(upper).collect::<String>())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        // No variable can have a zero byte in it; the JSON has it escaped.
        Value::String(text) => Some(text.replace('\0', "")),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
