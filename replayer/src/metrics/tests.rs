use std::collections::BTreeMap;

use super::*;
use crate::job::Shed;
use crate::job::tests::job;

fn metrics(endpoints: &[&str]) -> Metrics {
    let methods = Methods::new(None);
    Metrics {
        requests: HashMap::new(),
        overflow: Histogram::new(DURATION_BOUNDS_S),
        response: Histogram::new(DURATION_BOUNDS_S),
        lag: Histogram::new(LAG_BOUNDS_S),
        endpoints: endpoints.iter().map(|name| EndpointName::of(name, &methods)).collect(),
        servers: vec![Server { scheme: "http".into(), address: "shop\"\\".into(), port: Some(81) }],
        is_open_loop: true,
    }
}

fn ended(endpoint: u32, status: Option<u16>, error: Option<ErrorKind>) -> Box<Job> {
    let mut job = job(1_000_000, 0, b"");
    job.facts.endpoint = endpoint;
    let end = &mut job.progress;
    (end.status, end.error, end.released_ns, end.dispatched_ns) = (status, error, 1_000_000, Some(1_200_000));
    end.done_ns = 21_200_000;
    job
}

fn read(metrics: &Metrics) -> Reading {
    let totals = Totals { dispatched: 3, errors: BTreeMap::from([("reset".into(), 1)]), ..Totals::default() };
    let state = State {
        planned: 9,
        due: 5,
        totals: &totals,
        in_flight: 2,
        waiting: 0,
        connections: 1,
        spans: SpansSoFar::default(),
        multiplier: 2.5,
        speed: 1.0,
    };
    metrics.read(7, &state)
}

#[test]
fn requests_are_told_apart_by_endpoint_status_and_failure_and_shed_ones_are_none() {
    let mut metrics = metrics(&["GET /item/{id}", "PROPFIND /x"]);
    metrics.take(&ended(0, Some(200), None));
    metrics.take(&ended(0, Some(200), None));
    metrics.take(&ended(0, Some(404), None));
    metrics.take(&ended(1, Some(200), Some(ErrorKind::Truncated)));
    let mut shed = ended(0, None, None);
    shed.progress.shed = Some(Shed::Busy);
    metrics.take(&shed);
    let text = text(&read(&metrics), Format::Prometheus, &[("reenact.run_id".into(), "a".into())]);
    let server = "server_address=\"shop\\\"\\\\\",server_port=\"81\",url_scheme=\"http\"";
    for line in [
        "target_info{reenact_run_id=\"a\"} 1".to_owned(),
        "# TYPE http_client_request_duration_seconds histogram".to_owned(),
        format!(
            "http_client_request_duration_seconds_count{{http_request_method=\"GET\",url_template=\"/item/{{id}}\",{server},http_response_status_code=\"200\"}} 2"
        ),
        format!(
            "http_client_request_duration_seconds_bucket{{http_request_method=\"GET\",url_template=\"/item/{{id}}\",{server},http_response_status_code=\"404\",error_type=\"404\",le=\"0.01\"}} 0"
        ),
        format!(
            "http_client_request_duration_seconds_bucket{{http_request_method=\"GET\",url_template=\"/item/{{id}}\",{server},http_response_status_code=\"404\",error_type=\"404\",le=\"0.025\"}} 1"
        ),
        format!(
            "http_client_request_duration_seconds_sum{{http_request_method=\"_OTHER\",url_template=\"/x\",{server},http_response_status_code=\"200\",error_type=\"truncated\"}} 0.02"
        ),
        "reenact_replay_response_duration_seconds_bucket{le=\"+Inf\"} 4".to_owned(),
        "reenact_replay_lag_seconds_bucket{le=\"0.00025\"} 4".to_owned(),
        "# TYPE reenact_replay_requests_dispatched_total counter".to_owned(),
        "reenact_replay_requests_dispatched_total 3".to_owned(),
        "reenact_replay_requests_failed_total{error_type=\"reset\"} 1".to_owned(),
        "reenact_replay_requests_in_flight 2".to_owned(),
        "reenact_replay_multiplier 2.5".to_owned(),
    ] {
        assert!(text.lines().any(|one| one == line), "no `{line}` in\n{text}");
    }
}

#[test]
fn series_are_bounded_and_what_is_beyond_is_marked() {
    let mut metrics = metrics(&["GET /"]);
    for endpoint in 0..u32::try_from(SERIES_MAX).unwrap() + 3 {
        metrics.take(&ended(endpoint, Some(200), None));
    }
    metrics.take(&ended(0, Some(200), None));
    let reading = read(&metrics);
    let points = &reading.families[0].points;
    assert_eq!(points.len(), SERIES_MAX + 1);
    let counts: Vec<u64> = points
        .iter()
        .map(|point| match &point.value {
            Value::Histogram(histogram) => histogram.count(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((counts[0], counts[1], counts[SERIES_MAX]), (2, 1, 3));
    assert_eq!(points[SERIES_MAX].attributes, [(key::OVERFLOW, Attribute::True)]);
}

#[test]
fn the_better_format_is_taken_that_a_scraper_accepts() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, expected) in [
        (prometheus, Format::OpenMetrics),
        ("", Format::Prometheus),
        ("*/*", Format::Prometheus),
        ("application/json", Format::Prometheus),
        ("application/openmetrics-text", Format::OpenMetrics),
        ("Application/OpenMetrics-Text; version=\"1.0.0\"; q=0.1, text/plain;q=0.2", Format::Prometheus),
        ("application/openmetrics-text; version=2.0.0", Format::Prometheus),
        ("application/openmetrics-text; q=0, text/plain; q=0", Format::Prometheus),
        ("application/openmetrics-text; q=NaN", Format::Prometheus),
    ] {
        assert_eq!(Format::accepted(accept), expected, "{accept}");
    }
}

#[test]
fn the_documentation_lists_every_metric_as_it_is() {
    let page = include_str!("../../../docs/metrics.md");
    let documented: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `http.") || line.starts_with("| `reenact."))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let names: Vec<_> = documented.iter().map(|row| (row[0], row[1], row[2], row[3])).collect();
    let expected: Vec<_> =
        INSTRUMENTS.iter().map(|one| (one.name, one.prometheus, one.unit, one.kind.name())).collect();
    assert_eq!(names, expected);
}

#[test]
fn names_for_prometheus_follow_from_the_others_and_everything_is_read() {
    let mut metrics = metrics(&["GET /"]);
    metrics.take(&ended(0, Some(200), None));
    let reading = read(&metrics);
    for instrument in INSTRUMENTS {
        let unit = match instrument.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        assert_eq!(instrument.prometheus, format!("{}{unit}", instrument.name.replace('.', "_")));
        let is_read = reading.families.iter().any(|family| family.instrument == instrument);
        // Nothing was shed.
        assert_eq!(is_read, instrument.name != "reenact.replay.requests.shed", "{}", instrument.name);
    }
}
