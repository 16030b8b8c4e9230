//! A run while it goes on: shown on a terminal or as lines, written as a stream of JSON, served to Prometheus; and what
//! somebody says meanwhile, by signal or key.
//!
//! All of it happens on the main thread, from one snapshot a second that the run makes anyway; whoever is slow to look
//! slows nothing. Results are not here: they go to standard output when the run is over.

mod control;
mod dashboard;
mod facts;
mod line;
mod prometheus;
mod stream;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use log::Level;
use replayer::result::RunResult;
use replayer::run::{Control, Live, Running};
use replayer::send::Stop;
use replayer::tempo::{Asked, ChangeKind};

use crate::cli::{LiveArgs, Progress};
use crate::logging::{self, say};
use crate::outcome::Failure;
use crate::signals::Interrupts;
use control::Socket;
use dashboard::{Dashboard, Wish};
pub(super) use facts::Facts;
use line::Lines;
use prometheus::Exposition;
use stream::Stream;

/// Everything that watches a run, opened before anything is sent.
pub(super) struct Watchers {
    progress: Progress,
    every: Duration,
    stream: Option<Stream>,
    exposition: Option<Exposition>,
    socket: Option<Socket>,
}

impl Watchers {
    /// Takes the addresses and makes the file, or says why not; a signal ends the waiting for who reads a pipe.
    pub(super) fn open(args: &LiveArgs, interrupts: &mut Interrupts) -> Result<Self, Failure> {
        let progress = match args.progress {
            Progress::Auto if logging::is_json() || !is_screen() => Progress::Line,
            Progress::Auto => Progress::Dashboard,
            Progress::Dashboard if !std::io::stderr().is_terminal() => {
                return Err(Failure::new("--progress dashboard needs a terminal as standard error")
                    .hint("use --progress line, which is for pipes and files, too"));
            }
            Progress::Dashboard if logging::is_json() => {
                return Err(Failure::new("--progress dashboard and --log-format json do not go together"));
            }
            asked => asked,
        };
        let exposition = args.prometheus.map(Exposition::bind).transpose()?;
        let socket = args.control.as_deref().map(Socket::bind).transpose()?;
        // Last, since the others leave nothing behind when one of them is refused.
        let stream = args.json_stream.as_deref().map(|path| Stream::open(path, interrupts)).transpose()?;
        Ok(Self { progress, every: args.progress_every, stream, exposition, socket })
    }

    /// Whether somebody wants metrics.
    pub(super) fn want_metrics(&self) -> bool {
        self.exposition.is_some()
    }

    /// Watches until the run is over; what keeps this from watching ends the run.
    pub(super) fn watch(
        mut self,
        running: Running,
        facts: Facts,
        interrupts: &mut Interrupts,
    ) -> Result<RunResult, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
        if let Some(stream) = &mut self.stream {
            stream.begin(&facts);
        }
        let control = running.control();
        let watched = runtime.block_on(async {
            let shown = match self.progress {
                Progress::Dashboard => Shown::on_screen(facts.clone(), self.every),
                Progress::Line => Shown::Lines(Lines::new(self.every)),
                Progress::None | Progress::Auto => Shown::Nothing,
            };
            if let Some(socket) = &self.socket {
                socket.serve(&control, &running.live())?;
            }
            watch(&running, &control, &facts, shown, &mut self.stream, self.exposition, interrupts).await
        });
        let result = match watched {
            Ok(()) => running.join().map_err(Failure::from),
            Err(failure) => {
                control.stop().abort();
                // What went wrong first is what is said.
                let _ = running.join();
                Err(failure)
            }
        };
        if let Some(stream) = self.stream {
            stream.end(result.as_ref(), &facts);
        }
        result
    }

    /// There is no run to watch: what was made for it is taken back.
    pub(super) fn take_back(self) {
        if let Some(stream) = self.stream {
            stream.take_back();
        }
    }
}

/// Whether standard error is a terminal on which something can be drawn, and somebody sits before it.
fn is_screen() -> bool {
    let can_draw = std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb");
    can_draw && std::io::stderr().is_terminal() && std::io::stdin().is_terminal()
}

/// How a run is shown.
enum Shown {
    Screen(Box<Dashboard>),
    Lines(Lines),
    Nothing,
}

impl Shown {
    /// A terminal that refuses gets lines.
    fn on_screen(facts: Facts, every: Duration) -> Self {
        match Dashboard::open(facts) {
            Ok(dashboard) => Self::Screen(Box::new(dashboard)),
            Err(error) => {
                say(Level::Warn, &format!("warning: there are lines instead of a dashboard: {error}"));
                Self::Lines(Lines::new(every))
            }
        }
    }

    fn show(&mut self, live: &Arc<Live>) {
        match self {
            Self::Screen(dashboard) => dashboard.show(Arc::clone(live)),
            Self::Lines(lines) => lines.show(live),
            Self::Nothing => {}
        }
    }

    /// Says what came of a wish.
    fn tell(&mut self, what: &str) {
        if let Self::Screen(dashboard) = self {
            dashboard.tell(what.to_owned());
        }
    }

    /// What somebody who looks asks for.
    async fn wish(&mut self) -> Wish {
        match self {
            Self::Screen(dashboard) => dashboard.wish().await,
            Self::Lines(_) | Self::Nothing => std::future::pending().await,
        }
    }
}

async fn watch(
    running: &Running,
    control: &Control,
    facts: &Facts,
    mut shown: Shown,
    stream: &mut Option<Stream>,
    exposition: Option<Exposition>,
    interrupts: &mut Interrupts,
) -> Result<(), Failure> {
    let stop = control.stop();
    let mut live = running.live();
    if let Some(exposition) = exposition {
        exposition.serve(running.live(), facts)?;
    }
    loop {
        tokio::select! {
            changed = live.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let now = Arc::clone(&live.borrow_and_update());
                shown.show(&now);
                if let Some(stream) = stream {
                    stream.second(&now);
                }
            }
            () = interrupts.next() => interrupt(stop),
            wish = shown.wish() => match wish {
                Wish::Interrupt => interrupt(stop),
                Wish::Drain => stop.drain(),
                Wish::Quit => stop.abort(),
                Wish::Change(asked) => shown.tell(&change(control, asked)),
            }
        }
    }
}

/// Changes the plan, and says what came of it.
fn change(control: &Control, asked: Asked) -> String {
    match control.change(asked, "key", false) {
        Ok(change) => match change.kind {
            ChangeKind::Pause => "paused: answers under way still come".to_owned(),
            ChangeKind::Resume => "the plan goes on".to_owned(),
            ChangeKind::Scale => format!("at {} times the plan's speed", control.speed().1),
        },
        Err(error) => error.to_string(),
    }
}

/// What a run does, in a word.
fn state(live: &Live) -> &'static str {
    match live {
        Live { is_over: true, .. } => "over",
        Live { is_draining: true, .. } => "draining",
        Live { waiting_ns: 1.., .. } => "waiting",
        Live { is_paused: true, .. } => "paused",
        _ => "running",
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a run to the nanosecond are far below 2^53")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// The first time sends nothing more, the second time waits for nothing more.
fn interrupt(stop: &Stop) {
    if stop.is_draining() {
        stop.abort();
    } else {
        say(Level::Info, "interrupted: waiting for the answers under way; once more to give them up");
        stop.drain();
    }
}
