//! What this process takes of what it may use: `getrusage` and `/proc`, against the limits of its control group, or else the
//! machine's.

use std::fs;
use std::path::PathBuf;

use super::Usage;

/// Bytes of a page, which `/proc/self/statm` counts in.
fn page_bytes() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

/// Looks at the process, and remembers what it saw.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    before: Option<(u64, u64)>,
}

/// What the process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    /// Thousandths of a processor.
    cpu_milli: u64,
    memory_bytes: Option<u64>,
}

impl Meter {
    /// Reads the limits, once.
    #[must_use]
    pub fn new() -> Self {
        let group = control_group();
        let read = |name: &str| group.as_ref().and_then(|group| fs::read_to_string(group.join(name)).ok());
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64 * 1_000;
        let cpu_milli =
            read("cpu.max").and_then(|text| quota_milli(&text)).map_or(processors, |milli| milli.min(processors));
        let memory = read("memory.max").and_then(|text| text.trim().parse().ok());
        let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_bytes(&text));
        let memory_bytes = memory.into_iter().chain(machine).min();
        Self { limits: Limits { cpu_milli, memory_bytes }, before: None }
    }

    /// What the process takes; processor time since the last call.
    pub fn look(&mut self, now_ns: u64) -> Usage {
        let cpu_ns = cpu_ns();
        let before = self.before.replace((now_ns, cpu_ns));
        let cpu_percent = before.and_then(|(then_ns, then_cpu_ns)| {
            let elapsed = now_ns.checked_sub(then_ns).filter(|elapsed| *elapsed > 0)?;
            let may_use = u128::from(elapsed) * u128::from(self.limits.cpu_milli) / 1_000;
            percent(u128::from(cpu_ns.saturating_sub(then_cpu_ns)), may_use)
        });
        let memory_percent = self.limits.memory_bytes.zip(resident_bytes());
        let memory_percent = memory_percent.and_then(|(limit, used)| percent(used.into(), limit.into()));
        Usage { cpu_percent, memory_percent }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

fn percent(used: u128, of: u128) -> Option<u32> {
    (used * 100).checked_div(of).and_then(|percent| u32::try_from(percent).ok())
}

/// Processor time of all threads so far.
#[must_use]
pub fn cpu_ns() -> u64 {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(clock.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(clock.tv_nsec).unwrap_or_default())
}

/// Memory that the process holds.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(page_bytes())
}

/// Where the files of this process's control group are (version 2; inside a container the group is the root).
fn control_group() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = PathBuf::from("/sys/fs/cgroup").join(path);
    if group.is_dir() { Some(group) } else { Some("/sys/fs/cgroup".into()) }
}

/// `max 100000` or `50000 100000`: microseconds of processor time in each period.
fn quota_milli(cpu_max: &str) -> Option<u64> {
    let (quota, period) = cpu_max.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    quota.checked_mul(1_000)?.checked_div(period).filter(|milli| *milli > 0)
}

fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        assert_eq!(quota_milli("max 100000\n"), None);
        assert_eq!(quota_milli("50000 100000\n"), Some(500));
        assert_eq!(quota_milli("250000 100000"), Some(2_500));
        for odd in ["", "1", "1 0", "x y", "18446744073709551615 1"] {
            assert_eq!(quota_milli(odd), None, "{odd}");
        }
        assert_eq!(total_bytes("MemFree: 1 kB\nMemTotal:       16 kB\n"), Some(16_384));
        assert_eq!(total_bytes("MemTotal: 16\n"), None);
    }

    #[test]
    fn a_busy_second_is_seen() {
        let mut meter = Meter::new();
        assert_eq!(meter.look(0).cpu_percent, None, "nothing to compare with");
        let before = cpu_ns();
        while cpu_ns() - before < 20_000_000 {
            std::hint::spin_loop();
        }
        // As if no more time had passed than one processor needs for it.
        let usage = meter.look(20_000_000);
        assert!(usage.cpu_percent.is_some_and(|percent| percent > 0), "{usage:?}");
        assert!(usage.memory_percent.is_some_and(|percent| percent < 100), "{usage:?}");
    }
}
