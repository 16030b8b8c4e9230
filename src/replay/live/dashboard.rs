//! A run on a terminal: drawn on standard error, once a second, on the terminal's other screen.
//!
//! `screen` opens and restores the terminal, on which `escapes` draws, `keys` reads the keyboard, `history` keeps the last minutes, `draw` is what it
//! looks like: a pure function of these.

mod draw;
mod escapes;
mod history;
mod keys;
mod screen;

use std::io;
use std::sync::Arc;

use log::Level;
use replayer::run::Live;
use replayer::tempo::Asked;

use super::Facts;
use crate::logging::{held, say};
use draw::{Asking, View};
use history::History;
use keys::{Input, Key, Keys};
use screen::Screen;

/// What somebody before the terminal wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::replay::live) enum Wish {
    /// The same as SIGINT.
    Interrupt,
    /// Send nothing more, and wait for the answers under way.
    Drain,
    /// Wait for nothing.
    Quit,
    /// Change how the plan's time goes.
    Change(Asked),
}

/// One step of the keys that scale, in the plan's speed.
const STEP: f64 = 0.1;
/// Where these keys end; a factor that is typed may go further.
const STEPS: (f64, f64) = (0.1, 10.0);
/// Characters of a factor that is typed.
const FACTOR_CHARS_MAX: usize = 8;

/// The dashboard, on the screen.
pub(super) struct Dashboard {
    facts: Facts,
    live: Arc<Live>,
    history: History,
    asking: Option<Asking>,
    /// What came of the last key.
    told: Option<String>,
    /// What the keys changed meanwhile, which the next snapshot will show.
    speed: (bool, f64),
    is_monochrome: bool,
    keys: Keys,
    screen: Screen,
}

impl Dashboard {
    /// Takes the terminal. Lines that would be printed meanwhile are kept, and printed afterwards.
    pub(super) fn open(facts: Facts) -> io::Result<Self> {
        let screen = Screen::open()?;
        held::hold();
        let keys = Keys::start()?;
        let is_monochrome = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let mut dashboard = Self {
            facts,
            live: Arc::default(),
            history: History::new(),
            asking: None,
            told: None,
            speed: (false, 1.0),
            is_monochrome,
            keys,
            screen,
        };
        dashboard.draw();
        Ok(dashboard)
    }

    /// Shows a snapshot.
    pub(super) fn show(&mut self, live: Arc<Live>) {
        self.history.take(&live);
        self.speed = (live.is_paused, live.speed);
        self.live = live;
        self.draw();
    }

    /// The next thing that somebody asks for.
    pub(super) async fn wish(&mut self) -> Wish {
        loop {
            let wish = match self.keys.next().await {
                Input::Resized => None,
                Input::Pressed(key) => self.press(key),
            };
            self.draw();
            if let Some(wish) = wish {
                return wish;
            }
        }
    }

    /// Shows what came of a wish.
    pub(super) fn tell(&mut self, what: String) {
        self.told = Some(what);
        self.draw();
    }

    fn press(&mut self, key: Key) -> Option<Wish> {
        self.told = None;
        let (is_paused, speed) = self.speed;
        match (self.asking.take(), key) {
            (_, Key::Interrupt) => Some(Wish::Interrupt),
            (Some(Asking::Quit), Key::Char('y' | 'Y')) => Some(Wish::Quit),
            // Anything else is a no.
            (Some(Asking::Quit), _) => None,
            (None, Key::Char('q')) => {
                self.asking = Some(Asking::Quit);
                None
            }
            (Some(Asking::Factor(typed)), key) => self.type_factor(typed, key),
            (None, Key::Char('s')) => {
                self.asking = Some(Asking::Factor(String::new()));
                None
            }
            (None, Key::Char(' ')) => {
                self.speed.0 = !is_paused;
                Some(Wish::Change(if is_paused { Asked::Resume } else { Asked::Pause }))
            }
            (None, Key::Char('+' | '=')) => Some(self.step(speed + STEP)),
            (None, Key::Char('-' | '_')) => Some(self.step(speed - STEP)),
            (None, Key::Char('d')) => Some(Wish::Drain),
            (None, _) => None,
        }
    }

    /// Another tenth of the plan's speed.
    fn step(&mut self, speed: f64) -> Wish {
        let speed = ((speed * 10.0).round() / 10.0).clamp(STEPS.0, STEPS.1);
        self.speed.1 = speed;
        Wish::Change(Asked::Scale(speed))
    }

    /// A factor is being typed.
    fn type_factor(&mut self, mut typed: String, key: Key) -> Option<Wish> {
        match key {
            Key::Enter => {
                let factor = typed.parse();
                if factor.is_err() {
                    self.told = Some(format!("`{typed}` is no factor; type one as in 1.5"));
                }
                return factor.ok().map(|factor| Wish::Change(Asked::Scale(factor)));
            }
            Key::Escape => return None,
            Key::Back => drop(typed.pop()),
            Key::Char(char) if typed.len() < FACTOR_CHARS_MAX && (char.is_ascii_digit() || char == '.') => {
                typed.push(char);
            }
            Key::Char(_) | Key::Interrupt => {}
        }
        self.asking = Some(Asking::Factor(typed));
        None
    }

    fn draw(&mut self) {
        let message = self.told.clone().or_else(held::latest);
        let view = View {
            facts: &self.facts,
            live: &self.live,
            history: &self.history,
            message: message.as_deref(),
            asking: self.asking.as_ref(),
            is_monochrome: self.is_monochrome,
        };
        // A terminal that is gone is no reason to stop a run.
        let _ = self.screen.draw(|frame| draw::draw(frame, &view));
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.keys.stop();
        self.screen.close();
        for line in held::release() {
            say(Level::Info, &line);
        }
    }
}
