//! A recorded request made ready to be sent again: its own bytes, but for what belongs to the target, to the user that it
//! plays, and to the trace.
//!
//! Kept: order, case, duplicates and spelling of all fields, framing, chunk sizes, trailers. Changed: Host, Origin and
//! Referer follow the target ([`Map`]), what [`Rules`] name, the credentials, every trace header is taken out, the
//! User-Agent says who sends. What differs from copy to copy is a [`Mark`], filled when the copy is sent
//! ([`Template::render`]). The fresh trace headers come later, per copy ([`crate::contexts`]); therefore the head here
//! lacks its final empty line.
//!
//! Every template is read back with [`formats::wire`] before it is given out: what a server could read in another way
//! than it was meant is left out, not sent. Not here: cookies that the target sets, and values taken from its answers.

mod apply;
mod coded;
mod error;
mod frame;
mod head;
mod hosts;
mod identity;
mod query;
mod recorded;
mod replace;
mod rules;
mod sealed;
mod template;
mod text;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use formats::endpoint::Templates;
use formats::head::{has_only_trailer_fields, request_line, status_line};
use formats::model::{Exchange, Message, Protocol};

use crate::credentials::Credentials;
use crate::secret::LiveSecret;
use frame::Framed;
use head::Head;
use hosts::Hosts;
use text::Text;

pub use error::{HeaderFault, RewriteError, RuleFault};
pub(crate) use formats::stars::Pattern;
pub(crate) use hosts::any_authority_at;
pub use hosts::{Map, Scheme, TargetUrl};
pub use recorded::Rewritten;
pub use rules::Rules;
pub(crate) use rules::{check_header_name, line_of};
pub use sealed::{SealedFault, Seals};
pub use template::{CopyFacts, Mark, Opened, Placeholder, Secrets, Template};
pub(crate) use text::percent_encode;

/// Appended to every recorded User-Agent, so that nobody takes a replay for production.
pub const USER_AGENT_SUFFIX: &str = concat!(" reenact/", env!("CARGO_PKG_VERSION"));

/// What is to be changed.
#[derive(Debug, Default)]
pub struct RewriteOptions {
    /// Where requests go whose recorded authority no map names; without it those are left out.
    pub target: Option<TargetUrl>,
    /// Which recorded authority goes where.
    pub maps: Vec<Map>,
    /// Host, Origin and Referer stay as recorded; connections go to the target all the same.
    pub keep_host: bool,
    /// The rules, in order.
    pub rules: Rules,
    /// `Authorization` for every request.
    pub authorization: Option<Arc<LiveSecret>>,
    /// A row for each life of a client.
    pub credentials: Option<Arc<Credentials>>,
}

/// Makes templates; counts what each rule did, so that rules that match nothing are found.
#[derive(Debug)]
pub struct Rewriter {
    hosts: Hosts,
    rules: Rules,
    secrets: Secrets,
    /// How the endpoints are named that rules are about.
    templates: Arc<Templates>,
}

/// Why an exchange cannot be sent as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum LeftOut {
    /// The recorder kept only a part of the body.
    TruncatedBody,
    /// The client went away before its request was whole.
    IncompleteRequest,
    /// A tunnel.
    Connect,
    /// The connection became something else than HTTP.
    Upgrade,
    /// The user decided so (`--unsafe-methods skip`).
    UnsafeMethod,
    /// Its segment's index does not know its client, so it is not in the plan.
    NotInIndex,
    /// No `--map` names the recorded authority, and there is no `--target`.
    NoTarget,
    /// A server could read the request in more than one way, or not at all.
    Ambiguous,
    /// It was read after bytes of its connection had been lost, and may never have been a request.
    Resynchronised,
    /// The recorder redacted the body and stored it decoded, and its content coding cannot be made again: it is not known,
    /// or something is filled into the body for each copy.
    CannotEncode,
    /// It was HTTP/2 or HTTP/3, whose heads cannot be sent as they were by what sends HTTP/1.1.
    OtherProtocol,
}

impl LeftOut {
    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TruncatedBody => "truncated_body",
            Self::IncompleteRequest => "incomplete_request",
            Self::Connect => "connect",
            Self::Upgrade => "upgrade",
            Self::UnsafeMethod => "unsafe_method",
            Self::NotInIndex => "not_in_index",
            Self::NoTarget => "no_target",
            Self::Ambiguous => "ambiguous",
            Self::Resynchronised => "resynchronised",
            Self::CannotEncode => "cannot_encode",
            Self::OtherProtocol => "other_protocol",
        }
    }
}

