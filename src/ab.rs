//! `reenact ab`: the whole experiment. A phase that tells the noise, then pairs of repeats in random order, looked at now
//! and then until enough can be said, and the comparison.

mod log;
mod make;
mod order;
mod text;

use std::path::{Path, PathBuf};

use replayer::clock::Clock;
use replayer::compare::judge;
use replayer::compare::looks::Looks;
use replayer::compare::repeats::Design;
use replayer::compare::{Comparison, json};
use replayer::compared::{Compared, Output, Sides};
use replayer::run_directory::RunDirectory;
use serde_json::Value;

use crate::cli::{AbArgs, EndWhen};
use crate::compare::{self, Written, options};
use crate::outcome::{self, Failure, Outcome};
use crate::units;
use log::{Asked, Log, Look};
use make::{Ended, Maker};
use order::Phase;

pub(crate) fn run(mut args: AbArgs) -> Result<Outcome, Failure> {
    compare::check(&args.judge, 2)?;
    // A file that has no rules is refused before anything is sent.
    compare::rules(&args.judge)?;
    refuse(&args)?;
    let outputs = outputs(&mut args);
    let out = args.replay.results.out.take().unwrap_or_else(default_out);
    let (maker, facts) = Maker::check(&args, &out)?;
    let asked = Asked {
        before: args.before.clone(),
        after: args.after.clone(),
        plan_hash: facts.plan_hash,
        seed: args.replay.load.seed,
        pairs_least: *args.pairs.start(),
        pairs_most: *args.pairs.end(),
        look_every: args.look_every,
        aa_pairs: args.aa,
    };
    let log = if args.resume {
        let log = Log::read(&out)?;
        log.check(&asked)?;
        log
    } else {
        let log = Log::new(asked);
        check_budget(&args, facts.seconds)?;
        RunDirectory::create(&out)?;
        log.write(&out)?;
        log
    };
    let mut experiment = Experiment { args: &args, out: &out, outputs, maker, log, repeat_s: facts.seconds };
    let ended = experiment.make()?;
    experiment.end(&ended)
}

/// What `replay` can and an experiment cannot.
fn refuse(args: &AbArgs) -> Result<(), Failure> {
    let load = &args.replay.load;
    let given = [
        (load.target.is_some(), "--target", "the targets are --before and --after"),
        (!load.map.is_empty(), "--map", "the targets are --before and --after"),
        (load.shard != "1/1", "--shard", "an experiment runs on one machine"),
        (args.replay.start_at.is_some(), "--start-at", "repeats begin one after the other"),
        (args.replay.live.json_stream.is_some(), "--json-stream", "it is of one run, and an experiment has many"),
        (args.replay.live.control.is_some(), "--control", "both systems get the same plan, which nobody changes"),
        (!args.replay.thresholds.fail_if.is_empty(), "--fail-if", "repeats are held against each other (--fail-on)"),
        (args.replay.thresholds.budgets.is_some(), "--budgets", "repeats are held against each other (--fail-on)"),
        (args.replay.reuse_spool, "--reuse-spool", "an experiment plans once by itself"),
    ];
    match given.iter().find(|(is_given, ..)| *is_given) {
        Some((_, option, why)) => Err(Failure::new(format!("ab has no {option}: {why}")).hint("leave it out")),
        None => Ok(()),
    }
}

/// What is written of the comparison, the page in any case; what is of each repeat stays with the repeats.
fn outputs(args: &mut AbArgs) -> Vec<Output> {
    let asked = &mut args.replay.results.output;
    let outputs = asked.iter().filter_map(|form| form.of_comparison()).chain([Output::Page]).collect();
    asked.retain(|form| form.of_comparison().is_none());
    outputs
}

fn default_out() -> PathBuf {
    let clock = Clock::start();
    let name = humantime::format_rfc3339_seconds(clock.wall(clock.now_ns())).to_string().replace(':', "-");
    PathBuf::from("experiments").join(name)
}

/// An experiment that cannot end within its budget is refused before it begins.
fn check_budget(args: &AbArgs, repeat_s: f64) -> Result<(), Failure> {
    let repeats = 2 * (args.aa + args.pairs.start());
    let needed = f64::from(repeats) * repeat_s;
    match args.budget {
        Some(budget) if budget.as_secs_f64() < needed => Err(Failure::new(format!(
            "--budget {} is too short: {repeats} repeats of {} take {}",
            humantime::format_duration(budget),
            units::seconds(repeat_s),
            units::seconds(needed)
        ))
        .hint("make repeats shorter (--duration), or ask for fewer (--pairs, --aa)")),
        _ => Ok(()),
    }
}

struct Experiment<'a> {
    args: &'a AbArgs,
    out: &'a Path,
    /// What the comparison is written as.
    outputs: Vec<Output>,
    maker: Maker,
    log: Log,
    /// What one repeat takes, by the plan or by the last pair.
    repeat_s: f64,
}

