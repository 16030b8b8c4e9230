//! What counts come to: which causes hold over the noise floor, those of several endpoints put together, the most
//! surprising first.
//!
//! The noise floor is how often a cause is found between runs of the same side. A cause holds when chance does not make it
//! so much more frequent across sides, all causes taken together (Benjamini and Hochberg), and when it is more frequent by
//! a factor that matters. With one run a side there is no floor: causes are differences, and no more is said of them.

use std::collections::BTreeMap;

use super::causes::{Cause, Causes};
use super::chance::{chance, interval, ratio_at_least};
use super::samples::{SAMPLES_MAX, Sample};
use crate::compare::repeats::hold;
use crate::differ::Kind;

/// Of the causes that hold, the share that may be chance.
const FALSE_SHARE: f64 = 0.002;
/// What holds is at least so many times as frequent across sides as within one.
const RATIO_MIN: f64 = 1.2;
const CONFIDENCE: f64 = 0.95;
/// Of how many endpoints' causes with one place and kind one finding is made, at least.
const MERGED_MIN: usize = 2;

/// What can be said of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// It is more frequent across sides than within, and no chance.
    Changed,
    /// There is no run of the same side to tell noise by.
    Differs,
    /// It was never or hardly seen within a side, but too seldom across for a verdict.
    TooFew,
    /// It is as frequent within a side.
    Noise,
}

impl Word {
    /// Whether answers changed by it: it is neither noise nor too rare to tell.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Changed | Self::Differs)
    }

    /// As in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Differs => "differs",
            Self::TooFew => "too_few",
            Self::Noise => "noise",
        }
    }
}

/// What part of an answer a finding is about; the order is that of what is said first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The status.
    Status,
    /// The body.
    Body,
    /// Header fields and cookies.
    Header,
    /// The trailer section.
    Trailer,
}

impl Part {
    /// By the name of a place.
    #[must_use]
    pub fn of(place: &str) -> Self {
        match place.split(':').next().unwrap_or_default() {
            "status" => Self::Status,
            "header" | "cookie" | "reason" | "version" => Self::Header,
            "trailer" => Self::Trailer,
            _ => Self::Body,
        }
    }

    /// As in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Body => "body",
            Self::Header => "header",
            Self::Trailer => "trailer",
        }
    }
}

/// A cause at one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct At {
    /// The endpoint's name.
    pub endpoint: String,
    /// Pairs of answers across sides in which it is.
    pub across: u64,
    /// All pairs of the endpoint across sides; but for statuses, of those with the same status.
    pub pairs: u64,
    /// The same within sides.
    pub within: u64,
    /// All pairs of the endpoint within sides.
    pub within_pairs: u64,
    /// What its requests share, and not all requests of the endpoint.
    pub shared: Vec<(String, String)>,
}

/// A cause, at one endpoint or at several.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Where in the answer.
    pub place: String,
    /// What kind of difference.
    pub kind: Kind,
    /// What can be said of it.
    pub word: Word,
    /// Where it is, the most pairs first.
    pub at: Vec<At>,
    /// How likely it is where nothing changed; `None` without a noise floor.
    pub chance: Option<f64>,
    /// At least so many times as often across sides as within one; `None` without a noise floor.
    pub ratio: Option<f64>,
    /// Of the share of pairs across sides, the interval that holds the truth in 95 of 100 cases.
    pub interval: (f64, f64),
    /// Pairs that show it.
    pub samples: Vec<Sample>,
}

impl Finding {
    /// The part of the answer that it is about.
    #[must_use]
    pub fn part(&self) -> Part {
        Part::of(&self.place)
    }

    /// A sum over its endpoints.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&At) -> u64) -> u64 {
        self.at.iter().map(of).sum()
    }
}

