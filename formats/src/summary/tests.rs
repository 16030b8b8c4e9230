use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::*;

/// An exchange in the few facts that are told apart here.
#[derive(Debug, Clone)]
struct Facts {
    at_ns: u64,
    took_ns: Option<u64>,
    client: u64,
    path: u64,
    method: &'static str,
    host: u8,
    status: Option<u16>,
    body: u16,
}

impl Facts {
    fn exchange(&self, seq: u64) -> Exchange {
        let Self { at_ns, took_ns, client, path, method, host, status, body } = self;
        let request = format!("{method} /p{path:x}z HTTP/1.1\r\nHost: h{host}\r\nUser-Agent: kube-probe/1\r\n\r\n");
        let body = Body { total_len: u64::from(*body), ..Body::default() };
        let response = status.map(|status| Message {
            head: Bytes::from(format!("HTTP/1.1 {status} X\r\n\r\n")),
            framing: Framing::Length,
            body: body.clone(),
            ..Message::default()
        });
        Exchange {
            seq,
            client: ClientKey { source: KeySource::Peer, id: *client },
            connection: client / 2,
            request: Message { head: Bytes::from(request), body, ..Message::default() },
            response,
            instants: Instants {
                request_start: *at_ns,
                response_end: took_ns.map(|took_ns| at_ns.saturating_add(took_ns)),
                ..Instants::default()
            },
            ..Exchange::default()
        }
    }
}

fn facts() -> impl Strategy<Value = Facts> {
    // From one recording of an hour to clocks that jumped; most paths differ, some are busy.
    let at_ns = prop_oneof![20 => 0u64..3_600_000_000_000, 1 => any::<u64>()];
    let path = prop_oneof![1 => 0u64..5, 2 => any::<u64>()];
    let took_ns = prop::option::weighted(0.9, 100_000u64..10_000_000_000);
    let method = select(vec!["GET", "POST", "BREW", "HEAD"]);
    let status = prop::option::weighted(0.9, 100u16..=999);
    (at_ns, took_ns, 0u64..4_000, path, method, any::<u8>(), status, any::<u16>()).prop_map(
        |(at_ns, took_ns, client, path, method, host, status, body)| Facts {
            at_ns,
            took_ns,
            client,
            path,
            method,
            host,
            status,
            body,
        },
    )
}

fn gaps() -> impl Strategy<Value = Gap> {
    (select(GapReason::ALL), any::<[u64; 5]>()).prop_map(|(reason, [from_ns, to_ns, connections, exchanges, bytes])| {
        Gap { reason, from_ns, to_ns, connections, exchanges, bytes }
    })
}

fn counted<'a>(exchanges: impl IntoIterator<Item = &'a Exchange>, gaps: &[Gap]) -> Summary {
    let mut summary = Summary::default();
    exchanges.into_iter().for_each(|exchange| summary.count(exchange));
    gaps.iter().for_each(|gap| summary.count_gap(gap));
    summary
}

