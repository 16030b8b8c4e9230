//! What redacts a session: default rules, the `[[redact]]` tables of the config, checked, and the recipients that secrets are
//! sealed for. One way for all that write redacted sessions.

use std::path::Path;
use std::sync::Arc;

use formats::redact::{Action, Find, KeyPlace, RedactionKey, Redactor, Rule, RuleError, Scope};
use formats::seal::{Recipients, SealError, Sealer, Sealing};
use formats::stars::Pattern;
use serde::Deserialize;
use toml::Spanned;

use crate::outcome::Failure;
use crate::secret::Reference;

/// What redacts, and what the session's header says of sealed values.
#[derive(Debug)]
pub(crate) struct Redaction {
    pub(crate) redactor: Redactor,
    pub(crate) sealing: Option<Sealing>,
}

pub(crate) fn build(key: &RedactionKey, seal: &[String], config: Option<&Path>) -> Result<Redaction, Failure> {
    let mut redactor = Redactor::new(key);
    let mut sealing = None;
    if let Some(sealer) = sealer(seal)? {
        sealing = Some(sealer.sealing().clone());
        redactor = redactor.with_sealer(Arc::new(sealer));
    }
    if let Some(path) = config {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Failure::new(format!("cannot read the config {shown}: {error}")))?;
        let of = |label: &str, error: &RuleError| {
            Failure::new(format!("{shown}: redact rule {label}: {error}")).hint(error.hint())
        };
        let rules = rules(&text, &shown, of)?;
        redactor = redactor.with_rules(rules).map_err(|(label, error)| of(&label, &error))?;
    }
    Ok(Redaction { redactor, sealing })
}

/// The rules' tables as they stand in the file, to tell whether they changed.
#[cfg(feature = "record")]
pub(crate) fn tables(config: &Path) -> Result<Option<toml::Value>, Failure> {
    let shown = config.display();
    let text = std::fs::read_to_string(config);
    let text = text.map_err(|error| Failure::new(format!("cannot read the config {shown}: {error}")))?;
    let file: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Failure::new(format!("{shown}: {}", error.to_string().trim_end())))?;
    Ok(file.get("redact").cloned())
}

fn sealer(given: &[String]) -> Result<Option<Sealer>, Failure> {
    let Some(recipients) = recipients("--seal", given)? else { return Ok(None) };
    Sealer::of(&recipients).map(Some).map_err(|error| refused("--seal", &error))
}

/// The age recipients that `flag` names: each one itself, or a reference to some, one a line.
pub(crate) fn recipients(flag: &str, given: &[String]) -> Result<Option<Recipients>, Failure> {
    if given.is_empty() {
        return Ok(None);
    }
    let mut recipients = Vec::new();
    for one in given {
        if one.trim_start().starts_with("age1") {
            recipients.push(one.trim().to_owned());
            continue;
        }
        // The text is not repeated: it may be an identity, given by mistake.
        let reference = one.parse::<Reference>().map_err(|_| {
            Failure::new(format!("{flag}: this is neither an age recipient nor a reference to some"))
                .hint("give age1…, file:PATH or env:NAME; recipients are what `age-keygen` prints after `Public key:`")
        })?;
        let text = reference.resolve()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        recipients.extend(lines.map(str::to_owned));
    }
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    Recipients::parse(&recipients).map(Some).map_err(|error| refused(flag, &error))
}

fn refused(flag: &str, error: &SealError) -> Failure {
    let failure = Failure::new(format!("{flag}: {error}"));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    redact: Vec<Spanned<Table>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Option<String>,
    header: Option<String>,
    cookie: Option<String>,
    query: Option<String>,
    form: Option<String>,
    json: Option<String>,
    json_path: Option<String>,
    pattern: Option<String>,
    default: Option<String>,
    body: Option<String>,
    path: Option<String>,
    host: Option<String>,
    method: Option<String>,
    action: Option<String>,
}

fn rules(text: &str, shown: &str, of: impl Fn(&str, &RuleError) -> Failure) -> Result<Vec<Rule>, Failure> {
    let document: Document = toml::from_str(text).map_err(|error| {
        Failure::new(format!("{shown}: {}", error.to_string().trim_end()))
            .hint("docs/redaction.md lists the keys of a [[redact]] table")
    })?;
    let rule = |(number, table): (usize, Spanned<Table>)| {
        let line = 1 + text.bytes().take(table.span().start).filter(|byte| *byte == b'\n').count();
        let table = table.into_inner();
        let label = match &table.name {
            Some(name) => format!("{number} (\"{name}\", line {line})"),
            None => format!("{number} (line {line})"),
        };
        checked(table, &label, shown, |error| of(&label, error))
    };
    (1..).zip(document.redact).map(rule).collect()
}

/// Makes what a rule looks for of the text that was given.
type Make<'a> = dyn Fn(&str) -> Result<Find, RuleError> + 'a;

fn checked(table: Table, label: &str, shown: &str, of: impl Fn(&RuleError) -> Failure) -> Result<Rule, Failure> {
    let fault = |what: &str| Failure::new(format!("{shown}: redact rule {label}: {what}"));
    let key = |place| move |name: &str| Find::key(place, name);
    let places: [(Option<String>, &Make<'_>); 9] = [
        (table.header, &Find::header),
        (table.cookie, &Find::cookie),
        (table.query, &key(KeyPlace::Query)),
        (table.form, &key(KeyPlace::Form)),
        (table.json, &key(KeyPlace::Json)),
        (table.json_path, &Find::json_path),
        (table.pattern, &Find::pattern),
        (table.default, &Find::default_pattern),
        (table.body, &Find::body),
    ];
    let mut finds = places.into_iter().filter_map(|(given, make)| given.map(|given| make(&given)));
    let one_of = "header, cookie, query, form, json, json_path, pattern, default and body";
    let find = finds
        .next()
        .ok_or_else(|| fault("it says nothing of what it looks for").hint(format!("give it one of {one_of}")))?;
    let find = find.map_err(|error| of(&error))?;
    if finds.next().is_some() {
        return Err(fault("it looks for two things").hint(format!("give it one of {one_of}, and write two rules")));
    }
    let action = table.action.map(|action| {
        let known = Action::from_name(&action);
        known.ok_or_else(|| {
            fault(&format!("`{action}` is no action")).hint("there are drop, mask, pseudonym, shape, seal and keep")
        })
    });
    let scope = Scope {
        path: table.path.map(|path| Pattern::new(&path)),
        host: table.host.map(|host| Pattern::new(&host.to_ascii_lowercase())),
        method: table.method,
    };
    Ok(Rule { label: label.to_owned(), find, scope, action: action.transpose()? })
}