/// All findings of what was counted.
pub(super) fn findings(of: &mut Causes) -> Vec<Finding> {
    let has_floor = of.endpoints.iter().any(|endpoint| endpoint.within > 0);
    let judged: Vec<(f64, f64)> = of
        .all
        .iter()
        .map(|cause| {
            let (pairs, within_pairs) = pairs(of, cause);
            (
                chance(cause.across, pairs, cause.within, within_pairs),
                ratio_at_least(cause.across, pairs, cause.within, within_pairs, CONFIDENCE),
            )
        })
        .collect();
    let holds = hold(&judged.iter().map(|(chance, _)| *chance).collect::<Vec<_>>(), FALSE_SHARE);
    let words: Vec<Word> = of
        .all
        .iter()
        .zip(judged.iter().zip(holds))
        .map(|(cause, ((_, ratio), holds))| match (has_floor, holds && *ratio >= RATIO_MIN) {
            (false, _) => Word::Differs,
            (true, true) => Word::Changed,
            (true, false) if cause.within == 0 && cause.across > 0 => Word::TooFew,
            (true, false) => Word::Noise,
        })
        .collect();
    let mut groups: BTreeMap<(u32, Kind, Word), Vec<usize>> = BTreeMap::new();
    for (index, (cause, word)) in of.all.iter().zip(&words).enumerate() {
        if cause.across > 0 || *word == Word::Noise {
            groups.entry((cause.place, cause.kind, *word)).or_default().push(index);
        }
    }
    let mut found = Vec::new();
    for ((_, _, word), causes) in groups {
        match causes.len() >= MERGED_MIN {
            true => found.push(finding(of, &causes, word, has_floor)),
            false => found.extend(causes.iter().map(|one| finding(of, &[*one], word, has_floor))),
        }
    }
    found.sort_by(|a, b| rank(b).total_cmp(&rank(a)).then_with(|| a.place.cmp(&b.place)));
    found.sort_by_key(|finding| finding.word);
    found
}

/// What comes first: how surprising it is; without a floor, statuses, and what is in the larger share of answers.
fn rank(of: &Finding) -> f64 {
    let share = of.interval.0;
    let status = if of.part() == Part::Status { 1.0 } else { 0.0 };
    match of.ratio {
        // A status is looked at before anything else that is as surprising.
        Some(ratio) => ratio.max(1e-9).ln() + status * 5.0,
        None => share + status,
    }
}

fn pairs(of: &Causes, cause: &Cause) -> (u64, u64) {
    of.endpoints.get(cause.endpoint as usize).map_or((0, 0), |endpoint| endpoint.pairs(cause.kind))
}

fn finding(of: &mut Causes, causes: &[usize], word: Word, has_floor: bool) -> Finding {
    let (mut at, mut samples) = (Vec::new(), Vec::new());
    let (mut place, mut kind) = (String::new(), Kind::Value);
    for index in causes {
        let Causes { all, endpoints, places, .. } = of;
        let Some(cause) = all.get_mut(*index) else { continue };
        let Some(endpoint) = endpoints.get(cause.endpoint as usize) else { continue };
        place = places.get(cause.place as usize).cloned().unwrap_or_default();
        kind = cause.kind;
        let (pairs, within_pairs) = endpoint.pairs(kind);
        at.push(At {
            endpoint: endpoint.name.clone(),
            across: cause.across,
            pairs,
            within: cause.within,
            within_pairs,
            shared: cause.shared.apart_from(&endpoint.shared),
        });
        samples.push(cause.samples.take());
    }
    at.sort_by(|a, b| b.across.cmp(&a.across).then_with(|| a.endpoint.cmp(&b.endpoint)));
    let sum = |of: fn(&At) -> u64| at.iter().map(of).sum::<u64>();
    let (across, pairs) = (sum(|at| at.across), sum(|at| at.pairs));
    let (within, within_pairs) = (sum(|at| at.within), sum(|at| at.within_pairs));
    Finding {
        chance: has_floor.then(|| chance(across, pairs, within, within_pairs)),
        ratio: has_floor.then(|| ratio_at_least(across, pairs, within, within_pairs, CONFIDENCE)),
        interval: interval(across, pairs),
        samples: in_turn(samples),
        place,
        kind,
        word,
        at,
    }
}

/// One sample of each endpoint, then a second one, until there are enough.
fn in_turn(samples: Vec<Vec<Sample>>) -> Vec<Sample> {
    let mut lists: Vec<_> = samples.into_iter().map(Vec::into_iter).collect();
    let mut taken = Vec::new();
    for _ in 0..SAMPLES_MAX {
        for list in &mut lists {
            if taken.len() < SAMPLES_MAX {
                taken.extend(list.next());
            }
        }
    }
    taken
}
