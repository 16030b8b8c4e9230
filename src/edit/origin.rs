//! What several sessions have in common: a clock, numbers of connections, and a header that says where all of it is from.

use std::time::UNIX_EPOCH;

use formats::model::{Exchange, KeySource};
use formats::session::{Edit, Redaction, Session, SessionHeader, Source, derived_id};

use super::config::{Asked, MoveClock};
use crate::outcome::Failure;
use crate::units;

/// Where the new session's facts come from.
pub(super) struct Origin {
    /// Recording time 0 of all, before it is moved.
    pub(super) start_unix_ns: u64,
    /// For each session, what its instants are moved by.
    pub(super) moves_ns: Vec<u64>,
    /// For each session, the number space of its connections.
    pub(super) spaces: Vec<u64>,
    /// A name for each space.
    names: Vec<String>,
    header: SessionHeader,
}

impl Origin {
    pub(super) fn of(sessions: &[Session], asked: &Asked) -> Result<Self, Failure> {
        let headers: Vec<&SessionHeader> = sessions.iter().map(Session::header).collect();
        if let [_, _, ..] = sessions
            && let Some(session) = sessions.iter().find(|session| session.header().started_unix_ns == 0)
        {
            let path = session.path().display();
            return Err(Failure::new(format!(
                "when {path} began is not known, so that it cannot be merged by its clock"
            ))
            .hint("give it a time first: reenact edit SESSION --start TIME -o OUT"));
        }
        let start_unix_ns = headers.iter().map(|header| header.started_unix_ns).min().unwrap_or(0);
        let moves_ns = headers.iter().map(|header| header.started_unix_ns.saturating_sub(start_unix_ns)).collect();
        let (spaces, names) = spaces(&headers);
        let header = header(&headers, asked, moved(start_unix_ns, asked.clock)?, &names)?;
        Ok(Self { start_unix_ns, moves_ns, spaces, names, header })
    }

    /// Makes the connection of an exchange, and a client known by nothing else, one of the new session.
    ///
    /// # Errors
    /// When a connection's number is too large to leave room for those of the other sessions.
    pub(super) fn adopt(&self, exchange: &mut Exchange, space: u64) -> Result<(), Failure> {
        let spaces = self.names.len() as u64;
        if spaces < 2 {
            return Ok(());
        }
        let number = exchange.connection.checked_mul(spaces).and_then(|number| number.checked_add(space));
        exchange.connection = number.ok_or_else(|| {
            Failure::new(format!("connection {} has too large a number to be merged", exchange.connection))
                .hint("such numbers come from no recorder: import the session again with smaller ones")
        })?;
        if exchange.client.source == KeySource::Connection {
            let name = usize::try_from(space).ok().and_then(|space| self.names.get(space)).map_or("", String::as_str);
            let id = derived_id(["client of a connection", name, &exchange.client.id.to_string()]);
            exchange.client.id = u64::from_str_radix(&id, 16).unwrap_or(exchange.client.id);
        }
        Ok(())
    }

    /// The header of the new session, or of one part of it.
    pub(super) fn header(&self, part: Option<&str>) -> SessionHeader {
        let mut header = self.header.clone();
        if let (Some(part), Some(edit)) = (part, header.history.last_mut()) {
            header.session_id = derived_id([&*header.session_id, part]);
            edit.session_id.clone_from(&header.session_id);
            edit.part = Some(part.to_owned());
        }
        header
    }
}

/// The number space of each session's connections, and a name for each. Parts of one session share theirs.
fn spaces(headers: &[&SessionHeader]) -> (Vec<u64>, Vec<String>) {
    let (mut spaces, mut names) = (Vec::new(), Vec::<String>::new());
    for (number, header) in headers.iter().enumerate() {
        let name = header.connections_of.as_ref().unwrap_or(&header.session_id);
        // A session without an intact header is like no other.
        let name = if name.is_empty() { format!("input {number}") } else { name.clone() };
        let known = names.iter().position(|known| *known == name);
        spaces.push(known.unwrap_or(names.len()) as u64);
        if known.is_none() {
            names.push(name);
        }
    }
    (spaces, names)
}

fn moved(start_unix_ns: u64, clock: Option<MoveClock>) -> Result<u64, Failure> {
    let outside = || Failure::new("the session would start before 1970 or after 2554").hint("move it by less");
    match clock {
        None => Ok(start_unix_ns),
        Some(MoveClock::By(shift)) if shift.earlier => start_unix_ns.checked_sub(shift.ns).ok_or_else(outside),
        Some(MoveClock::By(shift)) => start_unix_ns.checked_add(shift.ns).ok_or_else(outside),
        Some(MoveClock::To(time)) => match time.duration_since(UNIX_EPOCH).map(units::nanos) {
            Ok(ns) if (1..u64::MAX).contains(&ns) => Ok(ns),
            _ => Err(outside()),
        },
    }
}

