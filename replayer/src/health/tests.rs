//! Machines made of files.

use std::fs;
use std::path::Path;

use super::sampler::Sampler;
use super::*;
use crate::clock::Clock;

const SECOND_NS: u64 = 1_000_000_000;

/// A machine with two CPUs and what a test puts into it.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.put(
            "proc/self/limits",
            "Limit Soft Hard Units\nMax open files            1024                 4096                 files\n",
        );
        files.put(
            "proc/net/sockstat",
            "sockets: used 13\nTCP: inuse 40 orphan 0 tw 2 alloc 1 mem 149\nUDP: inuse 9 mem 0\n",
        );
        files.put("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
        files.put("proc/self/status", "Name:\tx\nVmHWM:\t 2000 kB\nVmRSS:\t 1000 kB\n");
        files.put("proc/self/fd/0", "");
        files.put("proc/self/fd/1", "");
        files.put("proc/self/cgroup", "9:name=systemd:/\n0::/run/x\n");
        files.put("cgroup/run/x/cpu.stat", "usage_usec 5\nnr_periods 100\nnr_throttled 10\nthrottled_usec 500\n");
        files
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn machine(&self) -> Machine {
        Machine::of_files(&self.0.path().join("proc"), &self.0.path().join("cgroup"))
    }

    /// Ticks of the machine: user, idle, steal.
    fn cpu(&self, user: u64, idle: u64, steal: u64) {
        self.put("proc/stat", &format!("cpu  {user} 0 0 {idle} 0 0 0 {steal} 7 0\ncpu0 1 2\ncpu1 1 2\nintr 5\n"));
    }

    fn thread(&self, id: u64, name: &str, user: u64, system: u64, involuntary: u64) {
        let rest = "S 1 2 3 4 5 6 7 8 9 10";
        self.put(&format!("proc/self/task/{id}/stat"), &format!("{id} ({name}) {rest} {user} {system} 0 0 20\n"));
        let text = format!("voluntary_ctxt_switches:\t9\nnonvoluntary_ctxt_switches:\t{involuntary}\n");
        self.put(&format!("proc/self/task/{id}/status"), &text);
    }
}

#[test]
fn differences_count_from_the_first_look() {
    let files = Files::new();
    let mut sampler = Sampler::with_ticks(files.machine(), 100);
    files.cpu(1_000, 5_000, 10);
    files.thread(7, "send", 500, 100, 30);
    sampler.sample(SECOND_NS, 0);
    files.cpu(1_110, 5_050, 50);
    files.thread(7, "send", 570, 120, 40);
    // A name with parentheses; a thread that began since counts from 0.
    files.thread(8, "a) b (c", 5, 0, 1);
    files.put("proc/self/fd/2", "");
    files.put("cgroup/run/x/cpu.stat", "nr_periods 120\nnr_throttled 15\nthrottled_usec 2000500\n");
    sampler.sample(2 * SECOND_NS, 0);
    let generator = sampler.generator();
    assert_eq!((generator.cpus, generator.cpu_user_s, generator.cpu_system_s), (2, 0.75, 0.2));
    assert_eq!((generator.machine_share, generator.steal_share), (110.0 / 200.0, 40.0 / 200.0));
    assert_eq!((generator.own_share_of_busy, (generator.cpu_busiest * 100.0).round()), (95.0 / 110.0, 95.0));
    let threads: Vec<_> =
        generator.threads.iter().map(|one| (one.name.as_str(), one.cpu_s, one.busiest_share)).collect();
    assert_eq!(threads, [("send", 0.9, 0.9), ("a) b (c", 0.05, 0.05)]);
    assert_eq!((generator.involuntary_switches, generator.threads[0].involuntary_per_s), (11, 10.0));
    assert_eq!((generator.descriptors.peak, generator.descriptors.limit), (3, 1_024));
    assert_eq!((generator.ports.peak, generator.ports.limit), (42, 28_232));
    assert_eq!((generator.rss_bytes, generator.rss_peak_bytes), (1_024_000, 2_048_000));
    assert_eq!(
        (generator.throttle.periods, generator.throttle.throttled, generator.throttle.throttled_s),
        (20, 5, 2.0)
    );
    assert_eq!(generator.unread, Vec::<String>::new());
    let row = generator.timeline[0];
    assert_eq!((row.t_s, row.sender_share, row.involuntary, row.descriptors), (2, 0.9, 11, 3));
}

#[test]
fn version_1_control_groups_and_hidden_paths_are_found() {
    let files = Files::new();
    let throttle = || files.machine().throttle();
    assert_eq!(throttle(), Some((100, 10, 500_000)));
    files.put("proc/self/cgroup", "4:cpu,cpuacct:/not/visible\n1:memory:/x\n");
    files.put("cgroup/cpu,cpuacct/cpu.stat", "nr_periods 5\nnr_throttled 4\nthrottled_time 3\n");
    assert_eq!(throttle(), Some((5, 4, 3)));
    files.put("cgroup/cpu,cpuacct/cpu.stat", "usage_usec 5\n");
    assert_eq!(throttle(), None, "without a limit there is nothing to say");
}

