//! The plan as numbers, and the visitors from outside: by a shop, by a target that looks at them, by one that is not there.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::plan::{Page, Step, visits};
use super::random::Random;
use super::*;
use crate::demo::shop::Shop;

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn steps(page: &Page) -> impl Iterator<Item = &Step> {
    std::iter::once(&page.first).chain(&page.others)
}

fn pages(seed: u64, duration: Duration) -> Vec<Page> {
    visits(seed, duration).flat_map(|visit| visit.pages).collect()
}

/// Literal numbers, so that another machine or another compiler that plans otherwise is noticed.
#[test]
fn a_seed_means_the_same_visits_everywhere() {
    let first = visits(1, TEN_SECONDS).next().unwrap();
    let requests: usize = pages(1, TEN_SECONDS).iter().map(|page| steps(page).count()).sum();
    assert_eq!(
        (
            visits(1, TEN_SECONDS).count(),
            requests,
            first.pages[0].at.as_nanos(),
            first.pages[0].first.traceparent.as_str()
        ),
        (181, 1734, 160_841_786, "00-7be44f087af306321659b9433bfebf8a-9ced881c66f6566c-01")
    );
    assert!(visits(1, TEN_SECONDS).eq(visits(1, TEN_SECONDS)));
    assert!(visits(1, TEN_SECONDS).ne(visits(2, TEN_SECONDS)));
}

#[test]
fn the_traffic_has_a_mean_and_a_rush() {
    let seeds = 1..=20;
    let (mut mean, mut busiest) = (0.0, 0.0);
    for seed in seeds.clone() {
        let mut by_second = [0_u32; 10];
        for page in pages(seed, TEN_SECONDS) {
            by_second[page.at.as_secs() as usize] += steps(&page).count() as u32;
        }
        mean += f64::from(by_second.iter().sum::<u32>()) / 10.0 / seeds.clone().count() as f64;
        busiest += f64::from(*by_second.iter().max().unwrap()) / seeds.clone().count() as f64;
    }
    assert!((150.0..200.0).contains(&mean), "{mean} requests/s");
    assert!((3.0..4.0).contains(&(busiest / mean)), "{} times the mean in the busiest second", busiest / mean);
}

#[test]
fn the_exponential_has_its_mean_and_its_tail() {
    let mut random = Random::new(1, 1);
    let draws: Vec<u64> = (0..100_000).map(|_| random.exponential(1_000_000)).collect();
    let mean = draws.iter().sum::<u64>() / 100_000;
    let beyond = draws.iter().filter(|draw| **draw > 2_000_000).count();
    assert!((990_000..1_010_000).contains(&mean), "{mean}");
    // exp(-2) of them, with a standard error of 108.
    assert!((13_200..13_870).contains(&beyond), "{beyond}");
}

#[test]
fn the_requests_of_a_page_view_share_a_trace_and_nothing_else_does() {
    let mut traces = HashSet::new();
    let mut spans = HashSet::new();
    for page in pages(3, TEN_SECONDS) {
        let of_page: HashSet<String> = steps(&page).map(|step| step.traceparent[3..35].to_owned()).collect();
        assert_eq!(of_page.len(), 1);
        assert!(of_page.into_iter().all(|trace| traces.insert(trace)), "a trace of another page");
        for step in steps(&page) {
            assert!(
                step.traceparent.starts_with("00-")
                    && step.traceparent.ends_with("-01")
                    && step.traceparent.len() == 55
            );
            assert!(spans.insert(step.traceparent[36..52].to_owned()), "a span of another request");
        }
    }
}

#[tokio::test]
async fn the_shop_serves_all_of_them() {
    let duration = Duration::from_millis(1500);
    let shop = Shop::start(None).await.unwrap();
    let visits = drive(shop.address(), 5, duration).await;
    let planned: usize = pages(5, duration).iter().map(|page| steps(page).count()).sum();
    assert_eq!(visits.failures, 0, "{visits:?}");
    assert_eq!(visits.requests, planned as u64);
    assert_eq!(visits.visitors, super::plan::visits(5, duration).count() as u64);
    assert!(visits.requests > 100, "{visits:?}");
    assert_eq!(shop.stop().await.requests, visits.requests);
}

/// What a target saw of one address.
#[derive(Default)]
struct Seen {
    agents: HashSet<String>,
    connections: u32,
    foreign_cookies: u32,
    own_cookies: u32,
}

/// Answers everything with an empty page, gives each address a cookie of its own, and looks at who comes.
async fn watch(mut stream: TcpStream, seen: Arc<Mutex<HashMap<IpAddr, Seen>>>) {
    let peer = stream.peer_addr().unwrap().ip();
    let (read, mut write) = stream.split();
    seen.lock().unwrap().entry(peer).or_default().connections += 1;
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(agent) = line.strip_prefix("user-agent: ") {
            seen.lock().unwrap().get_mut(&peer).unwrap().agents.insert(agent.to_owned());
        } else if let Some(cookie) = line.strip_prefix("cookie: ") {
            let mut seen = seen.lock().unwrap();
            let seen = seen.get_mut(&peer).unwrap();
            if cookie == format!("sid={peer}") { seen.own_cookies += 1 } else { seen.foreign_cookies += 1 }
        } else if line.is_empty() {
            let answer = format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid={peer}; Path=/\r\nContent-Length: 0\r\n\r\n");
            write.write_all(answer.as_bytes()).await.unwrap();
        } else if line.starts_with("POST ") {
            // A body would have to be read here: closing makes the visitor connect again.
            return;
        }
    }
}

#[tokio::test]
async fn each_has_an_address_an_agent_and_a_cookie_of_its_own() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(HashMap::new()));
    let watching = Arc::clone(&seen);
    let server = tokio::spawn(async move {
        loop {
            tokio::spawn(watch(listener.accept().await.unwrap().0, Arc::clone(&watching)));
        }
    });
    let visits = drive(address, 9, Duration::from_millis(1500)).await;
    server.abort();

    let seen: Vec<Seen> = std::mem::take(&mut *seen.lock().unwrap()).into_values().collect();
    assert_eq!(seen.len() as u64, visits.visitors, "one address for each visitor");
    assert!(seen.iter().all(|seen| seen.agents.len() == 1), "one agent for each visitor");
    assert!(seen.iter().flat_map(|seen| &seen.agents).collect::<HashSet<_>>().len() > 3, "agents differ");
    assert_eq!(seen.iter().map(|seen| seen.foreign_cookies).sum::<u32>(), 0);
    assert!(seen.iter().map(|seen| seen.own_cookies).sum::<u32>() > 50);
    let connections: u32 = seen.iter().map(|seen| seen.connections).sum();
    assert!(u64::from(connections) * 2 < visits.requests, "{connections} connections for {visits:?}");
    assert!(seen.iter().any(|seen| seen.connections >= 2), "some use two connections");
}

#[tokio::test]
async fn a_target_that_is_not_there_fails_every_request() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let visits = drive(nobody, 1, Duration::from_millis(500)).await;
    assert!(visits.requests > 0);
    assert_eq!(visits.failures, visits.requests);
}
