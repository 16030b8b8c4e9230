//! A file that is written as long as that succeeds: what is counted does not depend on it, and goes on without.

use std::collections::BTreeMap;
use std::io;

/// Files of a run that could not be written to their ends, and why.
pub(crate) type Unwritten = BTreeMap<String, String>;

/// A writer that is given up when it fails once: more behind a gap would look as if there were none.
pub(crate) struct UntilItFails<W> {
    name: &'static str,
    /// Until it failed.
    out: Option<W>,
    /// How it failed.
    why: Option<String>,
}

impl<W> UntilItFails<W> {
    pub(crate) const fn new(name: &'static str, out: W) -> Self {
        Self { name, out: Some(out), why: None }
    }

    /// Writes, unless it has failed.
    pub(crate) fn with(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        let Some(out) = &mut self.out else { return };
        if let Err(error) = write(out) {
            self.failed(&error);
        }
    }

    /// Ends it, unless it has failed; if it has, notes that.
    pub(crate) fn finish(mut self, end: impl FnOnce(W) -> io::Result<()>, unwritten: &mut Unwritten) {
        if let Some(out) = self.out.take()
            && let Err(error) = end(out)
        {
            self.failed(&error);
        }
        unwritten.extend(self.why.map(|why| (self.name.to_owned(), why)));
    }

    fn failed(&mut self, error: &io::Error) {
        log::warn!("{} cannot be written any more: {error}; the run goes on without it", self.name);
        self.out = None;
        self.why = Some(error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_once_is_given_up_and_named() {
        let (mut written, mut unwritten) = (0, Unwritten::new());
        let mut write = || -> io::Result<()> {
            written += 1;
            if written < 2 { Ok(()) } else { Err(io::Error::other("the disk is full")) }
        };
        let mut one = UntilItFails::new("one", ());
        (0..4).for_each(|_| one.with(|()| write()));
        one.finish(|()| Err(io::Error::other("it was ended")), &mut unwritten);
        let mut two = UntilItFails::new("two", ());
        two.with(|()| Ok(()));
        two.finish(|()| Err(io::Error::other("it has no end")), &mut unwritten);
        UntilItFails::new("three", ()).finish(|()| Ok(()), &mut unwritten);
        let said: Vec<(&str, &str)> = unwritten.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
        assert_eq!((written, said), (2, vec![("one", "the disk is full"), ("two", "it has no end")]));
    }
}
