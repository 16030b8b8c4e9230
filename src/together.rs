//! Options that say nothing without another one, and options of which there can only be one: checked when it is known what
//! was given, by flags, variables and files alike. clap takes what a file says for a default, which its own rules pass over.

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

use crate::outcome::Failure;

type Commands = &'static [&'static str];
const SENDING: Commands = &["replay", "ab"];

/// In these commands, the option says nothing without the other one.
const NEEDS: [(Commands, &str, &str); 9] = [
    (SENDING, "tls_cert", "tls_key"),
    (SENDING, "tls_key", "tls_cert"),
    (SENDING, "otlp_cert", "otlp_key"),
    (SENDING, "otlp_key", "otlp_cert"),
    (&["ab"], "resume", "out"),
    (&["edit"], "rewrite", "config"),
    (&["cat"], "show_bytes", "show"),
    (&["verify"], "encrypt_to", "repair"),
    (&["verify"], "decrypt", "repair"),
];

/// In these commands, both options say what only one of them can.
const EITHER: [(Commands, &str, &str); 8] = [
    (&["plan", "replay", "ab"], "ramp", "profile"),
    (&["plan"], "json", "show"),
    (SENDING, "json", "json_stream"),
    (SENDING, "otlp_file", "otlp_endpoint"),
    (SENDING, "otlp_file", "backend"),
    (&["edit", "verify"], "encrypt_to", "decrypt"),
    (&["inspect"], "scan", "secrets"),
    (&["cat"], "limit", "show"),
];

/// Refuses what does not go together in the command that was called.
pub(crate) fn check(command: &Command, matches: &ArgMatches) -> Result<(), Failure> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
    let Some(command) = command.find_subcommand(name) else { return Ok(()) };
    let given = |option| given(command, matches, option);
    for (_, option, other) in NEEDS.iter().filter(|(commands, ..)| commands.contains(&name)) {
        if let (Some(option), None) = (given(option), given(other)) {
            let other = other.replace('_', "-");
            return Err(Failure::new(format!("{option} says nothing without --{other}"))
                .hint(format!("give --{other}, too, or leave both out")));
        }
    }
    for (_, one, other) in EITHER.iter().filter(|(commands, ..)| commands.contains(&name)) {
        if let (Some(one), Some(other)) = (given(one), given(other)) {
            return Err(Failure::new(format!("{one} cannot be used with {other}")).hint("leave one of them out"));
        }
    }
    Ok(())
}

/// What an option is called by whoever gave it; `None` if nobody did.
fn given(command: &Command, matches: &ArgMatches, id: &str) -> Option<String> {
    let option = command.get_arguments().find(|option| option.get_id() == id)?;
    let mut values = matches.try_get_raw(id).ok()??;
    let first = values.next()?;
    if matches!(option.get_action(), ArgAction::SetTrue) && first == "false" {
        return None;
    }
    let flag = format!("--{}", option.get_long()?);
    Some(match (matches.value_source(id)?, option.get_env()) {
        (ValueSource::EnvVariable, Some(variable)) => format!("{flag} ({})", variable.display()),
        // None of these options has a default of its own.
        (ValueSource::DefaultValue, _) => format!("{flag} (from a file)"),
        _ => flag,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// The tables name options that there are and that have no defaults, and nothing is left to clap, which sees less.
    #[test]
    fn the_tables_are_the_only_rules_and_name_options_that_there_are() {
        let mut cli = Cli::command();
        cli.build();
        for (commands, one, other) in NEEDS.iter().chain(&EITHER) {
            for name in *commands {
                let command = cli.find_subcommand(name).unwrap();
                for id in [one, other] {
                    let option = command.get_arguments().find(|option| option.get_id() == *id);
                    let option = option.unwrap_or_else(|| panic!("{name} has no {id}"));
                    let is_flag = matches!(option.get_action(), ArgAction::SetTrue);
                    assert!(is_flag || option.get_default_values().is_empty(), "{name} {id} has a default");
                }
            }
        }
        for command in cli.get_subcommands() {
            for option in command.get_arguments() {
                let (name, id) = (command.get_name(), option.get_id());
                assert!(command.get_arg_conflicts_with(option).is_empty(), "{name}: clap has a rule about {id}");
                assert!(format!("{option:?}").contains("requires: []"), "{name}: clap has a rule about {id}");
            }
        }
    }
}
