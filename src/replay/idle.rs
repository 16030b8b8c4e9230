//! Options that do nothing in this replay, as far as options and targets tell: refused where another one must have been
//! meant, else said.

use replayer::target::Target;

use crate::cli::{LoopModel, ReplayArgs, WhenBusy};
use crate::outcome::Failure;

/// Refuses those that another option takes the sense from.
pub(super) fn refuse(args: &ReplayArgs) -> Result<(), Failure> {
    if !args.think_min.is_zero() && args.loop_model != LoopModel::Causal {
        return Err(Failure::new("--think-min does nothing without --loop-model causal")
            .hint("in open loop nothing is waited for, and in closed loop all recorded think time is kept"));
    }
    if args.is_at_once() && matches!(args.when_busy, Some(WhenBusy::Extra | WhenBusy::Shed)) {
        return Err(Failure::new("--when-busy extra and shed do nothing with --rate max")
            .hint("a request then leaves when its connection is free: leave --when-busy out, or give another --rate"));
    }
    Ok(())
}

/// What is said of TLS where nothing is sent over it: a file of options may be for other targets, too.
pub(super) fn notice(args: &ReplayArgs, targets: &[Target]) -> Option<String> {
    if targets.iter().any(|target| target.tls) {
        return None;
    }
    let options = [
        ("--tls-ca", args.tls_ca.is_some()),
        ("--tls-cert", args.tls_cert.is_some()),
        ("--tls-resumption", args.tls_resumption),
        ("--insecure", args.insecure),
    ];
    let idle: Vec<&str> = options.into_iter().filter(|(_, given)| *given).map(|(option, _)| option).collect();
    (!idle.is_empty()).then(|| format!("no target is https://, so that these do nothing: {}", idle.join(", ")))
}
