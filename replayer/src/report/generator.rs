//! How far the run was from its plan, and how the machine did that sent it.

use super::text::{NOTHING, count, escape, float, percent, rate, time};
use crate::health::{Generator, Used};
use crate::result::RunResult;

/// Threads that are shown, most CPU first; `run.json` has them all.
const THREADS_MAX: usize = 8;

/// Fidelity and health, as lists.
pub(super) fn generator(result: &RunResult) -> String {
    let machine = match result.knows("generator") {
        true => machine(&result.generator),
        false => list("Generator", &[]),
    };
    let lists = [fidelity(result), machine, threads(&result.generator)].concat();
    format!(
        r#"<section id="generator" aria-labelledby="generator-h"><h2 id="generator-h">How well the plan was kept</h2><div class="lists">{lists}</div></section>"#
    )
}

fn fidelity(result: &RunResult) -> String {
    let of = &result.fidelity;
    let sent = result.dispatched > 0 && result.knows("fidelity");
    let late = |share: f64| if result.knows("fidelity") { percent(share) } else { NOTHING.to_owned() };
    let shown = |value: f64| if sent { format!("{value:.4}") } else { NOTHING.to_owned() };
    let rows = [
        ("later than 1 ms", late(of.late_1ms_share)),
        ("later than 10 ms", late(of.late_10ms_share)),
        ("L1 distance by 10 ms", shown(of.l1_10ms)),
        ("L1 distance by 100 ms", shown(of.l1_100ms)),
        ("L1 distance by 1 s", shown(of.l1_1s)),
        ("gaps, KS distance", of.gap_ks.map_or(NOTHING.to_owned(), |ks| format!("{ks:.4}"))),
        ("resolution of gaps", of.gap_ks.map_or(NOTHING.to_owned(), |_| time(of.gap_resolution_us))),
    ];
    list("Plan against execution", &rows)
}

fn machine(of: &Generator) -> String {
    let bytes = |bytes: u64| format!("{} MiB", rate(float(bytes) / 1_048_576.0));
    let used = |of: Used| match of.limit {
        0 => NOTHING.to_owned(),
        limit => format!("{} of {}", count(of.peak), count(limit)),
    };
    let noise = of.timer_noise.map_or(NOTHING.to_owned(), |noise| time(noise.p99_us));
    let throttled = match of.throttle.periods {
        0 => NOTHING.to_owned(),
        _ => percent(of.throttle.throttled_share()),
    };
    let mut rows = vec![
        ("CPU of reenact, user and system", format!("{} s, {} s", rate(of.cpu_user_s), rate(of.cpu_system_s))),
        (
            "machine busy, busiest second",
            format!("{}, {}", percent(of.machine_share), percent(of.machine_busiest_share)),
        ),
        ("steal", percent(of.steal_share)),
        ("involuntary switches", count(of.involuntary_switches)),
        (
            "sending threads with real-time turns, gave way",
            format!("{}, {} times", of.real_time_threads, count(of.gave_way)),
        ),
        ("requests held back for the results", count(of.made_room)),
        ("descriptors", used(of.descriptors)),
        ("ports", used(of.ports)),
        ("memory, peak", bytes(of.rss_peak_bytes)),
        ("CPU limit, throttled periods", throttled),
        ("timers late before the run, p99", noise),
    ];
    if !of.unread.is_empty() {
        rows.push(("not readable here", escape(&of.unread.join(", "))));
    }
    list(&format!("Generator, {} CPUs", of.cpus), &rows)
}

fn threads(of: &Generator) -> String {
    let rows: Vec<(String, String)> = of
        .threads
        .iter()
        .take(THREADS_MAX)
        .map(|thread| {
            let busiest = percent(thread.busiest_share);
            (escape(&thread.name), format!("{} s<small>{busiest} at most</small>", rate(thread.cpu_s)))
        })
        .collect();
    let rows: Vec<(&str, String)> = rows.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    list("CPU by thread", &rows)
}

fn list(title: &str, rows: &[(&str, String)]) -> String {
    let body: String =
        rows.iter().map(|(name, value)| format!(r#"<tr><th scope="row">{name}</th><td>{value}</td></tr>"#)).collect();
    let body = if body.is_empty() { r#"<tr><td class="none">Not looked at.</td></tr>"#.to_owned() } else { body };
    format!("<table><caption>{title}</caption><tbody>{body}</tbody></table>")
}
