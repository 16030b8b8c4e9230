//! `reenact record`: builds a recorder, and does to it what signals, clients of `--admin` and the clock ask for.
//!
//! One loop on the main thread owns the recorder, so that nothing about it is locked; everybody else sends it events.

use std::time::Duration;

use log::Level;

use crate::cli::RecordArgs;
use crate::command_line::Values;
use crate::logging::{self, say};
use crate::outcome::{self, Failure, Outcome};
use crate::signals::Asked;
use crate::units;

mod admin;
mod config;
mod ended;
mod events;
mod explain;
mod handover;
mod keep;
mod live;
mod metrics;
mod pairs;
mod recording;
mod reload;
mod routes;
mod sessions;
mod systemd;

pub(crate) use config::Config;
#[cfg(feature = "replay")]
pub(crate) use ended::Ended;
pub(crate) use recording::Recording;

use events::{Event, Events};
use live::Live;
use reload::Reload;
use sessions::Sessions;

/// How long traffic is passed on after SIGTERM, unless `--drain` says otherwise.
const DRAIN_ON_TERMINATE: Duration = Duration::from_secs(30);

pub(crate) fn run(args: RecordArgs, values: Values) -> Result<Outcome, Failure> {
    if let Some(path) = args.explain_redaction.clone() {
        return explain::run(&args, &path);
    }
    let json = args.json;
    // Before anything starts, so that no signal is missed.
    let mut events = Events::listen()?;
    let mut reload = Reload::new(&args, values)?;
    let config = Config::check(args)?;
    let (admin, handover) = (config.admin.clone(), config.handover.clone());
    let (mut drain, mut drain_max) = (config.drain, config.drain_max);
    let admin = admin.iter().map(|endpoint| admin::bind(endpoint, &events)).collect::<Result<Vec<_>, _>>()?;
    let offer = handover.as_deref().map(|path| handover::prepare(path, &events)).transpose()?;
    let before = handover.as_deref().map(handover::take).transpose()?.flatten();
    let (inherited, before) = match before {
        Some((sockets, before)) => (sockets, Some(before)),
        None => (systemd::sockets()?, None),
    };
    let mut recording = Recording::start(config, inherited, before.is_some())?;
    recording.warnings().iter().for_each(|warning| say(Level::Warn, &format!("warning: {warning}")));
    recording.greeting().lines().for_each(|line| say(Level::Info, line));
    for admin in admin {
        say(Level::Info, &admin.greeting());
        admin.serve(&events);
    }
    if let Some(before) = before {
        before.accepted();
    }
    if let Some(offer) = offer {
        offer.make();
    }
    systemd::ready();
    let mut phase = Phase::Running;
    let mut live = Live::new();
    while phase != Phase::Over {
        phase = match events.next() {
            Event::Signal(asked) => on_signal(&mut recording, phase, asked, drain),
            Event::Hangup => {
                recording.reload_certificates();
                if let Some(reload) = &mut reload {
                    (drain, drain_max) = read_again(&mut recording, reload).unwrap_or((drain, drain_max));
                }
                phase
            }
            Event::Tick => {
                let now_ns = recording.clock().now_ns();
                if let Some(reload) = &mut reload
                    && reload.is_due(now_ns)
                {
                    (drain, drain_max) = read_again(&mut recording, reload).unwrap_or((drain, drain_max));
                }
                live.tick(&recording);
                systemd::alive();
                on_tick(&mut recording, phase)
            }
            Event::Call(call) => {
                let reply = routes::answer(&mut recording, &call.asked, phase == Phase::Running);
                call.reply(reply);
                phase
            }
            Event::Sockets(reply) => {
                reply.send(recording.sockets());
                phase
            }
            Event::TakenOver => {
                let longest = seconds(drain_max);
                say(
                    Level::Info,
                    &format!("another process has taken over; open connections go on for at most {longest}"),
                );
                recording.hand_over();
                Phase::Draining { until_ns: after(&recording, drain_max), may_end_early: true }
            }
        };
    }
    live.clear();
    systemd::stopping();
    let ended = recording.finish();
    outcome::print(&if json { format!("{}\n", ended.json()) } else { ended.text() });
    Ok(ended.outcome())
}

/// How far the recorder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Until this instant, or the last connection has ended, if it is not to go on for those who may still come.
    Draining {
        until_ns: u64,
        may_end_early: bool,
    },
    Over,
}

/// The first signal closes the session at once and lets traffic pass on until the drain is over (a given one to its end,
/// the default until the last connection has ended); the second ends it.
fn on_signal(recording: &mut Recording, phase: Phase, asked: Asked, drain: Option<Duration>) -> Phase {
    if phase != Phase::Running {
        return Phase::Over;
    }
    let had_session = recording.end_session().is_some();
    let longest = drain.unwrap_or(match asked {
        Asked::Interrupt => Duration::ZERO,
        Asked::Terminate => DRAIN_ON_TERMINATE,
    });
    let active = recording.counters().active;
    // Whoever gave a drain needs it for clients that do not know of the end yet, also at moments when none is connected.
    let may_end_early = drain.is_none();
    if longest.is_zero() || (active == 0 && may_end_early) {
        return Phase::Over;
    }
    let what = if had_session { "the session is closed; " } else { "" };
    say(Level::Info, &format!("{what}passing traffic on for {active} connections, at most {}", seconds(longest)));
    Phase::Draining { until_ns: after(recording, longest), may_end_early }
}

/// Reads the config again and takes over what can be; says what, and for how long traffic is passed on at the end.
fn read_again(recording: &mut Recording, reload: &mut Reload) -> Option<(Option<Duration>, Duration)> {
    let reread = reload.read(recording.sessions().map(Sessions::key));
    let file = reload.file().display();
    match reread {
        Ok(reread) => {
            if let Some(keep) = reread.keep {
                recording.take_over(keep);
            }
            logging::set_level(reread.log);
            let changes = reread.changes.text().unwrap_or_else(|| "nothing changed".to_owned());
            say(Level::Info, &format!("{file} was read again; {changes}"));
            Some((reread.operate.drain, reread.operate.drain_max))
        }
        Err(failure) => {
            say(Level::Warn, &format!("{file} was read again and cannot be used; nothing changes\n{failure}"));
            None
        }
    }
}

fn on_tick(recording: &mut Recording, phase: Phase) -> Phase {
    if recording.budget_is_used()
        && let Some(session) = recording.end_session()
    {
        say(Level::Info, &format!("the session is complete, traffic is passed on\n{}", session.text()));
    }
    match phase {
        Phase::Draining { until_ns, may_end_early } => {
            let is_left_alone = may_end_early && recording.counters().active == 0;
            if is_left_alone || recording.clock().now_ns() >= until_ns { Phase::Over } else { phase }
        }
        phase => phase,
    }
}

fn after(recording: &Recording, duration: Duration) -> u64 {
    recording.clock().now_ns().saturating_add(units::nanos(duration))
}

fn seconds(duration: Duration) -> String {
    units::seconds(duration.as_secs_f64())
}
