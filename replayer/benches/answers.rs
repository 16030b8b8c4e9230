//! How fast two bodies of JSON are held against each other, in bytes of one of them.
//!
//! ```sh
//! cargo bench -p replayer --bench answers
//! ```
//!
//! Prints a line for each case, in processor time, so that a busy machine changes little; fails when one is slower than
//! 100 MB/s.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first error")]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use formats::model::{Body, Exchange, Message};
use replayer::differ::{Answer, Differ};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// The one of the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Orders in a body: about 400 bytes each.
const ORDERS: u64 = 500;
/// Of this many leaves one differs.
const ONE_LEAF_IN: u64 = 100;
/// Of so many turns the fastest counts: the others lost something to the rest of the machine.
const TURNS: u32 = 10;
const ROUNDS: u32 = 10;
const MB_PER_S_MIN: f64 = 100.0;

/// What this thread has used of a processor.
fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

/// A page of orders, as a shop's API has them.
fn orders() -> Value {
    let item = |n: u64| json!({"sku": format!("SKU-{n:06}"), "name": "Stainless steel bottle, 750 ml", "quantity": n % 5 + 1, "price": {"amount": n as f64 / 4.0, "currency": "EUR"}});
    let order = |n: u64| {
        json!({
            "id": format!("{:08x}-0000-4000-8000-{n:012x}", n * 2_654_435_761 % 4_294_967_296),
            "created_at": format!("2026-03-{:02}T10:{:02}:00Z", n % 28 + 1, n % 60),
            "customer": {"name": "José Müller", "email": "jose@example.org", "vip": n.is_multiple_of(7), "note": null},
            "items": [item(n), item(n + 1)],
        })
    };
    json!({"page": 1, "orders": (0..ORDERS).map(order).collect::<Vec<_>>()})
}

/// Changes every hundredth leaf.
fn change(value: &mut Value, leaf: &mut u64) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| change(element, leaf)),
        Value::Object(members) => members.values_mut().for_each(|member| change(member, leaf)),
        leaf_value => {
            *leaf += 1;
            if leaf.is_multiple_of(ONE_LEAF_IN) {
                *leaf_value = match leaf_value.take() {
                    Value::String(text) => Value::from(format!("{text}!")),
                    Value::Number(number) => Value::from(number.as_f64().unwrap_or_default() + 1.0),
                    Value::Bool(is) => Value::from(!is),
                    _ => Value::from("set"),
                };
            }
        }
    }
}

/// The members of each object the other way round.
fn turned(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .rev()
                .map(|(key, member)| format!("{}:{}", Value::from(key.as_str()), turned(member)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => format!("[{}]", elements.iter().map(turned).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

fn answer(body: String) -> Answer {
    let body = Body { total_len: body.len() as u64, bytes: Bytes::from(body), ..Body::default() };
    let head = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
    Answer::of(&Exchange { response: Some(Message { head, body, ..Message::default() }), ..Exchange::default() })
}

fn main() {
    let before = orders();
    let mut after = before.clone();
    let mut leaves = 0;
    change(&mut after, &mut leaves);
    let text = before.to_string();
    println!("a body of {} bytes with {leaves} leaves", text.len());
    println!("{:<44} {:>9} {:>12}", "case", "MB/s", "differences");
    let indented = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let cases = [
        ("the same bytes", text.clone()),
        ("the same, indented", indented(&before)),
        ("the same, members in another order", turned(&before)),
        ("1 % of the leaves differ", after.to_string()),
        ("1 % differ, indented", indented(&after)),
        ("1 % differ, members in another order", turned(&after)),
    ];
    let one = answer(text.clone());
    let mut is_slow = false;
    for (name, body) in cases {
        let other = answer(body);
        let mut differ = Differ::default();
        let (mut found, mut fastest) = (0, Duration::MAX);
        for _ in 0..TURNS {
            let start = used();
            for _ in 0..ROUNDS {
                found = black_box(differ.compare(black_box(&one), black_box(&other), true, &|_| None)).iter().count();
            }
            fastest = fastest.min(used() - start);
        }
        let speed = f64::from(ROUNDS) * text.len() as f64 / fastest.as_secs_f64() / 1e6;
        println!("{name:<44} {speed:>9.0} {found:>12}");
        is_slow |= speed < MB_PER_S_MIN;
    }
    assert!(!is_slow, "slower than {MB_PER_S_MIN} MB/s");
}
