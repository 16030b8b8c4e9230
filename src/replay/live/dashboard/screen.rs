//! The terminal while something is drawn on it, and the same terminal afterwards: whatever ends the drawing, a panic
//! included, it gets back its screen, its cursor and its way of reading lines.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use ratatui::{Frame, Terminal};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::escapes::Escapes;

/// How the terminal read lines before it was ours; `None` when it is not.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// The other screen, and back: its cursor is hidden while it is shown.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?1049l\x1b[?25h";

/// The other screen of the terminal that is standard error.
pub(super) struct Screen {
    terminal: Terminal<Escapes>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn open() -> io::Result<Self> {
        let terminal = Terminal::new(Escapes::new())?;
        read_keys()?;
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // First, so that what is said about it can be read.
                restore();
                before(panic);
            }));
        });
        let screen = Self { terminal };
        write(ENTER)?;
        Ok(screen)
    }

    /// Draws, unless the terminal was given back meanwhile.
    pub(super) fn draw(&mut self, what: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !is_open() {
            return Ok(());
        }
        self.terminal.draw(what).map(|_| ())
    }

    /// Gives the terminal back.
    pub(super) fn close(&mut self) {
        restore();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Each key at once and unseen, Ctrl-C included; what is written is left as it is.
fn read_keys() -> io::Result<()> {
    let keyboard = io::stdin();
    let before = tcgetattr(&keyboard)?;
    let mut now = before.clone();
    now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
    now.special_codes[SpecialCodeIndex::VMIN] = 1;
    now.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&keyboard, OptionalActions::Now, &now)?;
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
    Ok(())
}

fn is_open() -> bool {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Gives the terminal back, once.
fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // What a terminal refuses here cannot be helped.
        let _ = write(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut out = io::stderr().lock();
    out.write_all(bytes)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    const TEST: &str = "replay::live::dashboard::screen::tests::a_panic_gives_the_terminal_back";
    const INSIDE: &str = "REENACT_TEST_IN_TERMINAL";

    /// This test runs itself in a terminal, where it panics.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "looks again until the deadline")]
    fn a_panic_gives_the_terminal_back() {
        if std::env::var_os(INSIDE).is_some() {
            let mut screen = Screen::open().unwrap();
            screen.draw(|frame| frame.render_widget("something drawn", frame.area())).unwrap();
            panic!("in the middle of it");
        }
        let folder = tempfile::tempdir().unwrap();
        let tmux = |arguments: &[&str]| {
            let mut tmux = Command::new("tmux");
            tmux.arg("-S").arg(folder.path().join("tmux")).args(arguments).env_remove("TMUX").stdin(Stdio::null());
            let output = tmux.output().expect("tmux is there (`tools/setup test`)");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let own = std::env::current_exe().unwrap();
        let inside = format!("env {INSIDE}=1 {} --exact {TEST} --nocapture; stty -a; cat", own.display());
        tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "50", &inside]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let (screen, state) = loop {
            let screen = tmux(&["capture-pane", "-p"]);
            if screen.contains("-brkint") {
                break (screen, tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]));
            }
            assert!(Instant::now() < deadline, "{screen}");
            std::thread::sleep(Duration::from_millis(20));
        };
        tmux(&["kill-server"]);
        assert!(screen.contains("in the middle of it") && !screen.contains("something drawn"), "{screen}");
        for mode in ["icanon", "echo", "isig"] {
            assert!(screen.split_whitespace().any(|word| word == mode), "no `{mode}`: {screen}");
        }
        assert_eq!(state.trim(), "0 1", "{screen}");
    }
}
