//! Which target a recorded authority goes to, and what of a request names the recorded host.
//!
//! Changed: Host, the authority of an absolute target, scheme and authority of Origin and Referer, and the old `$Domain`
//! attribute of Cookie (RFC 2965; the only way in which a request names a cookie's domain). Origin and Referer follow the
//! request when they name its own recorded host, or else the map that names theirs; anything else is another site, and
//! stays. With `keep_host` none of these change.
//!
//! Not here: resolving names, and whether a target may be loaded ([`crate::target`]).

use std::borrow::Cow;
use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use url::Url;

use super::error::RewriteError;
use super::head::Head;
use super::identity::{Cookie, cookies};
use super::{LeftOut, Text};

/// Targets of one replay.
const TARGETS_MAX: usize = 1_000;

/// How a target is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:PATH`: a target as far as requests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    /// As given.
    pub given: String,
    /// How it is spoken to.
    pub scheme: Scheme,
    /// What the Host field says; without the port where it is the scheme's own (RFC 9110 §7.2). `localhost` for a socket.
    pub authority: String,
    /// PATH of `unix:PATH`.
    pub socket: Option<String>,
}

impl FromStr for TargetUrl {
    type Err = RewriteError;

    fn from_str(given: &str) -> Result<Self, RewriteError> {
        let bad = |why: &str| RewriteError::Target { given: given.to_owned(), why: why.to_owned() };
        if let Some(path) = given.strip_prefix("unix:") {
            let (scheme, authority, socket) = (Scheme::Http, "localhost".to_owned(), Some(path.to_owned()));
            return Ok(Self { given: given.to_owned(), scheme, authority, socket });
        }
        let url = Url::parse(given).map_err(|error| bad(&error.to_string()))?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(bad(&format!("`{other}` is no scheme that can be replayed to"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RewriteError::TargetCredentials);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("paths come from the recording; give scheme, host and port only"));
        }
        let host = url.host_str().ok_or_else(|| bad("it has no host"))?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { given: given.to_owned(), scheme, authority, socket: None })
    }
}

/// `OLD=NEW` of `--map`: requests that were recorded for OLD go to NEW.
///
/// OLD is `host:port`, `host` (with whatever port) or `*` (whatever no other map names). A name with a port comes before
/// one without, and both before `*`. NEW is a [`TargetUrl`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    old: String,
    new: TargetUrl,
}

impl FromStr for Map {
    type Err = RewriteError;

    fn from_str(given: &str) -> Result<Self, RewriteError> {
        let bad = |why: &str| RewriteError::Map { given: given.to_owned(), why: why.to_owned() };
        let (old, new) = given.split_once('=').ok_or_else(|| bad("it has no `=`"))?;
        if old.is_empty() {
            return Err(bad("there is nothing before the `=`"));
        }
        if old.contains("://") || old.contains(['/', '?', '#', '@']) || old.contains(char::is_whitespace) {
            return Err(bad("before the `=` stands a recorded authority: HOST, HOST:PORT or *"));
        }
        if old != "*" && old.contains('*') {
            return Err(bad("`*` stands alone"));
        }
        Ok(Self { old: old.to_ascii_lowercase(), new: new.parse()? })
    }
}

/// All maps of a replay.
#[derive(Debug)]
pub(super) struct Hosts {
    targets: Vec<TargetUrl>,
    maps: Vec<Mapped>,
    default: Option<u16>,
    keep_host: bool,
}

#[derive(Debug)]
struct Mapped {
    old: String,
    target: u16,
    used: AtomicU64,
}

impl Hosts {
    pub(super) fn new(target: Option<TargetUrl>, maps: Vec<Map>, keep_host: bool) -> Result<Self, RewriteError> {
        let mut hosts = Self { targets: Vec::new(), maps: Vec::new(), default: None, keep_host };
        if target.is_none() && maps.is_empty() {
            return Err(RewriteError::NoTarget);
        }
        hosts.default = target.map(|target| hosts.number(target)).transpose()?;
        for Map { old, new } in maps {
            if hosts.maps.iter().any(|known| known.old == old) {
                return Err(RewriteError::MappedTwice { old });
            }
            let target = hosts.number(new)?;
            hosts.maps.push(Mapped { old, target, used: AtomicU64::new(0) });
        }
        Ok(hosts)
    }
    pub(super) fn targets(&self) -> &[TargetUrl] {
        &self.targets
    }

    pub(super) fn unused(&self) -> impl Iterator<Item = String> {
        let unused = self.maps.iter().filter(|map| map.used.load(Relaxed) == 0);
        unused.map(|map| format!("--map {}=…: no recorded request was for it", map.old))
    }

