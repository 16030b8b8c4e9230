//! From arguments to a plan and its spool, for `plan` and `replay` alike.

mod asked;
mod endpoints;
mod framing;
mod gaps;
mod kept;
mod picture;
mod pools;
mod rate;
mod sealed;
mod select;
mod traces;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use formats::endpoint::Templates;
use formats::model::{Exchange, KeySource};
use formats::seal::Identities;
use replayer::contexts::hex;
use replayer::credentials::Credentials;
use replayer::error::ReplayError;
use replayer::plan::{Client, Plan, PlanError, Rate, Shard};
use replayer::result::shape::Shape;
use replayer::rewrite::{LeftOut, NotSent, RewriteOptions, Rewriter, Rules, TargetUrl, Template};
use replayer::safety::{Decision, UnsafePolicy};
use replayer::shape::{ShapeCheck, ShapeCounter, ShapeFacts};
use replayer::spool::{Builder, Seen, Spool, SpoolOptions};
use replayer::survey::{CanBeSent, Survey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use asked::Asked;
use log::Level;
pub(crate) use picture::{RATE_COLUMNS, Rates};
pub(crate) use traces::Propagation;

use crate::cli::{LoadArgs, UnsafeMethods};
use crate::logging::{self, say};
use crate::names;
use crate::outcome::{Failure, Outcome};
use crate::plan_file::{self, ProfileText};
use crate::read;
use crate::units;

/// A recording and what is to be sent of it.
pub(crate) struct Planned {
    pub(crate) survey: Survey,
    pub(crate) plan: Arc<Plan>,
    pub(crate) spool: Spool,
    pub(crate) rate: Rate,
    pub(crate) method: String,
    pub(crate) seed: u64,
    pub(crate) shard: Shard,
    pub(crate) sessions: Vec<String>,
    /// For whoever plans it again.
    pub(crate) options: BTreeMap<String, Value>,
    pub(crate) profile: Option<ProfileText>,
    /// What made the requests of the exchanges.
    pub(crate) rewriter: Rewriter,
    pub(crate) found: Found,
    /// Whether only a part of the sessions was asked for.
    chooses: bool,
}

/// What is known of a plan besides its requests.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    /// In hex.
    pub(crate) hash: String,
    /// Exchanges that the rate is reckoned with.
    exchanges: u64,
    /// Rules that did nothing.
    pub(crate) unused: Vec<String>,
    /// Recorded requests that may change state and that nobody decided about, by method.
    pub(crate) undecided: BTreeMap<String, u64>,
    /// The tables that say `fail` of some of them.
    #[serde(default)]
    pub(crate) failing: Vec<String>,
    /// Recorded requests whose bodies go out as one chunk, since their chunks are not known.
    pub(crate) one_chunk: u64,
    /// The longest time without a recorded request, to within a column of the rate's picture.
    silence_ns: u64,
    /// What `plan.json` says.
    pub(crate) json: Value,
    /// Whether `--require-shape` is content, and why.
    shape_passes: bool,
    pub(crate) shape_words: String,
}

impl Found {
    /// What the shape check came to.
    pub(crate) fn shape(&self) -> Result<Option<Shape>, Failure> {
        let shape = self.json.get("shape").map(Shape::deserialize).transpose();
        shape.map_err(|error| Failure::new(format!("the kept plan says something else of its shape: {error}")))
    }
}

/// What people are shown of a plan.
pub(crate) struct Analysis {
    /// Requests of recording and plan in equal spans of their own time.
    pub(crate) rates: Rates,
    /// Whether the plan has the recording's shape.
    pub(crate) shape: ShapeCheck,
}

/// How exchanges become requests: checked before any session is read.
pub(crate) struct Preparation {
    pub(crate) rewriter: Rewriter,
    policy: UnsafePolicy,
    /// The text of the rules, which is part of what a plan is made of.
    rules: String,
    /// What opens sealed values, if they are to be opened.
    identities: Option<Identities>,
    /// The templates that were given.
    templates: Templates,
}

impl Preparation {
    pub(crate) fn check(args: &LoadArgs) -> Result<Self, Failure> {
        let rules = match &args.config {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Failure::new(format!("cannot read the config {}: {error}", path.display())))?,
            None => String::new(),
        };
        let (rewriter, policy) = (rewriter(args, &rules)?, policy(args, &rules)?);
        // The other tables of the file change no plan.
        let mut tables: toml::Table = rules.parse().unwrap_or_default();
        tables.retain(|name, _| [Rules::TABLE, UnsafePolicy::TABLE].contains(&name));
        Ok(Self {
            rewriter,
            policy,
            rules: tables.to_string(),
            identities: read::identities(args.identity.as_ref())?,
            templates: names::given(&args.template)?,
        })
    }
}

