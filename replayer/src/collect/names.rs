//! Names by number: foreign text that is kept once, of bounded length and number.

use std::collections::HashMap;
use std::sync::Arc;

/// Names of one kind that are kept; they are of low cardinality unless an instrumentation gets it wrong.
pub(super) const NAMES_MAX: usize = 8_192;
/// Bytes of a name that are kept.
const NAME_BYTES_MAX: usize = 200;
/// What stands for the names that were too many.
pub(super) const OTHER: u32 = 0;

/// One kind of names. Number 0 is `other`, for those that were too many.
pub(super) struct Names {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    max: usize,
    /// Uses of names that were too many.
    pub(super) refused: u64,
}

impl Names {
    pub(super) fn new(max: usize) -> Self {
        Self { numbers: HashMap::new(), names: vec![Arc::from("other")], max, refused: 0 }
    }

    /// The number of a name, which is given one if there is room.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        let name = cut(name);
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let Some(number) = u32::try_from(self.names.len()).ok().filter(|_| self.names.len() < self.max) else {
            self.refused += 1;
            return OTHER;
        };
        let name: Arc<str> = Arc::from(name);
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    /// The name of a number.
    pub(super) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("other", |name| name)
    }
}

/// As much of a name as is kept.
fn cut(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

/// Which process a span came from, and which service that is. Processes matter since each may have a clock of its own.
pub(super) struct Processes {
    processes: Names,
    services: Names,
    /// The service of each process.
    service_of: Vec<u32>,
}

impl Processes {
    pub(super) fn new() -> Self {
        Self { processes: Names::new(NAMES_MAX), services: Names::new(NAMES_MAX), service_of: vec![OTHER] }
    }

    /// The number of a process.
    pub(super) fn number(&mut self, service: &str, instance: &str) -> u32 {
        let service = cut(service);
        // A name can have any character but is cut, so a length in front keeps pairs apart.
        let number = self.processes.number(&format!("{} {service} {instance}", service.len()));
        if number as usize == self.service_of.len() {
            self.service_of.push(self.services.number(service));
        }
        number
    }

    /// The number of a process's service.
    pub(super) fn service(&self, process: u32) -> u32 {
        self.service_of.get(process as usize).copied().unwrap_or(OTHER)
    }

    /// The name of a service.
    pub(super) fn name(&self, service: u32) -> &str {
        self.services.name(service)
    }

    /// How often there was no room for another one.
    pub(super) fn refused(&self) -> u64 {
        self.processes.refused + self.services.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_names_are_kept_and_one_past_it_is_other() {
        let mut names = Names::new(3);
        assert_eq!((names.number("a"), names.number("b"), names.refused), (1, 2, 0));
        assert_eq!((names.number("c"), names.number("a"), names.refused), (OTHER, 1, 1));
        assert_eq!((names.name(2), names.name(OTHER), names.name(99)), ("b", "other", "other"));
    }

    #[test]
    fn a_long_name_is_cut_where_a_character_ends() {
        let mut names = Names::new(NAMES_MAX);
        let number = names.number(&"ä".repeat(NAME_BYTES_MAX));
        assert_eq!(names.name(number), "ä".repeat(NAME_BYTES_MAX / 2));
        let number = names.number(&format!("x{}", "ä".repeat(NAME_BYTES_MAX)));
        assert_eq!(names.name(number).len(), NAME_BYTES_MAX - 1);
    }

    #[test]
    fn processes_of_a_service_are_told_apart() {
        let mut all = Processes::new();
        let [a, b, c] = [("shop", "1"), ("shop", "2"), ("shop 1", "")].map(|(service, at)| all.number(service, at));
        assert!(a != b && b != c && a != c);
        assert_eq!(all.number("shop", "1"), a);
        assert_eq!((all.name(all.service(a)), all.service(a)), ("shop", all.service(b)));
        assert_eq!(all.name(all.service(c)), "shop 1");
    }
}
