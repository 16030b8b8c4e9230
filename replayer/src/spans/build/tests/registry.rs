//! Names and types of everything that is exported, against the registry of the semantic conventions.
//!
//! The registry's own files, in which each attribute has a `type`, are in no package of crates.io, PyPI or npm. What comes
//! next is `opentelemetry-semantic-conventions`, which OpenTelemetry generates from them: of each attribute it has the name,
//! and examples as literals of the attribute's type, such as `"GET"` or `200`. So types are read from its source, which
//! cargo has. Attributes without examples are the registry's enumerations; `tests/conventions.rs` holds what is exported
//! against their members.

use std::process::Command;

use opentelemetry_semantic_conventions as conventions;
use opentelemetry_semantic_conventions::attribute as registry;

use super::*;

/// What an attribute may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Double,
    Boolean,
    List,
    Any,
    /// One of some texts.
    Enumeration,
}

/// Names by the crate's constants: one that is misspelt does not compile, and one that became deprecated is a warning,
/// which fails the build.
const OF_SPANS: [&str; 19] = [
    // Stable.
    registry::ERROR_TYPE,
    registry::HTTP_REQUEST_METHOD,
    registry::HTTP_REQUEST_METHOD_ORIGINAL,
    registry::HTTP_REQUEST_RESEND_COUNT,
    registry::HTTP_RESPONSE_STATUS_CODE,
    registry::NETWORK_PEER_ADDRESS,
    registry::NETWORK_PEER_PORT,
    registry::NETWORK_PROTOCOL_NAME,
    registry::NETWORK_PROTOCOL_VERSION,
    registry::NETWORK_TRANSPORT,
    registry::SERVER_ADDRESS,
    registry::SERVER_PORT,
    registry::URL_FULL,
    registry::URL_SCHEME,
    registry::USER_AGENT_ORIGINAL,
    // Experimental: docs/traces.md says why they are worth it.
    registry::HTTP_REQUEST_SIZE,
    registry::HTTP_RESPONSE_SIZE,
    registry::URL_TEMPLATE,
    registry::USER_AGENT_SYNTHETIC_TYPE,
];

const OF_RESOURCES: [&str; 11] = [
    registry::SERVICE_NAME,
    registry::SERVICE_VERSION,
    registry::SERVICE_INSTANCE_ID,
    registry::DEPLOYMENT_ENVIRONMENT_NAME,
    registry::TELEMETRY_SDK_NAME,
    registry::TELEMETRY_SDK_LANGUAGE,
    registry::TELEMETRY_SDK_VERSION,
    // Experimental.
    registry::HOST_NAME,
    registry::HOST_ARCH,
    registry::OS_TYPE,
    registry::PROCESS_PID,
];

const OF_RUNS: [&str; 2] = [registry::SERVER_ADDRESS, registry::SERVER_PORT];

/// Those of these that the registry gives a list of values instead of examples.
const ENUMERATIONS: [&str; 4] =
    [registry::HOST_ARCH, registry::OS_TYPE, registry::TELEMETRY_SDK_LANGUAGE, registry::USER_AGENT_SYNTHETIC_TYPE];

/// The source of the crate that is generated from the registry.
fn generated() -> String {
    let host =
        format!("{}-unknown-linux-{}", std::env::consts::ARCH, if cfg!(target_env = "musl") { "musl" } else { "gnu" });
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host]);
    let said = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    let metadata: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|one| one["name"] == "opentelemetry-semantic-conventions").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    std::fs::read_to_string(manifest.with_file_name("src").join("attribute.rs")).unwrap()
}

/// The type of every attribute of the registry.
fn types(source: &str) -> BTreeMap<String, Type> {
    let (mut types, mut examples, mut are_examples) = (BTreeMap::new(), Vec::new(), false);
    for line in source.lines() {
        match line.strip_prefix("///").map(str::trim) {
            Some("# Examples") => are_examples = true,
            Some(text) if are_examples => {
                examples.extend(text.strip_prefix("- `").map(|literal| of_literal(literal.trim_end_matches('`'))));
            }
            Some(_) => {}
            None => {
                if let Some((_, name)) = line.strip_prefix("pub const ").and_then(|rest| rest.split_once(": &str = ")) {
                    let kind = match examples.split_first() {
                        None => Type::Enumeration,
                        Some((first, others)) if others.iter().all(|one| one == first) => *first,
                        Some(_) => Type::Any,
                    };
                    types.insert(name.trim_matches(['"', ';']).to_owned(), kind);
                }
                if !line.starts_with("#[") {
                    examples.clear();
                    are_examples = false;
                }
            }
        }
    }
    types
}

