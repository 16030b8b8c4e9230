//! What a comparison was asked for, by the names of the flags: for whoever reads its page.

use clap::ValueEnum;

use crate::cli::{AbArgs, CompareArgs, JudgeArgs};

/// Options of `compare`.
pub(crate) fn of_compare(args: &CompareArgs) -> Vec<(&'static str, String)> {
    let runs = args.runs.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
    let mut options = vec![("command", "compare".to_owned()), ("runs", runs)];
    if args.paired {
        options.push(("paired", "yes".to_owned()));
    }
    options.extend(of_judge(&args.judge));
    options.extend(args.answers.trace_url.as_ref().map(|url| ("trace-url", url.to_string())));
    options.extend(args.answers.identity.as_ref().map(|reference| ("identity", reference.to_string())));
    if let Some(path) = &args.answers.learn {
        options.retain(|(name, _)| *name != "fail-on");
        options.push(("learn", path.display().to_string()));
    }
    options
}

/// Options of `ab`; those of its repeats are on the pages of its runs.
pub(crate) fn of_ab(args: &AbArgs) -> Vec<(&'static str, String)> {
    let mut options = vec![
        ("command", "ab".to_owned()),
        ("before", args.before.clone()),
        ("after", args.after.clone()),
        ("pairs", format!("{}..{}", args.pairs.start(), args.pairs.end())),
        ("look-every", args.look_every.to_string()),
        ("end-when", name(&args.end_when)),
        ("aa", args.aa.to_string()),
        ("seed", args.replay.load.seed.to_string()),
    ];
    options.extend(args.reset.as_ref().map(|_| ("reset", "a hook before each repeat".to_owned())));
    options.extend(args.budget.map(|budget| ("budget", humantime::format_duration(budget).to_string())));
    options.extend(of_judge(&args.judge));
    options
}

fn of_judge(args: &JudgeArgs) -> Vec<(&'static str, String)> {
    let fail_on = args.fail_on.iter().map(name).collect::<Vec<_>>().join(",");
    let mut options =
        vec![("min-effect", percent(args.min_effect)), ("min-change", percent(args.min_change)), ("fail-on", fail_on)];
    options.extend(args.rules.as_ref().map(|path| ("rules", path.display().to_string())));
    options
}

fn percent(share: f64) -> String {
    replayer::compared::words::percent(share)
}

fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
