//! A process of this machine, as `/proc` has it.

use std::fs;
use std::time::Duration;

use super::{Look, Seen};

pub(super) struct Process {
    id: u32,
    ticks_per_s: u64,
    page_bytes: u64,
    /// When it began, in ticks since the machine did: another process of the same number is another one.
    began: Option<u64>,
    name: Option<String>,
}

impl Process {
    pub(super) fn new(id: u32) -> Self {
        let page_bytes = rustix::param::page_size() as u64;
        Self { id, ticks_per_s: rustix::param::clock_ticks_per_second().max(1), page_bytes, began: None, name: None }
    }
}

impl Look for Process {
    fn name(&self) -> String {
        format!("process {} ({})", self.id, self.name.as_deref().unwrap_or("?"))
    }

    fn look(&mut self, _: Duration) -> Result<Seen, String> {
        let path = format!("/proc/{}/stat", self.id);
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let (name, fields) = parse(&text).ok_or_else(|| format!("{path} is not as proc_pid_stat(5) says"))?;
        let [user, system, began, pages] = fields;
        if self.began.is_some_and(|before| before != began) {
            return Err(format!("process {} is another one now", self.id));
        }
        (self.began, self.name) = (Some(began), Some(name.to_owned()));
        #[expect(clippy::cast_precision_loss, reason = "ticks are far below 2^53")]
        let cpu_s = (user + system) as f64 / self.ticks_per_s as f64;
        Ok(Seen { cpu_s, rss_bytes: pages.saturating_mul(self.page_bytes) })
    }
}

/// Name; CPU time in user mode and in the kernel, when it began, and resident pages.
pub(super) fn parse(stat: &str) -> Option<(&str, [u64; 4])> {
    // The name may hold anything, parentheses too: it ends at the last one.
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first of these is field 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((name, [field(14)?, field(15)?, field(22)?, field(24)?]))
}
