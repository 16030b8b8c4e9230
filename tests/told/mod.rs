//! The commands of a page, run as its reader would run them: the `sh` blocks from top to bottom in one folder.
//!
//! What ends in `&` is started on a port of its own instead of the page's, which is then meant wherever the page names it;
//! `kill -INT %N` ends the Nth of these. `export PATH=…` is done already.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Process, Said, run};

const HOST: &str = "127.0.0.1:";
/// Options after which a server's own address stands, and what it says before the one that it got.
const LISTENS: [(&str, &str); 3] =
    [("--bind ", "Listening at: http://"), ("--listen ", "listening on "), ("--port ", "running on http://")];

/// Exit code of an experiment whose runs say nothing, since whatever else is tested took this machine's time; it says itself
/// that `--resume` goes on with it.
const MACHINE_WAS_THE_LIMIT: i32 = 4;
const RESUMED_MAX: usize = 5;

/// A page of the documentation.
pub(crate) struct Page {
    text: String,
}

/// What its commands did, and what still runs.
pub(crate) struct Told {
    /// In the page's words, without what was started.
    pub(crate) commands: Vec<(String, Said)>,
    folder: PathBuf,
    path: OsString,
    started: Vec<Option<Process>>,
    /// Addresses of the page, and those that are really meant.
    addresses: Vec<(String, String)>,
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        Self { text: std::fs::read_to_string(path).unwrap() }
    }

    /// Blocks of a language.
    pub(crate) fn blocks(&self, language: &str) -> Vec<String> {
        let fence = format!("```{language}\n");
        let after = self.text.split(fence.as_str()).skip(1);
        after.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
    }

    /// Its commands, each on one line.
    fn commands(&self) -> Vec<String> {
        let lines = self.blocks("sh").concat().replace("\\\n", " ");
        let is_command = |line: &&str| !line.is_empty() && !line.starts_with('#') && !line.starts_with("export PATH=");
        lines
            .lines()
            .map(str::trim)
            .filter(is_command)
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Runs all of them in `folder`, with these folders before all others to find programs in.
    #[track_caller]
    pub(crate) fn run(&self, folder: &Path, programs: &[PathBuf]) -> Told {
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(programs.iter().cloned().chain(std::env::split_paths(&others))).unwrap();
        let mut told =
            Told { commands: Vec::new(), folder: folder.to_owned(), path, started: Vec::new(), addresses: Vec::new() };
        for command in self.commands() {
            told.take(&command);
        }
        told
    }
}

impl Told {
    #[track_caller]
    fn take(&mut self, command: &str) {
        if let Some(server) = command.strip_suffix(" &") {
            self.start(server);
        } else if let Some(number) = command.strip_prefix("kill -INT %") {
            let number: usize = number.parse().unwrap();
            let process = self.started.get_mut(number - 1).and_then(Option::take).unwrap();
            process.signal("INT");
            self.commands.push((command.to_owned(), process.finish()));
        } else {
            let mut said = run(&mut self.shell(command));
            for _ in 0..RESUMED_MAX {
                if said.code != MACHINE_WAS_THE_LIMIT {
                    break;
                }
                said = run(&mut self.shell(&format!("{command} --resume")));
            }
            self.commands.push((command.to_owned(), said));
        }
    }

    fn start(&mut self, server: &str) {
        let (option, says) = LISTENS.iter().find(|(option, _)| server.contains(option)).unwrap();
        let (before, after) = server.split_once(option).unwrap();
        let (own, after) = after.split_once(' ').unwrap_or((after, ""));
        // What takes a port by itself takes its host from another option.
        let host = if own.starts_with(HOST) { HOST } else { "" };
        let mut process = Process::start(&mut self.shell(&format!("exec {before}{option}{host}0 {after}")));
        let line = process.wait_for_err(says);
        let port = line.split(says).nth(1).unwrap().trim_start_matches(HOST);
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        self.addresses.push((format!("{HOST}{}", own.trim_start_matches(HOST)), format!("{HOST}{port}")));
        self.started.push(Some(process));
    }

    fn shell(&self, command: &str) -> Command {
        let mut text = command.to_owned();
        for (named, meant) in &self.addresses {
            text = text.replace(named, meant);
        }
        let mut shell = Command::new("bash");
        shell.args(["-c", &text]).current_dir(&self.folder).env("PATH", &self.path).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REENACT_") || name.to_string_lossy().starts_with("OTEL_") {
                shell.env_remove(name);
            }
        }
        shell
    }

    /// What the first command with all of these words did.
    #[track_caller]
    pub(crate) fn said(&self, words: &[&str]) -> &Said {
        let found = self.commands.iter().find(|(command, _)| words.iter().all(|word| command.contains(word)));
        found.map_or_else(|| panic!("the page has no command with {words:?}"), |(_, said)| said)
    }

    /// Ends what was started.
    pub(crate) fn end(mut self) {
        for process in self.started.drain(..).flatten() {
            process.signal("TERM");
            process.finish();
        }
    }
}