#[test]
fn what_cannot_be_read_is_named_and_not_zero_by_silence() {
    let machine = Machine::of_files(Path::new("/nowhere"), Path::new("/nowhere"));
    let mut sampler = Sampler::with_ticks(machine.clone(), 100);
    [SECOND_NS, 2 * SECOND_NS].into_iter().for_each(|now| sampler.sample(now, 0));
    let unread = ["/proc/self/task", "/proc/stat", "/proc/self/fd", "/proc/net/sockstat", "/proc/self/status"];
    assert_eq!(sampler.generator().unread, unread);
    assert!(
        preflight(&machine, &Clock::start(), 0, &Demand { connections_least: 9, connections_most: 9, ways: 1 }).is_ok()
    );
}

#[test]
fn rows_over_time_are_bounded_and_keep_what_was_worst() {
    let files = Files::new();
    let mut sampler = Sampler::with_ticks(files.machine(), 100);
    for second in 0..=1_300 {
        files.cpu(second * 100 + if second > 702 { 50 } else { 0 }, second * 100, 0);
        sampler.sample(second * SECOND_NS, 0);
    }
    let generator = sampler.generator();
    assert!(generator.timeline.len() <= ROWS_MAX, "{}", generator.timeline.len());
    assert_eq!(generator.timeline_s, 4);
    assert!(generator.timeline.iter().all(|row| row.t_s % 4 == 0));
    // Second 703 is the last of its row: what comes later in a row must not be lost.
    let worst = generator.timeline.iter().max_by(|a, b| a.machine_share.total_cmp(&b.machine_share)).unwrap();
    assert_eq!((worst.t_s, worst.machine_share), (700, 150.0 / 250.0));
}

#[test]
fn a_plan_that_cannot_work_is_refused_and_a_tight_one_is_said() {
    let files = Files::new();
    let asks = |demand| preflight(&files.machine(), &Clock::start(), 0, &demand).map(|found| found.notices);
    let look = |most, ways| asks(Demand { connections_least: most, connections_most: most, ways });
    assert_eq!(look(3_000, 1), Ok(vec![]));
    assert_eq!(
        look(4_032, 1).unwrap(),
        ["the plan needs about 4096 of the 4096 descriptors that this process may have"]
    );
    // What may come together, and need not, is said and refused by nobody.
    let perhaps = asks(Demand { connections_least: 64, connections_most: 5_000, ways: 1 }).unwrap();
    assert_eq!(perhaps, ["the plan may need up to 5064 of the 4096 descriptors that this process may have"]);
    let refused = look(4_033, 1).unwrap_err();
    assert_eq!(refused, HealthError::Descriptors { needed: 4_097, limit: 4_096 });
    assert!(refused.hint().contains("ulimit -Hn 4097") && refused.hint().contains("--max-connections"));
    files.put("proc/self/limits", "Max open files 1024 unlimited files\n");
    assert!(look(28_232, 1).unwrap()[0].contains("28232 of the 28232 ports of this machine, on which 42 sockets"));
    assert_eq!(look(28_233, 1), Err(HealthError::Ports { needed: 28_233, limit: 28_232 }));
    assert_eq!(look(50_000, 5_000), Ok(vec![]), "to several addresses");
    let found = || preflight(&files.machine(), &Clock::start(), 0, &Demand::default()).unwrap();
    assert_eq!(found().connections_max, Some(u64::MAX - 64));
    files.put("proc/self/limits", "Max open files 1024 40000 files\n");
    assert_eq!(found().connections_max, Some(39_936));
}

#[test]
fn timers_of_this_machine_are_measured() {
    let found = preflight(&Machine::this(), &Clock::start(), 20_000_000, &Demand::default()).unwrap();
    let noise = found.noise;
    assert!(noise.p50_us > 0.0 && noise.p50_us <= noise.p99_us && noise.p99_us <= noise.max_us, "{noise:?}");
    let mut sampler = Sampler::new(Machine::this());
    let clock = Clock::start();
    sampler.sample(clock.now_ns(), 0);
    // How many are inherited depends on who started the test.
    let before = sampler.generator().descriptors.peak;
    let _held: Vec<fs::File> = (0..5).map(|_| fs::File::open("/dev/null").unwrap()).collect();
    sampler.sample(clock.now_ns(), 0);
    let generator = sampler.generator();
    assert_eq!(generator.unread, Vec::<String>::new());
    assert!(generator.descriptors.peak >= before + 5, "{before} {:?}", generator.descriptors);
    assert!(generator.cpus > 0 && generator.rss_bytes > 1 << 20);
}

#[test]
fn generators_of_shards_stand_side_by_side() {
    let one = |name: &str, cpu: f64, steal: f64, peak| Generator {
        cpus: 2,
        cpu_user_s: cpu,
        steal_share: steal,
        threads: vec![Thread { name: name.into(), cpu_s: cpu, busiest_share: steal, ..Thread::default() }],
        descriptors: Used { peak, limit: 100 },
        timeline_s: 1,
        timeline: vec![Moment { t_s: 3, cpu, steal_share: steal, ..Moment::default() }],
        ..Generator::default()
    };
    let both = one("send", 1.0, 0.5, 10).beside(&one("send", 2.0, 0.25, 90));
    assert_eq!((both.cpus, both.cpu_user_s, both.steal_share), (4, 3.0, 0.5));
    assert_eq!((both.threads.len(), both.threads[0].cpu_s, both.threads[0].busiest_share), (1, 3.0, 0.5));
    assert_eq!(both.descriptors, Used { peak: 90, limit: 100 });
    assert_eq!((both.timeline.len(), both.timeline[0].cpu, both.timeline[0].steal_share), (1, 2.0, 0.5));
}