/// Why there is no request of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSent {
    /// It is left out, and others are sent.
    LeftOut(LeftOut),
    /// It cannot be made ready as was asked for, so that nothing is sent.
    Sealed(SealedFault),
}

impl From<LeftOut> for NotSent {
    fn from(reason: LeftOut) -> Self {
        Self::LeftOut(reason)
    }
}

impl Rewriter {
    /// Checks that the options agree with each other.
    ///
    /// # Errors
    /// When two maps name the same authority, there is no target at all, or two options set the same header.
    pub fn new(options: RewriteOptions) -> Result<Self, RewriteError> {
        identity::check(options.authorization.is_some(), options.credentials.as_deref())?;
        let secrets =
            Secrets { authorization: options.authorization, credentials: options.credentials, ..Secrets::default() };
        let hosts = Hosts::new(options.target, options.maps, options.keep_host)?;
        Ok(Self { hosts, rules: options.rules, secrets, templates: Arc::default() })
    }

    /// Opens sealed values from now on. Comes later than the other options, since it takes the sessions' headers.
    pub fn open_with(&mut self, seals: Seals) {
        self.secrets.seals = Some(seals);
    }

    /// Names endpoints by templates from now on. Comes later than the other options, since templates are learned from the
    /// sessions.
    pub fn name_by(&mut self, templates: Arc<Templates>) {
        self.templates = templates;
    }

    /// The targets that [`Template::target`] numbers; the same URL is there once.
    #[must_use]
    pub fn targets(&self) -> &[TargetUrl] {
        self.hosts.targets()
    }

    /// What [`Template::render`] needs besides the facts of a copy.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        self.secrets.clone()
    }

    /// Makes the request of `exchange`, of the session with this number, ready. Once per exchange, whatever the number of
    /// its copies.
    ///
    /// # Errors
    /// When it cannot be sent as it was, or holds a sealed value that cannot be opened.
    pub fn template(&self, session: u32, exchange: &Exchange) -> Result<Template, NotSent> {
        let request = whole(exchange)?;
        let mut head = Head::read(&request.head)?;
        let target = self.hosts.follow(&mut head)?;
        let codings = coded::codings(&request.body)?;
        let mut body = Text::from(&request.body.bytes[..]);
        let changed = self.rules.apply(&self.templates, &request.head, &mut head, &mut body, codings.is_some());
        identity::apply(&mut head, &self.secrets);
        head.end_in("user-agent", USER_AGENT_SUFFIX.as_bytes());
        let sealed = sealed::mark(&mut head, &mut body, self.secrets.seals.as_ref().map(|seals| (seals, session)))?;
        if let Some(codings) = &codings {
            coded::encode(&mut body, codings)?;
        }
        let body_changed = changed.body || codings.is_some();
        let Framed { mut template, whole_head } = frame::frame(head, body, body_changed, request, target);
        template.sealed = sealed;
        let facts = CopyFacts { session, ..CopyFacts::default() };
        match template.is_read_as_meant(&whole_head, &facts, &self.secrets) {
            true => Ok(template),
            false => Err(LeftOut::Ambiguous.into()),
        }
    }

    /// The rules and maps that changed nothing so far, each with what is known about why; empty when all did something.
    /// Meant for the end of loading: a rule that matches nothing is nearly always a mistake.
    #[must_use]
    pub fn unused(&self) -> Vec<String> {
        self.rules.unused().chain(self.hosts.unused()).collect()
    }
}

/// The request, if it is all there and is one that can be repeated.
fn whole(exchange: &Exchange) -> Result<&Message, LeftOut> {
    let request = &exchange.request;
    if matches!(exchange.protocol, Protocol::Http2 | Protocol::Http3) {
        return Err(LeftOut::OtherProtocol);
    }
    // What the parser would not read in one way has no body to send, and what it may have misread was perhaps never sent.
    if exchange.ambiguous.is_some() {
        return Err(LeftOut::Ambiguous);
    }
    if exchange.resynchronised {
        return Err(LeftOut::Resynchronised);
    }
    if request.body.is_truncated() {
        return Err(LeftOut::TruncatedBody);
    }
    if exchange.instants.request_end.is_none() {
        return Err(LeftOut::IncompleteRequest);
    }
    let line = request_line(&request.head).ok_or(LeftOut::IncompleteRequest)?;
    if line.method == b"CONNECT" {
        return Err(LeftOut::Connect);
    }
    let response = exchange.response.as_ref().and_then(|response| status_line(&response.head));
    if response.is_some_and(|line| line.status == 101) {
        return Err(LeftOut::Upgrade);
    }
    if !has_only_trailer_fields(&request.trailers) {
        return Err(LeftOut::Ambiguous);
    }
    Ok(request)
}
