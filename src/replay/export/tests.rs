//! Which of flags, presets and variables wins.

use std::ffi::OsString;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    traces: TraceArgs,
}

/// Where spans go by this command line in this environment, with the names of their headers; or why nowhere.
fn sent(line: &str, environment: &[(&str, &str)]) -> Result<(String, Vec<String>), String> {
    let args = Line::try_parse_from(format!("reenact {line}").split_whitespace()).unwrap().traces;
    let environment = environment.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value)));
    let variables = Variables::of(Signal::Traces, environment).unwrap();
    let chosen = backend::choose(&args, args.otlp_endpoint.is_some()).map_err(|failure| failure.to_string())?;
    let options =
        otlp(&args, chosen.as_ref(), &variables, || Ok(None)).map_err(|failure| failure.to_string())?.unwrap();
    let names = options.headers.iter().map(|header| header.name().to_owned()).collect();
    Ok((format!("{:?}", options.endpoint), names))
}

const DATADOG: &str = "--backend datadog --backend-site datadoghq.eu --token exec:echo${IFS}t0k";
const ELSEWHERE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:1");
const ITS_KEY: (&str, &str) = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=theirs");
const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");

#[test]
fn a_preset_goes_to_its_endpoint_in_its_protocol_whatever_the_environment_says() {
    let check = |line: &str, environment: &[(&str, &str)], endpoint: &str, headers: &[&str]| {
        let (to, names) = sent(line, environment).unwrap();
        assert_eq!((to.as_str(), names), (endpoint, headers.iter().map(|name| (*name).to_owned()).collect()), "{line}");
    };
    let datadog = "http/protobuf at https://otlp.datadoghq.eu/v1/traces";
    check(DATADOG, &[], datadog, &["dd-api-key"]);
    // Credentials of the environment's endpoint are for that one.
    check(DATADOG, &[ELSEWHERE, ITS_KEY, GRPC], datadog, &["dd-api-key"]);
    check(DATADOG, &[ITS_KEY], datadog, &["api-key", "dd-api-key"]);
    check("", &[ELSEWHERE, ITS_KEY, GRPC], "grpc at http://other:1", &["api-key"]);
    let dynatrace = "--backend dynatrace --backend-site abc --token exec:echo${IFS}t0k";
    let endpoint = "http/protobuf at https://abc.live.dynatrace.com/api/v2/otlp/v1/traces";
    check(dynatrace, &[], endpoint, &["authorization"]);
    // With an endpoint of one's own the preset's protocol is only the default.
    let own = format!("{DATADOG} --otlp-endpoint http://agent:1");
    check(&own, &[ELSEWHERE, GRPC], "http/protobuf at http://agent:1/v1/traces", &["dd-api-key"]);
    check(&format!("{own} --otlp-protocol grpc"), &[], "grpc at http://agent:1", &["dd-api-key"]);
    // A header of a flag replaces the preset's of that name.
    check(&format!("{DATADOG} --otlp-header DD-API-Key=exec:echo${{IFS}}1"), &[], datadog, &["dd-api-key"]);
}

#[test]
fn another_protocol_than_the_presets_needs_an_endpoint() {
    let said = sent(&format!("{DATADOG} --otlp-protocol grpc"), &[]).unwrap_err();
    assert!(said.contains("for http/protobuf, not grpc") && said.contains("--otlp-endpoint"), "{said}");
    assert!(sent(&format!("{DATADOG} --otlp-protocol http/protobuf"), &[]).is_ok());
}
