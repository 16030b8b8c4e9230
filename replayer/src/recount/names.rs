//! Endpoints by their names: those of the plan by its index, others by the order in which they come.

use std::collections::HashMap;

use super::{ENDPOINTS_MAX, OTHERS};

pub(super) struct Names {
    by_name: HashMap<String, u32, foldhash::fast::RandomState>,
    names: Vec<String>,
    /// Requests of endpoints that are not told apart any more.
    pub(super) others: u64,
}

impl Names {
    pub(super) fn new(names: Vec<String>) -> Self {
        let by_name = (0..).zip(&names).map(|(index, name)| (name.clone(), index)).collect();
        Self { by_name, names, others: 0 }
    }

    /// The index of an endpoint; of those beyond the bound that of all others.
    pub(super) fn index(&mut self, name: &str) -> u32 {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        if self.names.len() >= ENDPOINTS_MAX {
            self.others += 1;
            return u32::try_from(ENDPOINTS_MAX).unwrap_or(u32::MAX);
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), index);
        index
    }

    /// By index; the last one is that of all others.
    pub(super) fn all(mut self) -> Vec<String> {
        self.names.resize(ENDPOINTS_MAX, String::new());
        self.names.push(OTHERS.to_owned());
        self.names
    }
}
