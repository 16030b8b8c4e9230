//! Worlds whose truth is known: what the comparison says of them, counted.
//!
//! Twenty endpoints by Zipf, 200 requests/s, repeats of 60 s a side in pairs. A latency is a base of its endpoint, times
//! the run's mood, times load that wanders, times noise; one in a hundred takes ten times as long. Harder worlds differ in
//! what is said at [`World`]. Seeds are fixed. `cargo test --profile checked -p replayer worlds -- --ignored --nocapture` prints
//! the tables of docs/comparing.md.

use super::judge::{Answer, Asked, Judged, QUANTILES, judge};
use super::latency::RunLatencies;
use super::looks::Looks;

const ENDPOINTS: usize = 20;
const RATE: f64 = 200.0;
const SECONDS: usize = 60;
/// Windows of five seconds.
const WINDOW_S: usize = 5;
/// The one that changes.
const CHANGED: usize = 2;
/// Of an experiment that is looked at.
const PAIRS_MOST: usize = 16;
/// Instead of a number of repeats: as many as [`looked_at`] makes.
const LOOKED_AT: usize = 0;

/// A small generator (SplitMix64), so that worlds are the same wherever they are made.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Box and Muller 1958.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// How noise behaves.
#[derive(Debug, Clone, Copy)]
struct World {
    name: &'static str,
    /// Standard deviation of a run's mood, shared by all endpoints.
    mood: f64,
    /// Of an endpoint's own mood in a run.
    own_mood: f64,
    /// Of load, and its correlation time in seconds.
    load: f64,
    load_s: f64,
    /// How differently endpoints feel load: the standard deviation of their sensitivity around 1.
    sensitivity: f64,
    /// Share of requests that take ten times as long.
    tail: f64,
    /// Whether a slow second makes the tail longer, too: stalls that hit everything in flight.
    stalls: f64,
}

const PLAIN: World = World {
    name: "as in the proof",
    mood: 0.03,
    own_mood: 0.0,
    load: 0.2,
    load_s: 10.0,
    sensitivity: 0.0,
    tail: 0.01,
    stalls: 0.0,
};

const WORLDS: [World; 5] = [
    PLAIN,
    World { name: "slow drift", load: 0.3, load_s: 60.0, ..PLAIN },
    World { name: "endpoints feel load differently", sensitivity: 0.5, ..PLAIN },
    World { name: "endpoints have moods of their own", own_mood: 0.01, ..PLAIN },
    World { name: "stalls", stalls: 0.02, ..PLAIN },
];

struct Plan {
    /// Of each endpoint: logarithm of its base in nanoseconds, and how it feels load.
    endpoints: Vec<(f64, f64)>,
    cumulative: Vec<f64>,
}

impl Plan {
    fn of(world: &World, random: &mut Random) -> Self {
        let weights: Vec<f64> = (1..=ENDPOINTS).map(|rank| 1.0 / rank as f64).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let cumulative = weights.iter().map(|weight| {
            sum += weight / total;
            sum
        });
        let cumulative = cumulative.collect();
        let endpoint = |_| (17.0 + random.normal(), 1.0 + world.sensitivity * random.normal());
        Self { endpoints: (0..ENDPOINTS).map(endpoint).collect(), cumulative }
    }