impl Planned {
    /// The same as [`Self::make`], from a spool that was kept, if there is one; otherwise it is kept.
    pub(crate) fn find_or_make(args: &LoadArgs, preparation: Preparation) -> Result<Self, Failure> {
        let spools = spools(args);
        let failed = |doing, source| Failure::from(ReplayError::Spool { doing, directory: spools.clone(), source });
        let key = kept::key(args, &preparation)?;
        if let Some((spool, found)) = Spool::find::<Found>(&spools, &key).map_err(|error| failed("read", error))? {
            return Self::again(args, preparation, spool, found);
        }
        let (planned, _) = Self::make(args, preparation, true)?;
        if planned.outcome() == Outcome::Done {
            planned.spool.keep(&key, &planned.found).map_err(|error| failed("write", error))?;
        }
        Ok(planned)
    }

    /// A plan whose spool was kept.
    fn again(args: &LoadArgs, preparation: Preparation, spool: Spool, found: Found) -> Result<Self, Failure> {
        let sessions = select::sessions(args)?;
        let Preparation { mut rewriter, identities, templates, .. } = preparation;
        sealed::open_with(&mut rewriter, identities.as_ref(), &sessions)?;
        let survey = Survey::of(&sessions, &select::selection(args, &sessions, templates)?, None)?;
        let asked = Asked::of(args)?;
        let plan = Plan::new(&survey.clients, survey.recording_ns, asked.options(args, &survey, found.exchanges)?);
        let plan = Arc::new(plan.map_err(|error| Failure::of(&error))?);
        asked.check(args, &found.hash)?;
        Ok(Self::of(args, asked, rewriter, survey, plan, spool, found))
    }

    fn of(
        args: &LoadArgs,
        asked: Asked,
        rewriter: Rewriter,
        survey: Survey,
        plan: Arc<Plan>,
        spool: Spool,
        found: Found,
    ) -> Self {
        Self {
            survey,
            plan,
            spool,
            rate: asked.rate,
            method: args.method.clone(),
            seed: args.seed,
            shard: asked.shard,
            sessions: args.sessions.iter().map(|path| path.display().to_string()).collect(),
            options: plan_file::options(args),
            profile: asked.profile_text,
            rewriter,
            found,
            chooses: args.from.is_some() || args.to.is_some() || args.filter.is_some(),
        }
    }

