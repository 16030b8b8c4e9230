//! A recording as the side before: what its own answers were, and how long they took. Sessions that were sent together are one.
//!
//! It is no run: it has no repeats, and nothing was due. It borrows plan and options of the run that sent it again, so that
//! only what was measured differs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use formats::endpoint::{Template, Templates};
use formats::head;
use formats::seal::Identities;
use formats::session::{Event, SEGMENT_EXTENSION, Session};

use super::error::CompareError;
use super::side::{Endpoints, Run};
use crate::result::RunResult;

/// Whether a path is a session, and no run directory.
#[must_use]
pub fn is_session(path: &Path) -> bool {
    let is_segment = |path: &Path| path.extension().is_some_and(|extension| extension == SEGMENT_EXTENSION);
    if path.is_file() {
        return is_segment(path);
    }
    std::fs::read_dir(path)
        .is_ok_and(|entries| entries.flatten().any(|entry| is_segment(&entry.path()) && entry.path().is_file()))
}

/// What stands on the side before where no run does.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Its sessions, in the order in which they began.
    pub(super) sessions: Vec<Recorded>,
}

/// A session, and what the runs know it by.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) session: Session,
    /// Its number in them.
    pub(super) number: u32,
    /// What its instants are moved by to count from the earliest session's start.
    shift_ns: u64,
}

impl Recording {
    /// Opens sessions that `like` sent again, merged by their clocks as a plan merges them.
    fn open(paths: &[PathBuf], like: &Run, identities: Option<&Arc<Identities>>) -> Result<Self, CompareError> {
        let mut sessions = Vec::new();
        let mut seen: BTreeMap<u32, &PathBuf> = BTreeMap::new();
        for path in paths {
            let number = number(path, like)?;
            if let Some(other) = seen.insert(number, path) {
                return Err(CompareError::SameSession { path: path.clone(), other: other.clone() });
            }
            let session = Session::open_with(path, identities.cloned())?;
            let shift_ns = session.header().started_unix_ns;
            sessions.push(Recorded { session, number, shift_ns });
        }
        let start = sessions.iter().map(|one| one.shift_ns).min().unwrap_or(0);
        sessions.iter_mut().for_each(|one| one.shift_ns -= start);
        sessions.sort_by_key(|one| (one.shift_ns, one.number));
        Ok(Self { sessions })
    }
}

/// Reads a recording that `like` sent again: one of its sessions, or several.
///
/// # Errors
/// When it cannot be read, is not what `like` sent, or there are too many requests or endpoints.
pub(super) fn read(
    paths: &[PathBuf],
    like: &Run,
    identities: Option<&Arc<Identities>>,
    endpoints: &mut Endpoints,
) -> Result<Run, CompareError> {
    let recording = Recording::open(paths, like, identities)?;
    let header = recording.sessions.first().map(|one| one.session.header().clone()).unwrap_or_default();
    let started = UNIX_EPOCH + Duration::from_nanos(header.started_unix_ns);
    let named: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let path = PathBuf::from(named.join(" + "));
    let result = RunResult {
        run_id: header.session_id.clone(),
        target: header.upstream.clone().unwrap_or_else(|| "(as recorded)".to_owned()),
        started_at: humantime::format_rfc3339_seconds(started).to_string(),
        plan_hash: like.result.plan_hash.clone(),
        sessions: like.result.sessions.clone(),
        loop_model: like.result.loop_model.clone(),
        method: like.result.method.clone(),
        multiplier: like.result.multiplier,
        seed: like.result.seed,
        planned: like.result.planned,
        endpoints: like.result.endpoints.clone(),
        ..RunResult::default()
    };
    let mut run = Run::empty(&path, result);
    let templates = templates(std::iter::once(like));
    for Recorded { session, shift_ns, .. } in &recording.sessions {
        take(session, *shift_ns, &templates, &mut run, endpoints)?;
    }
    let answered: usize = run.latencies.endpoints.iter().map(super::latency::Series::len).sum();
    run.result.rate.achieved = answered as f64 / run.result.duration_s.max(1e-9);
    run.recording = Some(recording);
    Ok(run)
}

/// Counts what a session says.
fn take(
    session: &Session,
    shift_ns: u64,
    templates: &Templates,
    run: &mut Run,
    endpoints: &mut Endpoints,
) -> Result<(), CompareError> {
    for event in session.events() {
        let exchange = match event? {
            Event::Exchange(exchange) => exchange,
            Event::Damage(damage) => {
                run.damaged
                    .get_or_insert_with(|| format!("{} byte {}: {}", damage.path.display(), damage.at, damage.what));
                continue;
            }
            _ => continue,
        };
        let Some(line) = head::request_line(&exchange.request.head) else { continue };
        let status = exchange.response.as_ref().and_then(|response| head::status_line(&response.head));
        let instants = &exchange.instants;
        let Some(end) = instants.response_end.or(instants.response_start) else { continue };
        let outcome = status.map_or_else(|| "no answer".to_owned(), |line| line.status.to_string());
        let name = templates.endpoint(line.method, line.target);
        let took = end.saturating_sub(instants.request_start);
        run.result.duration_s = run.result.duration_s.max(shift_ns.saturating_add(end) as f64 / 1e9);
        run.count(&name, shift_ns.saturating_add(instants.request_start), took, &outcome, endpoints)?;
    }
    Ok(())
}

/// Sessions that runs sent besides those of a recording.
pub(super) fn missing(recording: &Recording, like: &Run) -> Vec<String> {
    let is_given = |number: usize| recording.sessions.iter().any(|one| one.number as usize == number);
    let sessions = like.result.sessions.iter().enumerate();
    sessions.filter(|(number, _)| !is_given(*number)).map(|(_, path)| path.clone()).collect()
}

/// The number of the session that a recording was in a run, by its path or at least its name.
///
/// # Errors
/// When it was none of them, or its name is that of several.
fn number(recording: &Path, run: &Run) -> Result<u32, CompareError> {
    let sessions = &run.result.sessions;
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let by_path = sessions.iter().position(|path| real(Path::new(path)) == real(recording));
    let has_name = |path: &&String| Path::new(path).file_name() == recording.file_name();
    let is_alone = sessions.iter().filter(has_name).count() == 1;
    let by_name = || sessions.iter().position(|path| has_name(&path)).filter(|_| is_alone);
    match by_path.or_else(by_name) {
        Some(index) => Ok(u32::try_from(index).unwrap_or(u32::MAX)),
        None if sessions.len() == 1 => Ok(0),
        None => Err(CompareError::OtherSession { path: recording.to_owned(), sessions: sessions.join(", ") }),
    }
}

/// The templates by which runs named their endpoints.
pub(super) fn templates<'r>(runs: impl Iterator<Item = &'r Run>) -> Templates {
    let mut all = Templates::default();
    let mut seen = std::collections::BTreeSet::new();
    for endpoint in runs.flat_map(|run| &run.result.endpoints) {
        let path = endpoint.endpoint.split_once(' ').map_or("", |(_, path)| path);
        let has_own_place = path.split('/').any(|segment| segment.contains('{') && !segment.contains("{id}"));
        if has_own_place
            && seen.insert(path.to_owned())
            && let Ok(template) = path.parse::<Template>()
        {
            // One that does not go together with others names nothing that the others do not.
            let _ = all.add(&template);
        }
    }
    all
}
