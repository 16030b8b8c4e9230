//! A listener and its upstream: the flags of one, which are also the keys of a `[[pair]]` table in the TOML file.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer};

#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PairArgs {
    /// Where connections are accepted: an address (port 0 takes a free one and says which), or unix:PATH
    #[arg(long, env = "REENACT_LISTEN", value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Where the traffic goes: `http://HOST[:PORT]`, `https://HOST[:PORT]`, unix:PATH or https+unix:PATH
    #[arg(long, env = "REENACT_UPSTREAM", value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// `relay` passes bytes on; `mirror` has no upstream and answers 204 to what a proxy mirrors here [default: relay]
    #[arg(long, env = "REENACT_MODE", value_name = "MODE")]
    pub(crate) mode: Option<String>,
    /// Pass each connection to where it was going before the firewall redirected it here (deploy/transparent)
    #[arg(long, env = "REENACT_TRANSPARENT")]
    pub(crate) transparent: bool,
    /// Certificate chain in PEM that clients are shown (repeatable: chosen by the name that they ask for)
    #[arg(long, env = "REENACT_TLS_CERT", value_name = "FILE", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) tls_cert: Vec<PathBuf>,
    /// Its key in PEM (one for each --tls-cert, in the same order)
    #[arg(long, env = "REENACT_TLS_KEY", value_name = "FILE", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) tls_key: Vec<PathBuf>,
    /// Clients must show a certificate of these authorities (PEM)
    #[arg(long, env = "REENACT_TLS_CLIENT_CA", value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Protocols for ALPN, as in h2,http/1.1 [default: what the upstream speaks]
    #[arg(long, env = "REENACT_ALPN", value_name = "NAME", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) alpn: Vec<String>,
    /// Authorities that vouch for the upstream (PEM) [default: the system's]
    #[arg(long, env = "REENACT_UPSTREAM_CA", value_name = "FILE")]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// Certificate chain that the upstream is shown (PEM)
    #[arg(long, env = "REENACT_UPSTREAM_CERT", value_name = "FILE")]
    pub(crate) upstream_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, env = "REENACT_UPSTREAM_KEY", value_name = "FILE")]
    pub(crate) upstream_key: Option<PathBuf>,
    /// Name that the upstream is asked for and that its certificate must have [default: the upstream's host]
    #[arg(long, env = "REENACT_UPSTREAM_SNI", value_name = "NAME")]
    pub(crate) upstream_sni: Option<String>,
    /// Take any certificate of the upstream: whoever sits in between reads everything
    #[arg(long, env = "REENACT_UPSTREAM_INSECURE")]
    pub(crate) upstream_insecure: bool,
    /// Whether clients begin with a PROXY header, v1 or v2 [default: off]
    #[arg(long, env = "REENACT_PROXY_PROTOCOL_IN", value_enum, value_name = "WHEN")]
    pub(crate) proxy_protocol_in: Option<ProxyInChoice>,
    /// Whether the upstream is sent one, so that it sees the client's address [default: off]
    #[arg(long, env = "REENACT_PROXY_PROTOCOL_OUT", value_enum, value_name = "VERSION")]
    pub(crate) proxy_protocol_out: Option<ProxyOutChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProxyInChoice {
    /// A header is passed on as any other bytes
    Off,
    /// Some have one; whoever can connect can then choose the address that is recorded
    Optional,
    /// A connection without one is closed
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProxyOutChoice {
    Off,
    V1,
    V2,
}

/// `"a"` and `["a", "b"]`.
fn one_or_many<'de, D: Deserializer<'de>, T: From<String>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one.into()],
        OneOrMany::Many(many) => many.into_iter().map(T::from).collect(),
    })
}
