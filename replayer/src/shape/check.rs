//! What the shape check found, as plain data and in words. Nothing is computed here.

use std::fmt;

use super::{ShapeRow, TAUS_NS};

/// How the shape of a plan compares with that of its recording.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapeCheck {
    /// Dispersion at each of [`TAUS_NS`].
    pub rows: [ShapeRow; TAUS_NS.len()],
    /// Exchanges of the recording.
    pub recorded: u64,
    /// Requests of the plan.
    pub planned: u64,
    /// Requests of the plan over k times those of the recording: 1 is exact. `None` of an empty recording.
    pub mean_rate: Option<f64>,
    /// Correlation of the rates of recording and plan in windows of 10 s, −1 to 1; `None` with fewer than four windows, or
    /// where a rate never changes. In flat traffic it is the chance of the windows that is compared: low is then no fault.
    pub rate_correlation_10s: Option<f64>,
    /// Likewise of 60 s.
    pub rate_correlation_60s: Option<f64>,
    /// Jensen–Shannon divergence of the endpoints' shares, 0 to 1 bit; `None` when the facts have no endpoints.
    pub endpoint_divergence_bits: Option<f64>,
    /// Kolmogorov–Smirnov distance of the gaps between requests, 0 to 1, to within the 3 % that gaps are told apart by.
    /// Reported and never judged: superposing clients must change gaps. Of a plan of over 262,144 requests as many gaps are
    /// looked at, in stretches of time that lie evenly over the recording.
    pub gap_distance: Result<f64, NoGaps>,
}

/// What the figures amount to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// The plan is within a factor 1.15 of its target, and that is known to within a factor 1.3.
    Kept,
    /// The plan is off by more than a factor 1.15, and by more than chance explains.
    NotKept,
    /// The recording does not say enough.
    CannotTell(Doubt),
    /// Whatever the figures say, they say nothing about the shape of the users' traffic.
    Unknown(Obstacle),
}

/// Why nothing can be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Doubt {
    /// Nothing was recorded, or nothing planned.
    Nothing,
    /// Fewer than ten windows fit into the recording, or so few that nothing can be called kept.
    FewWindows,
    /// The recording is so long that it is counted in bins wider than the windows.
    WideBins {
        /// Width of the bins.
        bin_ns: u64,
    },
    /// The recording was read too far out of the order of time to tell which exchanges of a client go together.
    OutOfOrder {
        /// Share of the exchanges, 0 to 1.
        share: f64,
    },
    /// Two standard errors of the ratio leave both answers open.
    Wide {
        /// Two standard errors, as a factor above 1.
        factor: f64,
    },
    /// The plan is not kept at a shorter scale, which bends plan and target here too: clients may not be users.
    NotKeptBelow {
        /// The shortest such scale.
        tau_ns: u64,
    },
    /// There is no standard error, for the target is not above 0 throughout.
    NoError,
}

/// Why the shape is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Obstacle {
    /// Users that cannot be told apart.
    PooledClients {
        /// Their share of the exchanges, 0 to 1.
        share: f64,
    },
    /// Clients that nothing names, who live longer than a tenth of the recording and carry together over 5 % of it: they
    /// look like the connections of a pool.
    LongLived {
        /// Their share of the exchanges, 0 to 1.
        share: f64,
    },
    /// Each exchange is drawn by itself, whoever's it is.
    TakenApart,
    /// Requests are sent as fast as they are answered, whenever they are due.
    OnlyOrder,
    /// The plan has no single factor.
    Ramped,
    /// Time runs at another speed than in the recording, so that scales of the two are not the same.
    TimeScaled,
}

/// Why gaps were not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoGaps {
    /// Too many of the plan's requests are due at nearly the same time.
    TooMany,
    /// The recording's exchanges came too far out of order.
    RecordingUnsorted,
    /// There are fewer than two requests.
    None,
}

impl fmt::Display for NoGaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "the plan has too many requests at nearly the same time",
            Self::RecordingUnsorted => "the recording was read too far out of the order of time",
            Self::None => "there are fewer than two requests",
        })
    }
}

impl Verdict {
    /// One word for tables and files: `kept`, `not_kept`, `cannot_tell`, `unknown`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NotKept => "not_kept",
            Self::CannotTell(_) => "cannot_tell",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether `--require-shape` is content: with anything but not kept and unknown (design §8).
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Kept | Self::CannotTell(_))
    }
}