fn of_literal(text: &str) -> Type {
    match text {
        "true" | "false" => Type::Boolean,
        _ if text.starts_with('[') => Type::List,
        _ if text.parse::<i64>().is_ok() => Type::Integer,
        _ if text.parse::<f64>().is_ok() => Type::Double,
        _ => {
            assert!(text.starts_with('"'), "{text} is no literal that is known here");
            Type::Text
        }
    }
}

/// Notes the names; those that are not ours are known, and are what the registry says they are.
fn check(attributes: &[KeyValue], known: &[&str], types: &BTreeMap<String, Type>, seen: &mut BTreeSet<String>) {
    for (key, value) in values(attributes) {
        seen.insert(key.to_owned());
        if key.starts_with("reenact.") {
            continue;
        }
        assert!(known.contains(&key), "{key} is not among the names that are checked here");
        let given = match value {
            Value::String(_) => Type::Text,
            Value::I64(_) => Type::Integer,
            Value::F64(_) => Type::Double,
            Value::Bool(_) => Type::Boolean,
            _ => Type::List,
        };
        let expected = *types.get(key).unwrap_or_else(|| panic!("the registry has no {key}"));
        assert_eq!(expected == Type::Enumeration, ENUMERATIONS.contains(&key), "{key}");
        assert_eq!(given, if expected == Type::Enumeration { Type::Text } else { expected }, "{key}");
    }
}

#[test]
fn names_and_types_are_those_of_the_registry() {
    assert_eq!(keys::SCHEMA_URL, conventions::SCHEMA_URL);
    let types = types(&generated());
    let mut builder = builder("http://[::1]:8080");
    let mut failed = answered();
    failed.progress.error = Some(ErrorKind::Timeout);
    let mut other = job(0, 1, b"PROPFIND /files/1 HTTP/1.0\r\n\r\n");
    other.facts.endpoint = 1;
    let mut seen = BTreeSet::new();
    for job in [&answered(), &failed, &other] {
        let span = builder.request(job);
        assert_eq!(span.instrumentation_scope.schema_url(), Some(conventions::SCHEMA_URL));
        assert!(span.attributes.len() <= ATTRIBUTES_MAX && span.attributes.capacity() == ATTRIBUTES_MAX);
        check(&span.attributes, &OF_SPANS, &types, &mut seen);
    }
    for name in OF_SPANS {
        assert!(seen.contains(name), "{name} is checked here and in no span");
    }
    let resource = resource(&SpanOptions::default(), Some("staging"), &facts("http://127.0.0.1:1"));
    let attributes: Vec<_> = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    let mut of_resource = BTreeSet::new();
    check(&attributes, &OF_RESOURCES, &types, &mut of_resource);
    for name in OF_RESOURCES {
        assert!(of_resource.contains(name), "{name} is checked here and in no resource");
    }
    let end = RunEnd {
        result: &ended(),
        steps: &[Step { start_ns: 0, end_ns: SECOND, from: 1.0, to: 2.0 }; 65],
        steady: (1, 2),
    };
    for span in run_spans(&builder.base, Some(&end)) {
        check(&span.attributes, &OF_RUNS, &types, &mut seen);
    }
    // Every name of ours is in the documentation.
    let documentation = include_str!("../../../../../docs/traces.md");
    seen.extend(builder.links(&answered()).iter().flat_map(|link| &link.attributes).map(|one| one.key.to_string()));
    for name in seen.iter().chain(&of_resource) {
        let name = if name.starts_with(keys::ASKED) { "reenact.asked.*" } else { name };
        assert!(documentation.contains(&format!("`{name}`")), "docs/traces.md does not explain {name}");
    }
}