impl Experiment<'_> {
    /// Makes what is still to be made.
    fn make(&mut self) -> Result<Ended, Failure> {
        self.log.ended = None;
        for number in self.log.pairs(Phase::Noise) + 1..=self.args.aa {
            if let Some(ended) = self.pair(Phase::Noise, number)? {
                return Ok(ended);
            }
            if number == self.args.aa {
                self.tell_noise()?;
            }
        }
        let (least, most) = (*self.args.pairs.start(), *self.args.pairs.end());
        loop {
            let made = self.log.pairs(Phase::Pairs);
            let is_looked_at = self.log.looks.last().is_some_and(|look| look.pairs == made);
            let is_due = made >= least && made < most && (made - least).is_multiple_of(self.args.look_every);
            if is_due && !is_looked_at && self.args.end_when != EndWhen::Never && self.look()? {
                return Ok(Ended::Decided);
            }
            if made >= most {
                return Ok(Ended::AllMade);
            }
            if let Some(ended) = self.pair(Phase::Pairs, made + 1)? {
                return Ok(ended);
            }
        }
    }

    /// One pair; `Some` when there will be no other.
    fn pair(&mut self, phase: Phase, number: u32) -> Result<Option<Ended>, Failure> {
        let left = self.args.budget.map(|budget| budget.as_secs_f64() - self.log.elapsed_s);
        if left.is_some_and(|left| left < 2.0 * self.repeat_s) {
            return Ok(Some(Ended::TimeIsUp));
        }
        let clock = Clock::start();
        let repeats = order::pair(phase, number, self.log.asked.seed, self.out);
        let made = self.maker.pair(phase, number, &repeats)?;
        let took_s = clock.now_ns() as f64 / 1e9;
        self.log.elapsed_s += took_s;
        if made.is_none() {
            self.repeat_s = took_s / 2.0;
            let inside = |path: &Path| path.strip_prefix(self.out).unwrap_or(path).to_owned();
            let runs = repeats.map(|repeat| inside(&repeat.out));
            self.log.made.push(log::Made { phase: phase.word().to_owned(), number, runs });
        }
        self.log.write(self.out)?;
        Ok(made)
    }

    /// Whether enough can be said to end early.
    fn look(&mut self) -> Result<bool, Failure> {
        let pairs = self.log.pairs(Phase::Pairs);
        let asked = self.looks().next(pairs as usize, false);
        let compared = self.compare(Phase::Pairs, asked)?;
        let undecided = compared.judged.undecided();
        let sides = Compared::Sides(Sides { of: &compared, answers: None });
        let found = compare::verdict(sides, &self.args.judge) != Outcome::Done;
        text::look(pairs, *self.args.pairs.end(), undecided, found);
        self.log.looks.push(Look { pairs, confidence: asked.confidence, undecided, found });
        self.log.write(self.out)?;
        Ok(undecided == 0 || (found && self.args.end_when == EndWhen::Found))
    }

    /// What the looks so far have left.
    fn looks(&self) -> Looks {
        let mut looks = Looks::new(self.asked(), *self.args.pairs.end() as usize);
        for look in &self.log.looks {
            let _ = looks.next(look.pairs as usize, false);
        }
        looks
    }

    fn asked(&self) -> judge::Asked {
        judge::Asked { min_effect: self.args.judge.min_effect, design: Design::Paired, ..judge::Asked::default() }
    }

    fn compare(&self, phase: Phase, asked: judge::Asked) -> Result<Comparison, Failure> {
        let [before, after] = phase.folders(self.out);
        let compared = replayer::compare::compare(&[before], &[after], asked, self.args.judge.min_change, None);
        compared.map_err(|error| compare::failure(&error))
    }

    fn tell_noise(&self) -> Result<(), Failure> {
        text::noise(&self.compare(Phase::Noise, self.asked())?);
        Ok(())
    }

    /// The comparison of what was made.
    fn end(mut self, ended: &Ended) -> Result<Outcome, Failure> {
        self.log.ended = Some(ended.to_string());
        self.log.write(self.out)?;
        let pairs = self.log.pairs(Phase::Pairs);
        if pairs == 0 {
            let hint = format!("--resume --out {} goes on with it", self.out.display());
            let mut failure = Failure::new(format!("no pair was made: {ended}")).hint(hint);
            failure.code = ended.outcome().unwrap_or(Outcome::Loss) as u8;
            return Err(failure);
        }
        // Where a look ended it, what that look could promise is what is said.
        let mut looks = self.looks();
        let asked = match (ended, self.log.looks.last()) {
            (Ended::Decided, Some(last)) => {
                let part = (1.0 - last.confidence) / (1.0 - self.asked().confidence);
                judge::Asked {
                    confidence: last.confidence,
                    false_share: part * self.asked().false_share,
                    ..self.asked()
                }
            }
            _ => looks.next(pairs as usize, true),
        };
        let mut compared = self.compare(Phase::Pairs, asked)?;
        let rules = compare::rules(&self.args.judge)?;
        let answers = compare::compare_answers(&mut compared, rules, self.args.replay.load.spool.as_deref())?;
        compared.notices.insert(0, text::ended(ended, pairs, &self.log));
        let sides = Sides { of: &compared, answers: answers.as_ref() };
        if self.args.replay.results.json {
            let mut value = json(&compared, answers.as_ref());
            if let Some(object) = value.as_object_mut() {
                let log = serde_json::to_value(&self.log).unwrap_or(Value::Null);
                object.insert("experiment".to_owned(), log);
            }
            outcome::print(&format!("{value}\n"));
        } else {
            compare::say(sides, &self.args.judge, None);
            outcome::print(&format!("\n  experiment {}\n", self.out.display()));
        }
        let written = Written::of_experiment(self.out, self.outputs, self.args)?;
        written.write(Compared::Sides(sides), options::of_ab(self.args))?;
        let verdict = compare::verdict(Compared::Sides(sides), &self.args.judge);
        Ok(match ended.outcome() {
            Some(outcome @ (Outcome::Interrupted | Outcome::Invalid)) => outcome,
            Some(outcome) if verdict == Outcome::Done => outcome,
            _ => verdict,
        })
    }
}
