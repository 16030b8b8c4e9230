//! Presets as they are asked for, and against the pages of `docs/backends/`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use super::*;

/// What stands around the table of a page; the table is written anew with `UPDATE_GOLDEN=1`.
const TABLE: (&str, &str) = ("<!-- the preset: begin -->\n", "<!-- the preset: end -->\n");
/// Sections of a page, in order.
const SECTIONS: [&str; 4] = ["## Send", "## Find replays", "## Open a trace", "## Good to know"];
/// What replays are told by: each page says how to search for it.
const MARKS: [&str; 5] =
    ["service.name", "reenact.run_id", "user_agent.synthetic.type", "synthetic_request", "tracestate"];

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    traces: TraceArgs,
}

fn asked(line: &str) -> TraceArgs {
    Line::try_parse_from(format!("reenact {line}").split_whitespace()).unwrap().traces
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/backends")
}

/// A place in the words of a page.
fn table(backend: Backend) -> String {
    let preset = backend.preset();
    let mut out = String::from("| | |\n| --- | --- |\n");
    let mut row = |what: &str, words: String| writeln!(out, "| {what} | {words} |").unwrap();
    row("preset", format!("`--backend {}`", backend.name()));
    let endpoint = |place: &Place| match place.endpoint {
        Some(endpoint) => format!("`{endpoint}`"),
        None => format!("yours: `--otlp-endpoint {}`", preset.example),
    };
    let link = |place: &Place| place.link.map(|link| format!("`{link}`"));
    let (site, endpoint, link) = match &preset.places {
        Places::One(place) => ("none".to_owned(), endpoint(place), link(place)),
        Places::Any { what, place } => {
            (format!("`--backend-site`, the {what}, as in `{}`", preset.example), endpoint(place), link(place))
        }
        Places::Choice { what, of } => {
            let each = |shown: &dyn Fn(&Place) -> Option<String>| {
                let rows = of.iter().filter_map(|(site, place)| Some((site, shown(place)?)));
                let rows: Vec<_> = rows.map(|(site, shown)| format!("`{site}`: {shown}")).collect();
                (!rows.is_empty()).then(|| rows.join("<br>"))
            };
            let sites: Vec<_> = of.iter().map(|(site, _)| format!("`{site}`")).collect();
            let sites = format!("`--backend-site`, the {what}: {}", sites.join(", "));
            (sites, each(&|place| Some(endpoint(place))).unwrap(), each(&link))
        }
    };
    row("site", site);
    row("endpoint", endpoint);
    row("protocol", format!("`{}`", preset.protocol.name()));
    let token = preset.token.as_ref();
    row(
        "token",
        token.map_or_else(
            || "none".to_owned(),
            |token| format!("`--token`, {}, in the header `{}: {}TOKEN`", token.what, token.header, token.scheme),
        ),
    );
    row("link", link.unwrap_or_else(|| "none by a trace's id alone".to_owned()));
    out
}

#[test]
fn pages_say_what_presets_do() {
    let index = std::fs::read_to_string(docs().join("README.md")).unwrap();
    let mut pages: Vec<_> = std::fs::read_dir(docs()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for backend in Backend::value_variants() {
        let (name, path) = (backend.name(), docs().join(format!("{}.md", backend.name())));
        let mut page = std::fs::read_to_string(&path).unwrap();
        let (from, to) = (page.find(TABLE.0).unwrap() + TABLE.0.len(), page.find(TABLE.1).unwrap());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            page.replace_range(from..to, &table(*backend));
            std::fs::write(&path, &page).unwrap();
        } else {
            assert_eq!(page[from..to], table(*backend), "{}", path.display());
        }
        let sections: Vec<_> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(sections, SECTIONS, "{}", path.display());
        for mark in MARKS {
            assert!(page.contains(mark), "{} says nothing of {mark}", path.display());
        }
        assert!(page.contains(&format!("--backend {name}")), "{}: a command line", path.display());
        assert!(index.contains(&format!("[{name}.md]({name}.md)")), "the index has no {name}");
        pages.retain(|page| *page != *format!("{name}.md"));
    }
    assert_eq!(pages, ["README.md"], "pages of no preset");
}

