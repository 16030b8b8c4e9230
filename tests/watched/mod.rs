//! What tests of watching a run need: a terminal (tmux), and readers of metrics and of the stream of JSON (Python).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Said, run, text, wait_for};

/// A terminal of a size of its own, in which one shell command runs, and which outlives it.
pub(crate) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Starts `command` in a terminal of so many columns and rows.
    pub(crate) fn start(folder: &Path, columns: u16, rows: u16, command: &str) -> Self {
        let terminal = Self { socket: folder.join("tmux") };
        let script = folder.join("script");
        // The keyboard interrupts the command, not the script. The prompt of nothing: what is typed after the end comes to
        // a program that shows it.
        std::fs::write(&script, format!("trap : INT\n{command}\necho \"ended with $?\"\nstty -a\ncat\n")).unwrap();
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let shell = format!("sh {}", text(&script));
        let arguments = ["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, &shell];
        let said = run(terminal.tmux().args(arguments).env("TERM", "xterm-256color").env_remove("TMUX"));
        assert_eq!(said.code, 0, "tmux (Debian package `tmux`, `tools/setup test`): {said:?}");
        terminal
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).stdin(Stdio::null());
        command
    }

    fn says(&self, arguments: &[&str]) -> Said {
        run(self.tmux().args(arguments))
    }

    /// What can be seen.
    pub(crate) fn screen(&self) -> String {
        self.says(&["capture-pane", "-p"]).out
    }

    /// Whether the other screen is shown, and whether the cursor is.
    pub(crate) fn state(&self) -> (bool, bool) {
        let said = self.says(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]).out;
        let mut flags = said.split_whitespace().map(|flag| flag == "1");
        (flags.next().unwrap(), flags.next().unwrap())
    }

    /// Types.
    pub(crate) fn press(&self, keys: &str) {
        assert_eq!(self.says(&["send-keys", keys]).code, 0);
    }

    /// Takes another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let said = self.says(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
        assert_eq!(said.code, 0, "{said:?}");
    }

    /// Waits until it shows all of these.
    #[track_caller]
    pub(crate) fn wait_for(&self, parts: &[&str]) -> String {
        let mut last = String::new();
        wait_for(&format!("{parts:?} on a terminal"), || {
            last = self.screen();
            parts.iter().all(|part| last.contains(part)).then(|| last.clone())
        })
    }

    /// Waits for the end of the command, after which the terminal must be as it was before.
    #[track_caller]
    pub(crate) fn wait_for_end(&self, code: i32) -> String {
        let screen = self.wait_for(&[&format!("ended with {code}"), "-brkint"]);
        assert_eq!(self.state(), (false, true), "{screen}");
        for mode in ["icanon", "echo", "isig", "iexten"] {
            assert!(screen.split_whitespace().any(|word| word == mode), "no `{mode}`: {screen}");
        }
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.says(&["kill-server"]);
    }
}

/// Runs one of these tests' Python programs, of tests/watched, with the packages of tests/requirements.txt.
pub(crate) fn python(program: &str, arguments: &[&str]) -> Said {
    run(&mut python_command(program, arguments))
}

/// The same, to be started.
pub(crate) fn python_command(program: &str, arguments: &[&str]) -> Command {
    let target =
        Path::new(env!("CARGO_BIN_EXE_reenact")).parent().and_then(Path::parent).expect("target/debug/reenact");
    let python = target.join("test-venv/bin/python");
    assert!(python.exists(), "no {}: run `tools/setup test`", python.display());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watched").join(program);
    let mut command = Command::new(python);
    command.arg(program).args(arguments).stdin(Stdio::null());
    command
}
