//! The factor over the time of a run: constant, a ramp, stages and spikes.
//!
//! Piecewise linear in run time, in integer millionths, so that every machine admits the same requests. Text formats are
//! here too (`--ramp 1x..10x/10m`, CSV, TOML); which instants a factor admits is decided in `mod.rs`.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::factor::Rate;
use super::{Factor, PlanError};

/// Rows that a profile may have.
const SEGMENTS_MAX: usize = 10_000;

/// How the rate goes over the run, as given: factors and rates are solved for when the recording is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileSpec {
    stages: Vec<Stage>,
    spikes: Vec<Spike>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stage {
    length_ns: u64,
    from: Given,
    to: Given,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spike {
    at_ns: u64,
    length_ns: u64,
    rate: Given,
}

/// A rate, and where it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Given {
    rate: Rate,
    place: Place,
}

/// Where something stands in a profile; a ramp has no lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    line: usize,
    /// Which table of TOML, from 1.
    table: Option<(&'static str, usize)>,
}

/// The factor at every instant of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    segments: Vec<Segment>,
    /// After the last segment.
    last: u64,
}

/// From `start_ns` to before `end_ns` the factor goes in a straight line, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    start_ns: u64,
    end_ns: u64,
    from: u64,
    to: u64,
}

/// A piece of a profile, for people: from `start_ns` to before `end_ns` of the run the factor goes from one to the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// In nanoseconds.
    pub start_ns: u64,
    /// In nanoseconds.
    pub end_ns: u64,
    /// At its start.
    pub from: f64,
    /// At its end.
    pub to: f64,
}

impl Profile {
    /// The same factor all the time.
    #[must_use]
    pub fn constant(factor: Factor) -> Self {
        Self { segments: Vec::new(), last: factor.millionths() }
    }

    /// The factor, if it is the same all the time.
    #[must_use]
    pub fn as_constant(&self) -> Option<Factor> {
        if self.segments.is_empty() { Factor::from_millionths(self.last) } else { None }
    }

    /// When the last change is over.
    #[must_use]
    pub fn length_ns(&self) -> u64 {
        self.segments.last().map_or(0, |last| last.end_ns)
    }

    /// The largest factor, in millionths.
    pub(super) fn largest(&self) -> u64 {
        self.segments.iter().flat_map(|one| [one.from, one.to]).fold(self.last, u64::max)
    }

    /// The factor at `at_ns` of the run, in millionths.
    pub(super) fn at(&self, at_ns: u64) -> u64 {
        let next = self.segments.partition_point(|one| one.start_ns <= at_ns);
        let segment = next.checked_sub(1).and_then(|index| self.segments.get(index));
        segment.filter(|one| at_ns < one.end_ns).map_or(self.last, |one| one.at(at_ns))
    }

    /// The mean factor over the first `length_ns`, for people.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a number for people")]
    pub fn mean(&self, length_ns: u64) -> f64 {
        let mut area = 0.0;
        let mut done_ns = 0;
        for one in &self.segments {
            let end_ns = one.end_ns.min(length_ns);
            if end_ns <= one.start_ns {
                break;
            }
            area += (one.from as f64 + one.at(end_ns - 1) as f64) / 2.0 * (end_ns - one.start_ns) as f64;
            done_ns = end_ns;
        }
        area += self.last as f64 * length_ns.saturating_sub(done_ns) as f64;
        if length_ns == 0 { self.at(0) as f64 / 1e6 } else { area / length_ns as f64 / 1e6 }
    }

    /// Its pieces over a run of `length_ns`; none if the factor is the same all the time.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a number for people")]
    pub fn steps(&self, length_ns: u64) -> Vec<Step> {
        let factor = |millionths: u64| millionths as f64 / 1e6;
        let rest = (!self.segments.is_empty() && self.length_ns() < length_ns).then_some(Segment {
            start_ns: self.length_ns(),
            end_ns: length_ns,
            from: self.last,
            to: self.last,
        });
        let cut = |one: &Segment| Step {
            start_ns: one.start_ns,
            end_ns: one.end_ns.min(length_ns),
            from: factor(one.from),
            to: factor(one.at(one.end_ns.min(length_ns))),
        };
        self.segments.iter().chain(&rest).filter(|one| one.start_ns < length_ns).map(cut).collect()
    }

    /// What goes into a plan's hash.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        let each = self.segments.iter().flat_map(|one| [one.start_ns, one.end_ns, one.from, one.to]);
        each.chain([self.last])
    }
}

impl Segment {
    fn at(&self, at_ns: u64) -> u64 {
        let (done, length) = (at_ns.saturating_sub(self.start_ns), self.end_ns.saturating_sub(self.start_ns));
        let part = |difference: u64| {
            let part = (u128::from(difference) * u128::from(done)).checked_div(u128::from(length)).unwrap_or(0);
            u64::try_from(part).unwrap_or(0)
        };
        if self.to >= self.from { self.from + part(self.to - self.from) } else { self.from - part(self.from - self.to) }
    }
}