fn merged(a: &Summary, b: &Summary) -> Summary {
    let mut sum = a.clone();
    sum.merge(b);
    sum
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// Past every bound: 4,000 exchanges with more endpoints, hosts, clients, windows and times than are told apart.
    #[test]
    fn parts_in_any_order_give_the_same_as_the_whole(facts in vec(facts(), 0..4_000), gaps in vec(gaps(), 0..9), cuts: [prop::sample::Index; 2]) {
        let all: Vec<Exchange> = facts.iter().zip(0..).map(|(facts, seq)| facts.exchange(seq)).collect();
        let mut cuts = cuts.map(|cut| cut.index(all.len() + 1));
        cuts.sort_unstable();
        let whole = counted(&all, &gaps);
        let a = counted(&all[..cuts[0]], &gaps[..gaps.len() / 2]);
        let b = counted(&all[cuts[0]..cuts[1]], &[]);
        let c = counted(&all[cuts[1]..], &gaps[gaps.len() / 2..]);
        prop_assert_eq!(whole.check(), Ok(()));
        prop_assert!(merged(&merged(&a, &b), &c) == whole, "in order");
        prop_assert!(merged(&a, &merged(&b, &c)) == whole, "from the end");
        prop_assert!(merged(&merged(&c, &a), &b) == whole, "turned");
        prop_assert!(merged(&Summary::default(), &whole) == whole && merged(&whole, &Summary::default()) == whole, "nothing");
        prop_assert!(counted(all.iter().rev(), &gaps) == whole, "counted backwards");
    }

    #[test]
    fn counts_are_exact(facts in vec(facts(), 0..2_500)) {
        let all: Vec<Exchange> = facts.iter().zip(0..).map(|(facts, seq)| facts.exchange(seq)).collect();
        let summary = counted(&all, &[]);
        let number = all.len() as u64;
        let bodies: u64 = facts.iter().map(|facts| u64::from(facts.body)).sum();
        prop_assert_eq!(summary.exchanges, number);
        prop_assert_eq!(summary.rate.counts.iter().sum::<u64>(), number);
        prop_assert_eq!(summary.methods.values().sum::<u64>(), number);
        prop_assert_eq!(summary.hosts.rows.values().sum::<u64>() + summary.hosts.other, number);
        prop_assert_eq!((summary.request_bytes, summary.request_size.sum), (bodies, bodies));
        let status = |status: u16| facts.iter().filter(|facts| facts.status == Some(status)).count() as u64;
        prop_assert!(summary.status.iter().all(|(code, count)| *count == status(*code)));
        prop_assert_eq!(summary.status.values().sum::<u64>() + summary.unanswered, number);
        prop_assert_eq!(summary.response_ns.len(), facts.iter().filter(|facts| facts.took_ns.is_some()).count() as u64);
        let rows = &summary.endpoints;
        prop_assert!(rows.rows.len() <= ENDPOINTS_MAX);
        prop_assert_eq!(rows.rows.values().map(|row| row.exchanges).sum::<u64>() + rows.other.exchanges, number);
        let mut by_name = BTreeMap::new();
        for exchange in &all {
            let mut name = String::new();
            names::endpoint(head::request_line(&exchange.request.head), &mut name);
            *by_name.entry(name).or_insert(0u64) += 1;
        }
        prop_assert!(rows.rows.iter().all(|(name, row)| by_name.get(name.name()) == Some(&row.exchanges)));
        let clients: std::collections::BTreeSet<u64> = facts.iter().map(|facts| facts.client).collect();
        prop_assert!(!summary.clients.is_exact() || summary.clients.len() == clients.len() as u64);
    }
}

/// An exchange like this one at each of these instants.
fn at(instants_ns: impl IntoIterator<Item = u64>) -> Vec<Exchange> {
    let one = Facts {
        at_ns: 0,
        took_ns: Some(5_000_000),
        client: 1,
        path: 1,
        method: "GET",
        host: 1,
        status: Some(200),
        body: 9,
    };
    let exchange = |(at_ns, seq)| Facts { at_ns, ..one.clone() }.exchange(seq);
    instants_ns.into_iter().zip(0..).map(exchange).collect()
}

#[test]
fn a_summary_of_a_small_session() {
    let mut exchanges = at((0..100).map(|number| number * 100_000_000));
    exchanges[7].response = None;
    exchanges[7].end = End::ClientGone;
    exchanges[8].response.as_mut().unwrap().head = Bytes::from_static(b"HTTP/1.1 503 X\r\n\r\n");
    exchanges[9].response.as_mut().unwrap().body.drop_for(Dropped::Undecodable);
    exchanges[9].ambiguous = Some(Ambiguity::BareLf);
    let summary = counted(&exchanges, &[]);
    assert_eq!((summary.exchanges, summary.duration_ns(), summary.unanswered), (100, 9_900_000_000, 1));
    assert_eq!(summary.status, BTreeMap::from([(200, 98), (503, 1)]));
    assert_eq!(summary.ends, BTreeMap::from([(End::Complete, 99), (End::ClientGone, 1)]));
    assert_eq!(summary.dropped, BTreeMap::from([(Dropped::Undecodable, 1)]));
    assert_eq!(summary.ambiguous, BTreeMap::from([(Ambiguity::BareLf, 1)]));
    let endpoints = summary.endpoints.largest(|row| row.exchanges);
    let [(name, row)] = endpoints.as_slice() else { panic!("{endpoints:?}") };
    assert_eq!((*name, row.server_errors, row.client_errors, row.unanswered), ("GET /p1z", 1, 0, 1));
    let about = |quantile: Option<u64>| quantile.unwrap().abs_diff(5_000_000) <= 5_000;
    assert!(about(row.response_ns.quantile(50, 100)) && about(row.response_ns.quantile(99, 100)));
    assert_eq!(summary.health_checks.largest(|count| *count), [("GET /p1z", &100)]);
    // One request in each window: a clock. Fewer than ten windows of 1 s lie within.
    assert_eq!(summary.dispersion(), [Some(0.0), None, None]);
}

