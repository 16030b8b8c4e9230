//! Listeners and upstreams as they were asked for, checked: what does not go together is refused by name.

use std::path::Path;

use recorder::listen::{Endpoint, Forward, KeyFiles, PairConfig, ProxyIn, ProxyOut, TlsIn, TlsOut};

use crate::cli::{PairArgs, ProxyInChoice, ProxyOutChoice};
use crate::outcome::Failure;

/// The table's name in a configuration file.
const TABLE: &str = "pair";
/// Longest name of a protocol (RFC 7301).
const PROTOCOL_BYTES_MAX: usize = 255;

/// A pair, and its upstream as it was given; `None` where there is no one upstream.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) config: PairConfig,
    pub(crate) upstream: Option<String>,
}

/// The pair of the flags and those of the file.
pub(super) fn all(flags: PairArgs, file: Option<&Path>) -> Result<Vec<Pair>, Failure> {
    let mut asked = match file {
        Some(path) => tables(path)?,
        None => Vec::new(),
    };
    // Flags that say nothing of a pair leave it to the file; else they are one, and what they lack is missed.
    if asked.is_empty() || flags != PairArgs::default() {
        asked.insert(0, flags);
    }
    asked.into_iter().map(Pair::check).collect()
}

/// Those of the file, as they are written there.
pub(super) fn tables(path: &Path) -> Result<Vec<PairArgs>, Failure> {
    let failed = |why: String| Failure::new(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let mut document: toml::Table = text.parse().map_err(|error: toml::de::Error| failed(error.to_string()))?;
    let Some(pairs) = document.remove(TABLE) else { return Ok(Vec::new()) };
    let toml::Value::Array(pairs) = pairs else {
        return Err(failed("`pair` is no list of tables".to_owned()).hint("write each as [[pair]]"));
    };
    let read = |(number, table): (usize, toml::Value)| {
        let toml::Value::Table(table) = table else { return Err(failed(format!("[[pair]] {number} is no table"))) };
        let table: toml::Table = table.into_iter().map(|(key, value)| (key.replace('_', "-"), value)).collect();
        table.try_into::<PairArgs>().map_err(|error: toml::de::Error| {
            failed(format!("[[pair]] {number}: {}", error.message()))
                .hint("its keys are those flags of `reenact record --help` that say how one listener is connected")
        })
    };
    (1..).zip(pairs).map(read).collect()
}

impl Pair {
    fn check(args: PairArgs) -> Result<Self, Failure> {
        let needs = |flag: &str, example: &str| {
            Failure::new(format!("a recording needs {flag}")).hint(format!("as in {flag} {example}"))
        };
        let mirror = match args.mode.as_deref() {
            None | Some("relay") => false,
            Some("mirror") => true,
            Some("http") => return Err(Failure::not_built("--mode http")),
            Some(mode) => {
                let failure = Failure::new(format!("`{mode}` is no mode"));
                return Err(failure.hint("this version has --mode relay and --mode mirror"));
            }
        };
        let listen = args.listen.as_deref().ok_or_else(|| needs("--listen", "127.0.0.1:8080"))?;
        let listen: Endpoint = listen.parse().map_err(|why: String| Failure::new(format!("--listen: {why}")))?;
        let (forward, tls) = match (&args.upstream, args.transparent, mirror) {
            (None, false, true) => (Forward::Sink, None),
            (None, true, false) => (Forward::OriginalDestination, None),
            (Some(upstream), false, false) => forward(upstream)?,
            (None, false, false) => return Err(needs("--upstream", "http://127.0.0.1:9000")),
            (_, _, true) => return Err(alone("--mode mirror", "it answers itself and passes nothing on")),
            (_, true, _) => return Err(alone("--transparent", "each connection goes to its own destination")),
        };
        let mut config = PairConfig::new(listen, forward);
        config.tls_in = tls_in(&args)?;
        config.tls_out = tls_out(&args, tls)?;
        config.proxy_in = match args.proxy_protocol_in {
            None | Some(ProxyInChoice::Off) => ProxyIn::Off,
            Some(ProxyInChoice::Optional) => ProxyIn::Optional,
            Some(ProxyInChoice::Required) => ProxyIn::Required,
        };
        config.proxy_out = match args.proxy_protocol_out {
            None | Some(ProxyOutChoice::Off) => ProxyOut::Off,
            Some(ProxyOutChoice::V1) => ProxyOut::V1,
            Some(ProxyOutChoice::V2) => ProxyOut::V2,
        };
        if mirror && config.proxy_out != ProxyOut::Off {
            return Err(alone("--mode mirror", "there is no upstream to send --proxy-protocol-out to"));
        }
        config.alpn = alpn(&args, &config)?;
        Ok(Self { config, upstream: args.upstream })
    }

    /// What becomes of its traffic, for people.
    pub(super) fn destination(&self) -> String {
        match (&self.upstream, &self.config.forward) {
            (Some(upstream), _) => format!("passing traffic to {upstream}"),
            (None, Forward::Sink) => "answering what is mirrored here".to_owned(),
            (None, forward) => format!("passing traffic to {forward}"),
        }
    }

    /// What whoever starts this should know. `upstreams` is where its traffic may go, as it was looked up.
    pub(super) fn warnings(&self, upstreams: &[Endpoint]) -> Vec<String> {
        let mut warnings = Vec::new();
        let here = upstreams.iter().any(|upstream| match upstream {
            // The system takes an unspecified address to connect to for loopback.
            Endpoint::Tcp(address) => {
                let ip = address.ip().to_canonical();
                ip.is_loopback() || ip.is_unspecified()
            }
            Endpoint::Unix(_) => true,
        });
        if here && self.config.proxy_out == ProxyOut::Off {
            warnings.push(format!(
                "the upstream {} sees every client as local; if it limits, logs or trusts by address, give it the \
                 client's with --proxy-protocol-out",
                self.config.forward
            ));
        }
        if self.config.tls_out.as_ref().is_some_and(|tls| !tls.verify) {
            warnings.push(format!(
                "THE CERTIFICATE OF {} IS NOT VERIFIED (--upstream-insecure): whoever sits in between reads everything",
                self.config.forward
            ));
        }
        warnings
    }
}

fn alone(flag: &str, why: &str) -> Failure {
    Failure::new(format!("{flag} does not go with options of an upstream")).hint(why)
}

fn tls_in(args: &PairArgs) -> Result<Option<TlsIn>, Failure> {
    if args.tls_cert.len() != args.tls_key.len() {
        let (certificates, keys) = (args.tls_cert.len(), args.tls_key.len());
        return Err(Failure::new(format!("{certificates} --tls-cert and {keys} --tls-key are no pairs"))
            .hint("give each --tls-cert its --tls-key, in the same order"));
    }
    if args.tls_cert.is_empty() {
        return match args.tls_client_ca {
            None => Ok(None),
            Some(_) => Err(Failure::new("--tls-client-ca needs --tls-cert and --tls-key")
                .hint("only over TLS can clients show certificates")),
        };
    }
    let files = args.tls_cert.iter().zip(&args.tls_key);
    let certificates = files.map(|(chain, key)| KeyFiles { chain: chain.clone(), key: key.clone() }).collect();
    Ok(Some(TlsIn { certificates, client_ca: args.tls_client_ca.clone() }))
}

fn tls_out(args: &PairArgs, host: Option<String>) -> Result<Option<TlsOut>, Failure> {
    let Some(host) = host else {
        let given = [
            ("--upstream-ca", args.upstream_ca.is_some()),
            ("--upstream-cert", args.upstream_cert.is_some()),
            ("--upstream-key", args.upstream_key.is_some()),
            ("--upstream-sni", args.upstream_sni.is_some()),
            ("--upstream-insecure", args.upstream_insecure),
        ];
        return match given.iter().find(|(_, given)| *given) {
            None => Ok(None),
            Some((flag, _)) => Err(Failure::new(format!("{flag} needs an upstream with TLS"))
                .hint("write it as in --upstream https://shop.internal")),
        };
    };
    if args.upstream_insecure && args.upstream_ca.is_some() {
        return Err(Failure::new("--upstream-insecure takes any certificate, --upstream-ca those of its authorities")
            .hint("leave out one of them"));
    }
    let identity = match (&args.upstream_cert, &args.upstream_key) {
        (None, None) => None,
        (Some(chain), Some(key)) => Some(KeyFiles { chain: chain.clone(), key: key.clone() }),
        _ => {
            return Err(Failure::new("--upstream-cert and --upstream-key come together")
                .hint("give the certificate and its key"));
        }
    };
    let name = args.upstream_sni.clone().unwrap_or(host);
    Ok(Some(TlsOut { name, ca: args.upstream_ca.clone(), identity, verify: !args.upstream_insecure }))
}

fn alpn(args: &PairArgs, config: &PairConfig) -> Result<Vec<String>, Failure> {
    if args.alpn.is_empty() {
        return Ok(Vec::new());
    }
    if config.tls_in.is_none() && config.tls_out.is_none() {
        return Err(Failure::new("--alpn needs TLS on one of the sides").hint("as in --tls-cert and --tls-key"));
    }
    if let Some(name) = args.alpn.iter().find(|name| name.is_empty() || name.len() > PROTOCOL_BYTES_MAX) {
        return Err(Failure::new(format!("`{name}` is no protocol for --alpn")).hint("as in --alpn h2,http/1.1"));
    }
    if config.forward == Forward::Sink && args.alpn.iter().any(|name| name != "http/1.1") {
        return Err(Failure::not_built("another protocol than http/1.1 with --mode mirror"));
    }
    Ok(args.alpn.clone())
}

/// Where an upstream is, and the host that its certificate is for if it has TLS.
fn forward(upstream: &str) -> Result<(Forward, Option<String>), Failure> {
    let bad = |why: &str| {
        Failure::new(format!("the upstream `{upstream}` {why}")).hint("write it as in --upstream http://127.0.0.1:9000")
    };
    let path = |path: &str| match path {
        "" => Err(bad("has no path")),
        path => Ok(Forward::Unix(path.into())),
    };
    if let Some(rest) = upstream.strip_prefix("unix:") {
        return Ok((path(rest)?, None));
    }
    if let Some(rest) = upstream.strip_prefix("https+unix:") {
        // A path says no name: --upstream-sni has to, and an empty name is refused when TLS is set up.
        return Ok((path(rest)?, Some(String::new())));
    }
    let (rest, usual_port, tls) = match (upstream.strip_prefix("http://"), upstream.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80, false),
        (_, Some(rest)) => (rest, 443, true),
        _ => return Err(bad("is no http:// address")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() || rest.contains(['/', '?', '#', '@']) {
        return Err(bad("is more or less than http://HOST[:PORT]"));
    }
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(|| bad("has no valid port"))?)),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err(bad("has no host"));
    }
    let port = port.map_or(Ok(usual_port), str::parse).ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| bad("has no valid port"))?;
    Ok((Forward::Tcp { host: host.to_owned(), port }, tls.then(|| host.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams() {
        for (given, expected) in [
            ("http://127.0.0.1:9000", Some(("127.0.0.1:9000", None))),
            ("http://shop/", Some(("shop:80", None))),
            ("http://[::1]:7", Some(("[::1]:7", None))),
            ("https://shop", Some(("shop:443", Some("shop")))),
            ("https://[::1]", Some(("[::1]:443", Some("::1")))),
            ("unix:/run/shop.sock", Some(("unix:/run/shop.sock", None))),
            ("https+unix:/run/shop.sock", Some(("unix:/run/shop.sock", Some("")))),
            ("http://shop/path", None),
            ("http://a@shop", None),
            ("http://", None),
            ("http://:80", None),
            ("http://shop:x", None),
            ("http://shop:0", None),
            ("https://[::1]:0", None),
            ("http://[::1]7", None),
            ("shop:80", None),
            ("unix:", None),
        ] {
            let got = forward(given).ok().map(|(forward, tls)| (forward.to_string(), tls));
            let expected = expected.map(|(place, tls)| (place.to_owned(), tls.map(str::to_owned)));
            assert_eq!(got, expected, "{given}");
        }
    }

    fn plain() -> PairArgs {
        PairArgs { listen: Some("127.0.0.1:0".into()), upstream: Some("http://shop".into()), ..PairArgs::default() }
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        let https = || PairArgs { upstream: Some("https://shop".into()), ..plain() };
        let mirror = || PairArgs { upstream: None, mode: Some("mirror".into()), ..plain() };
        for (args, expected) in [
            (PairArgs { mode: Some("http".into()), ..plain() }, "--mode http"),
            (PairArgs { mode: Some("mirror".into()), ..plain() }, "--mode mirror"),
            (PairArgs { proxy_protocol_out: Some(ProxyOutChoice::V1), ..mirror() }, "--mode mirror"),
            (PairArgs { transparent: true, ..plain() }, "--transparent"),
            (PairArgs { transparent: true, ..mirror() }, "--mode mirror"),
            (PairArgs { tls_cert: vec!["c".into()], ..plain() }, "--tls-key"),
            (PairArgs { tls_client_ca: Some("c".into()), ..plain() }, "--tls-client-ca"),
            (PairArgs { upstream_insecure: true, ..plain() }, "--upstream-insecure"),
            (PairArgs { upstream_sni: Some("x".into()), ..plain() }, "--upstream-sni"),
            (PairArgs { upstream_insecure: true, upstream_ca: Some("c".into()), ..https() }, "--upstream-ca"),
            (PairArgs { upstream_cert: Some("c".into()), ..https() }, "--upstream-key"),
            (PairArgs { alpn: vec!["h2".into()], ..plain() }, "--alpn"),
            (PairArgs { alpn: vec![String::new()], ..https() }, "--alpn"),
            (PairArgs { listen: None, ..plain() }, "--listen"),
            (PairArgs { upstream: None, ..plain() }, "--upstream"),
        ] {
            let shown = format!("{args:?}");
            let refused = Pair::check(args).err().map(|failure| failure.to_string()).unwrap_or_default();
            assert!(refused.contains(expected), "{shown}: {refused}");
        }
        for args in [plain(), https(), mirror()] {
            assert!(Pair::check(args).is_ok());
        }
    }

    #[test]
    fn local_upstreams_and_unverified_ones_are_warned_of() {
        let warnings = |args, upstream: &str| {
            let places: Vec<Endpoint> = upstream.split(' ').filter_map(|one| one.parse().ok()).collect();
            Pair::check(args).map(|pair| pair.warnings(&places).concat()).unwrap_or_default()
        };
        assert_eq!(warnings(plain(), "192.0.2.1:80"), "");
        assert_eq!(warnings(plain(), "none"), "");
        for local in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "0.0.0.0:1",
            "[::]:1",
            "unix:/x",
            "192.0.2.1:1 [::1]:1",
        ] {
            // However it was written: the name alone does not say that it is here.
            assert!(warnings(plain(), local).contains("--proxy-protocol-out"), "{local}");
            let told = PairArgs { proxy_protocol_out: Some(ProxyOutChoice::V2), ..plain() };
            assert_eq!(warnings(told, local), "", "{local}");
        }
        let args = PairArgs { upstream: Some("https://shop".into()), upstream_insecure: true, ..plain() };
        assert!(warnings(args, "192.0.2.1:443").contains("NOT VERIFIED"));
    }
}
