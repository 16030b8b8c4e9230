//! Opening a session: its segments, headers and indexes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cipher::Opener;
use super::events::{Events, Wanted};
use super::frame::{self, FileHead, Found, Record, Scanner, kind};
use super::header::{ENCRYPTED, FEATURES};
use super::{Index, PAYLOAD_BYTES_MAX, SEGMENT_EXTENSION, SessionError, SessionHeader, footer};
use crate::seal::Identities;
use crate::summary::Summary;

/// A session that can be read.
#[derive(Clone)]
pub struct Session {
    path: PathBuf,
    segments: Vec<PathBuf>,
    header: SessionHeader,
    is_encrypted: bool,
    /// What opens encrypted segments.
    identities: Option<Arc<Identities>>,
}

impl Session {
    /// Opens a directory of segments or a single segment, and reads the first header.
    ///
    /// # Errors
    /// When there is none, it is not a session, or it is newer than this reader.
    pub fn open(path: &Path) -> Result<Self, SessionError> {
        Self::open_with(path, None)
    }

    /// As [`Self::open`], with what opens encrypted segments.
    ///
    /// # Errors
    /// Also when a segment is encrypted and none of the identities opens it.
    pub fn open_with(path: &Path, identities: Option<Arc<Identities>>) -> Result<Self, SessionError> {
        let segments = segments(path)?;
        let mut header: Option<SessionHeader> = None;
        let (mut is_begun, mut is_encrypted, mut latest) = (false, false, 0);
        for segment in &segments {
            let (scanner, found) = open_segment(segment, identities.as_deref())?;
            is_begun |= scanner.is_begun();
            is_encrypted |= scanner.is_encrypted();
            let Some(found) = found else { continue };
            let not = |why| Err(SessionError::NotASession { path: path.to_owned(), why });
            if header.as_ref().is_some_and(|known| found.session_id != known.session_id) {
                return not("it has segments of two sessions");
            }
            if found.segment <= latest && header.is_some() {
                return not("its segments are not in the order of their numbers: one stands under another's name");
            }
            latest = found.segment;
            header = header.or(Some(found));
        }
        if !is_begun {
            return Err(SessionError::NotASession {
                path: path.to_owned(),
                why: "its segment is empty or was only begun",
            });
        }
        // A session without any intact header can still be read: its instants count from an unknown origin.
        let header = header.unwrap_or_default();
        Ok(Self { path: path.to_owned(), segments, header, is_encrypted, identities })
    }

    /// What the session says about itself; all defaults if no header survived.
    #[must_use]
    pub fn header(&self) -> &SessionHeader {
        &self.header
    }

    /// Whether a segment of it is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// What was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The segment files in order.
    #[must_use]
    pub fn segments(&self) -> &[PathBuf] {
        &self.segments
    }

    /// The indexes of the segments in order, read from their ends, one at a time; `None` for a segment that has none that
    /// is intact: its writer was killed or is still at work.
    pub fn indexes(&self) -> impl Iterator<Item = Result<Option<Index>, SessionError>> {
        self.segments.iter().map(|path| {
            let (mut scanner, _) = open_segment(path, self.identities.as_deref())?;
            index_at_end(&mut scanner).map_err(io("read", path))
        })
    }

    /// The summaries of the segments in order, read as [`Self::indexes`] are; `None` also for a segment whose summary says
    /// what counting could not have said.
    pub fn summaries(&self) -> impl Iterator<Item = Result<Option<Summary>, SessionError>> {
        self.segments.iter().map(|path| {
            let (mut scanner, _) = open_segment(path, self.identities.as_deref())?;
            summary_at_end(&mut scanner).map_err(io("read", path))
        })
    }

    /// As [`Self::events`], of one of the segments alone; `last_ns` is the latest instant of those before it, as far as it is
    /// known.
    #[must_use]
    pub fn events_of(&self, segment: &Path, last_ns: u64) -> Events {
        let is_followed = self.segments.last().is_some_and(|last| last != segment);
        Events::new(vec![segment.to_owned()], self.identities.clone(), Wanted::default()).part(last_ns, is_followed)
    }

    /// Reads everything from the start, in bounded memory (one block, and bodies that later ones borrow).
    #[must_use]
    pub fn events(&self) -> Events {
        self.wanted(Wanted::default())
    }

    /// Reads the blocks that may hold something wanted, and all gaps. What a block holds besides is there, too.
    #[must_use]
    pub fn wanted(&self, wanted: Wanted) -> Events {
        Events::new(self.segments.clone(), self.identities.clone(), wanted)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("path", &self.path)
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
    }
}