#[test]
fn the_busiest_endpoint_is_told_also_when_it_has_no_row() {
    let names: Vec<String> = (0..10_000).map(|number| format!("GET /{number}z")).collect();
    let mut ranking: Ranking<u64, ENDPOINTS_MAX> = Ranking::default();
    names.iter().for_each(|name| *ranking.row(name) += 1);
    assert_eq!((ranking.rows.len(), ranking.other), (ENDPOINTS_MAX, 9_000));
    let hidden = names.iter().find(|name| !ranking.rows.contains_key(&Ranked::new(name))).unwrap();
    let path: u64 = hidden.trim_start_matches("GET /").trim_end_matches('z').parse().unwrap();
    let mut summary = Summary::default();
    for seq in 0..10_000 {
        let mut exchange = at([seq]).remove(0);
        let number = if seq % 2 == 0 { path } else { seq };
        (exchange.seq, exchange.request.head) = (seq, Bytes::from(format!("GET /{number}z HTTP/1.1\r\n\r\n")));
        summary.count(&exchange);
    }
    let (name, about) = summary.sample.about(summary.exchanges, |_| true)[0];
    assert!(name == hidden && about.abs_diff(5_000) < 1_000, "{name}: {about}");
}

#[test]
fn gaps_add_up_and_keep_their_span() {
    let gap = |from_ns, to_ns| Gap {
        reason: GapReason::QueueFull,
        from_ns,
        to_ns,
        connections: 1,
        exchanges: 2,
        bytes: u64::MAX,
    };
    let summary = counted(&[], &[gap(5, 7), gap(1, 3)]);
    let row = GapRow { gaps: 2, connections: 2, exchanges: 4, bytes: u64::MAX, from_ns: 1, to_ns: 7 };
    assert_eq!(summary.gaps, BTreeMap::from([(GapReason::QueueFull, row)]));
}

#[test]
fn what_breaks_a_rule_is_told() {
    let whole = counted(&at([0, 1_000_000_000]), &[]);
    let check = |change: fn(&mut Summary), what: Option<&'static str>| {
        let mut summary = whole.clone();
        change(&mut summary);
        assert_eq!(summary.check().err(), what.map(|what| OutOfBounds { what }));
    };
    check(|_| {}, None);
    check(|summary| summary.rate.width_ns = 0, Some("rate's width"));
    check(|summary| summary.rate.width_ns += 1, Some("rate's width"));
    check(|summary| summary.rate.counts = vec![0; RATE_BUCKETS_MAX + 1], Some("rate"));
    check(|summary| summary.response_ns.bits = 11, Some("histogram"));
    check(|summary| summary.response_size.buckets = vec![(2, 1), (1, 1)], Some("histogram"));
    check(|summary| summary.endpoints.other.response_ns.buckets = vec![(2, 0)], Some("histogram"));
    check(|summary| summary.windows[1].counts = (0..=WINDOWS_MAX as u64).map(|at| (at, 1)).collect(), Some("windows"));
    check(|summary| *summary.status.entry(99).or_default() += 1, Some("statuses"));
    check(|summary| *summary.methods.entry("BREW".to_owned()).or_default() += 1, Some("methods"));
    check(|summary| *summary.hosts.row(&"a".repeat(256)) += 1, None);
    check(|summary| *summary.hosts.row(&"a".repeat(257)) += 1, Some("names"));
    check(|summary| drop(summary.sample.drawn.insert(1, "a".repeat(202))), Some("names"));
    check(|summary| *summary.health_checks.row(&"a".repeat(206)) += 1, Some("names"));
    check(|summary| summary.first_ns = None, Some("instants"));
    check(
        |summary| {
            (0..=ENDPOINTS_MAX).for_each(|at| {
                drop(summary.endpoints.rows.insert(Ranked::new(&at.to_string()), EndpointRow::default()))
            })
        },
        Some("endpoints"),
    );
}
