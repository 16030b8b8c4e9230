//! Which targets there are, whether they may be loaded, and how connections to them are made.

use std::sync::Arc;

use replayer::clock::Clock;
use replayer::dial::{ClientCertificate, DialOptions, Dialer, TlsOptions};
use replayer::error::ReplayError;
use replayer::rewrite::Rewriter;
use replayer::secret::Secret;
use replayer::target::{Override, Proxy, Target};

use crate::cli::ReplayArgs;
use crate::outcome::Failure;

/// The targets that requests are made for, looked up and allowed.
pub(super) fn targets(args: &ReplayArgs, rewriter: &Rewriter) -> Result<Vec<Target>, Failure> {
    let overrides: Vec<Override> = args.resolve.iter().map(|one| one.parse()).collect::<Result<_, ReplayError>>()?;
    let proxy = proxy(args)?;
    let target = |given: &str| -> Result<Target, Failure> {
        let target = Target::parse(given)?;
        let target = match &proxy {
            Some(proxy) => target.through(Arc::clone(proxy))?,
            None => target,
        };
        if args.load.keep_host && target.absolute_form() {
            return Err(keeps_no_host(given));
        }
        let mut target = target.look_up(&overrides)?;
        target.check_allowed(&args.allow)?;
        Ok(target)
    };
    rewriter.targets().iter().map(|one| target(&one.given)).collect()
}

/// What a proxy is asked for in clear text decides the Host that it sends (RFC 9112 §3.2.2), and must be the target: with the
/// recorded one it would lead to where the recording came from.
fn keeps_no_host(target: &str) -> Failure {
    Failure::new(format!("--keep-host means nothing on the way to {target} through a proxy, which makes Host anew"))
        .hint("leave out one of --keep-host and --proxy; to an https:// target the proxy only leads, and Host is kept")
}

fn proxy(args: &ReplayArgs) -> Result<Option<Arc<Proxy>>, Failure> {
    let Some(given) = &args.proxy else {
        return match &args.proxy_auth {
            Some(_) => Err(Failure::new("--proxy-auth says nothing without --proxy").hint("name the proxy")),
            None => Ok(None),
        };
    };
    let credentials = args.proxy_auth.as_ref().map(|reference| reference.resolve()).transpose()?;
    Ok(Some(Arc::new(Proxy::new(given, credentials.map(|bytes| Secret::new(&bytes)).as_ref())?)))
}

/// How connections are made, but for the clock.
pub(super) fn dial(args: &ReplayArgs) -> DialOptions {
    let client = args.tls_cert.clone().zip(args.tls_key.clone());
    let tls = TlsOptions {
        ca_file: args.tls_ca.clone(),
        client: client.map(|(chain_file, key_file)| ClientCertificate { chain_file, key_file }),
        resumption: args.tls_resumption,
        insecure: args.insecure,
        ..TlsOptions::default()
    };
    let options = DialOptions::new(Clock::start());
    DialOptions { connect_timeout: args.connect_timeout, sources: args.bind.clone(), tls, ..options }
}

/// Targets that nobody answers at are an error of usage, not of every single request. Those of which none is asked for, with
/// so many `requests` of each, may be away.
pub(super) fn probe(targets: &[Target], requests: &[u64], options: &DialOptions) -> Result<(), Failure> {
    for (target, _) in targets.iter().zip(requests).filter(|(_, requests)| **requests > 0) {
        Dialer::probe(target.clone(), options.clone())?;
    }
    Ok(())
}
