//! JSON, byte by byte: values of secret keys and what patterns find in strings are replaced, and all else stays as it is,
//! white space and spelling of numbers included.
//!
//! A number that is replaced becomes a string; `true`, `false` and `null` stay, since they tell nothing. Of an object or
//! array under a secret key every string and number is replaced. Several values in a row, as in JSON lines, are read, too.

use super::detect::shown;
use super::json_path::At;
use super::json_text::{quote, unescaped};
use super::pass::{Pass, Verdict, WrittenAs};
use super::rule::{Action, KeyPlace};
use crate::json_string;

/// Deeper is not read, JSON in strings counted in: no parser takes more than some hundreds, and a stack has an end.
pub(super) const DEPTH_MAX: usize = 128;
/// JSON in a string in JSON is looked into this often.
pub(super) const NESTED_MAX: usize = 8;

/// Where a text stands that is read as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Depth {
    /// Strings around it.
    pub(super) strings: usize,
    /// Objects and arrays around it, in all of them.
    pub(super) levels: usize,
}

/// The text is no JSON, or deeper than [`DEPTH_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Whether a text begins as an object or array does.
pub(super) fn looks_like(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

impl Pass<'_> {
    /// JSON with its secrets replaced; `None` when there are none.
    pub(super) fn json(&mut self, text: &[u8], depth: Depth) -> Result<Option<Vec<u8>>, Malformed> {
        if !self.may_have_secrets(text) {
            return Ok(None);
        }
        let look_for_patterns = self.may_have_pattern(text) || has_ascii_escape(text);
        let mut walk =
            Walk { text, at: 0, out: Vec::new(), copied: 0, path: Vec::new(), look_for_patterns, depth, pass: self };
        let steps = walk.pass.steps.len();
        let read = walk.document();
        walk.pass.steps.truncate(steps);
        read?;
        if walk.copied == 0 && walk.out.is_empty() {
            return Ok(None);
        }
        let (mut out, copied) = (walk.out, walk.copied);
        out.extend_from_slice(text.get(copied..).unwrap_or_default());
        Ok(Some(out))
    }

    /// Whether any rule may find something in JSON; false is certain, and cheap to tell.
    pub(super) fn may_have_secrets(&self, text: &[u8]) -> bool {
        self.rules.has.json
            || self.rules.has.json_paths
            || self.may_have_pattern(text)
            || has_ascii_escape(text)
            || self.may_have_key(text)
    }

    /// JSON that is the text of something else; `None` also where it is none.
    ///
    /// Where it begins as JSON does, has the key of a secret in it, and cannot be read, it is replaced as a whole: others
    /// may read it in another way, or more deeply.
    pub(super) fn nested(&mut self, place: &'static str, name: &[u8], text: &[u8], depth: Depth) -> Option<Vec<u8>> {
        // A string in a string is what becomes of JSON that is quoted twice.
        let may_be = looks_like(text) || text.trim_ascii_start().starts_with(b"\"");
        if !may_be || !self.may_have_secrets(text) {
            return None;
        }
        if depth.strings < NESTED_MAX {
            let changes = self.changes_len();
            match self.json(text, Depth { strings: depth.strings + 1, ..depth }) {
                Ok(changed) => return changed,
                Err(Malformed) => self.forget_changes(changes),
            }
        }
        if !self.has_key(text) {
            return None;
        }
        let mut out = Vec::new();
        self.put(place, name, self.default("fail closed"), text, text, &mut out).then_some(out)
    }
}

/// Whether an escape may spell a letter of a key or a pattern.
pub(super) fn has_ascii_escape(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"\\u00").is_some()
}

struct Walk<'a, 'p, 'r> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    /// Up to here the text is in `out`.
    copied: usize,
    /// Kept only where a rule names a path.
    path: Vec<At>,
    look_for_patterns: bool,
    depth: Depth,
    pass: &'p mut Pass<'r>,
}

impl<'a> Walk<'a, '_, '_> {
    fn document(&mut self) -> Result<(), Malformed> {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        loop {
            self.white_space();
            // A record separator before each value is JSON text sequences (RFC 7464).
            while self.takes(0x1e) {
                self.white_space();
            }
            if self.peek().is_none() {
                return Ok(());
            }
            self.value(None, b"", self.depth.levels)?;
            // A comma between values is somebody's habit.
            self.white_space();
            self.takes(b',');
        }
    }

