//! How long a large plan and its spool take, and in how much memory.
//!
//! ```sh
//! cargo bench -p replayer --bench planning -- [EXCHANGES] [CLIENTS] [FACTOR] [METHOD] [pages|browsers|mixed]
//! ```
//!
//! Makes a session of synthetic browsers' requests in a temporary folder (`pages`: all are GETs with a few fields;
//! `browsers`: with the fields and cookies that a browser sends to a shop; `mixed`: also
//! uploads of other sizes and framings, other authorities, and requests that cannot be sent; unless `REENACT_BENCH_SESSION` names one that is
//! there), and prints one line for each step. Peak memory is that of the process so far. The digest is of the whole spool in
//! the order in which it is sent, so that two builds can be told to make the same one.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and stops at the first error"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use formats::model::{Body, ClientKey, End, Exchange, Framing, Instants, KeySource, Message, Protocol};
use formats::session::{Session, SessionHeader, SessionWriter, WriterOptions};
use replayer::plan::{Length, Options, Plan, Profile, Shard};
use replayer::rewrite::{RewriteOptions, Rewriter};
use replayer::spool::{Builder, Spool, SpoolOptions};
use replayer::survey::{Selection, Survey};
use sha2::{Digest, Sha256};

/// The one of the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Clients that are there at once, one after the other.
const AT_ONCE: u64 = 1_000;
/// From one request to the next.
const GAP_NS: u64 = 200_000;

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn exchange(number: u64, exchanges: u64, clients: u64) -> Exchange {
    let client = (number / AT_ONCE * AT_ONCE * clients / exchanges + number * 7919 % AT_ONCE) % clients;
    let at = number * GAP_NS;
    let head = format!(
        "GET /items/{number}?page=1&sort=price HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: sid={client:032x}\r\ntraceparent: 00-{number:032x}-{number:016x}-01\r\n\r\n"
    );
    let answer = Message {
        head: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n".into(),
        framing: Framing::Length,
        body: Body { bytes: vec![b'x'; 100].into(), total_len: 100, chunks: Vec::new(), ..Body::default() },
        ..Message::default()
    };
    Exchange {
        seq: 0,
        client: ClientKey { source: KeySource::Named, id: client.wrapping_mul(0x9e37_79b9_7f4a_7c15) },
        connection: client,
        protocol: Protocol::Http11,
        request: Message { head: head.into(), ..Message::default() },
        informational: Vec::new(),
        response: Some(answer),
        instants: Instants {
            request_start: at,
            request_head: at,
            request_end: Some(at),
            connected: None,
            response_start: Some(at + 3_000_000),
            response_head: Some(at + 3_000_000),
            response_end: Some(at + 3_100_000),
        },
        end: End::Complete,
        ..Exchange::default()
    }
}

/// The same exchange with the fields that a browser of today adds to a request, and the cookies of a shop with a basket and some
/// statistics: 1 kB.
fn browsers(mut exchange: Exchange, number: u64) -> Exchange {
    let page = String::from_utf8(exchange.request.head.to_vec()).unwrap();
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let up_to_cookies = format!(
        "sec-ch-ua: \"Chromium\";v=\"142\", \"Not=A?Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n\
         Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n\
         Sec-Fetch-Dest: document\r\nReferer: https://shop.example.com/items?page={}&sort=price\r\nPriority: u=0, i\r\n\
         Cookie: session={mixed:016x}{mixed:016x}{mixed:016x}{mixed:016x}; basket=eyJpdGVtcyI6W3siaWQiOj{number}.n0seyJpZCI6{mixed}fV19; \
         _stat=v1.2.{}.{}; _stat_shop=v2.1.{mixed}.{number}.1.{number}.0.0.0; consent=necessary+statistics; currency=EUR; locale=en; ",
        number % 50,
        mixed % 1_000_000_007,
        number / 1_000,
    );
    exchange.request.head = page.replacen("Cookie: ", &up_to_cookies, 1).into();
    exchange
}

