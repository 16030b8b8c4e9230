//! Bounds that leave nothing, and what cannot be kept at the highest pace: refused before anything is read.

use std::time::Duration;

use replayer::clock::Clock;
use replayer::measure::Window;
use replayer::plan::Factor;

use crate::cli::{LoopModel, ReplayArgs};
use crate::outcome::Failure;
use crate::units;

/// Nobody waits longer for a run to begin.
const START_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

pub(super) fn check(args: &ReplayArgs) -> Result<(), Failure> {
    let zeros = [
        ("--max-in-flight", args.max_in_flight == Some(0)),
        ("--max-connections", args.max_connections == Some(0)),
        ("--budget-requests", args.budget_requests == Some(0)),
        ("--budget-bytes", args.budget_bytes == Some(0)),
        ("--budget-time", args.budget_time.is_some_and(|time| time.is_zero())),
        ("--hook-timeout", args.hook_timeout.is_zero()),
    ];
    if let Some((flag, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
        return Err(Failure::new(format!("{flag} must be above zero"))
            .hint("`reenact plan` shows what would be sent, and sends nothing; leave the bound out for its default"));
    }
    if args.start_at.is_some_and(|at| at > Clock::start().wall(0) + START_MAX) {
        return Err(Failure::new("--start-at is more than a year from now").hint("check the year"));
    }
    if args.is_at_once() { check_at_once(args) } else { Ok(()) }
}

fn check_at_once(args: &ReplayArgs) -> Result<(), Failure> {
    if !args.drain.is_zero() {
        return Err(Failure::new("--drain does not go with --rate max: when the run will end is not known before")
            .hint("leave it out; --warm-up counts from the first request on"));
    }
    // With pauses or a length it decides how long they are; the order of requests it never changes.
    let has_pauses = args.loop_model != LoopModel::Open;
    let is_faster = args.load.speed.parse::<Factor>().is_ok_and(|speed| speed != Factor::ONE);
    if is_faster && !has_pauses && args.load.duration.is_none() {
        return Err(Failure::new("--speed does nothing with --rate max: nothing waits for its instant")
            .hint("leave one of them out; with --loop-model causal or closed it shortens the pauses"));
    }
    let threads = usize::from(args.threads);
    match args.max_connections {
        Some(most) if most < threads => Err(Failure::new(format!(
            "--max-connections {most} is less than --threads {threads}, and at --rate max each thread has its share"
        ))
        .hint("use fewer threads, or allow more connections")),
        _ => Ok(()),
    }
}

/// The steady window of a plan that is `length_ns` long; at the highest pace the run's length is not the plan's.
pub(super) fn steady(args: &ReplayArgs, length_ns: u64) -> Result<Window, Failure> {
    let (from_ns, drain_ns) = (units::nanos(args.warm_up), units::nanos(args.drain));
    let left_out_ns = from_ns.saturating_add(drain_ns);
    if !args.is_at_once() && left_out_ns > 0 && left_out_ns >= length_ns {
        let [warm_up, drain] = [args.warm_up, args.drain].map(humantime::format_duration);
        let length = units::nanos_text(length_ns);
        return Err(Failure::new(format!(
            "--warm-up {warm_up} and --drain {drain} leave nothing of the plan, which takes {length}"
        ))
        .hint("make them shorter, or the run longer (--duration, --repeat)"));
    }
    Ok(Window { from_ns, to_ns: if drain_ns == 0 { u64::MAX } else { length_ns.saturating_sub(drain_ns) } })
}
