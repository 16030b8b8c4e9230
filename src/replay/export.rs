//! Where spans go, from flags, presets and the environment.

mod variables;

use std::path::PathBuf;
use std::time::Duration;

use replayer::dial::{ClientCertificate, TlsOptions};
use replayer::secret::Secret;
use replayer::spans::{
    Compression, Destination, Endpoint, ExportHeader, ExportOptions, OtlpOptions, PathRule, Protocol, parse_list,
};

use crate::cli::{Backend, TraceArgs};
use crate::outcome::Failure;
use crate::secret::Reference;
use variables::{Setting, Variable, Variables};

const LIGHTSTEP_ENDPOINT: &str = "https://ingest.lightstep.com:443";
const LIGHTSTEP_HEADER: &str = "lightstep-access-token";
/// For one attempt, as the specification has it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// `None` when spans go nowhere.
pub(super) fn export(args: &TraceArgs) -> Result<Option<ExportOptions>, Failure> {
    if args.backend.is_none() && args.token.is_some() {
        return Err(
            Failure::new("--token says nothing without --backend").hint("name the backend, as in --backend lightstep")
        );
    }
    let destination = match &args.otlp_file {
        Some(path) => Some(Destination::File(path.clone())),
        None => otlp(args, &Variables::of(std::env::vars_os())?)?.map(|otlp| Destination::Otlp(Box::new(otlp))),
    };
    if destination.is_none()
        && let Some(flag) = about_nothing(args)
    {
        return Err(Failure::new(format!("{flag} says nothing without an endpoint"))
            .hint("name it, as in --otlp-endpoint http://127.0.0.1:4317"));
    }
    Ok(destination.map(|destination| ExportOptions {
        destination,
        environment: args.environment.clone(),
        batch_bytes_max: args.otlp_batch_max,
        flush: args.otlp_flush,
    }))
}

/// A flag that was given about exports that there are none of.
fn about_nothing(args: &TraceArgs) -> Option<&'static str> {
    let flags = [
        (args.otlp_protocol.is_some(), "--otlp-protocol"),
        (!args.otlp_header.is_empty(), "--otlp-header"),
        (args.otlp_compression.is_some(), "--otlp-compression"),
        (args.otlp_timeout.is_some(), "--otlp-timeout"),
        (args.otlp_ca.is_some(), "--otlp-ca"),
        (args.otlp_cert.is_some(), "--otlp-cert"),
    ];
    flags.into_iter().find_map(|(is_given, flag)| is_given.then_some(flag))
}

fn otlp(args: &TraceArgs, variables: &Variables) -> Result<Option<OtlpOptions>, Failure> {
    let of_variable = variables.get(Setting::Endpoint);
    if args.otlp_endpoint.is_none() && of_variable.is_none() && args.backend.is_none() {
        return Ok(None);
    }
    let protocol = protocol(args, variables)?;
    let (given, rule) = match (&args.otlp_endpoint, &of_variable) {
        (Some(given), _) => (given.as_str(), PathRule::AppendToNone),
        (None, Some(Variable { value, is_of_traces: true, .. })) => (*value, PathRule::AsGiven),
        (None, Some(Variable { value, .. })) => (*value, PathRule::Append),
        (None, None) if protocol != Protocol::Grpc => {
            return Err(Failure::new(format!("--backend lightstep is a preset for grpc, not {}", protocol.name()))
                .hint("give the endpoint as well, with --otlp-endpoint"));
        }
        (None, None) => (LIGHTSTEP_ENDPOINT, PathRule::AppendToNone),
    };
    Ok(Some(OtlpOptions {
        endpoint: Endpoint::new(given, protocol, rule, is_insecure(variables)?)?,
        headers: headers(args, variables)?,
        compression: compression(args, variables)?,
        timeout: timeout(args, variables)?,
        tls: tls(args, variables)?,
    }))
}

/// The value of a flag, or else of a variable, with the name of where it stands.
fn given<'a>(
    flag: Option<&'a str>,
    name: &str,
    variables: &'a Variables,
    setting: Setting,
) -> Option<(String, &'a str)> {
    flag.map(|value| (name.to_owned(), value)).or_else(|| variables.get(setting).map(|one| (one.name, one.value)))
}

fn protocol(args: &TraceArgs, variables: &Variables) -> Result<Protocol, Failure> {
    let given = given(args.otlp_protocol.as_deref(), "--otlp-protocol", variables, Setting::Protocol);
    let Some((name, value)) = given else { return Ok(Protocol::Grpc) };
    Protocol::named(value).ok_or_else(|| {
        Failure::new(format!("{name}: `{value}` is no protocol of OTLP"))
            .hint("there are grpc, http/protobuf and http/json")
    })
}

