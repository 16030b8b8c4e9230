//! What redaction costs on the capture thread: `cargo test -p formats --profile checked -- --ignored --nocapture speed`.

use std::hint::black_box;
use std::time::Instant;

use super::places::whole;
use super::*;
use crate::coding::{self, Coding};

const TURNS: u32 = 20_000;

#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement, for people")]
fn speed() {
    let item = |n: usize| {
        format!(r#"{{"id":{n},"name":"Blue cup number {n}","price":12.5,"tags":["kitchen","new"],"in_stock":true}},"#)
    };
    let of_length = |length: usize| {
        let mut text = String::from(r#"{"items":["#);
        (0..)
            .map(item)
            .take_while(|item| {
                text.len() + item.len() < length && {
                    text.push_str(item);
                    true
                }
            })
            .for_each(drop);
        text.pop();
        text + "]}"
    };
    let small = of_length(1024);
    let hits = small.replacen("\"name\"", "\"token\"", 2);
    let zipped = coding::encode(small.as_bytes(), &[Coding::Gzip]).unwrap();
    let json = "application/json";
    let redactor = Redactor::new(&key());
    for (name, exchange) in [
        ("no body", whole("/items/7?page=2", "text/plain", "User-Agent: Mozilla/5.0\r\nAccept: */*\r\n", b"")),
        ("1 KiB JSON, no hit", whole("/items", json, "", small.as_bytes())),
        ("10 KiB JSON, no hit", whole("/items", json, "", of_length(10_240).as_bytes())),
        ("1 KiB JSON, gzip, no hit", whole("/items", json, "Content-Encoding: gzip\r\n", &zipped)),
        ("1 KiB JSON, two hits", whole("/items", json, "", hits.as_bytes())),
        ("10 KiB text, no hit", whole("/items", "text/html", "", of_length(10_240).as_bytes())),
    ] {
        let mut best = f64::MAX;
        for _ in 0..5 {
            let mut copies: Vec<_> = (0..TURNS).map(|_| exchange.clone()).collect();
            let begin = Instant::now();
            for copy in &mut copies {
                redactor.redact(black_box(copy));
            }
            best = best.min(begin.elapsed().as_secs_f64() / f64::from(TURNS) * 1e9);
        }
        println!("{name}: {best:.0} ns");
    }
}
