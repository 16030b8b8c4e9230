//! The resource of every span: who sent it, from where, and into which environment.
//!
//! What `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say goes before our own, but for the run, the SDK, and an
//! environment that was named on the command line.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};

use super::keys;
use crate::job::RunFacts;
use crate::spans::SpanOptions;

const SERVICE_NAME: &str = "service.name";
const ENVIRONMENT: &str = "deployment.environment.name";
/// Where Linux has the host's name.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

pub(crate) fn resource(options: &SpanOptions, environment: Option<&str>, run: &RunFacts) -> Resource {
    let run_id = run.contexts.run_id();
    let mut ours = vec![
        KeyValue::new(SERVICE_NAME, "reenact"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        // A run is one process, and its id is random.
        KeyValue::new("service.instance.id", run_id.to_owned()),
        KeyValue::new("os.type", std::env::consts::OS),
        KeyValue::new("host.arch", host_arch(std::env::consts::ARCH)),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    let host_name = std::fs::read_to_string(HOST_NAME_FILE).unwrap_or_default();
    if !host_name.trim().is_empty() {
        ours.push(KeyValue::new("host.name", host_name.trim().to_owned()));
    }
    let given = options.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let mut fixed = vec![KeyValue::new(keys::RUN_ID, run_id.to_owned())];
    fixed.extend(environment.map(|name| KeyValue::new(ENVIRONMENT, name.to_owned())));
    let sdk = TelemetryResourceDetector.detect();
    fixed.extend(sdk.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
    // Of one key the later wins.
    Resource::builder_empty().with_attributes(ours).with_attributes(given).with_attributes(fixed).build()
}

/// The name that the conventions have for an architecture of Rust's.
fn host_arch(arch: &'static str) -> &'static str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc64" => "ppc64",
        "powerpc" => "ppc32",
        other => other,
    }
}

/// Attributes as in `OTEL_RESOURCE_ATTRIBUTES`: `key=value,key=value`, percent-encoded where needed; a service's name of
/// its own goes before one among them.
///
/// # Errors
/// In words, when it is written otherwise: then none of it counts (OpenTelemetry, "Specifying resource information via
/// an environment variable").
pub fn resource_attributes(text: &str, service_name: Option<&str>) -> Result<Vec<(String, String)>, String> {
    let mut attributes = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is no KEY=VALUE"))?;
        let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
        if key.is_empty() {
            return Err(format!("`{pair}` has no key"));
        }
        attributes.push((key, value));
    }
    if let Some(name) = service_name.filter(|name| !name.is_empty()) {
        attributes.push((SERVICE_NAME.to_owned(), name.to_owned()));
    }
    Ok(attributes)
}

fn decoded(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digits = after.split_at_checked(2).filter(|(digits, _)| digits.iter().all(u8::is_ascii_hexdigit));
        let (digits, after) = digits.ok_or_else(|| format!("`{text}` has a % without two hexadecimal digits"))?;
        let byte = std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.extend(byte);
        rest = after;
    }
    String::from_utf8(out).map_err(|_| format!("`{text}` is no UTF-8 when decoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_the_environment_are_read_whole_or_not_at_all() {
        let read = |text| resource_attributes(text, None);
        let pairs = |pairs: &[(&str, &str)]| -> Vec<_> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(read("").unwrap(), []);
        assert_eq!(
            read("a=b, team = load%2Ctests ,x=,").unwrap(),
            pairs(&[("a", "b"), ("team", "load,tests"), ("x", "")])
        );
        assert_eq!(read("a=b=c").unwrap(), pairs(&[("a", "b=c")]));
        for bad in ["a", "a=b,c", "=b", "a=%", "a=%4", "a=%zz", "a=%ff", "a=%+1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let named = resource_attributes("service.name=a", Some("b")).unwrap();
        assert_eq!(named, pairs(&[("service.name", "a"), ("service.name", "b")]));
        assert_eq!(resource_attributes("", Some("")).unwrap(), []);
    }
}