/// The same exchange with another request, of a kind that follows from its number.
fn mixed(mut exchange: Exchange, number: u64) -> Exchange {
    let request = &mut exchange.request;
    let page = String::from_utf8(request.head.to_vec()).unwrap();
    let len = usize::try_from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (50 + number % 8)).unwrap();
    let body: Vec<u8> = b"name=value&".iter().cycle().take(len).copied().collect();
    let post = page.replacen("GET", "POST", 1);
    let with = |start: &str, lines: &str| format!("{}\r\n{lines}\r\n\r\n", start.trim_end());
    let head = match number % 16 {
        0 => with(&post, &format!("Content-Length: {len}\r\nOrigin: http://shop.example.com")),
        1 => with(
            &post,
            &format!("content-length: {len}\r\nExpect: 100-continue\r\nReferer: https://SHOP.example.com/a"),
        ),
        2 | 3 => with(&post, "Transfer-Encoding: chunked\r\nbaggage: a=b\r\nX-B3-TraceId: 1"),
        4 => page.replacen("GET /", "GET http://shop.example.com/", 1),
        5 => page.replace("HTTP/1.1", "HTTP/1.0"),
        6 => with(
            &page,
            "Cookie: $Version=1; a=b; $Domain=\".shop.example.com\"\r\nsealed: reenact-sealed-1.AbC_-. reenact-sealed-",
        ),
        7 => with(&page, " folded: line"),
        8 => with(&page, "traceparent: 00-00000000000000000000000000000001-0000000000000001-01"),
        9 => page.replacen("/items/", "/grüße/a%20b/7f9c24e8-3b5a-4c1e-9b1d-0a1b2c3d4e5f;x=1/a\u{85}b/", 1),
        10 => with(
            &page.replace("Host: shop.example.com\r\n", ""),
            "HOST : Other.Example.com:81\r\nUser-Agent:\r\nX:  y \t",
        ),
        11 => page.replace("\r\n", "\n"),
        12 => page.replacen("GET", "HEAD", 1),
        _ => page,
    };
    let (framing, chunks) = match number % 16 {
        0 | 1 => (Framing::Length, Vec::new()),
        2 => (Framing::Chunked, vec![len as u64]),
        3 => (Framing::Chunked, vec![len as u64 / 2, len as u64 - len as u64 / 2]),
        _ => (Framing::None, Vec::new()),
    };
    request.head = head.into();
    if framing != Framing::None {
        request.body = Body {
            bytes: body.into(),
            total_len: len as u64 + u64::from(number.is_multiple_of(160)),
            chunks,
            ..Body::default()
        };
    }
    if number % 32 == 3 {
        request.trailers = "x-checksum: 1\r\ntraceparent: 1\r\n".into();
    }
    request.framing = framing;
    exchange
}

fn record(path: &Path, exchanges: u64, clients: u64, kind: &str) {
    let options = WriterOptions { sync: false, ..WriterOptions::default() };
    let mut writer = SessionWriter::create(path, SessionHeader::default(), options).unwrap();
    for number in 0..exchanges {
        let page = exchange(number, exchanges, clients);
        let mut exchange = match kind {
            "pages" => page,
            "browsers" => browsers(page, number),
            "mixed" => mixed(page, number),
            _ => panic!("pages, browsers or mixed, not {kind}"),
        };
        writer.append(&mut exchange).unwrap();
    }
    writer.finish().unwrap();
}

/// SHA-256 of every entry of the list and the page that it names.
fn digest(spool: &Spool) -> String {
    let (mut hash, mut due) = (Sha256::new(), spool.due().unwrap());
    while let Some(entry) = due.take().unwrap() {
        hash.update(format!("{entry:?}"));
        hash.update(spool.page(&entry).unwrap());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let argument = |at: usize, default: &str| arguments.get(at).map_or(default, String::as_str).to_owned();
    let exchanges: u64 = argument(0, "1000000").parse().unwrap();
    let clients: u64 = argument(1, "100000").parse().unwrap();
    let factor = argument(2, "3x").parse().unwrap();
    let method = argument(3, "auto").parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var_os("REENACT_BENCH_SESSION").map_or_else(|| folder.path().join("session"), PathBuf::from);
    if !path.exists() {
        record(&path, exchanges, clients, &argument(4, "pages"));
    }
    let sessions = [Session::open(&path).unwrap()];
    let mut since = Instant::now();
    let mut step = |what: &str| {
        println!("{what:<44} {:>9.3} s   peak {} MB", since.elapsed().as_secs_f64(), peak_mb());
        since = Instant::now();
    };

    let selection = Selection::default();
    let survey = Survey::of(&sessions, &selection, None).unwrap();
    step(&format!("survey of {} clients from the indexes", survey.clients.len()));
    let options = Options { profile: Profile::constant(factor), seed: 1, method, length: Length::default() };
    let mut plan = Plan::new(&survey.clients, survey.recording_ns, options).unwrap();
    step(&format!("plan, {} blocks of constant rate", plan.block_edges_ns().len().saturating_sub(1)));
    std::hint::black_box(plan.hash(&survey.clients, b""));
    step("hash");

    let directory = folder.path().to_owned();
    let options = SpoolOptions { directory, bytes_max: u64::MAX, kept: true, shard: Shard::WHOLE };
    let target = Some("http://127.0.0.1:8080".parse().unwrap());
    let rewriter = Rewriter::new(RewriteOptions { target, ..RewriteOptions::default() }).unwrap();
    let started = Instant::now();
    let spool = Builder::new(&survey, &mut plan, &selection, options, &mut |_| ())
        .build(&sessions, &|session, exchange, _| rewriter.template(session, exchange), &mut |_| {})
        .unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = spool.bytes() as f64 / 1e6 / started.elapsed().as_secs_f64();
    let megabytes = spool.bytes() >> 20;
    step(&format!("spool of {} requests, {megabytes} MB at {rate:.0} MB/s", spool.summary.requests));
    step(&format!("SHA-256 of it {}…", digest(&spool)));
}