impl ShapeCheck {
    /// The verdict on the whole: the worst of the rows, where a row that cannot tell weighs nothing beside one that can.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let weight = |verdict: &Verdict| match verdict {
            Verdict::CannotTell(_) => 0,
            Verdict::Kept => 1,
            Verdict::NotKept => 2,
            Verdict::Unknown(_) => 3,
        };
        let worst = self.rows.iter().map(|row| row.verdict).max_by_key(weight);
        worst.unwrap_or(Verdict::CannotTell(Doubt::Nothing))
    }

    /// The verdict on the whole in plain words: `kept at 3 of 5 scales, cannot tell at 2 of 5 scales`.
    #[must_use]
    pub fn words(&self) -> String {
        if let Verdict::Unknown(obstacle) = self.verdict() {
            return format!("unknown: {}", obstacle.words());
        }
        let count = |name: &str| self.rows.iter().filter(|row| row.verdict.name() == name).count();
        let said = [("not kept", "not_kept"), ("kept", "kept"), ("cannot tell", "cannot_tell")];
        let said: Vec<_> = said
            .into_iter()
            .map(|(words, name)| (words, count(name)))
            .filter(|(_, count)| *count > 0)
            .map(|(words, count)| format!("{words} at {count} of {} scales", self.rows.len()))
            .collect();
        said.join(", ")
    }
}

impl ShapeRow {
    /// The verdict in plain words: `kept: 1.03 of the target`.
    #[must_use]
    pub fn words(&self) -> String {
        let ratio = self.ratio.unwrap_or_default();
        match self.verdict {
            Verdict::Kept => format!("kept: {ratio:.2} of the target"),
            Verdict::NotKept => format!("not kept: {ratio:.2} of the target"),
            Verdict::CannotTell(Doubt::Wide { factor }) => {
                format!("cannot tell: {ratio:.2} of the target, give or take a factor {factor:.2}")
            }
            Verdict::CannotTell(doubt) => format!("cannot tell: {}", doubt.words(self)),
            Verdict::Unknown(obstacle) => format!("unknown: {}", obstacle.words()),
        }
    }
}

impl Doubt {
    fn words(self, row: &ShapeRow) -> String {
        match self {
            Self::Nothing => "nothing recorded or nothing planned".to_owned(),
            Self::FewWindows => match row.windows {
                0 => format!("the recording is shorter than {}", width(row.tau_ns)),
                1 => format!("1 window of {} says too little", width(row.tau_ns)),
                windows => format!("{windows} windows of {} say too little", width(row.tau_ns)),
            },
            Self::WideBins { bin_ns } => format!("a recording this long is counted in bins of {}", width(bin_ns)),
            Self::OutOfOrder { share } => {
                format!("{} of the exchanges were read too far out of order", percent(share))
            }
            Self::Wide { factor } => format!("two standard errors are a factor {factor:.2}"),
            Self::NotKeptBelow { tau_ns } => {
                format!("not kept at {}, so that clients may not be users", width(tau_ns))
            }
            Self::NoError => "the target is lost in its own error".to_owned(),
        }
    }
}

impl Obstacle {
    fn words(self) -> String {
        match self {
            Self::PooledClients { share } => format!("pooled clients ({} of the exchanges)", percent(share)),
            Self::LongLived { share } => {
                format!("long-lived clients without a name, such as pools have ({} of the exchanges)", percent(share))
            }
            Self::TakenApart => "the method takes every request by itself, whoever sent it".to_owned(),
            Self::OnlyOrder => "at --rate max due instants are only an order".to_owned(),
            Self::Ramped => "the rate is not constant".to_owned(),
            Self::TimeScaled => {
                "time runs at another speed, and with it shrink think times, timeouts and bursts".to_owned()
            }
        }
    }
}

/// A share of the exchanges; what is not nothing never looks like nothing.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 1.0 { "under 1 %".to_owned() } else { format!("{percent:.0} %") }
}

/// A width of windows or bins: `10 ms`, `60 s`.
fn width(ns: u64) -> String {
    match ns / 1_000_000 {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms => format!("{} s", ms / 1_000),
    }
}
