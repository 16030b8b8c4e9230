//! The TOML file behind the flags: every flag has a key of its name, in a table of the command's name.
//!
//! Values become the flags' defaults, so that a flag comes before the environment, and the environment before the file.

use std::ffi::OsString;
use std::path::Path;

use clap::{ArgAction, Command};

use crate::outcome::Failure;

const FLAG: &str = "--config";
const VARIABLE: &str = "REENACT_CONFIG";
/// Tables of rules, which whoever applies them reads.
const RULES: [&str; 2] = ["rewrite", "unsafe"];

/// Puts the values of the file that `arguments` or the environment names into `command`.
pub(crate) fn apply(mut command: Command, arguments: &[OsString]) -> Result<Command, Failure> {
    let Some(path) = path(arguments) else { return Ok(command) };
    let shown = Path::new(&path).display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(format!("cannot read the config {shown}: {error}")).hint("check the path given with --config")
    })?;
    let tables: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Failure::new(format!("{shown}: {}", error.to_string().trim_end())))?;
    for (table, keys) in tables {
        if RULES.contains(&table.as_str()) {
            continue;
        }
        let known = command.find_subcommand(&table).is_some_and(|subcommand| has(subcommand, "config"));
        let Some(keys) = keys.as_table().filter(|_| known) else {
            return Err(Failure::new(format!("{shown}: `{table}` is no table of this file"))
                .hint("the tables are named after commands that take --config: [record], [replay], [plan], [report]; rules are [[rewrite]] and [[unsafe]]"));
        };
        for (key, value) in keys {
            let id = key.replace('-', "_");
            let subcommand = command.find_subcommand(&table);
            if key == "config" || !subcommand.is_some_and(|subcommand| has(subcommand, &id)) {
                return Err(Failure::new(format!("{shown}: [{table}] has no key `{key}`"))
                    .hint(format!("its keys are the flags of `reenact {table} --help` without the dashes")));
            }
            let values = texts(value).ok_or_else(|| {
                Failure::new(format!(
                    "{shown}: [{table}] {key} is neither text, number, true, false nor a list of these"
                ))
            })?;
            command = command.mut_subcommand(&table, |subcommand| {
                subcommand.mut_arg(&id, |argument| {
                    let argument = argument.required(false);
                    match argument.get_action() {
                        ArgAction::SetTrue => argument.default_value(values.first().cloned().unwrap_or_default()),
                        _ => argument.default_values(values),
                    }
                })
            });
        }
    }
    Ok(command)
}

fn has(command: &Command, id: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_id() == id)
}

fn path(arguments: &[OsString]) -> Option<OsString> {
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        if argument == FLAG {
            return rest.next().cloned();
        }
        if let Some(path) = argument.to_str().and_then(|text| text.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    std::env::var_os(VARIABLE)
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