    fn run(&self, world: &World, shift: f64, random: &mut Random) -> RunLatencies {
        let mood = world.mood * random.normal();
        let own: Vec<f64> = (0..ENDPOINTS).map(|_| world.own_mood * random.normal()).collect();
        let keep = (-1.0 / world.load_s).exp();
        let (mut load, mut stalled) = (world.load * random.normal(), false);
        let mut run = RunLatencies { endpoints: (0..ENDPOINTS).map(|_| Default::default()).collect() };
        for second in 0..SECONDS {
            load = keep * load + world.load * (1.0 - keep * keep).sqrt() * random.normal();
            stalled = random.uniform() < if stalled { 0.5 } else { world.stalls };
            // Poisson arrivals, as exponential gaps within the second.
            let mut at = -random.uniform().ln() / RATE;
            while at < 1.0 {
                let draw = random.uniform();
                let endpoint = self.cumulative.iter().position(|sum| draw < *sum).unwrap_or(ENDPOINTS - 1);
                let (base, sensitivity) = self.endpoints[endpoint];
                let mut log = base + mood + own[endpoint] + sensitivity * load + 0.5 * random.normal();
                if random.uniform() < world.tail {
                    log += 10_f64.ln();
                }
                if stalled {
                    log = log.max(20.0);
                }
                if endpoint == CHANGED {
                    log += shift.ln_1p();
                }
                run.endpoints[endpoint].push(log.exp() as u64, (second / WINDOW_S) as u64);
                at -= random.uniform().ln() / RATE;
            }
        }
        run
    }
}

/// A comparison of so many repeats a side, of which one endpoint is slower by `shift`.
fn experiment(world: &World, shift: f64, repeats: usize, seed: u64) -> Judged {
    let mut random = Random(seed);
    let plan = Plan::of(world, &mut random);
    let mut side = |shift: f64| (0..repeats).map(|_| plan.run(world, shift, &mut random)).collect::<Vec<_>>();
    let (before, after) = (side(0.0), side(shift));
    judge(&before.iter().collect::<Vec<_>>(), &after.iter().collect::<Vec<_>>(), &Asked::default())
}

/// The same made in pairs, looked at after 6, 8 … of 16 and ended when every median is decided; how many pairs it took,
/// and what its last look could promise.
fn looked_at(world: &World, shift: f64, seed: u64) -> (Judged, usize, Asked) {
    let mut random = Random(seed);
    let plan = Plan::of(world, &mut random);
    let mut side = |shift: f64| (0..PAIRS_MOST).map(|_| plan.run(world, shift, &mut random)).collect::<Vec<_>>();
    let (before, after) = (side(0.0), side(shift));
    let mut looks = Looks::new(Asked::default(), PAIRS_MOST);
    let (mut judged, mut asked) = (Judged::default(), Asked::default());
    for pairs in (6..=PAIRS_MOST).step_by(2) {
        asked = looks.next(pairs, false);
        let of = |side: &'_ [RunLatencies]| side.iter().take(pairs).cloned().collect::<Vec<_>>();
        let (before, after) = (of(&before), of(&after));
        judged = judge(&before.iter().collect::<Vec<_>>(), &after.iter().collect::<Vec<_>>(), &asked);
        if judged.undecided() == 0 {
            return (judged, pairs, asked);
        }
    }
    (judged, PAIRS_MOST, asked)
}

/// What many comparisons came to.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    comparisons: u32,
    /// Pairs of all of them.
    pairs: usize,
    /// Comparisons with a *slower* or *faster* where nothing is.
    false_comparisons: u32,
    intervals: u32,
    /// Intervals without the truth in them, relative ones.
    misses: u32,
    /// By quantile, and for the system: findings where nothing is.
    false_at: [u32; QUANTILES.len() + 1],
    /// By quantile: how often the change was found.
    found: [u32; QUANTILES.len()],
}

