//! The kernel's files about this process and this machine, parsed. Nothing is kept from one look to the next.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel's files are.
#[derive(Debug, Clone)]
pub struct Machine {
    proc: PathBuf,
    cgroups: PathBuf,
    /// The size of `/proc/self/fd` is the number of descriptors (Linux 6.2), where it is not 0.
    is_real: bool,
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn this() -> Self {
        Self { proc: "/proc".into(), cgroups: "/sys/fs/cgroup".into(), is_real: true }
    }

    /// A machine made of files, for tests: what stands in `/proc` and in `/sys/fs/cgroup`.
    #[must_use]
    pub fn of_files(proc: &Path, cgroups: &Path) -> Self {
        Self { proc: proc.to_owned(), cgroups: cgroups.to_owned(), is_real: false }
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.proc.join(name)).ok()
    }

    /// CPU times of the whole machine.
    pub(super) fn cpu(&self) -> Option<MachineTicks> {
        let text = self.text("stat")?;
        let cpus = text.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
        let ticks: Vec<u64> =
            text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(|one| one.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest times are in user and nice already (proc_stat(5)).
        let at = |place: usize| ticks.get(place).copied().unwrap_or(0);
        let idle = at(3) + at(4);
        let total = ticks.iter().take(8).sum();
        Some(MachineTicks { cpus: u32::try_from(cpus).ok()?, total, steal: at(7), busy: total - idle - at(7) })
    }

    /// Every thread of this process.
    pub(super) fn threads(&self) -> Option<Vec<ThreadTicks>> {
        let tasks = fs::read_dir(self.proc.join("self/task")).ok()?;
        Some(tasks.filter_map(|task| thread(&task.ok()?.path())).collect())
    }

    /// Descriptors in use.
    pub(super) fn descriptors(&self) -> Option<u64> {
        let path = self.proc.join("self/fd");
        let size = if self.is_real { fs::metadata(&path).ok()?.len() } else { 0 };
        // Reading the directory takes a descriptor of its own, which is counted.
        if size > 0 { Some(size) } else { Some(fs::read_dir(path).ok()?.count() as u64) }
    }

    /// Soft and hard limit of descriptors.
    pub(super) fn descriptor_limits(&self) -> Option<(u64, u64)> {
        let text = self.text("self/limits")?;
        let mut fields = text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace();
        let mut limit = || {
            let field = fields.next()?;
            if field == "unlimited" { Some(u64::MAX) } else { field.parse().ok() }
        };
        Some((limit()?, limit()?))
    }

    /// TCP sockets that may hold a port, those in TIME-WAIT included.
    pub(super) fn sockets(&self) -> Option<u64> {
        let text = self.text("net/sockstat")?;
        let fields: Vec<&str> = text.lines().find_map(|line| line.strip_prefix("TCP:"))?.split_whitespace().collect();
        let value = |name: &str| {
            fields.iter().position(|field| *field == name).and_then(|at| fields.get(at + 1)?.parse::<u64>().ok())
        };
        Some(value("inuse")? + value("tw").unwrap_or(0))
    }

    /// Ephemeral ports to one address.
    pub(super) fn ports(&self) -> Option<u64> {
        let text = self.text("sys/net/ipv4/ip_local_port_range")?;
        let mut ends = text.split_whitespace().map_while(|end| end.parse::<u64>().ok());
        let (first, last) = (ends.next()?, ends.next()?);
        Some((last + 1).saturating_sub(first))
    }

    /// Resident memory now and at its peak, in bytes.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        let text = self.text("self/status")?;
        let kib = |name: &str| field(&text, name).map(|kib| kib.saturating_mul(1024));
        Some((kib("VmRSS:")?, kib("VmHWM:")?))
    }

    /// The CPU limit of the control group, if there is one: periods, throttled periods, throttled nanoseconds.
    pub(super) fn throttle(&self) -> Option<(u64, u64, u64)> {
        let groups = self.text("self/cgroup")?;
        // `0::/path` is version 2, `4:cpu,cpuacct:/path` version 1; in a container the path may not be visible.
        let candidates = groups.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?.trim_start_matches('/'));
            let below = match controllers {
                "" => self.cgroups.clone(),
                some if some.split(',').any(|one| one == "cpu") => self.cgroups.join(some),
                _ => return None,
            };
            Some([below.join(path).join("cpu.stat"), below.join("cpu.stat")])
        });
        let text = candidates
            .flatten()
            .find_map(|path| fs::read_to_string(path).ok().filter(|text| text.contains("nr_throttled")))?;
        let nanos = field(&text, "throttled_usec").map(|us| us.saturating_mul(1_000));
        Some((
            field(&text, "nr_periods")?,
            field(&text, "nr_throttled")?,
            nanos.or_else(|| field(&text, "throttled_time"))?,
        ))
    }
}

/// CPU times of a machine since its start, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MachineTicks {
    pub(super) cpus: u32,
    pub(super) total: u64,
    pub(super) busy: u64,
    pub(super) steal: u64,
}

/// CPU times of a thread since its start, in ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ThreadTicks {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) involuntary: u64,
}

fn thread(task: &Path) -> Option<ThreadTicks> {
    let id = task.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    // The name may hold anything, parentheses too: it ends at the last one (proc_pid_stat(5)).
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11).map_while(|one| one.parse().ok());
    let (user, system) = (times.next()?, times.next()?);
    let status = fs::read_to_string(task.join("status")).unwrap_or_default();
    let involuntary = field(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
    Some(ThreadTicks { id, name: name.to_owned(), user, system, involuntary })
}

/// The number after a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
