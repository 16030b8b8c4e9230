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

use super::Facts;
use crate::logging::{held, say};
use draw::{Asking, View};
use history::History;
use keys::{Input, Key, Keys};
use screen::Screen;

/// What somebody before the terminal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replay::live) enum Wish {
    /// The same as SIGINT.
    Interrupt,
    /// Send nothing more, and wait for the answers under way.
    Drain,
    /// Wait for nothing.
    Quit,
}

/// The dashboard, on the screen.
pub(super) struct Dashboard {
    facts: Facts,
    live: Arc<Live>,
    history: History,
    asking: Option<Asking>,
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
        let mut dashboard =
            Self { facts, live: Arc::default(), history: History::new(), asking: None, is_monochrome, keys, screen };
        dashboard.draw();
        Ok(dashboard)
    }

    /// Shows a snapshot.
    pub(super) fn show(&mut self, live: Arc<Live>) {
        self.history.take(&live);
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

    fn press(&mut self, key: Key) -> Option<Wish> {
        match (self.asking.take(), key) {
            (_, Key::Interrupt) => Some(Wish::Interrupt),
            (Some(Asking::Quit), Key::Char('y' | 'Y')) => Some(Wish::Quit),
            // Anything else is a no.
            (Some(Asking::Quit), _) => None,
            (None, Key::Char('q')) => {
                self.asking = Some(Asking::Quit);
                None
            }
            (None, Key::Char('d')) => Some(Wish::Drain),
            (None, _) => None,
        }
    }

    fn draw(&mut self) {
        let message = held::latest();
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
