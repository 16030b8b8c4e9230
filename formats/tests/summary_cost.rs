//! What counting an exchange for its segment's summary costs. Run with
//! `cargo test -p formats --profile checked --test summary_cost -- --ignored --nocapture`.

#![expect(clippy::disallowed_methods, reason = "a measurement, not the product")]

use std::time::Instant;

use bytes::Bytes;
use formats::model::{Body, Exchange, Instants, Message};
use formats::summary::{Names, Summary};

/// Short rounds, so that some of them meet no other work.
const EXCHANGES: usize = 2_000;
const ROUNDS: usize = 500;

/// Browsers' requests of so many endpoints, 1 ms apart, with response times that spread over two orders of magnitude.
fn exchanges(endpoints: u64) -> Vec<Exchange> {
    let one = |number: u64| {
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let path = format!("/api/v1/kind-{}x/{number}/reviews?page={random}", random % endpoints);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef0123456789abcdef\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
        );
        let at_ns = number * 1_000_000;
        let took_ns = 500_000 + random * random % 50_000_000;
        Exchange {
            seq: number,
            connection: random % 5_000,
            request: Message { head: Bytes::from(request), ..Message::default() },
            response: Some(Message {
                head: Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"),
                body: Body { total_len: 100 + random % 9_000, ..Body::default() },
                ..Message::default()
            }),
            instants: Instants {
                request_start: at_ns,
                request_head: at_ns,
                response_end: Some(at_ns + took_ns),
                ..Instants::default()
            },
            ..Exchange::default()
        }
    };
    (0..EXCHANGES as u64).map(one).collect()
}

#[test]
#[ignore = "a measurement: it says nothing in a debug build or on a busy machine"]
fn counting_an_exchange() {
    for endpoints in [20, 900, 5_000] {
        let mut exchanges = exchanges(endpoints);
        let (mut summary, mut names) = (Summary::default(), Names::default());
        let mut rounds: Vec<u128> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                exchanges.iter().for_each(|exchange| summary.count_with(exchange, &mut names));
                let took = begun.elapsed().as_nanos() / EXCHANGES as u128;
                for exchange in &mut exchanges {
                    let instants = &mut exchange.instants;
                    exchange.seq += EXCHANGES as u64;
                    instants.request_start += EXCHANGES as u64 * 1_000_000;
                    instants.response_end = instants.response_end.map(|end| end + EXCHANGES as u64 * 1_000_000);
                }
                took
            })
            .collect();
        rounds.sort_unstable();
        let (least, median) = (rounds.first().unwrap(), rounds.get(ROUNDS / 2).unwrap());
        println!("{endpoints} endpoints: {least} ns an exchange at best, {median} ns in the middle");
        assert_eq!(summary.exchanges, (EXCHANGES * ROUNDS) as u64);
    }
}
