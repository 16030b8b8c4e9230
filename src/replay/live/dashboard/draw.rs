//! What the dashboard looks like. Pure: everything is in the [`View`].
//!
//! What does not fit is left out in a fixed order: endpoints first, then curves, then single lines from below; the state,
//! the progress and the keys stay. Nothing is said by colour alone.

mod curves;
mod text;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use replayer::run::Live;

use super::super::Facts;
use super::history::History;
use crate::units;
use text::{fact_lines, progress, state, title};

/// Rows of the curves with their frame, at least and at most.
const CURVES_ROWS: (u16, u16) = (7, 14);
/// Columns from which on two curves stand side by side.
const TWO_CURVES_COLUMNS: u16 = 76;
/// Rows of the endpoints that are worth their heading.
const ENDPOINT_ROWS_MIN: u16 = 3;
/// Columns of the names of facts.
const NAME_COLUMNS: usize = 10;

/// Everything that is shown.
pub(super) struct View<'a> {
    pub(super) facts: &'a Facts,
    pub(super) live: &'a Live,
    pub(super) history: &'a History,
    /// The last line that was kept from the terminal.
    pub(super) message: Option<&'a str>,
    pub(super) asking: Option<&'a Asking>,
    pub(super) is_monochrome: bool,
}

/// What the dashboard asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asking {
    /// Whether to wait for nothing.
    Quit,
    /// How many times as fast as planned; what was typed so far.
    Factor(String),
}

/// What a text is, and so how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// What it is about.
    Strong,
    /// A name before a value.
    Name,
    /// A value.
    Value,
    /// What is said besides.
    Remark,
    /// As it should be.
    Good,
    /// Not as planned.
    Doubtful,
    /// Wrong.
    Bad,
}

impl View<'_> {
    fn style(&self, role: Role) -> Style {
        let plain = Style::new();
        let (colour, modifier) = match role {
            Role::Value => return plain,
            Role::Strong => (None, Modifier::BOLD),
            Role::Remark => (None, Modifier::DIM),
            Role::Name => (Some(Color::Cyan), Modifier::empty()),
            Role::Good => (Some(Color::Green), Modifier::BOLD),
            Role::Doubtful => (Some(Color::Yellow), Modifier::BOLD),
            Role::Bad => (Some(Color::Red), Modifier::BOLD),
        };
        match colour {
            Some(colour) if !self.is_monochrome => plain.fg(colour).add_modifier(modifier),
            _ => plain.add_modifier(modifier),
        }
    }

    fn span<'t>(&self, role: Role, text: impl Into<std::borrow::Cow<'t, str>>) -> Span<'t> {
        Span::styled(text, self.style(role))
    }
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View<'_>) {
    let area = frame.area();
    if area.height == 0 || area.width == 0 {
        return;
    }
    let facts = fact_lines(view, area.width);
    let plan = rows(area, facts.len(), view.live.endpoints.len());
    let [head, bar, _, middle, curves, _, endpoints, foot] = plan;
    frame.render_widget(Paragraph::new(header(view, head.width)), head);
    frame.render_widget(Paragraph::new(progress(view, bar.width)), bar);
    frame.render_widget(Paragraph::new(facts), middle);
    if curves.height >= CURVES_ROWS.0 {
        curves::draw(frame, view, curves, curves.width >= TWO_CURVES_COLUMNS);
    }
    if endpoints.height >= ENDPOINT_ROWS_MIN {
        draw_endpoints(frame, view, endpoints);
    }
    frame.render_widget(Paragraph::new(footer(view, foot.width, foot.height)), foot);
}

