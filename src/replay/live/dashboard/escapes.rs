//! A terminal for ratatui: cells as escape sequences (ECMA-48) on standard error, in one write for each frame.
//!
//! Only what the dashboard needs, without a library that reads the terminal, too: keys and sizes come in another way.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

/// Where the terminal does not say.
const SIZE: Size = Size::new(80, 24);

/// What is to be written with the next flush.
pub(super) struct Escapes {
    pending: String,
}

impl Escapes {
    pub(super) const fn new() -> Self {
        Self { pending: String::new() }
    }
}

impl Backend for Escapes {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut next = None;
        let mut style = (Color::Reset, Color::Reset, Modifier::empty());
        self.pending.push_str("\x1b[0m");
        for (x, y, cell) in content {
            if next != Some((x, y)) {
                move_to(&mut self.pending, x, y);
            }
            let wanted = (cell.fg, cell.bg, cell.modifier);
            if wanted != style {
                style = wanted;
                select(&mut self.pending, style);
            }
            self.pending.push_str(cell.symbol());
            next = x.checked_add(1).map(|x| (x, y));
        }
        self.pending.push_str("\x1b[0m");
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.pending.push_str("\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.pending.push_str("\x1b[?25h");
        Ok(())
    }

    /// The cursor is hidden, so that nobody can tell.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        move_to(&mut self.pending, x, y);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.pending.push_str(match region {
            ClearType::All => "\x1b[2J",
            ClearType::AfterCursor => "\x1b[J",
            ClearType::BeforeCursor => "\x1b[1J",
            ClearType::CurrentLine => "\x1b[2K",
            ClearType::UntilNewLine => "\x1b[K",
        });
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        let said = terminal_size::terminal_size_of(io::stderr());
        Ok(said.map_or(SIZE, |(columns, rows)| Size::new(columns.0, rows.0)))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut out = io::stderr().lock();
        let written = out.write_all(self.pending.as_bytes()).and_then(|()| out.flush());
        self.pending.clear();
        written
    }
}

/// Rows and columns count from 1.
fn move_to(out: &mut String, x: u16, y: u16) {
    // Writing into memory does not fail, here and below.
    let _ = write!(out, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1);
}

fn select(out: &mut String, (foreground, background, modifier): (Color, Color, Modifier)) {
    out.push_str("\x1b[0");
    for (one, code) in [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::REVERSED, 7)] {
        if modifier.contains(one) {
            let _ = write!(out, ";{code}");
        }
    }
    for (colour, base) in [(foreground, 30), (background, 40)] {
        if let Some(number) = number(colour) {
            let _ = write!(out, ";{}", base + number);
        }
    }
    out.push('m');
}

/// The eight colours that every terminal has its own shades of; others are drawn in the terminal's own.
const fn number(colour: Color) -> Option<u8> {
    match colour {
        Color::Black => Some(0),
        Color::Red => Some(1),
        Color::Green => Some(2),
        Color::Yellow => Some(3),
        Color::Blue => Some(4),
        Color::Magenta => Some(5),
        Color::Cyan => Some(6),
        Color::Gray | Color::White => Some(7),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn cells_become_moves_styles_and_symbols() {
        let cell = |symbol: &'static str, style: Style| {
            let mut cell = Cell::new(symbol);
            cell.set_style(style);
            cell
        };
        let (plain, loud) = (cell("a", Style::new()), cell("é", Style::new().fg(Color::Red).bold()));
        let mut escapes = Escapes::new();
        escapes.draw([(0, 0, &plain), (1, 0, &loud), (2, 0, &loud), (7, 4, &plain)].into_iter()).unwrap();
        let expected = "\x1b[0m\x1b[1;1Ha\x1b[0;1;31méé\x1b[5;8H\x1b[0ma\x1b[0m";
        assert_eq!(escapes.pending, expected);
    }
}
