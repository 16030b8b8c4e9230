//! Runs over time for a person on a terminal: what rises and falls in sentences, then the figures behind them.

use replayer::compare::judge::Row;
use replayer::compare::over_time::OverTime;
use replayer::compared::words::{capitalized, cell_over_time, nothing_rises, percent, rises, whole_percent};

use super::text::{Figures, table};
use crate::units::{count, seconds};

pub(super) fn text(of: &OverTime, top: usize) -> String {
    let mut out: String = of.notices.iter().map(|notice| format!("NOTE: {notice}\n")).collect();
    let requests = count(of.requests.iter().sum());
    if let (true, Some(run)) = (of.is_one_run(), of.runs.first()) {
        let (path, target) = (run.path.display(), &run.result.target);
        let length = seconds(run.result.duration_s);
        out += &format!("  run        {path} on {target}, {length}, {requests} requests\n");
        out += &format!("  stretches  {} of the same length;", of.trend.points);
    } else {
        for run in &of.runs {
            out += &format!("  {}  {} on {}\n", run.result.started_at, run.path.display(), run.result.target);
        }
        out += &format!("  runs       {}, {requests} requests;", of.trend.points);
    }
    out += &format!(
        " intervals of {}, changes below {} do not matter\n\n",
        whole_percent(of.asked.confidence),
        percent(of.asked.min_effect)
    );
    let said = rises(of);
    said.iter().for_each(|sentence| out += &format!("{sentence}\n"));
    if said.is_empty() {
        out += &format!("{}.\n", capitalized(&nothing_rises(of)));
    }
    let figures = Figures {
        endpoints: &of.endpoints,
        requests: &of.requests,
        system: &of.trend.system,
        rows: &of.trend.endpoints,
    };
    let cell = |row: &Row| cell_over_time(row, of.asked.confidence);
    out += &table(&figures, top, cell);
    for (what, row) in &of.trend.target {
        out += &format!("  {what}  {}\n", cell(row));
    }
    out
}
