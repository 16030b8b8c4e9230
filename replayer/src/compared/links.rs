//! Where the runs of a comparison were sent to, and where their traces open.

use formats::trace::TraceContext;

use crate::compare::side::Run;
use crate::contexts::hex;
use crate::report::TraceUrl;

/// The way from samples to traces.
pub struct Links<'a> {
    /// By the numbers that samples have.
    runs: Vec<(&'a Run, Option<TraceUrl>)>,
}

impl<'a> Links<'a> {
    /// For the runs of a comparison, those before first. `given` goes before what each run says of itself.
    #[must_use]
    pub fn of(before: &'a [Run], after: &'a [Run], given: Option<&TraceUrl>) -> Self {
        // What is no template leads nowhere: then there are ids.
        let own = |run: &Run| run.result.trace_url.as_ref().and_then(|template| template.parse().ok());
        let of = |run: &'a Run| (run, given.cloned().or_else(|| own(run)));
        Self { runs: before.iter().chain(after).map(of).collect() }
    }

    /// Where a run was sent to.
    #[must_use]
    pub fn target(&self, run: u16) -> &str {
        self.runs.get(usize::from(run)).map_or("", |(run, _)| run.result.target.as_str())
    }

    /// The URL of a trace; `None` where no template is known, or the trace was not sampled.
    #[must_use]
    pub fn url(&self, run: u16, trace: &TraceContext) -> Option<String> {
        let (run, template) = self.runs.get(usize::from(run))?;
        let result = &run.result;
        let template = template.as_ref().filter(|_| trace.is_sampled())?;
        Some(template.of_run(&hex(&trace.trace_id), &hex(&trace.parent_id), &result.started_at, result.duration_s))
    }

    /// The URL of a trace, or else its id.
    #[must_use]
    pub fn said(&self, run: u16, trace: &TraceContext) -> String {
        self.url(run, trace).unwrap_or_else(|| hex(&trace.trace_id))
    }
}