fn header(
    headers: &[&SessionHeader],
    asked: &Asked,
    started_unix_ns: u64,
    spaces: &[String],
) -> Result<SessionHeader, Failure> {
    let by = format!("reenact {} edit", env!("CARGO_PKG_VERSION"));
    let sealings: Vec<_> = distinct(headers.iter().filter_map(|header| header.sealing.as_ref()));
    let given = asked.redaction.as_ref().and_then(|again| again.sealing.as_ref());
    let sealing = match (&sealings[..], given) {
        (before, Some(_)) if !before.is_empty() => {
            return Err(Failure::new("--seal: the sessions hold values that are sealed with another key")
                .hint("a session has one such key: leave --seal out, and what is found is replaced by pseudonyms"));
        }
        ([_, _, ..], None) => {
            return Err(Failure::new(
                "the secrets of the sessions are sealed with different keys, and one session has one",
            )
            .hint("leave them apart: replay and plan take several sessions"));
        }
        (before, given) => given.or(before.first().copied()).cloned(),
    };
    let facts = headers.iter().map(|header| header.session_id.as_str()).chain(asked.words.iter().map(String::as_str));
    let session_id = derived_id(facts);
    let edit = Edit {
        session_id: session_id.clone(),
        by: by.clone(),
        options: asked.words.clone(),
        part: None,
        sources: headers.iter().map(|header| Source::from(*header)).collect(),
    };
    // What sessions that are merged have in common was perhaps done more than once, and is told once.
    let before = distinct(headers.iter().flat_map(|header| &header.history));
    let has_ids = headers.iter().any(|header| !header.session_id.is_empty());
    let connections_of = match spaces {
        // Moved in time, they are other connections.
        [space] if asked.clock.is_none() && has_ids => Some(space.clone()),
        _ => None,
    };
    let shares = distinct(headers.iter().map(|header| share(header, asked)));
    Ok(SessionHeader {
        session_id,
        segment: 0,
        created_by: by,
        started_unix_ns,
        // All of them: a replay must know where it is not to go.
        listen: together(headers.iter().filter_map(|header| header.listen.as_deref())),
        upstream: together(headers.iter().filter_map(|header| header.upstream.as_deref())),
        redaction: redaction(headers, asked),
        sealing,
        client_keys: common(headers, |header| &header.client_keys),
        sample_millionths: if let [share] = shares[..] { share } else { None },
        // One of these had to describe an exchange, so that other lists would allow more.
        only: if let [only] = distinct(headers.iter().map(|header| &header.only))[..] {
            only.clone()
        } else {
            Vec::new()
        },
        exclude: common(headers, |header| &header.exclude),
        connections_of,
        history: before.into_iter().cloned().chain([edit]).collect(),
        // The writer knows what it uses.
        encryption: None,
        features_required: Vec::new(),
    })
}

/// The share of the clients that is left of a session: samples are inside each other.
fn share(header: &SessionHeader, asked: &Asked) -> Option<u32> {
    let given = asked.sample.map(formats::sample::Sample::millionths).filter(|share| *share < 1_000_000);
    match (header.sample_millionths, given) {
        (Some(before), Some(given)) => Some(before.min(given)),
        (before, given) => before.or(given),
    }
}

/// What holds for everything in the new session: the rules that all had, and those that are applied now.
fn redaction(headers: &[&SessionHeader], asked: &Asked) -> Option<Redaction> {
    let before: Vec<&Redaction> = headers.iter().filter_map(|header| header.redaction.as_ref()).collect();
    let now = asked.redaction.as_ref().map(|again| Redaction::from(again.redactor.policy()));
    let ids = before.iter().map(|before| &before.key_id).chain(now.as_ref().map(|now| &now.key_id));
    let key_id = together(ids.map(String::as_str)).unwrap_or_default();
    if let Some(now) = now {
        return Some(Redaction { key_id, ..now });
    }
    if before.is_empty() || before.len() < headers.len() {
        return None;
    }
    let common = |field: fn(&Redaction) -> &Vec<String>| common(&before, field);
    Some(Redaction {
        key_id,
        headers: common(|one| &one.headers),
        keys: common(|one| &one.keys),
        patterns: common(|one| &one.patterns),
        rules: common(|one| &one.rules),
    })
}

/// What all lists hold, in the order of the first.
fn common<'a, T>(all: &[&'a T], field: impl Fn(&'a T) -> &'a Vec<String>) -> Vec<String> {
    let Some((first, others)) = all.split_first() else { return Vec::new() };
    let is_common = |text: &&String| others.iter().all(|other| field(other).contains(text));
    field(first).iter().filter(is_common).cloned().collect()
}

/// Different values, in the order in which they come first.
pub(super) fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::new();
    for value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// Different texts as one, as a recorder with several pairs writes them.
fn together<'a>(texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let texts = distinct(texts.flat_map(|text| text.split(", ")));
    (!texts.is_empty()).then(|| texts.join(", "))
}
