//! The TOML file behind the flags: every flag has a key of its name, in a table of the command's name.
//!
//! Values become the flags' defaults, so that a flag comes before the environment, and the environment before the file.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Arg, ArgAction, Command};

use crate::outcome::Failure;

const CONFIG: (&str, &str) = ("--config", "REENACT_CONFIG");
#[cfg(feature = "replay")]
const PLAN: (&str, &str) = ("--plan", "REENACT_PLAN");
/// Keys of which each says what the rate is.
const RATES: [&str; 3] = ["rate", "ramp", "profile"];
/// Lists of tables, which whoever applies them reads.
const LISTS: [&str; 4] = ["rewrite", "unsafe", "pair", "redact"];

/// Puts the values of the file that `arguments` or the environment names into `command`.
pub(crate) fn apply(mut command: Command, arguments: &[OsString]) -> Result<Command, Failure> {
    if let Some(path) = path(arguments, CONFIG) {
        command = config(command, &path)?;
    }
    // After the file: whoever names a plan means all of it.
    #[cfg(feature = "replay")]
    if let Some(path) = path(arguments, PLAN) {
        command = plan(command, Path::new(&path))?;
    }
    Ok(command)
}

/// Makes the options of a plan the defaults of those who plan.
#[cfg(feature = "replay")]
fn plan(mut command: Command, path: &Path) -> Result<Command, Failure> {
    let file = crate::plan_file::PlanFile::read(path)?;
    for (name, value) in file.options {
        for table in ["plan", "replay", "ab"] {
            if !command.find_subcommand(table).is_some_and(|subcommand| has(subcommand, &name)) {
                return Err(Failure::new(format!("{}: reenact {table} has no option `{name}`", path.display()))
                    .hint("it was written by another version"));
            }
            let value = value.clone();
            command = command.mut_subcommand(table, |one| one.mut_arg(&name, |argument| argument.default_value(value)));
        }
    }
    Ok(command)
}

fn config(mut command: Command, path: &OsStr) -> Result<Command, Failure> {
    let shown = Path::new(path).display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("cannot read the config {shown}: {error}")).hint("check the path given with --config")
    })?;
    let tables: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Failure::new(format!("{shown}: {}", error.to_string().trim_end())))?;
    for (table, keys) in &tables {
        if LISTS.contains(&table.as_str()) {
            continue;
        }
        let known = command.find_subcommand(table).is_some_and(|subcommand| has(subcommand, "config"));
        let Some(keys) = keys.as_table().filter(|_| known) else {
            return Err(Failure::new(format!("{shown}: `{table}` is no table of this file"))
                .hint("the tables are named after commands that take --config: [record], [replay], [plan], [ab], [report], [edit], [compare]; rules are [[rewrite]], [[unsafe]] and [[redact]], a recorder's listeners [[pair]]"));
        };
        for (key, value) in keys {
            let id = key.replace('-', "_");
            // Options of every command become the subcommand's own, so that each table can have them otherwise.
            let global =
                command.get_arguments().find(|one| one.is_global_set() && one.get_id() == id.as_str()).cloned();
            let is_known = global.is_some() || command.find_subcommand(table).is_some_and(|one| has(one, &id));
            if key == "plan" && is_known {
                return Err(Failure::new(format!("{shown}: [{table}] plan: a plan is not named in a file"))
                    .hint("all that it says comes before this file: give it by --plan or REENACT_PLAN"));
            }
            if key == "config" || !is_known {
                return Err(Failure::new(format!("{shown}: [{table}] has no key `{key}`"))
                    .hint(format!("its keys are the flags of `reenact {table} --help` without the dashes")));
            }
            let values = texts(value).ok_or_else(|| {
                Failure::new(format!(
                    "{shown}: [{table}] {key} is neither text, number, true, false nor a list of these"
                ))
            })?;
            command = set(command, table, global.as_ref(), &id, &values);
            let is_known = global.is_some() || command.find_subcommand("plan").is_some_and(|plan| has(plan, &id));
            if table == "replay" && is_known && is_for_plan(&tables, &id) {
                command = set(command, "plan", global.as_ref(), &id, &values);
            }
        }
    }
    Ok(command)
}

/// Whether a plan takes this key of the table of replays: it is what a replay would send, unless its own table says
/// something else. In which form it is printed is no part of that.
fn is_for_plan(tables: &toml::Table, id: &str) -> bool {
    let own = tables.get("plan").and_then(toml::Value::as_table);
    let says = |id: &str| own.is_some_and(|own| own.keys().any(|key| key.replace('-', "_") == id));
    let is_said = if RATES.contains(&id) { RATES.into_iter().any(says) } else { says(id) };
    id != "json" && !is_said
}

/// Makes `values` the default of an option; one of every command becomes the subcommand's own.
fn set(command: Command, table: &str, global: Option<&Arg>, id: &str, values: &[String]) -> Command {
    command.mut_subcommand(table, |subcommand| {
        subcommand.args(global).mut_arg(id, |argument| {
            let argument = argument.required(false);
            match argument.get_action() {
                ArgAction::SetTrue => argument.default_value(values.first().cloned().unwrap_or_default()),
                _ => argument.default_values(values.to_vec()),
            }
        })
    })
}

fn has(command: &Command, id: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_id() == id)
}

/// The value of a flag, or of its variable.
fn path(arguments: &[OsString], (flag, variable): (&str, &str)) -> Option<OsString> {
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        if argument == flag {
            return rest.next().cloned();
        }
        if let Some(path) = argument.to_str().and_then(|text| text.strip_prefix(flag)?.strip_prefix('=')) {
            return Some(path.into());
        }
    }
    std::env::var_os(variable)
}

fn texts(value: &toml::Value) -> Option<Vec<String>> {
    Some(match value {
        toml::Value::String(text) => vec![text.clone()],
        toml::Value::Integer(number) => vec![number.to_string()],
        toml::Value::Boolean(flag) => vec![flag.to_string()],
        toml::Value::Array(values) => {
            values.iter().map(texts).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
        }
        _ => return None,
    })
}
