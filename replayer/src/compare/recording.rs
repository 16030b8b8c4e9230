//! A recording as the side before: what its own answers were, and how long they took.
//!
//! It is no run: it has no repeats, and nothing was due. It borrows plan and options of the run that sent it again, so that
//! only what was measured differs.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use formats::endpoint::{Template, Templates};
use formats::head;
use formats::session::{Event, SEGMENT_EXTENSION, Session};

use super::error::CompareError;
use super::side::{Endpoints, Run};
use crate::result::RunResult;

/// Whether a path is a session, and no run directory.
pub(super) fn is_session(path: &Path) -> bool {
    let is_segment = |path: &Path| path.extension().is_some_and(|extension| extension == SEGMENT_EXTENSION);
    if path.is_file() {
        return is_segment(path);
    }
    std::fs::read_dir(path)
        .is_ok_and(|entries| entries.flatten().any(|entry| is_segment(&entry.path()) && entry.path().is_file()))
}

/// Reads a recording that `like` sent again, and in which it has this number.
///
/// # Errors
/// When it cannot be read, or there are too many requests or endpoints.
pub(super) fn read(path: &Path, like: &Run, number: u32, endpoints: &mut Endpoints) -> Result<Run, CompareError> {
    let session = Session::open(path)?;
    let header = session.header();
    let started = UNIX_EPOCH + Duration::from_nanos(header.started_unix_ns);
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
    let mut run = Run::empty(path, result);
    run.recording = Some(number);
    let templates = templates(std::iter::once(like));
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
        run.count(&name, instants.request_start, took, &outcome, endpoints)?;
    }
    Ok(run)
}

/// The number of the session that a recording was in a run, by its path or at least its name.
///
/// # Errors
/// When it was none of them.
pub(super) fn number(recording: &Path, run: &Run) -> Result<u32, CompareError> {
    let sessions = &run.result.sessions;
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let by_path = sessions.iter().position(|path| real(Path::new(path)) == real(recording));
    let by_name = || sessions.iter().position(|path| Path::new(path).file_name() == recording.file_name());
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