    /// Checks the options, reads the sessions, plans, and makes the spool; without `kept` requests are only counted.
    pub(crate) fn make(args: &LoadArgs, preparation: Preparation, kept: bool) -> Result<(Self, Analysis), Failure> {
        let of = |error: PlanError| Failure::of(&error);
        let asked = Asked::of(args)?;
        let sessions = select::sessions(args)?;
        let Preparation { mut rewriter, policy, rules, identities, templates } = preparation;
        let selection = select::selection(args, &sessions, templates)?;
        sealed::open_with(&mut rewriter, identities.as_ref(), &sessions)?;
        rewriter.name_by(Arc::clone(&selection.templates));
        // Several threads prepare.
        let (undecided, one_chunk) = (Mutex::new(BTreeMap::new()), AtomicU64::new(0));
        let prepare = |session: u32, exchange: &Exchange, endpoint: &str| {
            let line = formats::head::request_line(&exchange.request.head).ok_or(LeftOut::IncompleteRequest)?;
            let decision = policy.decide(line.method, endpoint);
            if decision == Decision::Skip {
                return Err(LeftOut::UnsafeMethod.into());
            }
            let template = rewriter.template(session, exchange)?;
            if framing::is_one_chunk(&exchange.request) {
                one_chunk.fetch_add(1, Relaxed);
            }
            if decision == Decision::Fail {
                let mut undecided = undecided.lock().unwrap_or_else(PoisonError::into_inner);
                *undecided.entry(String::from_utf8_lossy(line.method).into_owned()).or_default() += 1;
            }
            Ok::<Template, NotSent>(template)
        };

        let mut can_be_sent = |session: u32, exchange: &Exchange| {
            let Some(line) = formats::head::request_line(&exchange.request.head) else { return false };
            let endpoint = selection.templates.endpoint(line.method, line.target);
            policy.decide(line.method, &endpoint) != Decision::Skip && rewriter.template(session, exchange).is_ok()
        };
        let counts: Option<&mut CanBeSent<'_>> = if asked.needs_count() { Some(&mut can_be_sent) } else { None };
        let survey = Survey::of(&sessions, &selection, counts)?;
        let exchanges = survey.sendable.unwrap_or(survey.exchanges);
        let options = asked.options(args, &survey, exchanges)?;
        let mut plan = Plan::new(&survey.clients, survey.recording_ns, options).map_err(of)?;

        let mut rates = Rates::new(survey.recording_ns, plan.timing().end_ns);
        let spool_options =
            SpoolOptions { directory: spools(args), bytes_max: args.spool_max, kept, shard: asked.shard };
        // Of a recording that is repeated its first round is compared, and of one that is cut off what is sent of it.
        let compared_ns = survey.recording_ns.min(plan.timing().end_ns.saturating_sub(1));
        let mut shape = ShapeCounter::new(compared_ns, survey.clients.len());
        let is_named = |client: &Client| matches!(client.key.source, KeySource::Named | KeySource::Forwarded);
        for (number, _) in (0..).zip(&survey.clients).filter(|(_, client)| is_named(client)) {
            shape.is_user(number);
        }
        let (mut endpoints_recorded, mut endpoints_planned) = (Vec::new(), Vec::new());
        let mut unmapped = select::Unmapped::default();
        let mut watch = |seen: Seen| {
            rates.see(seen);
            match seen {
                Seen::Recorded { client, endpoint, at_ns } if at_ns <= compared_ns => {
                    shape.recorded(client, at_ns);
                    count(&mut endpoints_recorded, endpoint);
                }
                Seen::Planned { endpoint, due_ns } if due_ns <= compared_ns => {
                    shape.planned(due_ns);
                    count(&mut endpoints_planned, endpoint);
                }
                Seen::LeftOut { session, seq, reason: LeftOut::NoTarget } => unmapped.add(session, seq),
                Seen::Recorded { .. } | Seen::Planned { .. } | Seen::LeftOut { .. } => {}
            }
        };
        let mut progress = Progress::new(survey.exchanges);
        let spool = Builder::new(&survey, &mut plan, &selection, spool_options, &mut watch).build(
            &sessions,
            &prepare,
            &mut |done| progress.show(done),
        );
        progress.end();
        let spool = spool?;
        let identity = select::identity(&sessions, args, &selection, &survey, &rules, &unmapped);
        let hash = hex(&plan.hash(&survey.clients, identity.as_bytes()));
        asked.check(args, &hash)?;
        let facts = ShapeFacts {
            factor: plan.profile().mean(plan.timing().end_ns),
            obstacle: asked.obstacle(&plan),
            endpoints_recorded,
            endpoints_planned,
        };
        let shape = shape.finish(&facts);
        let unused = rewriter.unused().into_iter().chain(policy.unused());
        let unused = unused.chain(endpoints::unused(&args.template, &spool.summary.endpoints)).collect();
        let found = Found {
            hash,
            exchanges,
            unused,
            undecided: undecided.into_inner().unwrap_or_else(PoisonError::into_inner),
            failing: policy.failing(),
            one_chunk: one_chunk.into_inner(),
            silence_ns: rates.silence_ns(),
            shape_passes: shape.verdict().passes(),
            shape_words: shape.words(),
            json: Value::Null,
        };
        let mut planned = Self::of(args, asked, rewriter, survey, Arc::new(plan), spool, found);
        let analysis = Analysis { rates, shape };
        planned.found.json = planned.json(&analysis);
        Ok((planned, analysis))
    }

    /// Damage and gaps of the sessions, on standard error.
    pub(crate) fn report_problems(&self) {
        let summary = &self.spool.summary;
        for damage in &summary.damage {
            say(Level::Warn, &format!("warning: {}", read::damage_text(damage)));
        }
        if summary.unfinished > 0 {
            say(
                Level::Info,
                &format!("note: {} segments end without an index: their recorder was killed", summary.unfinished),
            );
        }
        for notice in self.gaps_notices() {
            say(Level::Info, &format!("note: {notice}"));
        }
        for rule in &self.found.unused {
            say(Level::Warn, &format!("warning: {rule}"));
        }
        for notice in self.part_notices().chain(self.rate_notices()).chain(self.traces_notice()) {
            say(Level::Info, &format!("note: {notice}"));
        }
        for notice in self.sealed_notice().into_iter().chain(self.framing_notice()) {
            say(Level::Info, &format!("note: {notice}"));
        }
        if summary.connections_forgotten > 0 {
            say(
                Level::Info,
                &format!(
                    "note: {} connections were idle for long beside more than a million others; those that were used again are replayed as two",
                    units::count(summary.connections_forgotten)
                ),
            );
        }
    }

    /// Loss by damage is said by the exit code, declared gaps are not (design §5).
    pub(crate) fn outcome(&self) -> Outcome {
        let summary = &self.spool.summary;
        if summary.damage.is_empty() && summary.unfinished == 0 { Outcome::Done } else { Outcome::Loss }
    }

    /// The same, and whether the plan's shape is good enough, if that is asked for (`--require-shape`).
    pub(crate) fn outcome_with_shape(&self, required: bool) -> Outcome {
        if required && !self.found.shape_passes { Outcome::Failed } else { self.outcome() }
    }

