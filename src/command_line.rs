//! The command line together with its environment and config file, read at the start and, by a recorder, again later.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches};

use crate::cli::Cli;
use crate::config;
use crate::outcome::Failure;
use crate::secret::Reference;
use crate::together;

/// What every option of the called command was given, as text, whoever gave it: flag, variable, file or default.
pub(crate) type Values = BTreeMap<String, Vec<OsString>>;

/// A command line that could be read.
pub(crate) struct CommandLine {
    pub(crate) cli: Cli,
    pub(crate) values: Values,
}

/// One that could not.
pub(crate) enum Unread {
    /// Help, version, or wrong usage.
    Usage(clap::Error),
    /// The file, or options that do not go together.
    Refused(Failure),
}

/// Reads it, and the file, as they are now.
pub(crate) fn read() -> Result<CommandLine, Unread> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let mut command = config::apply(Cli::command(), &arguments).map_err(Unread::Refused)?;
    let matches = command.try_get_matches_from_mut(arguments);
    let matches = matches.map_err(|error| Unread::Usage(hushed(error, &command)))?;
    together::check(&command, &matches).map_err(Unread::Refused)?;
    Ok(CommandLine { cli: Cli::from_arg_matches(&matches).map_err(Unread::Usage)?, values: values(&command, &matches) })
}

/// The error without the value of an option that takes a reference: what is none may be the secret itself.
fn hushed(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    // As in `--token <REF>`.
    let name = option.split(' ').next().and_then(|word| word.strip_prefix("--"));
    let is_secret =
        |one: &clap::Arg| one.get_long() == name && one.get_value_parser().type_id() == TypeId::of::<Reference>();
    if command.get_subcommands().flat_map(clap::Command::get_arguments).any(is_secret) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("***".to_owned()));
    }
    error
}

fn values(command: &clap::Command, matches: &clap::ArgMatches) -> Values {
    let Some((name, matches)) = matches.subcommand() else { return Values::new() };
    // Matches know groups as well, which have no values.
    let options = command.find_subcommand(name).into_iter().flat_map(clap::Command::get_arguments);
    let given = options.filter_map(|option| {
        let id = option.get_id().as_str();
        let values = matches.try_get_raw(id).ok()??;
        Some((id.to_owned(), values.map(ToOwned::to_owned).collect()))
    });
    given.collect()
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Usage(error) => Self::new(error.to_string().trim_end().trim_start_matches("error: ")),
            Unread::Refused(failure) => failure,
        }
    }
}