fn count(world: &World, shift: f64, repeats: usize, seeds: std::ops::Range<u64>) -> Counted {
    let mut counted = Counted::default();
    for seed in seeds {
        let (judged, pairs, confidence) = match repeats {
            LOOKED_AT => {
                let (judged, pairs, asked) = looked_at(world, shift, seed);
                (judged, pairs, asked.confidence)
            }
            _ => (experiment(world, shift, repeats, seed), repeats, Asked::default().confidence),
        };
        counted.comparisons += 1;
        counted.pairs += pairs;
        let mut is_false = judged.system.iter().any(|row| row.answer.is_found());
        for (endpoint, rows) in judged.endpoints.iter().enumerate() {
            let truth = if endpoint == CHANGED { shift.ln_1p() } else { 0.0 };
            for (number, row) in rows.iter().enumerate() {
                if let Some(relative) = row.relative {
                    let (low, high) = relative.interval(confidence);
                    counted.intervals += 1;
                    counted.misses += u32::from(!(low..=high).contains(&truth));
                }
                let says = row.answer.is_found();
                let wrong = says && (truth == 0.0 || row.answer == Answer::Faster);
                is_false |= wrong;
                counted.false_at[number] += u32::from(wrong);
                counted.found[number] += u32::from(truth > 0.0 && row.answer == Answer::Slower);
            }
        }
        let system = judged.system.iter().any(|row| row.answer.is_found());
        counted.false_at[QUANTILES.len()] += u32::from(system);
        counted.false_comparisons += u32::from(is_false);
    }
    counted
}

/// What docs/comparing.md promises, on fewer worlds than its tables: at most one comparison in a hundred finds something
/// where nothing is, intervals miss the truth at most 8 % of the time, and a tenth is found by six repeats of a minute.
#[test]
fn promises_are_kept() {
    let nothing = count(&PLAIN, 0.0, 6, 1_000..1_100);
    assert!(nothing.false_comparisons <= 1, "{nothing:?}");
    assert!(nothing.intervals > 2_000 && nothing.misses * 100 <= nothing.intervals * 8, "{nothing:?}");
    let tenth = count(&PLAIN, 0.1, 6, 2_000..2_040);
    assert!(tenth.found[0] * 100 >= tenth.comparisons * 80, "{tenth:?}");
    assert!(tenth.misses * 100 <= tenth.intervals * 8, "{tenth:?}");
    let longer = count(&PLAIN, 0.1, 16, 3_000..3_020);
    assert!(longer.found[0] * 100 >= longer.comparisons * 95, "{longer:?}");
}

/// Looking early keeps the same promises.
#[test]
fn promises_are_kept_by_those_who_look_early() {
    let nothing = count(&PLAIN, 0.0, LOOKED_AT, 5_000..5_015);
    assert!(nothing.false_comparisons == 0, "{nothing:?}");
    assert!(nothing.misses * 100 <= nothing.intervals * 8, "{nothing:?}");
    let tenth = count(&PLAIN, 0.1, LOOKED_AT, 6_000..6_006);
    assert!(tenth.found[0] * 100 >= tenth.comparisons * 95, "{tenth:?}");
}

#[test]
#[ignore = "prints the tables of docs/comparing.md; minutes in release"]
fn tables() {
    let trials: u64 = std::env::var("TRIALS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let all = [
        (0.0, 6),
        (0.0, 10),
        (0.0, 16),
        (0.0, LOOKED_AT),
        (0.05, 6),
        (0.05, 10),
        (0.05, 16),
        (0.1, 6),
        (0.1, 10),
        (0.1, 16),
        (0.1, LOOKED_AT),
        (0.2, 6),
        (0.2, 10),
        (0.2, 16),
        (0.2, LOOKED_AT),
    ];
    let nothing = std::env::var_os("NOTHING").is_some();
    for world in &WORLDS {
        let cases = all.iter().copied().filter(|(shift, _)| !nothing || *shift == 0.0);
        for (shift, repeats) in cases {
            let counted = count(world, shift, repeats, 1_000..1_000 + trials);
            let part = |count: u32, of: u32| f64::from(count) * 100.0 / f64::from(of.max(1));
            println!(
                "{:32} shift {:>3.0} % repeats {:4.1}: false {:5.1} % of comparisons, intervals that miss {:4.1} % of {}, found {:?} %, false at {:?}",
                world.name,
                shift * 100.0,
                counted.pairs as f64 / f64::from(counted.comparisons),
                part(counted.false_comparisons, counted.comparisons),
                part(counted.misses, counted.intervals),
                counted.intervals,
                counted.found.map(|found| part(found, counted.comparisons)),
                counted.false_at,
            );
        }
    }
}