impl ProfileSpec {
    /// Reads `1x..10x/10m`.
    ///
    /// # Errors
    /// When it is written otherwise.
    pub fn ramp(text: &str) -> Result<Self, PlanError> {
        let wrong = |why: String| PlanError::Ramp { given: text.to_owned(), why };
        let (rates, length) = text
            .rsplit_once('/')
            .filter(|(rates, _)| rates.contains(".."))
            .ok_or_else(|| wrong("has no /DURATION at its end".into()))?;
        let (from, to) = rates.split_once("..").ok_or_else(|| wrong("has no FROM..TO".into()))?;
        let given = |text| rate(text).map(|rate| Given { rate, place: Place::default() });
        let stage = Stage {
            length_ns: duration(length).map_err(&wrong)?,
            from: given(from).map_err(&wrong)?,
            to: given(to).map_err(&wrong)?,
        };
        Ok(Self { stages: vec![stage], spikes: Vec::new() })
    }

    /// Reads rows `at,rate` with a header line: points that are joined by straight lines. The first is at 0s.
    ///
    /// # Errors
    /// With the line where it is empty, unsorted or no such row.
    pub fn csv(text: &str) -> Result<Self, PlanError> {
        let mut points: Vec<(u64, Given)> = Vec::new();
        for (number, line) in (1_usize..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let place = Place { line: number, table: None };
            let wrong = |why: String| place.wrong(&why);
            let line = line.trim();
            let is_header = points.is_empty() && line.replace(' ', "").eq_ignore_ascii_case("at,rate");
            if line.is_empty() || line.starts_with('#') || is_header {
                continue;
            }
            let (at, given) =
                line.split_once(',').ok_or_else(|| wrong(format!("`{line}` is no AT,RATE, as in 30s,2x")))?;
            let (at_ns, rate) = (duration(at.trim()).map_err(&wrong)?, rate(given.trim()).map_err(&wrong)?);
            match points.last() {
                None if at_ns > 0 => return Err(wrong(format!("the first row is at {}, not at 0s", at.trim()))),
                Some((before, _)) if *before > at_ns => {
                    return Err(wrong(format!(
                        "{} is earlier than the row before it; sort the rows by time",
                        at.trim()
                    )));
                }
                _ => points.push((at_ns, Given { rate, place })),
            }
            if points.len() > SEGMENTS_MAX {
                return Err(wrong(format!("a profile may have {SEGMENTS_MAX} rows")));
            }
        }
        if points.is_empty() {
            return Err(PlanError::Profile { line: 1, why: "the profile is empty; write rows such as 0s,1x".into() });
        }
        let pairs = points.iter().zip(points.iter().skip(1));
        let mut stages: Vec<Stage> = pairs.map(|(a, b)| Stage { length_ns: b.0 - a.0, from: a.1, to: b.1 }).collect();
        if let Some(last) = points.last() {
            stages.push(Stage { length_ns: 0, from: last.1, to: last.1 });
        }
        Ok(Self { stages, spikes: Vec::new() })
    }

    /// Reads `[[stage]]` tables (`duration`, `from`, `to`) and `[[spike]]` tables (`at`, `for`, `rate`). A stage without
    /// `to` is level; one without `from` begins where the one before it ended. A spike replaces what stands beneath it.
    ///
    /// # Errors
    /// With the line where it is no such TOML, or empty.
    pub fn toml(text: &str) -> Result<Self, PlanError> {
        let file: File = toml::from_str(text)
            .map_err(|error| PlanError::Profile { line: 0, why: error.to_string().trim_end().to_owned() })?;
        let lines = Lines::of(text);
        let last_at = file.stage.last().map_or(0, |table| table.span().start);
        let wrong = |why: &str| Place { line: lines.line(last_at), table: None }.wrong(why);
        if file.stage.is_empty() {
            return Err(wrong("the profile has no [[stage]]"));
        }
        if file.stage.len() + file.spike.len() > SEGMENTS_MAX {
            return Err(wrong(&format!("a profile may have {SEGMENTS_MAX} stages and spikes")));
        }
        let mut stages: Vec<Stage> = Vec::new();
        for (number, table) in (1..).zip(&file.stage) {
            let at = |start| Place { line: lines.line(start), table: Some(("stage", number)) };
            let one = table.get_ref();
            let rate = |given: &Option<Spanned<String>>| {
                given.as_ref().map(|given| read(given, at, rate).map(|(rate, place)| Given { rate, place })).transpose()
            };
            let (from, to) = (rate(&one.from)?.or(stages.last().map(|stage| stage.to)), rate(&one.to)?);
            let (from, to) = match (from, to) {
                (Some(from), to) => (from, to.unwrap_or(from)),
                (None, Some(to)) => (to, to),
                (None, None) => return Err(at(table.span().start).wrong("it has neither `from` nor `to`")),
            };
            stages.push(Stage { length_ns: read(&one.duration, at, duration)?.0, from, to });
        }
        let mut spikes: Vec<Spike> = Vec::new();
        for (number, table) in (1..).zip(&file.spike) {
            let at = |start| Place { line: lines.line(start), table: Some(("spike", number)) };
            let one = table.get_ref();
            let ((at_ns, begins), (length_ns, _)) = (read(&one.at, at, duration)?, read(&one.length, at, duration)?);
            let (rate, place) = read(&one.rate, at, rate)?;
            if spikes.last().is_some_and(|before| before.at_ns + before.length_ns > at_ns) {
                return Err(begins.wrong("it begins before the one before it is over; sort them by time"));
            }
            spikes.push(Spike { at_ns, length_ns, rate: Given { rate, place } });
        }
        Ok(Self { stages, spikes })
    }