/// Rows from above: head, progress, a gap, facts, curves, a gap, endpoints, foot.
fn rows(area: Rect, facts: usize, endpoints: usize) -> [Rect; 8] {
    let height = area.height;
    let facts = u16::try_from(facts).unwrap_or(u16::MAX);
    let endpoints = u16::try_from(endpoints).unwrap_or(u16::MAX).saturating_add(1);
    let foot = if height >= 12 { 2 } else { u16::from(height >= 3) };
    let bar = u16::from(height >= 4);
    let mut left = height.saturating_sub(1 + bar + foot);
    let mut take = |wanted: u16, least: u16| {
        let taken = if left >= least { wanted.min(left) } else { 0 };
        left -= taken;
        taken
    };
    let facts = take(facts, 1);
    let gap = take(1, 4);
    let curves = take(CURVES_ROWS.0, CURVES_ROWS.0);
    let space = if curves > 0 { take(1, 1 + ENDPOINT_ROWS_MIN) } else { 0 };
    let endpoints = if space > 0 { take(endpoints, ENDPOINT_ROWS_MIN) } else { 0 };
    // What is still left makes the curves taller.
    let curves = if curves > 0 { curves + take(CURVES_ROWS.1 - CURVES_ROWS.0, 0) } else { 0 };
    let lengths = [1, bar, gap, facts, curves, space, endpoints];
    let [a, b, c, d, e, f, g, rest] =
        Layout::vertical(lengths.map(Constraint::Length).into_iter().chain([Constraint::Min(foot)])).areas(area);
    let foot = Rect { y: rest.bottom().saturating_sub(foot), height: foot.min(rest.height), ..rest };
    [a, b, c, d, e, f, g, foot]
}

/// What it is on the left, its state on the right.
fn header<'a>(view: &View<'a>, columns: u16) -> Line<'a> {
    let (role, word) = state(view.live);
    let left = title(view.facts);
    let columns = usize::from(columns);
    let room = columns.saturating_sub(word.chars().count() + 2);
    let left: String = left.chars().take(room).collect();
    let gap = columns.saturating_sub(left.chars().count() + word.chars().count() + 1);
    let (name, rest) = left.split_at(left.find(' ').unwrap_or(left.len()));
    Line::from(vec![
        view.span(Role::Strong, name.to_owned()),
        view.span(Role::Remark, rest.to_owned()),
        Span::raw(" ".repeat(gap)),
        view.span(role, word),
    ])
}

/// The last message, and the keys or what is asked.
fn footer<'a>(view: &View<'a>, columns: u16, rows: u16) -> Vec<Line<'a>> {
    let keys = match view.asking {
        Some(Asking::Quit) => {
            let why = if columns >= 66 { ", and give up the answers under way" } else { "" };
            Line::from(view.span(Role::Doubtful, format!("Quit{why}? y: yes, any other key: no")))
        }
        Some(Asking::Factor(typed)) => Line::from(vec![
            view.span(Role::Doubtful, "Times the plan's speed: "),
            view.span(Role::Strong, format!("{typed}_")),
            view.span(Role::Remark, "   return: do it, escape: do not"),
        ]),
        None => {
            let space = if view.live.is_paused { "go on" } else { "pause" };
            // With the least number of columns that each is shown in; those that are not shown work all the same.
            let keys =
                [(28, "space", space), (38, "+-", "speed"), (50, "s", "type it"), (0, "d", "drain"), (0, "q", "quit")];
            let spans = keys.into_iter().filter(|(least, ..)| columns >= *least).flat_map(|(_, key, what)| {
                [view.span(Role::Strong, key), view.span(Role::Remark, format!(" {what}  "))]
            });
            Line::from_iter(spans)
        }
    };
    let message = Line::from(view.span(Role::Doubtful, view.message.unwrap_or_default()));
    if rows >= 2 { vec![message, keys] } else { vec![keys] }
}

fn draw_endpoints(frame: &mut Frame<'_>, view: &View<'_>, area: Rect) {
    let right = |text: String| Cell::from(Line::from(text).right_aligned());
    let name = |text: &str| Cell::from(formats::visible::line(text).into_owned());
    let head = ["requests", "failed", "p50", "p99"].map(|text| right(text.to_owned()));
    let known = view.live.endpoints_known;
    let shown = usize::from(area.height.saturating_sub(1)).min(view.live.endpoints.len());
    let title = if shown < known { format!("endpoint ({shown} of {known})") } else { "endpoint".to_owned() };
    let head = Row::new(std::iter::once(name(&title)).chain(head)).style(view.style(Role::Name));
    let rows = view.live.endpoints.iter().map(|row| {
        let so_far = &row.so_far;
        let failed = if so_far.errors > 0 { Role::Bad } else { Role::Remark };
        Row::new([
            name(&row.name),
            right(units::count(so_far.completed + so_far.errors)),
            right(units::count(so_far.errors)).style(view.style(failed)),
            right(units::micros(so_far.response_us.p50)),
            right(units::micros(so_far.response_us.p99)),
        ])
    });
    let widths = [
        Constraint::Min(10),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    frame.render_widget(Table::new(rows, widths).header(head), area);
}

#[cfg(test)]
mod tests;
