//! Which formats carry the contexts of a run, by their OpenTelemetry names, and what ids all of these can carry.

use std::fmt;
use std::str::FromStr;

/// A format of contexts, or of what travels with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Propagator {
    /// W3C Trace Context: `traceparent`.
    TraceContext,
    /// W3C Baggage: `baggage`.
    Baggage,
    /// Zipkin's single header: `b3`.
    B3,
    /// Zipkin's headers, one for each field: `X-B3-…`.
    B3Multi,
    /// Jaeger's own: `uber-trace-id`.
    Jaeger,
    /// AWS X-Ray's: `X-Amzn-Trace-Id`.
    XRay,
    /// That of the OpenTracing basic tracers: `ot-tracer-…`.
    OtTrace,
}

impl Propagator {
    /// All of them, in the order in which their fields are written.
    pub const ALL: [Self; 7] =
        [Self::TraceContext, Self::Baggage, Self::B3, Self::B3Multi, Self::Jaeger, Self::XRay, Self::OtTrace];

    /// As `OTEL_PROPAGATORS` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TraceContext => "tracecontext",
            Self::Baggage => "baggage",
            Self::B3 => "b3",
            Self::B3Multi => "b3multi",
            Self::Jaeger => "jaeger",
            Self::XRay => "xray",
            Self::OtTrace => "ottrace",
        }
    }
}

/// Why a choice of propagators cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropagatorsError {
    /// Nobody knows it.
    #[error(
        "`{0}` is no propagator; there are tracecontext, baggage, b3, b3multi, jaeger, xray, ottrace, and none alone"
    )]
    Unknown(String),
    /// None, and others.
    #[error("`none` stands alone: it says that requests carry no context")]
    NoneAndOthers,
    /// X-Ray's ids begin with the time, which an id of 64 bits has no room for.
    #[error("trace ids of 64 bits cannot be written for xray, whose ids begin with the time in the upper half")]
    XRayShort,
    /// The format has 64 bits, so that half of the id would not arrive.
    #[error(
        "trace ids of 128 bits cannot be written for ottrace, which carries 64: the target's spans would have other ids than ours"
    )]
    OtTraceLong,
    /// Both of the above.
    #[error("xray and ottrace exclude each other: the ids of xray have 128 bits, those of ottrace 64")]
    XRayAndOtTrace,
}

/// A choice of propagators; each once, in the order of [`Propagator::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagators(Vec<Propagator>);

impl Propagators {
    /// Whether it is among them.
    #[must_use]
    pub fn has(&self, propagator: Propagator) -> bool {
        self.0.contains(&propagator)
    }
}

impl Default for Propagators {
    /// OpenTelemetry's own default.
    fn default() -> Self {
        Self(vec![Propagator::TraceContext, Propagator::Baggage])
    }
}

impl FromStr for Propagators {
    type Err = PropagatorsError;

    /// Names between commas; the same one twice is once (OpenTelemetry, "Environment Variable Specification").
    fn from_str(text: &str) -> Result<Self, PropagatorsError> {
        let (mut chosen, mut is_none) = (Vec::new(), false);
        for name in text.split(',').map(str::trim) {
            match Propagator::ALL.into_iter().find(|one| one.name() == name) {
                Some(one) => chosen.push(one),
                None if name == "none" => is_none = true,
                None => return Err(PropagatorsError::Unknown(name.to_owned())),
            }
        }
        if is_none && !chosen.is_empty() {
            return Err(PropagatorsError::NoneAndOthers);
        }
        chosen.sort_unstable();
        chosen.dedup();
        Ok(Self(chosen))
    }
}

impl fmt::Display for Propagators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, one) in self.0.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { "," }, one.name())?;
        }
        Ok(())
    }
}

/// How long trace ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceIdBits {
    /// The upper half is zero, for fleets in which some know no longer ones.
    Short,
    /// As W3C has them.
    Long,
}

/// How trace ids are made, so that every chosen format carries all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum IdForm {
    /// 16 random bytes.
    #[default]
    Random,
    /// 8 zeros and 8 random bytes.
    Short,
    /// 4 bytes of Unix time and 12 random ones.
    Timed(u32),
}

/// Propagators with ids that all of them carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    pub(super) propagators: Propagators,
    pub(super) is_short: bool,
}

impl Wire {
    /// Chooses ids of 128 bits, or of 64 where a format has no more, unless somebody says otherwise.
    ///
    /// # Errors
    /// When some of the formats cannot carry the ids that others need or that were asked for.
    pub fn new(propagators: Propagators, bits: Option<TraceIdBits>) -> Result<Self, PropagatorsError> {
        let (timed, short) = (propagators.has(Propagator::XRay), propagators.has(Propagator::OtTrace));
        match bits {
            _ if timed && short => Err(PropagatorsError::XRayAndOtTrace),
            Some(TraceIdBits::Short) if timed => Err(PropagatorsError::XRayShort),
            Some(TraceIdBits::Long) if short => Err(PropagatorsError::OtTraceLong),
            bits => Ok(Self { propagators, is_short: short || bits == Some(TraceIdBits::Short) }),
        }
    }

    /// The ids of a run that begins at this time, in seconds of Unix time.
    pub(super) fn ids(&self, begins_unix_s: u64) -> IdForm {
        if self.propagators.has(Propagator::XRay) {
            // X-Ray's own field ends in 2106.
            IdForm::Timed(u32::try_from(begins_unix_s).unwrap_or(u32::MAX))
        } else if self.is_short {
            IdForm::Short
        } else {
            IdForm::Random
        }
    }
}
