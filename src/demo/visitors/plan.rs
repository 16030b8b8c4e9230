//! Who comes when, and what they look at: the whole traffic of a seed, without a clock or a socket.
//!
//! Visitors arrive as a Poisson process whose rate changes (quiet, a rush, quiet): candidates at the rush's rate, of which
//! the quiet times keep a share (thinning; Lewis and Shedler 1979). Each visitor draws from a stream of its own, so that no
//! visitor changes when another one does.

use std::time::Duration;

use super::random::Random;

const NS_PER_S: u64 = 1_000_000_000;
/// Visitors a second in the rush.
const RUSH_VISITORS_PER_S: u64 = 78;
/// The share of the rush's rate that the quiet times have.
const QUIET_PERCENT: u32 = 7;
/// The rush begins after two fifths and lasts a sixth of the time, a few seconds at most.
const RUSH_MAX: Duration = Duration::from_secs(3);
/// The mean of a visitor's think times is drawn from here.
const THINK_MEAN_MS: std::ops::Range<u32> = 100..600;
const PAGES_MIN: u32 = 2;
const PAGES_SPREAD: u32 = 5;
/// As many as the shop has. An item that is no longer sold is no failure of the shop.
const ITEMS: u32 = 400;

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
];
const WORDS: [&str; 12] = [
    "lamp",
    "oak",
    "copper+kettle",
    "wool",
    "chair",
    "linen",
    "clock",
    "glass+bowl",
    "slipper",
    "caf%C3%A9",
    "bag",
    "walnut",
];

/// One visitor's whole visit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Counts from 0, in order of arrival.
    pub(crate) number: u64,
    pub(crate) agent: &'static str,
    /// Whether a second connection is used beside the first.
    pub(crate) in_parallel: bool,
    /// At least one; the first at the visitor's arrival.
    pub(crate) pages: Vec<Page>,
}

/// One page view: its first request, then what the page needs besides.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Since the start of the traffic.
    pub(crate) at: Duration,
    pub(crate) first: Step,
    pub(crate) others: Vec<Step>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) path: String,
    /// What is posted; nothing for GET.
    pub(crate) body: Option<String>,
    /// One trace for all requests of a page view, as a browser's instrumentation makes it.
    pub(crate) traceparent: String,
}

/// All visits that begin before the end, in order of arrival. Their pages from the end on are left out.
pub(crate) fn visits(seed: u64, duration: Duration) -> impl Iterator<Item = Visit> + Send {
    // No visitor has this number.
    let mut random = Random::new(seed, u64::MAX);
    let rush_start = duration * 2 / 5;
    let rush = rush_start..rush_start + (duration / 6).min(RUSH_MAX);
    let mut candidate = Duration::ZERO;
    let arrivals = std::iter::from_fn(move || {
        loop {
            candidate += Duration::from_nanos(random.exponential(NS_PER_S / RUSH_VISITORS_PER_S));
            if candidate >= duration {
                return None;
            }
            if random.chance(QUIET_PERCENT) || rush.contains(&candidate) {
                return Some(candidate);
            }
        }
    });
    (0..).zip(arrivals).map(move |(number, arrival)| visit(Random::new(seed, number), number, arrival, duration))
}

fn visit(mut random: Random, number: u64, arrival: Duration, end: Duration) -> Visit {
    let agent = random.choice(&AGENTS).unwrap_or_default();
    let in_parallel = random.chance(35);
    let think_mean_ms = THINK_MEAN_MS.start + random.below(THINK_MEAN_MS.end - THINK_MEAN_MS.start);
    let think_mean_ns = u64::from(think_mean_ms) * 1_000_000;

    let views = (0..PAGES_MIN + random.below(PAGES_SPREAD))
        .map(|at| if at == 0 { entry(&mut random) } else { browsing(&mut random) });
    let mut views: Vec<View> = views.collect();
    if random.chance(30) {
        views.push(View::Buy(item(&mut random)));
        views.extend(random.chance(70).then_some(View::Checkout));
    }

    let mut at = arrival;
    let mut pages = Vec::with_capacity(views.len());
    for view in views {
        pages.push(page(&view, at, &mut random));
        at += Duration::from_nanos(random.exponential(think_mean_ns));
        if at >= end {
            break;
        }
    }
    Visit { number, agent, in_parallel, pages }
}

/// What a page view is about.
enum View {
    Home,
    List(u32, u32),
    Item(u32),
    Search(&'static str, u32),
    Buy(u32),
    Checkout,
}

fn entry(random: &mut Random) -> View {
    if random.chance(70) { View::Home } else { View::Item(item(random)) }
}

fn browsing(random: &mut Random) -> View {
    match random.below(100) {
        0..30 => View::List(item(random), item(random)),
        30..70 => View::Item(item(random)),
        _ => View::Search(random.choice(&WORDS).unwrap_or("lamp"), item(random)),
    }
}

/// Popular items have low numbers: the square of a uniform number is small more often than large.
fn item(random: &mut Random) -> u32 {
    let share = random.below(1000);
    1 + ITEMS * (share * share / 1000) / 1000
}

fn page(view: &View, at: Duration, random: &mut Random) -> Page {
    let trace_id = (u128::from(random.draw()) << 64) | u128::from(random.draw().max(1));
    let mut step = |path: String, body: Option<String>| {
        let traceparent = format!("00-{trace_id:032x}-{:016x}-01", random.draw().max(1));
        Step { path, body, traceparent }
    };
    let mut get = |path: String| step(path, None);
    let (first, others) = match view {
        View::Home => (get("/".into()), vec![get("/items".into())]),
        View::List(one, other) => {
            (get("/items".into()), vec![get(format!("/items/{one}")), get(format!("/items/{other}"))])
        }
        View::Item(id) => (get(format!("/items/{id}")), vec![get("/cart".into())]),
        View::Search(words, found) => (get(format!("/search?q={words}")), vec![get(format!("/items/{found}"))]),
        View::Buy(id) => (step("/cart".into(), Some(format!("{{\"item\":{id}}}"))), vec![step("/cart".into(), None)]),
        View::Checkout => (step("/checkout".into(), Some(String::new())), vec![step("/".into(), None)]),
    };
    Page { at, first, others }
}
