//! Numbers of endpoints, in the order in which they are met.

use foldhash::HashMap;

use crate::endpoints::{ENDPOINTS_MAX, OTHER_METHOD, ROWS_MAX, others, parts};

/// Endpoints by name.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<String, u32>,
    /// By number.
    names: Vec<String>,
}

impl Names {
    /// The number of an endpoint; those that are too many have one of the others of their method.
    pub(super) fn number(&mut self, name: String) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let name = match self.names.len() {
            0..ENDPOINTS_MAX => name,
            rows => {
                let name = others(parts(&name).0);
                // The last row is for those of all other methods.
                let has_room = rows < ROWS_MAX - 1 || self.numbers.contains_key(&name);
                if has_room { name } else { others(OTHER_METHOD) }
            }
        };
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(name.clone()).or_insert(next);
        if number == next {
            self.names.push(name);
        }
        number
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}