    /// Seconds from due instant 0 to the last due instant.
    pub(crate) fn duration_s(&self) -> f64 {
        seconds(self.spool.summary.last_due_ns)
    }

    /// How many times the recorded rate, over the run.
    pub(crate) fn multiplier(&self) -> f64 {
        self.plan.profile().mean(self.plan.timing().end_ns)
    }

    /// Why nothing would be sent, if so.
    pub(crate) fn check_empty(&self) -> Result<(), Failure> {
        let summary = &self.spool.summary;
        if summary.requests > 0 {
            return Ok(());
        }
        let left_out: u64 = summary.left_out.values().sum();
        let gaps: String = self.gaps_text().iter().map(|gap| format!("; gap {gap}")).collect();
        let why = match (summary.recorded, left_out) {
            (0, 0) if self.chooses => format!("no exchange is in the chosen part (--from, --to, --filter){gaps}"),
            (0, 0) => format!("the sessions hold no exchanges{gaps}"),
            (0, some) => {
                let reasons =
                    summary.left_out.iter().map(|(why, count)| format!("{} {}", why.name(), units::count(*count)));
                let reasons = reasons.collect::<Vec<_>>().join(", ");
                format!("all {} exchanges are left out ({reasons}){gaps}", units::count(some))
            }
            _ if summary.planned > 0 => "the shard has none of the requests".to_owned(),
            _ => "the rate keeps no client".to_owned(),
        };
        Err(ReplayError::Empty { why }.into())
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// What makes requests of exchanges. Without any target (as `plan` may be asked) requests keep their recorded Host.
fn rewriter(args: &LoadArgs, rules: &str) -> Result<Rewriter, Failure> {
    let of = |error: replayer::rewrite::RewriteError| Failure::of(&error).hint(error.hint());
    let mut options = RewriteOptions { keep_host: args.keep_host, ..RewriteOptions::default() };
    options.target = args.target.as_deref().map(str::parse).transpose().map_err(of)?;
    options.maps = args.map.iter().map(|map| map.parse()).collect::<Result<_, _>>().map_err(of)?;
    if options.target.is_none() && options.maps.is_empty() {
        options.target = Some("http://localhost".parse::<TargetUrl>().map_err(of)?);
        options.keep_host = true;
    }
    options.rules = Rules::from_toml(rules).map_err(|error| in_config(args, Failure::of(&error)).hint(error.hint()))?;
    let credentials = |error: replayer::credentials::CredentialsError| Failure::of(&error).hint(error.hint());
    if let Some(reference) = &args.auth {
        options.authorization = Some(Arc::new(reference.live("the secret for Authorization", "")?));
    }
    if let Some(path) = &args.credentials {
        options.credentials = Some(Arc::new(Credentials::read(path).map_err(credentials)?));
    }
    Rewriter::new(options).map_err(of)
}

fn policy(args: &LoadArgs, rules: &str) -> Result<UnsafePolicy, Failure> {
    let default = match args.unsafe_methods {
        Some(UnsafeMethods::Send) => Decision::Send,
        Some(UnsafeMethods::Skip) => Decision::Skip,
        Some(UnsafeMethods::Fail) | None => Decision::Fail,
    };
    let policy = UnsafePolicy::new(default).with_overrides(rules);
    policy.map_err(|error| in_config(args, Failure::of(&error)).hint(error.hint()))
}

/// What is wrong with rules, with the name of their file.
fn in_config(args: &LoadArgs, failure: Failure) -> Failure {
    match &args.config {
        Some(path) => failure.in_file(path),
        None => failure,
    }
}

/// Where spools are.
fn spools(args: &LoadArgs) -> PathBuf {
    args.spool.clone().unwrap_or_else(std::env::temp_dir)
}

/// Counts one more of what has this index.
fn count(counts: &mut Vec<u64>, index: u32) {
    let at = index as usize;
    if counts.len() <= at {
        counts.resize(at + 1, 0);
    }
    if let Some(count) = counts.get_mut(at) {
        *count += 1;
    }
}

/// How far the spool is, on a terminal.
struct Progress {
    of: u64,
    shown: bool,
}

impl Progress {
    fn new(of: u64) -> Self {
        Self { of, shown: std::io::stderr().is_terminal() && !logging::is_json() && of > 100_000 }
    }

    fn show(&mut self, done: u64) {
        if self.shown {
            let percent = done.saturating_mul(100).checked_div(self.of).unwrap_or(0).min(100);
            let filled = usize::try_from(percent / 4).unwrap_or(0);
            eprint!("\rreading the sessions ▕{:<25}▏ {percent:>3} %", "█".repeat(filled));
            let _ = std::io::stderr().flush();
        }
    }

    fn end(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
