//! Whether the spans that a real receiver was given are those of the requests that a server saw.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use serde_json::Value;

use super::arrivals::{Replayed, context};

/// One client span for each arrival, which is its parent on the wire, one span of the run, and its phases.
///
/// `traceparent` is the header of the recorded requests that had one.
#[track_caller]
pub(crate) fn check(replayed: &Replayed<'_>, spans: &[Value], run: &Value, traceparent: &str) {
    const CLIENT: u64 = 3;
    let (clients, others): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span["kind"] == CLIENT);
    assert_eq!(clients.len(), replayed.arrivals.len());
    let (roots, phases): (Vec<_>, Vec<_>) = others.into_iter().partition(|span| span["parent"] == "");
    let [of_run] = roots[..] else { unreachable!("roots that are of no request: {roots:?}") };
    assert!(phases.iter().all(|phase| phase["parent"] == of_run["span_id"]), "{phases:?}");
    assert_eq!(of_run["attributes"]["reenact.run_id"], run["run_id"]);
    for span in spans {
        assert_eq!(span["resource"]["service.name"], "reenact");
        assert_eq!(span["resource"]["deployment.environment.name"], "tests");
        assert_eq!(span["metadata"], "the-token");
        // The mark of the run, as it was on the wire.
        assert_eq!(span["trace_state"], format!("reenact={}", run["run_id"].as_str().unwrap()));
        assert!(span["duration_ns"].as_i64().unwrap() > 0, "{span}");
    }
    let requests = replayed.requests();
    for arrival in &replayed.arrivals {
        let (trace, id) = context(arrival);
        let span = clients.iter().find(|span| span["span_id"] == id);
        let span = span.unwrap_or_else(|| unreachable!("no span is the parent of {arrival:?}"));
        assert_eq!(span["trace_id"], trace, "{arrival:?}");
        let attributes = &span["attributes"];
        let (method, target) = arrival.request.split_once(' ').unwrap();
        assert_eq!(attributes["http.request.method"], method);
        let path = target.split('?').next().unwrap();
        let query = if target.contains("?q=") { "?q=REDACTED" } else { "" };
        assert_eq!(attributes["url.full"], format!("{}{path}{query}", run["target"].as_str().unwrap()));
        assert_eq!(attributes["http.response.status_code"], arrival.status);
        assert_eq!(attributes["error.type"].as_str(), (arrival.status == 404).then_some("404"));
        // Linked to the run and to where it comes from; within one recorded trace, the first is the parent of the others.
        let request = requests.iter().find(|request| request["span_id"] == id).unwrap();
        let of_run = (of_run["trace_id"].clone(), of_run["span_id"].clone());
        let recorded = traceparent.split([' ', '-']).collect::<Vec<_>>();
        let link = |at: usize| (span["links"][at].clone(), span["link_spans"][at].clone());
        assert_eq!(link(0), of_run, "{span}");
        let in_trace = clients.iter().filter(|other| other["trace_id"] == trace);
        if request["recorded_trace_id"].is_null() {
            assert_eq!((span["links"].as_array().unwrap().len(), in_trace.count()), (1, 1), "{span}");
            assert_eq!(span["parent"], "", "{span}");
        } else {
            assert_eq!(link(1), (recorded[2].into(), recorded[3].into()), "{span}");
            let roots: Vec<_> = in_trace.clone().filter(|other| other["parent"] == "").collect();
            assert_eq!((roots.len(), in_trace.count()), (1, 4), "{span}");
            assert!(span["span_id"] == roots[0]["span_id"] || span["parent"] == roots[0]["span_id"], "{span}");
        }
    }
}
