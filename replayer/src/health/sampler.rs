//! Looks at process and machine from time to time, and keeps sums, peaks and a bounded number of rows.

use std::collections::BTreeMap;

use super::files::{Machine, MachineTicks};
use super::{Generator, Moment, ROWS_MAX, Thread, Throttle, Used};

/// Names of threads that are kept apart; further ones are counted together.
const NAMES_MAX: usize = 64;
const OTHER_THREADS: &str = "(others)";
/// What the names of the threads that send begin with.
const SENDER: &str = "send";
const SECOND_NS: u64 = 1_000_000_000;

/// Samples a machine; costs a few dozen small files each time, so once a second on a helper thread.
pub struct Sampler {
    machine: Machine,
    ticks_per_s: u64,
    /// When and what was seen last.
    at_ns: Option<u64>,
    first_ns: u64,
    ticks: MachineTicks,
    sums: MachineTicks,
    threads: BTreeMap<u64, Seen>,
    by_name: BTreeMap<String, Thread>,
    throttle: Option<(u64, u64, u64)>,
    generator: Generator,
    latest: Moment,
    user_ticks: u64,
    system_ticks: u64,
    row_s: u64,
}

/// What a thread had used when somebody looked last.
#[derive(Clone, Copy, Default)]
struct Seen {
    user: u64,
    system: u64,
    involuntary: u64,
}

impl Sampler {
    /// A sampler that has not looked yet.
    #[must_use]
    pub fn new(machine: Machine) -> Self {
        Self::with_ticks(machine, rustix::param::clock_ticks_per_second())
    }

    pub(super) fn with_ticks(machine: Machine, ticks_per_s: u64) -> Self {
        Self {
            machine,
            ticks_per_s: ticks_per_s.max(1),
            at_ns: None,
            first_ns: 0,
            ticks: MachineTicks::default(),
            sums: MachineTicks::default(),
            threads: BTreeMap::new(),
            by_name: BTreeMap::new(),
            throttle: None,
            generator: Generator::default(),
            latest: Moment::default(),
            user_ticks: 0,
            system_ticks: 0,
            row_s: 1,
        }
    }

    /// Looks. `now_ns` is on the clock of the run, `due_ns` is its due instant 0; the first look only takes the state
    /// from which the differences count.
    pub fn sample(&mut self, now_ns: u64, due_ns: u64) {
        let before = self.at_ns.replace(now_ns);
        if before.is_none() {
            self.first_ns = now_ns;
        }
        let length_ns = before.map_or(0, |before| now_ns.saturating_sub(before));
        let mut row = Moment { t_s: now_ns.saturating_sub(due_ns) / SECOND_NS, ..Moment::default() };
        self.look_at_threads(before.is_none(), length_ns, &mut row);
        self.look_at_machine(before.is_none(), &mut row);
        self.look_at_limits(&mut row);
        self.look_at_throttle();
        self.latest = row;
        if before.is_some() && now_ns >= due_ns {
            self.push(row);
        }
    }

    /// What the last look saw.
    #[must_use]
    pub fn latest(&self) -> &Moment {
        &self.latest
    }

    /// What is known so far.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "ticks of a run are far below 2^53")]
    pub fn generator(&self) -> Generator {
        let seconds = |ticks: u64| ticks as f64 / self.ticks_per_s as f64;
        let share = |part: u64, of: u64| part as f64 / of.max(1) as f64;
        let length_s = self.at_ns.unwrap_or(0).saturating_sub(self.first_ns) as f64 / 1e9;
        let mut threads: Vec<Thread> = self.by_name.values().cloned().collect();
        for thread in &mut threads {
            let switches = thread.involuntary_switches as f64;
            thread.involuntary_per_s = if length_s > 0.0 { switches / length_s } else { 0.0 };
        }
        threads.sort_by(|a, b| b.cpu_s.total_cmp(&a.cpu_s).then_with(|| a.name.cmp(&b.name)));
        Generator {
            cpus: self.ticks.cpus,
            cpu_user_s: seconds(self.user_ticks),
            cpu_system_s: seconds(self.system_ticks),
            machine_share: share(self.sums.busy, self.sums.total),
            steal_share: share(self.sums.steal, self.sums.total),
            own_share_of_busy: share(self.user_ticks + self.system_ticks, self.sums.busy).min(1.0),
            threads,
            timeline_s: self.row_s,
            ..self.generator.clone()
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "ticks and nanoseconds of a second")]
    fn look_at_threads(&mut self, is_first: bool, length_ns: u64, row: &mut Moment) {
        let Some(threads) = self.machine.threads() else { return self.unread("/proc/self/task") };
        let length_s = length_ns as f64 / 1e9;
        let mut seen = BTreeMap::new();
        for thread in threads {
            let now = Seen { user: thread.user, system: thread.system, involuntary: thread.involuntary };
            seen.insert(thread.id, now);
            let before = match self.threads.get(&thread.id) {
                Some(before) => *before,
                // Threads that were there at the first look begin to count there.
                None if is_first => now,
                None => Seen::default(),
            };
            let (user, system) = (now.user.saturating_sub(before.user), now.system.saturating_sub(before.system));
            let involuntary = now.involuntary.saturating_sub(before.involuntary);
            let cpu_s = (user + system) as f64 / self.ticks_per_s as f64;
            // A tick may fall just before or just after a look.
            let share = if length_s > 0.0 { (cpu_s / length_s).min(1.0) } else { 0.0 };
            self.user_ticks += user;
            self.system_ticks += system;
            self.generator.involuntary_switches += involuntary;
            row.cpu += if length_s > 0.0 { cpu_s / length_s } else { 0.0 };
            row.involuntary += involuntary;
            if thread.name.starts_with(SENDER) {
                row.sender_share = row.sender_share.max(share);
            }
            let is_known = self.by_name.len() < NAMES_MAX || self.by_name.contains_key(&thread.name);
            let name = if is_known { thread.name } else { OTHER_THREADS.to_owned() };
            let sum = self.by_name.entry(name.clone()).or_insert_with(|| Thread { name, ..Thread::default() });
            sum.cpu_s += cpu_s;
            sum.busiest_share = sum.busiest_share.max(share);
            sum.involuntary_switches += involuntary;
        }
        self.threads = seen;
        self.generator.cpu_busiest = self.generator.cpu_busiest.max(row.cpu);
    }