fn compression(args: &TraceArgs, variables: &Variables) -> Result<Compression, Failure> {
    let given = given(args.otlp_compression.as_deref(), "--otlp-compression", variables, Setting::Compression);
    match given {
        None => Ok(Compression::None),
        Some((_, value)) if value.eq_ignore_ascii_case("none") => Ok(Compression::None),
        Some((_, value)) if value.eq_ignore_ascii_case("gzip") => Ok(Compression::Gzip),
        Some((name, value)) => {
            Err(Failure::new(format!("{name}: `{value}` is no compression of OTLP")).hint("there are none and gzip"))
        }
    }
}

fn timeout(args: &TraceArgs, variables: &Variables) -> Result<Duration, Failure> {
    let (name, timeout) = match (args.otlp_timeout, variables.get(Setting::Timeout)) {
        (Some(timeout), _) => ("--otlp-timeout".to_owned(), timeout),
        (None, None) => return Ok(TIMEOUT),
        (None, Some(Variable { name, value, .. })) => {
            let millis = value.parse();
            let bad = |_| Failure::new(format!("{name}: `{value}` is no number of milliseconds"));
            (name.clone(), Duration::from_millis(millis.map_err(bad)?))
        }
    };
    if timeout.is_zero() {
        return Err(Failure::new(format!("{name}: no export ends in no time")).hint("give at least 1ms"));
    }
    Ok(timeout)
}

/// Only for an endpoint without a scheme.
fn is_insecure(variables: &Variables) -> Result<bool, Failure> {
    match variables.get(Setting::Insecure) {
        None => Ok(false),
        Some(Variable { value, .. }) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(Variable { value, .. }) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(Variable { name, value, .. }) => Err(Failure::new(format!("{name}: `{value}` is neither true nor false"))),
    }
}

fn tls(args: &TraceArgs, variables: &Variables) -> Result<TlsOptions, Failure> {
    let file = |flag: &Option<PathBuf>, setting| {
        flag.clone().or_else(|| variables.get(setting).map(|one| PathBuf::from(one.value)))
    };
    let chain = file(&args.otlp_cert, Setting::ClientCertificate);
    let key = file(&args.otlp_key, Setting::ClientKey);
    let client = match (chain, key) {
        (Some(chain_file), Some(key_file)) => Some(ClientCertificate { chain_file, key_file }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(Failure::new("a client certificate for OTLP needs its key")
                .hint("give OTEL_EXPORTER_OTLP_CLIENT_KEY, or both with --otlp-cert and --otlp-key"));
        }
        (None, Some(_)) => {
            return Err(Failure::new("a client key for OTLP needs its certificate")
                .hint("give OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, or both with --otlp-cert and --otlp-key"));
        }
    };
    Ok(TlsOptions { ca_file: file(&args.otlp_ca, Setting::Certificate), client, ..TlsOptions::default() })
}

/// Of the environment, then of the preset, then of flags: each replaces those of the same name before it.
fn headers(args: &TraceArgs, variables: &Variables) -> Result<Vec<ExportHeader>, Failure> {
    let mut headers = Vec::new();
    if let Some(Variable { name, value, .. }) = variables.get(Setting::Headers) {
        let pairs = parse_list(value).map_err(|why| {
            Failure::new(format!("{name}: {why}")).hint("it is written as in api-key=value,other=percent%20encoded")
        })?;
        for (header, value) in pairs {
            headers.push(ExportHeader::new(&header, &value)?);
        }
    }
    if let Some(Backend::Lightstep) = args.backend {
        let token = args.token.as_ref().ok_or_else(|| {
            Failure::new("--backend lightstep needs an access token").hint("as in --token env:LIGHTSTEP_ACCESS_TOKEN")
        })?;
        replace(&mut headers, live(LIGHTSTEP_HEADER, token)?);
    }
    for given in &args.otlp_header {
        let (name, reference) = header(given)?;
        replace(&mut headers, live(name, &reference)?);
    }
    Ok(headers)
}

/// `NAME=REF`. Read here and not by clap, which would repeat the text: it may be the secret itself.
fn header(given: &str) -> Result<(&str, Reference), Failure> {
    let how = "a header is given as --otlp-header NAME=REF, as in api-key=env:API_KEY";
    let (name, reference) = given.split_once('=').ok_or_else(|| Failure::new(how))?;
    let name = name.trim();
    let reference = reference.trim().parse().map_err(|why| Failure::new(format!("--otlp-header {name}: {why}")))?;
    Ok((name, reference))
}

fn replace(headers: &mut Vec<ExportHeader>, header: ExportHeader) {
    headers.retain(|other| other.name() != header.name());
    headers.push(header);
}

/// A header whose value is looked up again when it may have changed.
fn live(name: &str, reference: &Reference) -> Result<ExportHeader, Failure> {
    let header = ExportHeader::new(name, &Secret::new(&reference.resolve()?))?;
    let again = reference.clone();
    Ok(header.with_source(reference.reread_every(), move || match again.resolve() {
        Ok(bytes) => Ok(Secret::new(&bytes)),
        Err(failure) => Err(failure.to_string()),
    }))
}
