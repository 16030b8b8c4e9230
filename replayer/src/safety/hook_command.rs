//! A hook that is a command: `sh -c`, in a process group of its own, so that nothing of it outlives its time.

use std::future::Future;
use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde_json::{Map, Value};

use super::HookError;
use super::hook::Patience;

/// Runs `command`; its output goes to standard error, since results are what stands on standard output.
pub(super) fn run(
    command: &str,
    facts: Map<String, Value>,
    patience: Patience<impl Future<Output = ()>>,
) -> Result<(), HookError> {
    let event = patience.event;
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
    let waited = patience.wait(ended(&child)).and_then(|ended| ended.map_err(system));
    if waited.is_err() {
        // The child is not waited for yet, so the number is still its group's.
        let killed = pid(&child).is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
        if !killed {
            // It may have ended by itself this very moment; what must not happen is to wait for it without an end.
            let _ = child.kill();
        }
    }
    let status = child.wait().map_err(system)?;
    waited?;
    if status.success() { Ok(()) } else { Err(HookError::Failed { event, how: status }) }
}

/// The JSON as a file in memory: a pipe would need somebody to fill it, and breaks when nobody reads.
fn input(facts: &Value) -> std::io::Result<Stdio> {
    let memory = rustix::fs::memfd_create("facts", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    writeln!(file, "{facts}")?;
    file.rewind()?;
    Ok(Stdio::from(file))
}

/// Waits for the child's end, without taking its status. The thread that does so ends with the child, whoever waits for it.
async fn ended(child: &Child) -> std::io::Result<()> {
    let pid = pid(child).ok_or_else(|| std::io::Error::other("the process has no id"))?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
    let waiting = tokio::task::spawn_blocking(move || {
        loop {
            match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], None) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    });
    waiting.await.map_err(std::io::Error::other)?
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