    /// The profile for a recording in which `requests` come in `duration_ns` of run time.
    ///
    /// # Errors
    /// When a rate in requests a second means a factor out of range; with its line, if it has one.
    pub fn solve(&self, requests: u64, duration_ns: u64) -> Result<Profile, PlanError> {
        let factor = |given: Given| match given.rate.factor(requests, duration_ns) {
            Err(error) if given.place.line > 0 => Err(given.place.wrong(&error.to_string())),
            factor => factor.map(Factor::millionths),
        };
        let mut segments = Vec::with_capacity(self.stages.len());
        let (mut at_ns, mut last) = (0_u64, Factor::ONE.millionths());
        for stage in &self.stages {
            let end_ns = at_ns.saturating_add(stage.length_ns);
            let (from, to) = (factor(stage.from)?, factor(stage.to)?);
            if end_ns > at_ns {
                segments.push(Segment { start_ns: at_ns, end_ns, from, to });
            }
            (at_ns, last) = (end_ns, to);
        }
        let mut profile = Profile { segments, last };
        for spike in &self.spikes {
            profile.insert(spike.at_ns, spike.at_ns.saturating_add(spike.length_ns), factor(spike.rate)?);
        }
        Ok(profile)
    }
}

impl Profile {
    /// Puts a level piece over what is there.
    fn insert(&mut self, start_ns: u64, end_ns: u64, level: u64) {
        if self.length_ns() < end_ns {
            let from_ns = self.length_ns();
            self.segments.push(Segment { start_ns: from_ns, end_ns, from: self.last, to: self.last });
        }
        let mut out = Vec::with_capacity(self.segments.len() + 2);
        for one in std::mem::take(&mut self.segments) {
            let before = Segment { end_ns: one.end_ns.min(start_ns), to: one.at(one.end_ns.min(start_ns)), ..one };
            let after = Segment { start_ns: one.start_ns.max(end_ns), from: one.at(one.start_ns.max(end_ns)), ..one };
            if before.end_ns > before.start_ns {
                out.push(before);
            }
            if one.start_ns <= start_ns && start_ns < one.end_ns {
                out.push(Segment { start_ns, end_ns, from: level, to: level });
            }
            if after.end_ns > after.start_ns {
                out.push(after);
            }
        }
        self.segments = out;
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    stage: Vec<Spanned<StageTable>>,
    #[serde(default)]
    spike: Vec<Spanned<SpikeTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StageTable {
    duration: Spanned<String>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpikeTable {
    at: Spanned<String>,
    #[serde(rename = "for")]
    length: Spanned<String>,
    rate: Spanned<String>,
}

/// Where the lines of a text end.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line, from 1, of the byte with this index.
    fn line(&self, at: usize) -> usize {
        1 + self.0.partition_point(|end| *end < at)
    }
}

impl Place {
    fn wrong(self, why: &str) -> PlanError {
        let why = match self.table {
            Some((table, number)) => format!("{table} {number}: {why}"),
            None => why.to_owned(),
        };
        PlanError::Profile { line: self.line, why }
    }
}

/// What a value of TOML says by `reader`, and where it stands.
fn read<T>(
    value: &Spanned<String>,
    at: impl Fn(usize) -> Place,
    reader: impl Fn(&str) -> Result<T, String>,
) -> Result<(T, Place), PlanError> {
    let place = at(value.span().start);
    reader(value.get_ref()).map(|read| (read, place)).map_err(|why| place.wrong(&why))
}

fn rate(text: &str) -> Result<Rate, String> {
    match text.parse::<Rate>() {
        Ok(Rate::Max) => Err("`max` is no rate that can be ramped".to_owned()),
        Ok(rate) => Ok(rate),
        Err(error) => Err(error.to_string()),
    }
}

fn duration(text: &str) -> Result<u64, String> {
    let parsed: Duration = humantime::parse_duration(text.trim())
        .map_err(|error| format!("`{}` is no duration ({error}); write it as in 30s or 1h30m", text.trim()))?;
    u64::try_from(parsed.as_nanos()).ok().filter(|ns| *ns < u64::MAX / 4).ok_or_else(|| format!("`{text}` is too long"))
}