#[test]
fn each_preset_goes_to_its_endpoint_with_its_header() {
    let check = |line: &str, endpoint: &str, protocol: Protocol, header: Option<(&str, &[u8])>| {
        let args = asked(line);
        let chosen = choose(&args, args.otlp_endpoint.is_some()).unwrap().unwrap();
        assert_eq!((chosen.endpoint.as_deref(), chosen.protocol), (Some(endpoint), protocol), "{line}");
        let headers: Vec<_> =
            chosen.headers.iter().map(|(name, value)| (*name, value.current().reveal().to_vec())).collect();
        let expected: Vec<_> = header.iter().map(|(name, value)| (*name, value.to_vec())).collect();
        assert_eq!(headers, expected, "{line}");
        assert!(!format!("{chosen:?}").contains("t0k"), "{chosen:?}");
    };
    use Protocol::{Grpc, HttpProtobuf};
    const TOKEN: &str = "--token exec:echo${IFS}t0k";
    let token = |line: &str| format!("{line} {TOKEN}");
    let own = |header: &'static str| Some((header, &b"t0k"[..]));
    check(&token("--backend lightstep"), "https://ingest.lightstep.com:443", Grpc, own("lightstep-access-token"));
    check("--backend jaeger", "http://127.0.0.1:4317", Grpc, None);
    check("--backend tempo", "http://127.0.0.1:4317", Grpc, None);
    check("--backend google-cloud", "http://127.0.0.1:4317", Grpc, None);
    check("--backend azure-monitor", "http://127.0.0.1:4317", Grpc, None);
    check(
        &token("--backend honeycomb --backend-site eu"),
        "https://api.eu1.honeycomb.io:443",
        Grpc,
        own("x-honeycomb-team"),
    );
    check(
        &token("--backend datadog --backend-site us5.datadoghq.com"),
        "https://otlp.us5.datadoghq.com",
        HttpProtobuf,
        own("dd-api-key"),
    );
    check(
        &token("--backend new-relic --backend-site eu"),
        "https://otlp.eu01.nr-data.net",
        HttpProtobuf,
        own("api-key"),
    );
    check(
        &token("--backend dynatrace --backend-site abc12345"),
        "https://abc12345.live.dynatrace.com/api/v2/otlp",
        HttpProtobuf,
        Some(("authorization", b"Api-Token t0k")),
    );
    check(
        &token("--backend signoz --backend-site in2"),
        "https://ingest.in2.signoz.cloud:443",
        Grpc,
        own("signoz-ingestion-key"),
    );
    check(
        &token("--backend aws-xray --backend-site eu-central-1"),
        "https://xray.eu-central-1.amazonaws.com",
        HttpProtobuf,
        Some(("authorization", b"Bearer t0k")),
    );
    // An endpoint of one's own needs no site, and no token where its owner wants none.
    let args = asked(&token("--backend elastic --otlp-endpoint http://e"));
    let chosen = choose(&args, true).unwrap().unwrap();
    assert_eq!((chosen.endpoint, chosen.headers[0].0), (None, "authorization"));
    assert_eq!(chosen.headers[0].1.current().reveal(), b"ApiKey t0k");
    assert!(choose(&asked("--backend signoz --otlp-endpoint http://s"), true).unwrap().unwrap().headers.is_empty());
    assert!(choose(&asked("--otlp-endpoint http://s"), true).unwrap().is_none());
}

#[test]
fn what_is_missing_or_too_much_is_asked_for_by_name() {
    let check = |line: &str, said: &str, hint: &str| {
        let args = asked(line);
        let failure = choose(&args, args.otlp_endpoint.is_some()).unwrap_err().to_string();
        assert!(failure.contains(said) && failure.contains(hint), "{line}: {failure}");
    };
    check("--backend honeycomb --token env:X", "needs its region", "--backend-site us; one of us, eu");
    check("--backend honeycomb --backend-site eu1 --token env:X", "`eu1` is no region of", "one of us, eu;");
    check(
        "--backend honeycomb --backend-site us",
        "needs an access token (an ingest API key)",
        "--token env:HONEYCOMB",
    );
    check("--backend dynatrace --token env:X", "needs its environment id", "--backend-site abc12345");
    check("--backend signoz --backend-site x.evil/ --token env:X", "is no region of", "letters, digits and -");
    check("--backend signoz --backend-site= --token env:X", "`` is no region of", "letters, digits and -");
    check("--backend elastic --token env:X", "has no endpoint of its own", "--otlp-endpoint https://PROJECT.ingest");
    check("--backend jaeger --backend-site eu", "has no sites", "leave --backend-site out");
    check("--backend jaeger --token env:X", "takes no token", "leave --token out");
    check("--token env:X", "--token says nothing without --backend", "docs/backends");
    check("--backend-site eu", "--backend-site says nothing without --backend", "docs/backends");
    check("--backend lightstep --token env:REENACT_NO_SUCH", "no REENACT_NO_SUCH", "export it");
}

#[test]
fn links_are_given_where_nothing_is_left_to_fill_in() {
    let link = |backend: Backend, site| backend.trace_url(site);
    assert_eq!(link(Backend::Jaeger, None).unwrap(), "http://127.0.0.1:16686/trace/{trace_id}");
    assert_eq!(link(Backend::Datadog, Some("datadoghq.eu")).unwrap(), "https://app.datadoghq.eu/apm/trace/{trace_id}");
    assert_eq!(
        link(Backend::Datadog, Some("us3.datadoghq.com")).unwrap(),
        "https://us3.datadoghq.com/apm/trace/{trace_id}"
    );
    assert_eq!(link(Backend::Datadog, None), None);
    for unfinished in [(Backend::Honeycomb, Some("us")), (Backend::Elastic, None), (Backend::GoogleCloud, None)] {
        assert_eq!(link(unfinished.0, unfinished.1), None, "{unfinished:?}");
    }
    // A URL of Grafana's that is one, with braces of its own encoded.
    let tempo = link(Backend::Tempo, None).unwrap();
    for link in [&tempo, &link(Backend::Jaeger, None).unwrap(), &link(Backend::Dynatrace, Some("abc")).unwrap()] {
        assert!(link.parse::<replayer::report::TraceUrl>().is_ok(), "{link}");
    }
    assert!(tempo.contains("%22query%22:%22{trace_id}%22") && tempo.contains("%22from%22:%22{start_ms}%22"), "{tempo}");
}
