//! A rule as a value, and as the text that reads as the same value again.

use std::fmt;

use crate::rule_text::Op;

/// The condition that fails a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) metric: Metric,
    pub(super) select: Select,
    pub(super) window: Window,
    pub(super) op: Op,
    /// In the [`Unit`] of the metric.
    pub(super) limit: u64,
}

impl Rule {
    /// Whether a figure, given as a fraction of counts, meets the condition that fails the run.
    pub(super) fn breaches(&self, measured: u64, of: u64) -> bool {
        let scale = match self.metric.unit() {
            Unit::Nanos | Unit::Requests => 1,
            Unit::PartsPerMillion => 1_000_000,
            Unit::MilliPerSecond => 1_000,
        };
        // Without a division: measured / of against limit / scale.
        self.op.holds(u128::from(measured) * scale, u128::from(self.limit) * u128::from(of))
    }

    /// Whether a second in which little is due can breach it by that alone.
    pub(super) fn falls_at_the_end(&self) -> bool {
        match self.metric {
            Metric::Throughput => true,
            Metric::Count(_) | Metric::Requests => !self.op.is_upwards(),
            Metric::Time { .. } | Metric::Share(_) => false,
        }
    }

    /// Whether it is counted over the whole run only.
    pub(super) fn is_whole_only(&self) -> bool {
        matches!(self.metric, Metric::Share(Kind::TurnedAway) | Metric::Count(Kind::TurnedAway))
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    /// A quantile of a time; the largest value is the quantile of everything.
    Time { of: TimeOf, quantile: Quantile },
    /// Requests of a kind, as a share of those that could have been.
    Share(Kind),
    /// The number of them.
    Count(Kind),
    /// Requests that ended, failed ones included.
    Requests,
    /// Whole answers a second.
    Throughput,
}

/// Which of a request's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeOf {
    Response,
    Service,
    FirstByte,
    Lag,
    Held,
    Busy,
    Connect,
}

/// Which requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ended without a whole answer.
    Errors,
    /// Answered with a status of the selected ones.
    Status,
    /// Deliberately not sent.
    Shed,
    /// Answered 2xx in the recording and sent away now.
    TurnedAway,
}

/// Thousandths of a percent: 99,900 is p99.9, [`Quantile::MAX`] the largest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantile(pub(super) u32);

impl Quantile {
    pub(super) const MAX: Self = Self(100_000);

    pub(super) fn share(self) -> f64 {
        f64::from(self.0) / f64::from(Self::MAX.0)
    }

    /// How many of so many values are at or below this quantile, as histograms have it: at least one.
    pub(super) fn rank(self, values: u64) -> u64 {
        let rank = (u128::from(values) * u128::from(self.0)).div_ceil(u128::from(Self::MAX.0));
        u64::try_from(rank).unwrap_or(values).clamp(1, values.max(1))
    }

    /// So many values there must be for one of them to be beyond this quantile.
    pub(super) fn values_min(self) -> u64 {
        match Self::MAX.0.saturating_sub(self.0) {
            // The largest is there as soon as there is one.
            0 => 1,
            beyond => u64::from(Self::MAX.0.div_ceil(beyond)),
        }
    }
}

/// What a limit is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Nanos,
    PartsPerMillion,
    Requests,
    /// Thousandths of a request a second.
    MilliPerSecond,
}

impl Metric {
    pub(super) const fn unit(self) -> Unit {
        match self {
            Self::Time { .. } => Unit::Nanos,
            Self::Share(_) => Unit::PartsPerMillion,
            Self::Count(_) | Self::Requests => Unit::Requests,
            Self::Throughput => Unit::MilliPerSecond,
        }
    }
}

/// Which requests a rule is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Select {
    pub(super) endpoint: Endpoints,
    pub(super) status: Option<Statuses>,
}

/// Of which endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Endpoints {
    /// Of all together.
    #[default]
    All,
    /// Of each by itself.
    Each,
    /// Of one, as the report names it.
    Named(String),
}

/// Which answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statuses {
    /// By its first digit.
    Class(u16),
    Code(u16),
}

impl Statuses {
    pub(super) fn contains(self, status: u16) -> bool {
        match self {
            Self::Class(class) => status / 100 == class,
            Self::Code(code) => status == code,
        }
    }
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    /// The steady window, where warm-up or drain were given; else the whole run.
    Unsaid,
    Whole,
    Steady,
    /// Every stretch of so many seconds: one of them is enough.
    Any(u64),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.metric)?;
        let endpoint = match &self.select.endpoint {
            Endpoints::All => None,
            Endpoints::Each => Some("*".to_owned()),
            Endpoints::Named(name) => Some(quoted(name)),
        };
        let status = self.select.status.map(|status| status.to_string());
        let parts: Vec<String> = status.into_iter().chain(endpoint).collect();
        if !parts.is_empty() {
            write!(f, "({})", parts.join(", "))?;
        }
        if self.window != Window::Unsaid {
            write!(f, " in {}", self.window)?;
        }
        write!(f, " {} {}", self.op, limit(self.metric.unit(), self.limit))
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { of, quantile } => write!(f, "{of}{quantile}"),
            Self::Share(kind) => write!(f, "{}", kind.share_name()),
            Self::Count(kind) => write!(f, "{}", kind.name()),
            Self::Requests => f.write_str("requests"),
            Self::Throughput => f.write_str("throughput"),
        }
    }
}

impl fmt::Display for TimeOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response => "",
            Self::Service => "service_",
            Self::FirstByte => "first_byte_",
            Self::Lag => "lag_",
            Self::Held => "held_",
            Self::Busy => "busy_",
            Self::Connect => "connect_",
        })
    }
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Status => "status",
            Self::Shed => "shed",
            Self::TurnedAway => "turned_away",
        }
    }

    pub(super) const fn share_name(self) -> &'static str {
        match self {
            Self::Errors => "error_rate",
            Self::Status => "status_rate",
            Self::Shed => "shed_rate",
            Self::TurnedAway => "turned_away_rate",
        }
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            100_000 => f.write_str("max"),
            thousandths => write!(f, "p{}", without_zeros(u64::from(thousandths), 3)),
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Code(code) => write!(f, "{code}"),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsaid => Ok(()),
            Self::Whole => f.write_str("whole"),
            Self::Steady => f.write_str("steady"),
            Self::Any(seconds) => write!(f, "any {seconds}s"),
        }
    }
}

/// A limit as it is written.
pub(super) fn limit(unit: Unit, value: u64) -> String {
    match unit {
        Unit::Nanos => {
            let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
            let fits = units.into_iter().find(|(nanos, _)| value >= *nanos && value.is_multiple_of(*nanos));
            fits.map_or_else(|| format!("{value}ns"), |(nanos, unit)| format!("{}{unit}", value / nanos))
        }
        Unit::PartsPerMillion => format!("{}%", without_zeros(value, 4)),
        Unit::Requests => value.to_string(),
        Unit::MilliPerSecond => format!("{}/s", without_zeros(value, 3)),
    }
}

/// A number with so many decimals, without those at its end that say nothing.
fn without_zeros(value: u64, decimals: u32) -> String {
    let one = 10_u64.pow(decimals);
    let text = format!("{}.{:0width$}", value / one, value % one, width = decimals as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An endpoint's name, in quotes where it would be read as something else without them.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = !name.is_empty()
        && name.trim() == name
        && name != "*"
        && super::parse::statuses(name).is_none()
        && !name.contains([',', '(', ')', '"', '\\']);
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")) }
}
