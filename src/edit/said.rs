//! What is not wrong with an edit and changes what its result means: said, so that nobody finds out by the figures.

use formats::model::{Exchange, Gap};
use formats::session::{Session, SessionHeader};

use super::bodies::Bodies;
use super::chosen::LeftOut;
use super::config::Asked;
use super::origin::distinct;
use super::summary::Summary;
use super::words::SplitBy;
use crate::units::count;

/// Looks at what is read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Exchanges that say which exchange of another session they repeated.
    answers: u64,
    /// Gaps that say how many exchanges are missing, or not even that.
    gaps: u64,
}

impl Seen {
    pub(super) fn exchange(&mut self, exchange: &Exchange) {
        self.answers += u64::from(exchange.replay_of.is_some());
    }

    pub(super) fn gap(&mut self, _: &Gap) {
        self.gaps += 1;
    }

    /// All that is to be said, into the summary.
    pub(super) fn say(&self, summary: &mut Summary, sessions: &[Session], asked: &Asked, bodies: &Bodies) {
        let headers: Vec<&SessionHeader> = sessions.iter().map(Session::header).collect();
        summary.warnings.extend(warnings(&headers, asked));
        if sessions.len() > 1 && self.answers > 0 {
            summary.warnings.push(format!(
                "{} exchanges say which exchange of a run's sessions they repeated: such numbers of different runs cannot be told apart any more",
                count(self.answers)
            ));
        }
        for rule in bodies.unused() {
            summary.warnings.push(format!("--drop-bodies {rule} matched no body"));
        }
        if let Some(rewriting) = &asked.rewriting {
            summary.warnings.extend(rewriting.unused());
            summary.warnings.extend(summary.rewritten.warning());
        }
        if summary.kept == 0 {
            summary.warnings.push("nothing was kept: the session is empty".to_owned());
        } else {
            let chose = [
                (LeftOut::Time, asked.from.is_some() || asked.to.is_some()),
                (LeftOut::Filter, asked.filter.is_some()),
                (LeftOut::Exclude, asked.exclude.is_some()),
            ];
            let idle = chose.into_iter().filter(|(why, given)| *given && !summary.left_out.contains_key(why));
            let idle = idle.map(|(why, _)| format!("{} left nothing out", why.options()));
            summary.warnings.extend(idle.collect::<Vec<_>>());
        }
        let of_some = asked.chooses_exchanges() || matches!(asked.split_by, Some(SplitBy::ClientHash(_)));
        if of_some && self.gaps > 0 {
            summary.notes.push(format!(
                "{} gaps stay as they are: whose exchanges are missing in them is not known",
                count(self.gaps)
            ));
        }
    }
}

fn warnings(headers: &[&SessionHeader], asked: &Asked) -> Vec<String> {
    let mut warnings = Vec::new();
    let redactions = headers.iter().filter_map(|header| header.redaction.as_ref());
    let keys = distinct(redactions.map(|redaction| redaction.key_id.as_str()));
    if keys.len() > 1 {
        warnings.push(format!(
            "the sessions were redacted with different keys ({}): a user of one is another one in the next, and --sample chooses them apart",
            keys.join(", ")
        ));
    }
    if let Some(again) = &asked.redaction {
        let now = again.redactor.policy().key_id;
        if keys.iter().any(|key| *key != now) {
            warnings.push(format!(
                "what was redacted before keeps the pseudonyms of key {}; those of key {now} are no more equal to them",
                keys.join(", ")
            ));
        }
    } else if headers.iter().any(|header| header.redaction.is_none()) && keys.len() == 1 && headers.len() > 1 {
        warnings.push("not all of the sessions were redacted, and so not all of the new one is".to_owned());
    }
    if distinct(headers.iter().map(|header| &header.client_keys)).len() > 1 {
        warnings.push("the sessions tell clients apart by different rules: one user may be several clients".to_owned());
    }
    let shares = distinct(headers.iter().map(|header| header.sample_millionths));
    let given = asked.sample.map(formats::sample::Sample::millionths);
    let is_smallest = given.is_some_and(|given| shares.iter().all(|share| share.is_none_or(|share| given <= share)));
    match shares[..] {
        [_, _, ..] if !is_smallest => warnings.push(
            "the sessions hold different shares of their clients: --sample with the smallest of them makes them alike"
                .to_owned(),
        ),
        [Some(share)] if given.is_some_and(|given| given >= share) => warnings.push(
            "the session holds a sample already, and --sample asks for a share of all clients that is not smaller: it left nothing out"
                .to_owned(),
        ),
        _ => {}
    }
    warnings
}