    fn value(&mut self, verdict: Option<Verdict>, key: &[u8], depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed);
        }
        // Whoever names a place exactly knows better than whoever names a key.
        let verdict = self.of_path().or(verdict);
        match self.peek() {
            Some(b'{') => self.object(verdict, depth),
            Some(b'[') => self.array(verdict, key, depth),
            Some(b'"') => self.string(verdict, key, depth),
            Some(b'-' | b'0'..=b'9') => self.number(verdict, key),
            _ => {
                let words: [&[u8]; 3] = [b"true", b"false", b"null"];
                let rest = self.text.get(self.at..).unwrap_or_default();
                let word = words.into_iter().find(|word| rest.starts_with(word)).ok_or(Malformed)?;
                self.at += word.len();
                Ok(())
            }
        }
    }

    fn object(&mut self, outer: Option<Verdict>, depth: usize) -> Result<(), Malformed> {
        let mut list = List::new();
        self.at += 1;
        self.white_space();
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            let begin = self.at;
            let raw = self.quoted()?;
            let key = unescaped(raw).ok_or(Malformed)?;
            let key_end = self.at;
            self.white_space();
            if !self.takes(b':') {
                return Err(Malformed);
            }
            self.white_space();
            if self.pass.rules.has.json_paths {
                self.path.push(At::Key(key.to_vec()));
            }
            if self.pass.scans() {
                self.pass.steps.push(shown(&key).to_owned());
            }
            let verdict = match outer {
                Some(one) if one.action != Action::Keep => outer,
                _ => self.pass.key(KeyPlace::Json, &key).or(outer),
            };
            let dropped = self.dropping(verdict);
            if let Some(dropped) = dropped {
                let value = self.at;
                self.skip(depth + 1)?;
                self.pass.note("json", &key, dropped.rule, Action::Drop, self.at - value);
            } else {
                if self.look_for_patterns && verdict.is_none_or(|one| one.action != Action::Keep) {
                    self.key_text(begin, key_end, &key);
                }
                self.value(verdict, &key, depth + 1)?;
            }
            if self.pass.rules.has.json_paths {
                self.path.pop();
            }
            if self.pass.scans() {
                self.pass.steps.pop();
            }
            if !self.next_in(&mut list, begin, dropped.is_some(), b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, verdict: Option<Verdict>, key: &[u8], depth: usize) -> Result<(), Malformed> {
        let mut list = List::new();
        self.at += 1;
        self.white_space();
        if self.takes(b']') {
            return Ok(());
        }
        for index in 0.. {
            let begin = self.at;
            if self.pass.rules.has.json_paths {
                self.path.push(At::Index(index));
            }
            if self.pass.scans() {
                self.pass.steps.push("[*]".to_owned());
            }
            let dropped = self.dropping(None);
            if let Some(dropped) = dropped {
                self.skip(depth + 1)?;
                self.pass.note("json", key, dropped.rule, Action::Drop, self.at - begin);
            } else {
                self.value(verdict, key, depth + 1)?;
            }
            if self.pass.rules.has.json_paths {
                self.path.pop();
            }
            if self.pass.scans() {
                self.pass.steps.pop();
            }
            if !self.next_in(&mut list, begin, dropped.is_some(), b']')? {
                break;
            }
        }
        Ok(())
    }

    /// The verdict that a member or element goes, if that is it.
    fn dropping(&self, verdict: Option<Verdict>) -> Option<Verdict> {
        self.of_path().or(verdict).filter(|verdict| verdict.action == Action::Drop)
    }

    fn of_path(&self) -> Option<Verdict> {
        if self.pass.rules.has.json_paths { self.pass.json_path(&self.path) } else { None }
    }

    /// Goes over a value without changing anything in it.
    fn skip(&mut self, depth: usize) -> Result<(), Malformed> {
        let mut depth = depth;
        let mut opened = 0usize;
        loop {
            self.white_space();
            match self.peek().ok_or(Malformed)? {
                b'{' | b'[' => {
                    self.at += 1;
                    opened += 1;
                    depth += 1;
                    if depth > DEPTH_MAX {
                        return Err(Malformed);
                    }
                }
                b'}' | b']' => {
                    self.at += 1;
                    opened = opened.checked_sub(1).ok_or(Malformed)?;
                    depth = depth.saturating_sub(1);
                }
                b',' | b':' if opened > 0 => self.at += 1,
                b'"' => {
                    self.quoted()?;
                }
                byte if byte.is_ascii_alphanumeric() || byte == b'-' => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                    self.at += rest.iter().take_while(|byte| is_word(byte)).count();
                }
                _ => return Err(Malformed),
            }
            if opened == 0 {
                return Ok(());
            }
        }
    }

    /// What stands behind a member or element: true when another follows. Takes out the ones that are dropped, each with
    /// one comma.
    fn next_in(&mut self, list: &mut List, begin: usize, is_dropped: bool, close: u8) -> Result<bool, Malformed> {
        let end = self.at;
        if is_dropped {
            self.flush(if list.kept { list.comma } else { begin });
            self.copied = end;
            list.owes_comma = !list.kept;
        } else {
            list.kept = true;
            list.owes_comma = false;
        }
        self.white_space();
        if self.takes(close) {
            return Ok(false);
        }
        list.comma = self.at;
        if !self.takes(b',') {
            return Err(Malformed);
        }
        self.white_space();
        if list.owes_comma {
            // Nothing was kept so far, so that the comma has nothing to part.
            self.copied = self.at;
        }
        Ok(true)
    }

    /// A key in which a pattern finds something.
    fn key_text(&mut self, begin: usize, end: usize, key: &[u8]) {
        if self.pass.may_have_pattern(key)
            && let Some(changed) = self.pass.inside(WrittenAs::JsonString, |pass| pass.text("json", b"", key))
        {
            self.flush(begin);
            quote(&changed, &mut self.out);
            self.copied = end;
        }
    }

    fn string(&mut self, verdict: Option<Verdict>, key: &[u8], levels: usize) -> Result<(), Malformed> {
        let begin = self.at;
        let raw = self.quoted()?;
        match verdict {
            Some(verdict) if verdict.action == Action::Keep => Ok(()),
            Some(verdict) => {
                let secret = unescaped(raw).ok_or(Malformed)?;
                self.replace(verdict, key, &secret, raw, begin)
            }
            None => {
                let may_nest = raw.contains(&b'{') || raw.contains(&b'[');
                if !self.look_for_patterns && !may_nest {
                    return Ok(());
                }
                let text = unescaped(raw).ok_or(Malformed)?;
                let depth = Depth { levels, ..self.depth };
                let look_for_patterns = self.look_for_patterns;
                let changed = self.pass.inside(WrittenAs::JsonString, |pass| {
                    let nested = pass.nested("json", key, &text, depth);
                    let look = nested.is_none() && look_for_patterns && pass.may_have_pattern(&text);
                    if look { pass.text("json", key, &text) } else { nested }
                });
                if let Some(changed) = changed {
                    self.flush(begin);
                    quote(&changed, &mut self.out);
                    self.copied = self.at;
                }
                Ok(())
            }
        }
    }

    fn number(&mut self, verdict: Option<Verdict>, key: &[u8]) -> Result<(), Malformed> {
        let begin = self.at;
        let rest = self.text.get(begin..).unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        self.at += rest.iter().take_while(|byte| is_part(byte)).count();
        let number = self.text.get(begin..self.at).unwrap_or_default();
        if !number.iter().any(u8::is_ascii_digit) {
            return Err(Malformed);
        }
        match verdict {
            Some(verdict) if verdict.action == Action::Keep => Ok(()),
            Some(verdict) => self.replace(verdict, key, number, number, begin),
            None => {
                if self.pass.has_own_patterns()
                    && let Some(changed) = self.pass.text("json", key, number)
                {
                    self.flush(begin);
                    quote(&changed, &mut self.out);
                    self.copied = self.at;
                }
                Ok(())
            }
        }
    }

    /// Puts what may be known of a string or number in its place.
    fn replace(
        &mut self,
        verdict: Verdict,
        key: &[u8],
        secret: &[u8],
        raw: &[u8],
        begin: usize,
    ) -> Result<(), Malformed> {
        let mut text = Vec::new();
        if self.pass.put("json", key, verdict, secret, raw, &mut text) {
            self.flush(begin);
            // A number of the same shape is a number; all else that stands in for one is a string.
            let is_number =
                self.text.get(begin) != Some(&b'"') && text.iter().all(u8::is_ascii_digit) && !text.starts_with(b"0");
            let quote = if is_number { &b""[..] } else { b"\"" };
            self.out.extend_from_slice(quote);
            self.out.extend_from_slice(&text);
            self.out.extend_from_slice(quote);
            self.copied = self.at;
        }
        Ok(())
    }

    /// Copies what comes before `to` and is not copied yet.
    fn flush(&mut self, to: usize) {
        self.out.extend_from_slice(self.text.get(self.copied..to).unwrap_or_default());
        self.copied = to.max(self.copied);
    }

    /// A string's bytes between its quotes.
    fn quoted(&mut self) -> Result<&'a [u8], Malformed> {
        if !self.takes(b'"') {
            return Err(Malformed);
        }
        let end = json_string::end(self.text, self.at).ok_or(Malformed)?;
        let text = self.text.get(self.at..end).ok_or(Malformed)?;
        self.at = end + 1;
        Ok(text)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}

/// Where a list of members or elements is.
struct List {
    /// Whether one was kept so far.
    kept: bool,
    /// Where the last comma stands.
    comma: usize,
    /// The comma that follows goes, too.
    owes_comma: bool,
}

impl List {
    const fn new() -> Self {
        Self { kept: false, comma: 0, owes_comma: false }
    }
}
