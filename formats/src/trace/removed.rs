//! Every header that carries a trace context, of whatever vendor: none of them is ever sent again, since it would put the
//! replayed request into a trace of production. docs/traces.md shows the list with its sources; a test holds both together.

use crate::head;

/// Such headers, by whole name in lower case.
const NAMES: &[&str] = &[
    // W3C Trace Context and Baggage, and Baggage by its older name
    "traceparent",
    "tracestate",
    "baggage",
    "correlation-context",
    // Zipkin's single header; the others are among the prefixes
    "b3",
    // Jaeger
    "uber-trace-id",
    "jaeger-debug-id",
    "jaeger-baggage",
    // LightStep's and Envoy's opaque OpenTracing context, the id that Envoy joins a client's trace by, and its order to trace
    "x-ot-span-context",
    "x-client-trace-id",
    "x-envoy-force-trace",
    // AWS X-Ray, Google Cloud, OpenCensus over gRPC
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "grpc-tags-bin",
    "traceparent-bin",
    // Dynatrace: .NET and RUM correlation; the server's tag is among the prefixes
    "x-dtc",
    "x-dtpc",
    "x-dtreferer",
    // New Relic, Elastic, Sentry, Honeycomb, SolarWinds, AppDynamics
    "newrelic",
    "elastic-apm-traceparent",
    "sentry-trace",
    "x-honeycomb-trace",
    "x-trace",
    "x-trace-options",
    "x-trace-options-signature",
    "singularityheader",
    // Azure Application Insights, Microsoft's correlation vector
    "request-context",
    "x-ms-request-root-id",
    "ms-cv",
    // Oracle DMS
    "ecid-context",
    "x-oracle-dms-ecid",
    "x-oracle-dms-rid",
    // SkyWalking
    "sw3",
    "sw6",
    "sw8",
    "sw8-correlation",
    "sw8-x",
    // SOFATracer
    "sofa-traceid",
    "sofa-rpcid",
];

/// Families of them, by the beginning of the name in lower case.
const PREFIXES: &[&str] = &[
    "x-b3-",
    "uberctx-",
    "ot-tracer-",
    "ot-baggage-",
    "x-datadog-",
    "x-dynatrace",
    "x-newrelic-",
    "x-instana-",
    // Wavefront, Pinpoint, Alibaba EagleEye, Linkerd 1, CAT
    "wf-ot-",
    "pinpoint-",
    "eagleeye-",
    "l5d-ctx-",
    "x-cat-root-",
];

/// By first letter, how long the names are that begin with it, a bit for each length.
#[expect(clippy::indexing_slicing, reason = "when it is compiled")]
const LENGTHS: [u32; 26] = {
    let (mut lengths, mut names) = ([0; 26], NAMES);
    while let [name, rest @ ..] = names {
        if let [first, ..] = name.as_bytes() {
            lengths[(*first - b'a') as usize] |= 1 << name.len();
        }
        names = rest;
    }
    lengths
};
/// The first letters of the families.
const PREFIX_LETTERS: u32 = head::letters(PREFIXES);

/// Whether `name` is a header, of any vendor, that carries a trace context and so must never be re-sent.
#[must_use]
pub fn is_trace_header(name: &[u8]) -> bool {
    // Most names are told from these by their first letter and their length.
    let Some(letter) = name.first().map(|first| first.to_ascii_lowercase().wrapping_sub(b'a')) else { return false };
    let Some(lengths) = LENGTHS.get(usize::from(letter)) else { return false };
    let is_name = name.len() < 32
        && lengths >> name.len() & 1 == 1
        && NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    let begins =
        |prefix: &&str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
    is_name || (PREFIX_LETTERS >> letter & 1 == 1 && PREFIXES.iter().any(begins))
}

/// Whether a field carries a trace context: by its name, or, of `Request-Id`, by its value. Applications have that header,
/// too; Application Insights' hierarchical ids are known by the bar that they begin with.
#[must_use]
pub fn is_trace_field(name: &[u8], value: &[u8]) -> bool {
    is_trace_header(name) || (value.starts_with(b"|") && name.eq_ignore_ascii_case(b"request-id"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names between the marks of the page, as they stand there in backquotes in the second column; `*` ends a prefix.
    fn on_the_page() -> Vec<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/traces.md");
        let page = std::fs::read_to_string(path).unwrap();
        let table = page.split("<!-- headers that are removed -->").nth(1).unwrap();
        let (table, _) = table.split_once("<!-- end of the headers that are removed -->").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| ")).skip(2);
        let cells = rows.map(|row| row.split('|').nth(2).unwrap().to_owned());
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn the_page_and_the_code_have_the_same_list() {
        let page = on_the_page();
        let in_code = NAMES.iter().map(|name| (*name).to_owned());
        let expected: BTreeSet<String> = in_code.chain(PREFIXES.iter().map(|prefix| format!("{prefix}*"))).collect();
        let shown: BTreeSet<String> = page.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(shown, expected);
        assert_eq!(page.len(), expected.len(), "a name stands on the page twice");
        for name in page {
            assert!(is_trace_header(name.replace('*', "x").as_bytes()), "{name}");
        }
    }
}
