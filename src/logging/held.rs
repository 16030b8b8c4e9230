//! Lines that are kept while the terminal shows something else, and printed when it is free again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Lines that are kept; older ones go first, and are counted.
const LINES_MAX: usize = 1_000;

static HELD: Mutex<Option<Held>> = Mutex::new(None);

#[derive(Default)]
struct Held {
    lines: VecDeque<String>,
    lost: u64,
}

/// Keeps lines from now on, until [`release`].
pub(crate) fn hold() {
    with(|held| {
        held.get_or_insert_default();
    });
}

/// The last line that was kept.
pub(crate) fn latest() -> Option<String> {
    with(|held| held.as_ref().and_then(|held| held.lines.back().cloned()))
}

/// Keeps a line; false when lines are not kept.
pub(super) fn keep(line: impl FnOnce() -> String) -> bool {
    with(|held| {
        let Some(held) = held else { return false };
        for line in line().lines() {
            if held.lines.len() == LINES_MAX {
                held.lines.pop_front();
                held.lost += 1;
            }
            held.lines.push_back(line.to_owned());
        }
        true
    })
}

/// What was kept; lines are printed again from now on.
pub(crate) fn release() -> Vec<String> {
    let Some(Held { lines, lost }) = with(Option::take) else { return Vec::new() };
    let note = (lost > 0).then(|| format!("({lost} earlier lines were not kept)"));
    note.into_iter().chain(lines).collect()
}

fn with<T>(what: impl FnOnce(&mut Option<Held>) -> T) -> T {
    what(&mut HELD.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_up_to_a_bound_and_come_back_in_order() {
        assert!(!keep(|| "before".to_owned()));
        hold();
        for line in 0..LINES_MAX + 2 {
            assert!(keep(|| line.to_string()));
        }
        assert_eq!(latest().unwrap(), (LINES_MAX + 1).to_string());
        let lines = release();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES_MAX + 1, "(2 earlier lines were not kept)"));
        assert_eq!((lines[1].as_str(), keep(|| "after".to_owned())), ("2", false));
    }
}
