//! What is said of exchanges that are taken one by one, and so wait for nobody.

use super::Planned;
use crate::cli::LoopModel;
use crate::outcome::Failure;

impl Planned {
    /// Of a plan whose loop model is not known yet.
    pub(crate) fn open_notice(&self) -> Option<String> {
        let sent_open = self.sent_open()?;
        Some(format!("--loop-model causal and closed are not for {sent_open}"))
    }

    /// The same of a run: which part of it its loop model is not for.
    ///
    /// # Errors
    /// When that is everything.
    pub(crate) fn check_loop_model(&self, model: LoopModel) -> Result<Option<String>, Failure> {
        let Some(sent_open) = self.sent_open().filter(|_| model != LoopModel::Open) else { return Ok(None) };
        let split = &self.plan.clients;
        if split.warped.exchanges < split.recorded.exchanges {
            return Ok(Some(format!("the loop model is not for {sent_open}")));
        }
        Err(Failure::new(format!("--loop-model would change nothing: it is not for {sent_open}")).hint(
            "leave it out, keep clients together with --method clone, or tell users apart when recording: --client-key cookie:NAME",
        ))
    }

    fn sent_open(&self) -> Option<String> {
        let split = &self.plan.clients;
        let what = match self.method.as_str() {
            "auto" => "of pools".to_owned(),
            method => format!("taken one by one (--method {method})"),
        };
        (split.warped.exchanges > 0).then(|| {
            let share = split.warped.share_of(&split.recorded) * 100.0;
            format!("{share:.1} % of the exchanges, which are {what} and wait for nobody: they are sent open")
        })
    }
}
