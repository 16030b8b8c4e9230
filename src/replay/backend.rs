//! Backends by name: where their spans are sent, with which headers, and where a trace is then found.
//!
//! A preset is plain data ([`presets`]); `docs/backends/` has a page for each, which a test holds against it. What was
//! asked for is checked here; not here: exporting, and the endpoint of no backend ([`super::export`]).

mod presets;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use replayer::report::TRACE_URL_PLACES;
use replayer::secret::LiveSecret;
use replayer::spans::Protocol;

use presets::{Place, Places, Preset};

use crate::cli::{Backend, TraceArgs};
use crate::outcome::Failure;

/// What `--backend`, `--backend-site` and `--token` come to.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Without the path of a signal (`/v1/traces`), which the exporter adds for [`Protocol::HttpProtobuf`]. `None`: only
    /// its user knows it.
    pub(super) endpoint: Option<String>,
    /// What the endpoint speaks.
    pub(super) protocol: Protocol,
    /// On every export; their values may change while the run goes on.
    pub(super) headers: Vec<(&'static str, Arc<LiveSecret>)>,
}

/// Checks what was asked for; `is_given`: whether `--otlp-endpoint` says where to send.
pub(super) fn choose(args: &TraceArgs, is_given: bool) -> Result<Option<Chosen>, Failure> {
    let Some(backend) = args.backend else {
        return match (&args.token, &args.backend_site) {
            (Some(_), _) => Err(without_backend("--token")),
            (_, Some(_)) => Err(without_backend("--backend-site")),
            _ => Ok(None),
        };
    };
    let (name, preset) = (backend.name(), backend.preset());
    if let Some(warning) = preset.warning {
        crate::logging::say(log::Level::Warn, &format!("warning: --backend {name}: {warning}"));
    }
    let place = preset.place(&name, args.backend_site.as_deref(), is_given)?;
    let mut headers = Vec::new();
    match (&args.token, &preset.token) {
        (Some(reference), Some(token)) => {
            headers.push((token.header, Arc::new(reference.live("the token of the tracing backend", token.scheme)?)));
        }
        (None, Some(token)) if !is_given => {
            return Err(Failure::new(format!("--backend {name} needs an access token ({})", token.what))
                .hint(format!("as in --token env:{}", token.variable)));
        }
        (Some(_), None) => {
            return Err(Failure::new(format!("--backend {name} takes no token"))
                .hint("leave --token out; a collector in between has the vendor's credentials"));
        }
        (None, _) => {}
    }
    Ok(Some(Chosen { endpoint: place.endpoint, protocol: preset.protocol, headers }))
}

fn without_backend(flag: &str) -> Failure {
    Failure::new(format!("{flag} says nothing without --backend"))
        .hint("name the backend, as in --backend honeycomb; docs/backends has a page for each")
}

impl Backend {
    /// Where a trace of this backend is found: a URL with `{trace_id}` and others of [`TRACE_URL_PLACES`] in it, or `None` where
    /// that takes more than what the command line says (the page of the backend then has a template to complete).
    pub(crate) fn trace_url(self, site: Option<&str>) -> Option<String> {
        let link = self.preset().place(&self.name(), site, true).ok()?.link?;
        let bare = TRACE_URL_PLACES.iter().fold(link.clone(), |link, place| link.replace(place, ""));
        (!bare.contains('{')).then_some(link)
    }

    /// As on the command line.
    pub(crate) fn name(self) -> String {
        use clap::ValueEnum as _;
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Endpoint and link of one site.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    endpoint: Option<String>,
    link: Option<String>,
}

impl Preset {
    /// Where the spans of `site` go; that an endpoint is given makes up for a site that is not.
    fn place(&self, name: &str, site: Option<&str>, is_given: bool) -> Result<Found, Failure> {
        let found = |place: &Place, site: &str| Found {
            endpoint: place.endpoint.map(|endpoint| endpoint.replace("{site}", site)),
            link: place.link.map(|link| link.replace("{site}", site)),
        };
        match (&self.places, site) {
            (Places::One(place), None) if place.endpoint.is_some() || is_given => Ok(found(place, "")),
            (Places::One(_), None) => Err(Failure::new(format!("--backend {name} has no endpoint of its own"))
                .hint(format!("give yours, as in --otlp-endpoint {}", self.example))),
            (Places::One(_), Some(_)) => {
                Err(Failure::new(format!("--backend {name} has no sites")).hint("leave --backend-site out"))
            }
            (Places::Choice { what, of }, Some(site)) => {
                let chosen = of.iter().find(|(known, _)| *known == site);
                chosen.map(|(_, place)| found(place, site)).ok_or_else(|| {
                    let known: Vec<&str> = of.iter().map(|(known, _)| *known).collect();
                    Failure::new(format!("`{site}` is no {what} of --backend {name}"))
                        .hint(format!("one of {}; --otlp-endpoint names any other address", known.join(", ")))
                })
            }
            (Places::Any { what, place }, Some(site)) => {
                // It becomes a part of a host's name, and the token is sent there.
                let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                match !site.is_empty() && site.bytes().all(is_label) {
                    true => Ok(found(place, site)),
                    false => Err(Failure::new(format!("`{site}` is no {what} of --backend {name}"))
                        .hint(format!("letters, digits and -, as in --backend-site {}", self.example))),
                }
            }
            (Places::Choice { .. } | Places::Any { .. }, None) if is_given => Ok(Found::default()),
            (Places::Choice { what, of }, None) => {
                let known: Vec<&str> = of.iter().map(|(known, _)| *known).collect();
                Err(Failure::new(format!("--backend {name} needs its {what}")).hint(format!(
                    "as in --backend-site {}; one of {}",
                    self.example,
                    known.join(", ")
                )))
            }
            (Places::Any { what, .. }, None) => Err(Failure::new(format!("--backend {name} needs its {what}"))
                .hint(format!("as in --backend-site {}", self.example))),
        }
    }
}