    /// The number of the request's target; what in the head names the recorded host names the target afterwards.
    pub(super) fn follow<'a>(&'a self, head: &mut Head<'a>) -> Result<u16, LeftOut> {
        let absolute = authority_at(head.target.bytes());
        let recorded = match &absolute {
            // The authority of an absolute target comes before Host (RFC 9112 §3.2.2).
            Some(at) => lower(head.target.bytes().get(at.clone())).into_owned(),
            None => lower(head.line("host").map(|line| line.value.bytes())).into_owned(),
        };
        let map = self.named(&recorded).or_else(|| self.maps.iter().find(|map| map.old == "*"));
        let number = match map {
            Some(map) => {
                map.used.fetch_add(1, Relaxed);
                map.target
            }
            None => self.default.ok_or(LeftOut::NoTarget)?,
        };
        let target = self.targets.get(usize::from(number)).ok_or(LeftOut::NoTarget)?;
        if self.keep_host {
            return Ok(number);
        }
        if let Some(at) = absolute {
            head.target.replace(0..at.end, &origin_of(target));
        }
        head.lines_mut("host").for_each(|line| line.value = Text::from(target.authority.as_bytes()));
        for name in ["origin", "referer"] {
            for line in head.lines_mut(name) {
                let Some(at) = authority_at(line.value.bytes()) else { continue };
                let named = lower(line.value.bytes().get(at.clone()));
                let own = named == recorded && !recorded.is_empty();
                let other = || self.named(&named).and_then(|map| self.targets.get(usize::from(map.target)));
                if let Some(target) = if own { Some(target) } else { other() } {
                    line.value.replace(0..at.end, &origin_of(target));
                }
            }
        }
        // The name of the attribute begins with a dollar sign, which most headers have none of.
        for line in head.lines_mut("cookie").filter(|line| memchr::memchr(b'$', line.value.bytes()).is_some()) {
            let domains = cookies(line.value.bytes()).filter(Cookie::is_domain).map(|cookie| cookie.value);
            // From the end, so that places before stay right.
            for place in domains.collect::<Vec<_>>().into_iter().rev() {
                let value = lower(line.value.bytes().get(place.clone()));
                let value = value.trim_matches('"').trim_start_matches('.');
                if !value.is_empty() && value == host_of(&recorded) {
                    line.value.replace(place, &Text::from(host_of(&target.authority).as_bytes()));
                }
            }
        }
        Ok(number)
    }

    /// The map whose OLD is this authority, or else its host.
    fn named(&self, authority: &str) -> Option<&Mapped> {
        let find = |name: &str| self.maps.iter().find(|map| map.old == name);
        (!authority.is_empty()).then(|| find(authority).or_else(|| find(host_of(authority))))?
    }

    fn number(&mut self, target: TargetUrl) -> Result<u16, RewriteError> {
        let same = |known: &TargetUrl| {
            known.scheme == target.scheme && known.authority == target.authority && known.socket == target.socket
        };
        let at = self.targets.iter().position(same).unwrap_or(self.targets.len());
        if at == TARGETS_MAX {
            return Err(RewriteError::TooManyTargets { limit: TARGETS_MAX });
        }
        if at == self.targets.len() {
            self.targets.push(target);
        }
        u16::try_from(at).map_err(|_| RewriteError::TooManyTargets { limit: TARGETS_MAX })
    }
}

fn origin_of(target: &TargetUrl) -> Text<'static> {
    Text::of(format!("{}://{}", target.scheme.name(), target.authority).into_bytes())
}

fn lower(bytes: Option<&[u8]>) -> Cow<'_, str> {
    let mut text = String::from_utf8_lossy(bytes.unwrap_or_default());
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        text.to_mut().make_ascii_lowercase();
    }
    text
}

/// Where the authority of `http://authority/path` stands; `None` for whatever is no such URL.
pub(super) fn authority_at(url: &[u8]) -> Option<Range<usize>> {
    let is = |at: &Range<usize>, scheme: &str| {
        url.get(..at.start).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    any_authority_at(url).filter(|at| is(at, "http://") || is(at, "https://"))
}

/// The same for whatever scheme (RFC 3986 §3.1).
pub(crate) fn any_authority_at(url: &[u8]) -> Option<Range<usize>> {
    let of_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let scheme = url.iter().position(|byte| !of_scheme(byte)).filter(|len| *len > 0)?;
    let rest = url.get(scheme..)?.strip_prefix(b"://")?;
    let start = url.len() - rest.len();
    let len = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    Some(start..start + len)
}

/// `host:port` without the port; brackets of a v6 address stay.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // `::1` without brackets is a host as a whole.
            if host.contains(':') && !host.ends_with(']') { authority } else { host }
        }
        _ => authority,
    }
}
