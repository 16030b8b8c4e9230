//! Trace contexts of a run: in which formats they are written and which are sampled; and what is said of the recorded ones.

use std::time::SystemTime;

use formats::trace::Format;
use replayer::contexts::{Contexts, Propagators, PropagatorsError, Sampling, TraceIdBits, Wire};
use replayer::spool::Traces;
use serde_json::json;

use super::Planned;
use crate::cli::{ContextArgs, IdBits};
use crate::outcome::Failure;
use crate::units;

/// The environment's word for the formats (OpenTelemetry, "Environment Variable Specification").
const VARIABLE: &str = "OTEL_PROPAGATORS";

/// How the contexts of a run are made.
pub(crate) struct Propagation {
    propagators: Propagators,
    wire: Wire,
    sampling: Sampling,
}

impl Propagation {
    pub(crate) fn check(args: &ContextArgs) -> Result<Self, Failure> {
        // An empty variable is an unset one, says the same page.
        let variable = || std::env::var_os(VARIABLE).map(|text| text.to_string_lossy().into_owned());
        let (from, given) = match &args.propagators {
            Some(given) => ("--propagators", Some(given.clone())),
            None => (VARIABLE, variable().filter(|text| !text.trim().is_empty())),
        };
        let failure = |error: PropagatorsError, from: &str| {
            Failure::new(format!("{from}: {error}")).hint("docs/traces.md says what each of them writes")
        };
        let propagators = match given {
            Some(text) => text.parse().map_err(|error| failure(error, from))?,
            None => Propagators::default(),
        };
        let bits = args.trace_id_bits.map(|bits| match bits {
            IdBits::Short => TraceIdBits::Short,
            IdBits::Long => TraceIdBits::Long,
        });
        let from = if bits.is_some() { "--trace-id-bits" } else { from };
        let wire = Wire::new(propagators.clone(), bits).map_err(|error| failure(error, from))?;
        let sampling = args.trace_sample.parse().map_err(Failure::new)?;
        Ok(Self { propagators, wire, sampling })
    }

    /// Those of a run that begins at this time.
    pub(crate) fn contexts(&self, begins: SystemTime) -> Result<Contexts, Failure> {
        Ok(Contexts::random()?.sampled(self.sampling).written_for(&self.wire, begins))
    }

    /// The formats that contexts are written in, by their names.
    pub(crate) fn propagators(&self) -> String {
        self.propagators.to_string()
    }

    /// What sampling as recorded makes of requests whose callers did not decide.
    pub(crate) fn notice(&self, traces: &Traces) -> Option<String> {
        (self.sampling == Sampling::Recorded && traces.deferred > 0).then(|| {
            format!(
                "{} recorded requests left it to whom they called whether their trace is recorded: with --trace-sample \
                 recorded they are not sampled",
                units::count(traces.deferred)
            )
        })
    }
}

impl Planned {
    /// Requests that carry two different contexts.
    pub(crate) fn traces_notice(&self) -> Option<String> {
        let traces = &self.spool.summary.traces;
        let order = Format::ALL.map(Format::name).join(", ");
        (traces.differing > 0).then(|| {
            format!(
                "{} recorded requests carry two different trace contexts: the first one counts, in the order {order}; none \
                 of one header that says two things",
                units::count(traces.differing)
            )
        })
    }

    /// How many requests carry contexts, for people.
    pub(crate) fn traces_text(&self) -> String {
        let traces = &self.spool.summary.traces;
        let read = traces.contexts.iter().map(|(name, count)| format!("{} by {name}", units::count(*count)));
        let read = read.collect::<Vec<_>>().join(", ");
        let also = [(traces.differing, "with two different ones"), (traces.deferred, "left the decision open")];
        let also = also.iter().filter(|(count, _)| *count > 0);
        let also: String = also.map(|(count, what)| format!("; {} {what}", units::count(*count))).collect();
        format!("{}{also}", if read.is_empty() { "no recorded contexts" } else { &read })
    }

    /// The same for programs.
    pub(crate) fn traces_json(&self) -> serde_json::Value {
        let traces = &self.spool.summary.traces;
        json!({"contexts": traces.contexts, "differing": traces.differing, "deferred": traces.deferred})
    }
}
