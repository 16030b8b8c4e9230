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

/// Places that somebody is shown who named another one.
const PLACES_SHOWN: usize = 5;

/// The targets that requests are made for, looked up and allowed.
pub(super) fn targets(args: &ReplayArgs, rewriter: &Rewriter) -> Result<Vec<Target>, Failure> {
    let (overrides, proxy) = (overrides(args)?, proxy(args)?);
    let parse = |given: &str| -> Result<Target, Failure> {
        let target = parse(given, proxy.as_ref())?;
        if args.load.keep_host && target.absolute_form() {
            return Err(keeps_no_host(given));
        }
        Ok(target)
    };
    let targets = rewriter.targets().iter().map(|one| parse(&one.given));
    let targets: Vec<Target> = targets.collect::<Result<_, _>>()?;
    check_overrides(args, &overrides, &targets)?;
    let look_up = |target: Target| {
        let mut target = target.look_up(&overrides)?;
        target.check_allowed(&args.allow)?;
        Ok(target)
    };
    targets.into_iter().map(|target| look_up(target).map_err(|error: ReplayError| error.into())).collect()
}

/// What a proxy is asked for in clear text decides the Host that it sends (RFC 9112 §3.2.2), and must be the target: with the
/// recorded one it would lead to where the recording came from.
fn keeps_no_host(target: &str) -> Failure {
    Failure::new(format!("--keep-host means nothing on the way to {target} through a proxy, which makes Host anew"))
        .hint("leave out one of --keep-host and --proxy; to an https:// target the proxy only leads, and Host is kept")
}

/// What of `--resolve` a replay to each of these targets needs; what none of them needs is left to both, which refuse it.
pub(crate) fn resolve_of_each(args: &ReplayArgs, targets: [&str; 2]) -> Result<[Vec<String>; 2], Failure> {
    let (overrides, proxy) = (overrides(args)?, proxy(args)?);
    let [first, second] = targets.map(|given| parse(given, proxy.as_ref()));
    let targets = [first?, second?];
    let needed = |target: &Target| {
        let of_nobody = |one: &Override| !targets.iter().any(|target| target.is_overridden_by(one));
        let all = args.resolve.iter().zip(&overrides);
        let needed = all.filter(|(_, one)| target.is_overridden_by(one) || of_nobody(one));
        needed.map(|(given, _)| given.clone()).collect()
    };
    Ok([needed(&targets[0]), needed(&targets[1])])
}

fn overrides(args: &ReplayArgs) -> Result<Vec<Override>, Failure> {
    Ok(args.resolve.iter().map(|one| one.parse()).collect::<Result<_, ReplayError>>()?)
}

fn parse(given: &str, proxy: Option<&Arc<Proxy>>) -> Result<Target, Failure> {
    let target = Target::parse(given)?;
    match proxy {
        Some(proxy) => Ok(target.through(Arc::clone(proxy))?),
        None => Ok(target),
    }
}

/// An override that changes nothing is a host or port that was meant otherwise, and would lead to another machine.
fn check_overrides(args: &ReplayArgs, overrides: &[Override], targets: &[Target]) -> Result<(), Failure> {
    let mut before: Vec<&Override> = Vec::new();
    for (given, one) in args.resolve.iter().zip(overrides) {
        if !targets.iter().any(|target| target.is_overridden_by(one)) {
            let mut places: Vec<_> = targets.iter().map(Target::connects_to_text).collect();
            places.dedup();
            let more = if places.len() > PLACES_SHOWN { ", …" } else { "" };
            places.truncate(PLACES_SHOWN);
            let (through, hint) = match &args.proxy {
                Some(_) => (" (the proxy, which looks up the targets)", "name host and port of the proxy"),
                None => ("", "name host and port of a target, the port also where it is the scheme's own"),
            };
            let places = places.join(", ");
            return Err(Failure::new(format!(
                "--resolve {given} does nothing: connections go to {places}{more}{through}"
            ))
            .hint(format!("{hint}, or leave it out")));
        }
        if before.iter().any(|earlier| earlier.is_for_the_same(one)) {
            return Err(Failure::new(format!(
                "--resolve {given} does nothing: another one for its host and port comes first"
            ))
            .hint("give all addresses in one, as in HOST:PORT:ADDR,ADDR"));
        }
        before.push(one);
    }
    Ok(())
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

/// Pairs of source and target address that connections are spread over: each has ports of its own. A target counts if there
/// are requests for it.
pub(super) fn ways(targets: &[Target], requests: &[u64], dial: &DialOptions) -> u64 {
    let used = targets.iter().zip(requests).filter(|(_, requests)| **requests > 0);
    let addresses: usize = used.map(|(target, _)| target.addresses().len().max(1)).sum();
    (addresses.max(1) * dial.sources.len().max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_counted_for_addresses_that_something_is_sent_to() {
        let targets =
            ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|host| Target::resolve(&format!("http://{host}:1")).unwrap());
        let dial = DialOptions::new(Clock::start());
        assert_eq!(ways(&targets, &[5, 0, 7], &dial), 2);
        // Behind the last one with requests there are no counts.
        assert_eq!(ways(&targets, &[5], &dial), 1);
        let dial = DialOptions { sources: vec!["127.0.0.1".parse().unwrap(); 3], ..dial };
        assert_eq!((ways(&targets, &[5, 0, 7], &dial), ways(&targets, &[], &dial)), (6, 3));
    }
}
