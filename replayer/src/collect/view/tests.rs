//! A world whose truth is known: one hop is slow for one request in ten.

use super::*;
use crate::collect::span::ServiceSpan;
use crate::collect::store::Mark;

const MS: u64 = 1_000_000;
const START: u64 = 1_900_000_000_000_000_000;

/// Requests to `front`, which asks `prices`: 2 ms, or 200 ms for every tenth; its clock is `skew_ns` ahead.
fn world(requests: u64, memory_bytes: u64, skew_ns: i64) -> Services {
    let mut store = Store::new(memory_bytes);
    let (mut processes, mut operations) = (Processes::new(), Names::new(100));
    let (front, prices) = (processes.number("front", ""), processes.number("prices", ""));
    let [get, select] = ["GET /cart", "SELECT prices"].map(|name| operations.number(name));
    for number in 0..requests {
        let work = if number % 10 == 3 { 200 * MS } else { 2 * MS };
        let (begin, sent) = (number * 100 * MS, number * 100 * MS + MS);
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&number.to_be_bytes());
        trace_id[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        store.request(ClientSpan {
            trace_id,
            span_id: [1; 8],
            endpoint: 0,
            begin_ns: begin,
            dispatched_ns: sent,
            // 1 ms waiting, 1 ms there, 3 ms of front around the work, 2 ms back.
            done_ns: sent + 6 * MS + work,
            failed: false,
            sampled: true,
        });
        let at = |ns: u64| (START + sent + ns).saturating_add_signed(skew_ns);
        let span = |id, parent, process, operation, from, to| ServiceSpan {
            span_id: [id; 8],
            parent_id: [parent; 8],
            process,
            operation,
            start_unix_ns: from,
            end_unix_ns: to,
            kind: Kind::Server,
        };
        let plain = |ns: u64| START + sent + ns;
        store.span(trace_id, span(2, 1, front, get, plain(MS), plain(4 * MS + work)), Mark::None);
        store.span(trace_id, span(3, 2, prices, select, at(2 * MS), at(2 * MS + work)), Mark::None);
    }
    store.finish();
    let endpoints = ["GET /cart".to_owned()];
    let kept = Kept {
        store: &store,
        processes: &processes,
        operations: &operations,
        endpoints: &endpoints,
        start_unix_ns: START,
    };
    let mut services = Services::default();
    fill(&kept, &mut services);
    services
}

fn step<'a>(endpoint: &'a EndpointServices, operation: &str) -> &'a Step {
    endpoint.steps.iter().find(|step| step.operation == operation).unwrap()
}

#[test]
fn the_slow_hop_is_named_in_the_tail_and_not_at_the_median() {
    // Everything kept; and a sample of a few percent, with the slowest, of a clock that is three hours ahead.
    for (requests, memory, skew_ns) in [(1_000, 64 << 20, 0), (20_000, 1 << 20, 3 * 3_600_000_000_000)] {
        let services = world(requests, memory, skew_ns);
        let [endpoint] = services.endpoints.as_slice() else { panic!("{services:?}") };
        assert_eq!((endpoint.tail_share, endpoint.tail.to_us), (0.01, 207_000.0));
        assert!((endpoint.median.response_us - 9_000.0).abs() < 1e-6, "{endpoint:?}");
        assert_eq!(endpoint.steps[0].service, "prices");
        let slow = step(endpoint, "SELECT prices");
        assert!((slow.tail_share - 200.0 / 207.0).abs() < 1e-9 && (slow.tail_us - 200_000.0).abs() < 1e-3, "{slow:?}");
        assert!((slow.median_share - 2.0 / 9.0).abs() < 1e-9, "{slow:?}");
        for (operation, us) in [
            ("before it was sent", 1_000.0),
            ("to the first service", 1_000.0),
            ("GET /cart", 3_000.0),
            ("from the last service", 2_000.0),
        ] {
            assert!((step(endpoint, operation).median_us - us).abs() < 1e-3, "{operation}: {endpoint:?}");
        }
        for sum in [|step: &Step| step.median_share, |step: &Step| step.tail_share] {
            assert!((endpoint.steps.iter().map(sum).sum::<f64>() - 1.0).abs() < 1e-9);
        }
        assert_eq!((services.requests.missing, services.requests.orphans, services.requests.skewed), (0, 0, 0));
        assert_eq!(services.clocks.len(), usize::from(skew_ns != 0));
        // The bands stand for the shares of all requests that they are.
        let of_all = |band: &Band| band.requests / requests as f64;
        assert!((of_all(&endpoint.median) - 0.2).abs() < 0.05, "{endpoint:?}");
        assert!((of_all(&endpoint.tail) - 0.01).abs() < 0.01, "{endpoint:?}");
    }
}

#[test]
fn requests_without_spans_of_services_are_said_and_are_in_no_share() {
    let mut store = Store::new(16 << 20);
    let client = ClientSpan {
        trace_id: [1; 16],
        span_id: [1; 8],
        endpoint: 0,
        begin_ns: 0,
        dispatched_ns: 0,
        done_ns: 5,
        failed: true,
        sampled: true,
    };
    store.request(client);
    store.request(ClientSpan { endpoint: 7, trace_id: [2; 16], ..client });
    store.finish();
    let (processes, operations) = (Processes::new(), Names::new(100));
    let endpoints = ["GET /".to_owned()];
    let kept =
        Kept { store: &store, processes: &processes, operations: &operations, endpoints: &endpoints, start_unix_ns: 0 };
    let mut services = Services::default();
    fill(&kept, &mut services);
    assert_eq!((services.requests.kept, services.requests.missing, services.requests.joined), (2, 2, 0));
    let [endpoint] = services.endpoints.as_slice() else { panic!("{services:?}") };
    assert_eq!((endpoint.tail.missing, endpoint.tail.joined, endpoint.steps.len()), (1, 0, 0));
}
