//! What a plan is asked to be: options that are checked before any session is read.

use std::path::Path;

use replayer::plan::{Factor, Length, Method, Options, Plan, PlanError, Profile, ProfileSpec, Rate, Shard};
use replayer::shape::Obstacle;
use replayer::survey::Survey;

use crate::cli::LoadArgs;
use crate::outcome::Failure;
use crate::plan_file::{PlanFile, ProfileText};
use crate::units;

/// The options of a plan, checked as far as they can be without its sessions.
pub(super) struct Asked {
    pub(super) rate: Rate,
    pub(super) shard: Shard,
    method: Method,
    speed: Factor,
    plan_file: Option<PlanFile>,
    pub(super) profile_text: Option<ProfileText>,
    profile: Option<ProfileSpec>,
}

impl Asked {
    pub(super) fn of(args: &LoadArgs) -> Result<Self, Failure> {
        let of = |error: PlanError| Failure::of(&error);
        let plan_file = args.plan.as_deref().map(PlanFile::read).transpose()?;
        let profile_text = match &args.profile {
            Some(path) => Some(read_profile(path)?),
            None => plan_file.as_ref().and_then(|file| file.profile.clone()),
        };
        let asked = Self {
            rate: args.rate.parse().map_err(of)?,
            shard: args.shard.parse().map_err(of)?,
            method: args.method.parse().map_err(of)?,
            speed: args.speed.parse().map_err(|error: PlanError| Failure::new(format!("--speed: {error}")))?,
            plan_file,
            profile: profile(args, profile_text.as_ref())?,
            profile_text,
        };
        if args.duration.is_some_and(|duration| duration.is_zero()) {
            return Err(Failure::new("--duration must be above zero").hint("nothing is due at or after it"));
        }
        if asked.rate == Rate::Max && args.require_shape {
            return Err(Failure::new(
                "--require-shape says nothing with --rate max, which ignores due instants but for their order",
            )
            .hint("leave one of them out"));
        }
        if asked.profile.is_some() && args.rate != "1x" {
            return Err(of(PlanError::Together {
                what: "--rate and --ramp or --profile",
                why: "each says what the rate is",
            }));
        }
        Ok(asked)
    }

    /// Whether the number of exchanges that can be sent decides the rate.
    pub(super) fn needs_count(&self) -> bool {
        matches!(self.rate, Rate::PerSecond(_)) || self.profile.is_some()
    }

    /// What the plan is made of, with so many exchanges.
    pub(super) fn options(&self, args: &LoadArgs, survey: &Survey, exchanges: u64) -> Result<Options, Failure> {
        let of = |error: PlanError| Failure::of(&error);
        let duration_ns = args.duration.map(units::nanos);
        let length = Length { speed: self.speed, repeat: args.repeat, duration_ns, cut: survey.cut };
        // How long the recording is at the speed of the run.
        let run_ns = self.speed.shrink(survey.recording_ns);
        let profile = match &self.profile {
            Some(spec) => spec.solve(exchanges, run_ns).map_err(|error| of_profile(args, &error))?,
            None => Profile::constant(self.rate.factor(exchanges, run_ns).map_err(of)?),
        };
        Ok(Options { profile, seed: args.seed, method: self.method, length })
    }

    /// Why the shape of this plan of it cannot be judged, if so.
    pub(super) fn obstacle(&self, plan: &Plan) -> Option<Obstacle> {
        let clients = &plan.clients;
        // Also where pools were cloned like users.
        let share =
            if clients.warped.exchanges > 0 { clients.warped } else { clients.pools }.share_of(&clients.recorded);
        let found = [
            (self.rate == Rate::Max, Obstacle::OnlyOrder),
            (matches!(self.method, Method::Warp | Method::Poisson), Obstacle::TakenApart),
            (share > 0.0, Obstacle::PooledClients { share }),
            (plan.timing().speed != Factor::ONE, Obstacle::TimeScaled),
            (plan.profile().as_constant().is_none(), Obstacle::Ramped),
        ];
        found.into_iter().find(|(is_so, _)| *is_so).map(|(_, obstacle)| obstacle)
    }

    /// Whether a hash is that of the plan that was asked for.
    pub(super) fn check(&self, args: &LoadArgs, hash: &str) -> Result<(), Failure> {
        match (&self.plan_file, &args.plan) {
            (Some(file), Some(path)) => file.check(path, hash),
            _ => Ok(()),
        }
    }
}

fn profile(args: &LoadArgs, given: Option<&ProfileText>) -> Result<Option<ProfileSpec>, Failure> {
    if let Some(ramp) = &args.ramp {
        return ProfileSpec::ramp(ramp).map(Some).map_err(|error| Failure::of(&error));
    }
    let Some(ProfileText { is_toml, text }) = given else { return Ok(None) };
    let spec = if *is_toml { ProfileSpec::toml(text) } else { ProfileSpec::csv(text) };
    spec.map(Some).map_err(|error| of_profile(args, &error))
}

/// What is wrong with a profile, with the name of its file.
fn of_profile(args: &LoadArgs, error: &PlanError) -> Failure {
    match args.profile.as_ref().or(args.plan.as_ref()).filter(|_| args.ramp.is_none()) {
        Some(path) => Failure::new(format!("{}: {error}", path.display())),
        None => Failure::of(error),
    }
}

fn read_profile(path: &Path) -> Result<ProfileText, Failure> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| Failure::new(format!("cannot read the profile {shown}: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let (offset, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let line = 1 + bytes.iter().take(offset).filter(|byte| **byte == b'\n').count();
        Failure::new(format!("{shown}: the profile, line {line}: at byte {offset} of the file it is no UTF-8"))
    })?;
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    Ok(ProfileText { is_toml, text })
}