pub(super) fn segments(path: &Path) -> Result<Vec<PathBuf>, SessionError> {
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => SessionError::Missing { path: path.to_owned() },
        _ => SessionError::Io { doing: "open", path: path.to_owned(), source },
    })?;
    let not = |why| Err(SessionError::NotASession { path: path.to_owned(), why });
    if metadata.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !metadata.is_dir() {
        return not("it is neither a file nor a directory");
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(io("read", path))? {
        let entry = entry.map_err(io("read", path))?.path();
        if entry.extension().is_some_and(|extension| extension == SEGMENT_EXTENSION) && entry.is_file() {
            found.push(entry);
        }
    }
    found.sort();
    if found.is_empty() { not("it has no *.reenact segment") } else { Ok(found) }
}

/// A segment from its first record on, and its header; `None` if that is damaged.
pub(super) fn open_segment(
    path: &Path,
    identities: Option<&Identities>,
) -> Result<(Scanner, Option<SessionHeader>), SessionError> {
    let file = File::open(path).map_err(io("open", path))?;
    let mut scanner = Scanner::new(file);
    match scanner.file_head().map_err(io("read", path))? {
        FileHead::Foreign => {
            return Err(SessionError::NotASession { path: path.to_owned(), why: "it does not begin like a segment" });
        }
        FileHead::Other(found) => return Err(SessionError::OtherVersion { path: path.to_owned(), found }),
        FileHead::Begun => return Ok((scanner, None)),
        FileHead::Good | FileHead::Damaged => {}
    }
    let start = scanner.at();
    let header = first_header(&mut scanner).map_err(io("read", path))?;
    scanner.begin_at(start);
    let Some(header) = header else { return Ok((scanner, None)) };
    if let Some(feature) = header.features_required.iter().find(|feature| !FEATURES.contains(&feature.as_str())) {
        return Err(SessionError::UnknownFeature { path: path.to_owned(), feature: feature.clone() });
    }
    if !header.features_required.iter().any(|feature| feature == ENCRYPTED) {
        return Ok((scanner, Some(header)));
    }
    let encryption = header.encryption.clone().unwrap_or_default();
    let identities = identities.ok_or_else(|| SessionError::Encrypted { path: path.to_owned() })?;
    let opener = Opener::new(identities, &encryption, &header.session_id, header.segment);
    scanner.set_opener(opener.map_err(|source| SessionError::Unsealable { path: path.to_owned(), source })?);
    let private = private_header(&mut scanner).map_err(io("read", path))?;
    scanner.begin_at(start);
    Ok((scanner, Some(private.unwrap_or(header))))
}

/// The header, which is the first record of a kind that is known; `None` if another is the first, or it says nothing.
fn first_header(scanner: &mut Scanner) -> std::io::Result<Option<SessionHeader>> {
    loop {
        match scanner.next()? {
            Found::Record(Record { kind: kind::HEADER, payload, .. }) => {
                return Ok(serde_json::from_slice(&payload).ok());
            }
            Found::Record(record) if (kind::HEADER..=kind::SUMMARY).contains(&record.kind) => return Ok(None),
            Found::Bad(bad) if bad.is_record => return Ok(None),
            Found::Record(_) | Found::Left(_) | Found::Bad(_) => {}
            Found::End => return Ok(None),
        }
    }
}

/// The header with all its fields, which is the first record of a known kind that is encrypted.
fn private_header(scanner: &mut Scanner) -> std::io::Result<Option<SessionHeader>> {
    loop {
        match scanner.next()? {
            Found::Record(Record { kind: kind::PRIVATE_HEADER, payload, .. }) => {
                return Ok(serde_json::from_slice(&payload).ok());
            }
            Found::Record(record) if (kind::BLOCK..=kind::SUMMARY).contains(&record.kind) => return Ok(None),
            Found::Record(_) | Found::Left(_) | Found::Bad(_) => {}
            Found::End => return Ok(None),
        }
    }
}

/// The index that the end record points to, if both are intact.
pub(super) fn index_at_end(scanner: &mut Scanner) -> std::io::Result<Option<Index>> {
    let Some(end) = scanner.end()? else { return Ok(None) };
    let payload = scanner.payload_at(frame::long(&end, 0), kind::INDEX)?;
    Ok(payload.and_then(|payload| decode_index(&payload).ok()))
}

/// The summary that the end record points to, if both are intact.
fn summary_at_end(scanner: &mut Scanner) -> std::io::Result<Option<Summary>> {
    let Some(end) = scanner.end()? else { return Ok(None) };
    // Where there is none, the place is 0, and no record begins there.
    let payload = scanner.payload_at(frame::long(&end, 8), kind::SUMMARY)?;
    Ok(payload.and_then(|payload| footer::decode(&payload).ok()))
}

pub(super) fn decode_index(payload: &[u8]) -> Result<Index, String> {
    let raw = frame::unpack(payload, PAYLOAD_BYTES_MAX).map_err(|error| format!("the index: {error}"))?;
    Index::decode(&raw).map_err(|error| format!("the index: {error}"))
}

/// Whether a writer holds the segment.
pub(super) fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
}

pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SessionError + use<> {
    let path = path.to_owned();
    move |source| SessionError::Io { doing, path, source }
}
