//! Sealed values in requests: found when rules and credentials have done their work, opened once to know that they can
//! be, and then left as they are, with a mark where each stands, so that no spool holds what is in them.
//!
//! Not here: trailers and names of fields, in which nothing is looked for.

use std::sync::Arc;

use formats::seal::{Opener, SealError, find};

use super::head::Head;
use super::identity::cookies;
use super::template::{Mark, Placeholder};
use super::text::Text;
use super::{LeftOut, NotSent};

/// What opens the sealed values of each session.
#[derive(Debug, Clone)]
pub struct Seals {
    openers: Arc<Vec<Option<Opener>>>,
}

impl Seals {
    /// From one opener for each session, in order; `None` where the session has no key.
    #[must_use]
    pub fn new(openers: Vec<Option<Opener>>) -> Self {
        Self { openers: Arc::new(openers) }
    }

    pub(super) fn open(&self, session: u32, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let opener = self.openers.get(session as usize).and_then(Option::as_ref).ok_or(SealError::NoKey)?;
        opener.open(sealed)
    }
}

/// A sealed value that cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFault {
    /// Where in the request it stands, in words.
    pub place: String,
    /// Why it cannot be opened.
    pub error: SealError,
}

/// Finds the sealed values of a request; those of a session that can be opened get marks. Returns whether there are any.
pub(super) fn mark(head: &mut Head<'_>, body: &mut Text<'_>, seals: Option<(&Seals, u32)>) -> Result<bool, NotSent> {
    let in_target = |byte: &u8| *byte > b' ' && *byte != 0x7f;
    let in_field = |byte: &u8| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t';
    let mut any = part(&mut head.target, seals, place_in_target, in_target)?;
    for line in head.lines_to_look_at(|recorded| find(recorded).next().is_some()) {
        let (name, value) = line.parts_mut();
        let place = |value: &[u8], at: usize| match name.eq_ignore_ascii_case(b"cookie") {
            true => place_in_cookies(value, at),
            false => format!("the header {}", String::from_utf8_lossy(name)),
        };
        any |= part(value, seals, place, in_field)?;
    }
    any |= part(body, seals, |_, at| format!("the body, at byte {at}"), |_| true)?;
    Ok(any)
}

/// The same of one part, whose opened values may have such bytes only: others would end it where it did not end.
fn part(
    text: &mut Text<'_>,
    seals: Option<(&Seals, u32)>,
    place: impl Fn(&[u8], usize) -> String,
    may_have: impl Fn(&u8) -> bool,
) -> Result<bool, NotSent> {
    // Nearly always.
    if text.marks().is_empty() && find(text.bytes()).next().is_none() {
        return Ok(false);
    }
    let mut marks = Vec::new();
    // Where something else is filled in, a value ends: what is put into the middle of one has broken it.
    let edges: Vec<usize> = text.marks().iter().map(|mark| mark.at).chain([text.bytes().len()]).collect();
    let mut from = 0;
    for edge in edges {
        for at in find(text.bytes().get(from..edge).unwrap_or_default()) {
            let at = from + at.start..from + at.end;
            let sealed = text.bytes().get(at.clone()).unwrap_or_default();
            if let Some((seals, session)) = seals {
                let opened = seals
                    .open(session, sealed)
                    .map_err(|error| NotSent::Sealed(SealedFault { place: place(text.bytes(), at.start), error }))?;
                if !opened.iter().all(&may_have) {
                    return Err(LeftOut::Ambiguous.into());
                }
            }
            let len = u32::try_from(sealed.len()).map_err(|_| LeftOut::Ambiguous)?;
            marks.push(Mark { at: at.start, what: Placeholder::Sealed { len } });
        }
        from = edge;
    }
    let any = !marks.is_empty();
    if seals.is_some() {
        text.add_marks(marks);
    }
    Ok(any)
}

fn place_in_target(target: &[u8], at: usize) -> String {
    let before = target.get(..at).unwrap_or_default();
    let Some(query) = before.iter().position(|byte| *byte == b'?') else { return "the path".to_owned() };
    let pair = before.get(query + 1..).and_then(|query| query.rsplit(|byte| *byte == b'&').next()).unwrap_or_default();
    let key = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    format!("the query's key {}", String::from_utf8_lossy(key))
}

fn place_in_cookies(value: &[u8], at: usize) -> String {
    let cookie = cookies(value).find(|cookie| cookie.value.contains(&at));
    cookie.map_or("the header Cookie".to_owned(), |cookie| {
        format!("the cookie {}", String::from_utf8_lossy(cookie.name()))
    })
}
