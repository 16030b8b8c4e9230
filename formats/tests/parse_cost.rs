//! What reading a plain small exchange costs. Run with
//! `cargo test -p formats --profile checked --test parse_cost -- --ignored --nocapture`.

#![expect(clippy::disallowed_methods, reason = "a measurement, not the product")]

use std::time::Instant;

use formats::wire::{Direction, Http1, Limits};

/// Short rounds, so that some of them meet no other work.
const EXCHANGES: u32 = 2_000;
const ROUNDS: usize = 1_000;

#[test]
#[ignore = "a measurement: it says nothing in a debug build or on a busy machine"]
fn plain_small_exchanges() {
    let request = "GET /items/4711?page=1&sort=price HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef0123456789abcdef\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
    let body = "x".repeat(100);
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Tue, 14 Jul 2026 09:30:00 GMT\r\nCache-Control: no-store\r\nServer: shop\r\nX-Request-Id: 0123456789abcdef\r\nContent-Length: 100\r\n\r\n{body}"
    );
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let mut connection = Http1::new(1, Limits::default());
            let mut out = Vec::with_capacity(1);
            let begun = Instant::now();
            for number in 0..u64::from(EXCHANGES) {
                connection.feed(Direction::Request, number, request.as_bytes(), &mut out);
                connection.feed(Direction::Response, number, response.as_bytes(), &mut out);
                assert_eq!(out.len(), 1);
                out.clear();
            }
            begun.elapsed().as_nanos() / u128::from(EXCHANGES)
        })
        .collect();
    rounds.sort_unstable();
    let (request, response) = (request.len(), response.len());
    let (least, median) = (rounds.first().unwrap(), rounds.get(ROUNDS / 2).unwrap());
    println!("{request} bytes asked, {response} answered: {least} ns an exchange at best, {median} ns in the middle");
}