    #[expect(clippy::cast_precision_loss, reason = "ticks of a second")]
    fn look_at_machine(&mut self, is_first: bool, row: &mut Moment) {
        let Some(now) = self.machine.cpu() else { return self.unread("/proc/stat") };
        let before = std::mem::replace(&mut self.ticks, now);
        if is_first {
            return;
        }
        let total = now.total.saturating_sub(before.total);
        let (busy, steal) = (now.busy.saturating_sub(before.busy), now.steal.saturating_sub(before.steal));
        self.sums.total += total;
        self.sums.busy += busy;
        self.sums.steal += steal;
        row.machine_share = busy as f64 / total.max(1) as f64;
        row.steal_share = steal as f64 / total.max(1) as f64;
        self.generator.machine_busiest_share = self.generator.machine_busiest_share.max(row.machine_share);
    }

    fn look_at_limits(&mut self, row: &mut Moment) {
        let peak = |used: &mut Used, now: Option<u64>, limit: Option<u64>| {
            used.peak = used.peak.max(now.unwrap_or(0));
            used.limit = limit.unwrap_or(used.limit);
            now.and(limit).is_some()
        };
        let descriptors = self.machine.descriptors();
        let limit = self.machine.descriptor_limits().map(|(soft, _)| soft);
        if !peak(&mut self.generator.descriptors, descriptors, limit) {
            self.unread("/proc/self/fd");
        }
        row.descriptors = descriptors.unwrap_or(0);
        let (sockets, ports) = (self.machine.sockets(), self.machine.ports());
        if !peak(&mut self.generator.ports, sockets, ports) {
            self.unread("/proc/net/sockstat");
        }
        match self.machine.memory() {
            Some((now, most)) => {
                (self.generator.rss_bytes, row.rss_bytes) = (now, now);
                self.generator.rss_peak_bytes = self.generator.rss_peak_bytes.max(most);
            }
            None => self.unread("/proc/self/status"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run are far below 2^53")]
    fn look_at_throttle(&mut self) {
        // Without a control group that limits CPU there is nothing to read, and nothing is missing.
        let Some(now) = self.machine.throttle() else { return };
        let first = *self.throttle.get_or_insert(now);
        self.generator.throttle = Throttle {
            periods: now.0.saturating_sub(first.0),
            throttled: now.1.saturating_sub(first.1),
            throttled_s: now.2.saturating_sub(first.2) as f64 / 1e9,
        };
    }

    fn unread(&mut self, what: &str) {
        if !self.generator.unread.iter().any(|one| one == what) {
            self.generator.unread.push(what.to_owned());
        }
    }

    fn push(&mut self, row: Moment) {
        let rows = &mut self.generator.timeline;
        let at = row.t_s / self.row_s * self.row_s;
        match rows.last_mut().filter(|last| last.t_s == at) {
            Some(last) => *last = last.largest(&row),
            None => rows.push(Moment { t_s: at, ..row }),
        }
        if rows.len() > ROWS_MAX {
            self.row_s *= 2;
            *rows = widened(rows, self.row_s);
        }
    }
}

/// Rows of a larger width.
fn widened(rows: &[Moment], row_s: u64) -> Vec<Moment> {
    let mut wider: Vec<Moment> = Vec::new();
    for row in rows {
        let at = row.t_s / row_s.max(1) * row_s.max(1);
        match wider.last_mut().filter(|last| last.t_s == at) {
            Some(last) => *last = Moment { t_s: at, ..last.largest(row) },
            None => wider.push(Moment { t_s: at, ..*row }),
        }
    }
    wider
}

/// The rows of two generators of one run, in each the larger figures.
pub(super) fn side_by_side(a: &Generator, b: &Generator) -> (u64, Vec<Moment>) {
    let row_s = a.timeline_s.max(b.timeline_s);
    let mut rows: Vec<Moment> = a.timeline.iter().chain(&b.timeline).copied().collect();
    rows.sort_by_key(|row| row.t_s);
    (row_s, widened(&rows, row_s))
}
