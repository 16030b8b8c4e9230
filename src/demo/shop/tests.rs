//! The shop from outside: raw bytes over TCP in, answers out; `spans` looks at what it exports meanwhile.

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};

use super::*;

mod spans;

/// How long a shop in good health may leave a test without a byte.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client that knows only bytes.
struct Talk(BufReader<TcpStream>);

impl Talk {
    async fn with(shop: &Shop) -> Self {
        Self(BufReader::new(TcpStream::connect(shop.address()).await.unwrap()))
    }

    async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// The next head; nothing when the connection ended.
    async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout_at(now() + PATIENCE, self.0.read_u8()).await.expect("an answer or an end");
            head.push(byte.ok()?);
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Head and body of the next answer; nothing when the connection ended.
    async fn answer(&mut self) -> Option<(String, String)> {
        let head = self.head().await?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Some((head, String::from_utf8(body).unwrap()))
    }

    /// One request with its answer: (status, head, body).
    async fn ask(&mut self, line: &str, fields: &str, body: &str) -> (u16, String, String) {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(&format!("{line} HTTP/1.1\r\nHost: shop\r\n{fields}{length}\r\n{body}")).await;
        let (head, body) = self.answer().await.unwrap();
        (head[9..12].parse().unwrap(), head, body)
    }
}

async fn limited(limits: Limits) -> Shop {
    Shop::start_with(None, limits).await.unwrap()
}

#[tokio::test]
async fn every_page_answers_on_one_connection() {
    let shop = limited(Limits::default()).await;
    let mut talk = Talk::with(&shop).await;
    let cases = [
        ("GET /", 200, "<h1>The shop</h1>"),
        ("GET /items", 200, "{\"id\":400,"),
        ("GET /items/1", 200, "{\"description\":\"This "),
        ("GET /items/400", 200, "\"id\":400,"),
        ("GET /items/0", 404, "no such item"),
        ("GET /items/401", 404, "no such item"),
        ("GET /items/99999999999999999999", 404, "no such item"),
        ("GET /items/x", 404, "no such item"),
        ("GET /items/1/2", 404, "no such page"),
        ("GET /nothing", 404, "no such page"),
        ("GET /search?q=oak+chair", 200, "\"name\":\"oak chair\""),
        ("GET /search?x=1&q=%6Fak%", 200, "\"query\":\"oak%\""),
        ("GET /search", 400, "search for what?"),
        ("GET /cart", 200, "{\"items\":[],\"total_cents\":0}"),
        ("GET /health", 200, "{\"status\":\"ok\"}"),
        ("POST /", 405, "not with this method"),
        ("DELETE /cart", 405, "not with this method"),
        ("GET /checkout", 405, "not with this method"),
        ("BREW /items/1", 405, "not with this method"),
    ];
    for (line, status, part) in cases {
        let (got, head, body) = talk.ask(line, "", "").await;
        assert_eq!(got, status, "{line}");
        assert!(body.contains(part), "{line}: {body}");
        assert_eq!(head.contains("\r\nallow: "), status == 405, "{line}: {head}");
    }
    assert_eq!(shop.stop().await.requests, cases.len() as u64);
}

#[tokio::test]
async fn items_have_many_sizes_up_to_ten_kibibytes() {
    let shop = limited(Limits::default()).await;
    let mut talk = Talk::with(&shop).await;
    let mut sizes = Vec::new();
    for id in 1..=400 {
        sizes.push(talk.ask(&format!("GET /items/{id}"), "", "").await.2.len());
    }
    sizes.sort_unstable();
    sizes.dedup();
    assert!(sizes.len() > 90, "{} sizes", sizes.len());
    assert!(sizes[0] < 400 && (9_500..=10_240).contains(sizes.last().unwrap()), "{sizes:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let shop = limited(Limits::default()).await;
    let mut talk = Talk::with(&shop).await;
    let request = |path| format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n");
    talk.send(&(request("/search?q=slow") + &request("/items/7") + &request("/health"))).await;
    for part in ["\"query\":\"slow\"", "\"id\":7", "ok"] {
        let (_, body) = talk.answer().await.unwrap();
        assert!(body.contains(part), "{part}: {body}");
    }
}

/// The times are those of FNV-1a, computed elsewhere.
#[tokio::test]
async fn a_search_takes_a_time_that_its_words_decide() {
    let shop = limited(Limits::default()).await;
    let (mut one, mut other) = (Talk::with(&shop).await, Talk::with(&shop).await);
    let search = async |talk: &mut Talk, words: &str| {
        let start = now();
        assert_eq!(talk.ask(&format!("GET /search?q={words}"), "", "").await.0, 200);
        (now() - start).as_millis()
    };
    let (slow, fast) = tokio::join!(search(&mut one, "lamp"), search(&mut other, "glass+bowl"));
    assert!(slow >= 103 && (22..slow).contains(&fast), "{slow} ms and {fast} ms");
}

#[tokio::test]
async fn a_cart_belongs_to_a_cookie_also_to_one_that_the_shop_never_gave() {
    let shop = limited(Limits::default()).await;
    let mut talk = Talk::with(&shop).await;
    let (status, head, body) = talk.ask("POST /cart", "", "{\"item\":3}").await;
    assert_eq!(status, 200, "{body}");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let given = format!("Cookie: theme=dark; {}\r\n", cookie.split(';').next().unwrap());
    let pseudonym = "Cookie: sid=ps-0123456789abcdef\r\n";

    for (cookie, items) in [(given.as_str(), "[{\"id\":3,\"quantity\":2}]"), (pseudonym, "[{\"id\":3,\"quantity\":1}]")]
    {
        let (status, head, _) = talk.ask("POST /cart", cookie, "{\"item\":3}").await;
        assert_eq!((status, head.contains("set-cookie")), (200, false));
        let (_, _, body) = talk.ask("GET /cart", cookie, "").await;
        assert!(body.starts_with(&format!("{{\"items\":{items},")), "{body}");
    }
    let (_, _, body) = talk.ask("POST /checkout", pseudonym, "").await;
    assert!(body.contains("\"paid\":{\"items\":[{\"id\":3,\"quantity\":1}]"), "{body}");
    assert!(talk.ask("GET /cart", pseudonym, "").await.2.contains("\"items\":[]"), "emptied");
    assert!(talk.ask("GET /cart", &given, "").await.2.contains("\"quantity\":2"), "another's is not");

    for (body, status) in [("{\"item\":401}", 422), ("{\"item\":-1}", 400), ("{}", 400), ("{", 400)] {
        assert_eq!(talk.ask("POST /cart", pseudonym, body).await.0, status, "{body}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let shop = limited(Limits { body_bytes_max: 100, ..Limits::default() }).await;
    let body = |length| format!("{:length$}", "{\"item\":3}");
    assert_eq!(Talk::with(&shop).await.ask("POST /cart", "", &body(100)).await.0, 200);
    assert_eq!(Talk::with(&shop).await.ask("POST /cart", "", &body(101)).await.0, 413);
    let mut chunked = Talk::with(&shop).await;
    let chunk = format!("65\r\n{}\r\n0\r\n\r\n", body(101));
    chunked.send(&format!("POST /cart HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}")).await;
    assert!(chunked.answer().await.unwrap().0.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn one_checkout_in_fifty_fails_and_keeps_the_cart() {
    let shop = Arc::new(limited(Limits::default()).await);
    let mut talk = Talk::with(&shop).await;
    // Forty-nine at once, so that the test is quick.
    let mut others = JoinSet::new();
    for _ in 0..49 {
        let shop = Arc::clone(&shop);
        others.spawn(async move { Talk::with(&shop).await.ask("POST /checkout", "", "").await.0 });
    }
    assert!(others.join_all().await.iter().all(|status| *status == 200));
    let cookie = "Cookie: sid=me\r\n";
    talk.ask("POST /cart", cookie, "{\"item\":3}").await;
    assert_eq!(talk.ask("POST /checkout", cookie, "").await.0, 503);
    assert!(talk.ask("POST /checkout", cookie, "").await.2.contains("\"quantity\":1"));
}

#[tokio::test]
async fn the_oldest_cart_is_forgotten_beyond_the_limit() {
    let shop = limited(Limits { carts_max: 2, ..Limits::default() }).await;
    let mut talk = Talk::with(&shop).await;
    let quantity = async |talk: &mut Talk, sid: &str| {
        let (_, _, body) = talk.ask("GET /cart", &format!("Cookie: sid={sid}\r\n"), "").await;
        body.matches("quantity").count()
    };
    for sid in ["a", "b", "a"] {
        talk.ask("POST /cart", &format!("Cookie: sid={sid}\r\n"), "{\"item\":1}").await;
    }
    assert_eq!((quantity(&mut talk, "a").await, quantity(&mut talk, "b").await), (1, 1), "at the limit");
    talk.ask("POST /cart", "Cookie: sid=c\r\n", "{\"item\":1}").await;
    assert_eq!(
        (quantity(&mut talk, "a").await, quantity(&mut talk, "b").await, quantity(&mut talk, "c").await),
        (0, 1, 1)
    );
    assert_eq!(shop.stop().await.carts_evicted, 1);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_until_one_leaves() {
    let shop = limited(Limits { connections_max: 2, ..Limits::default() }).await;
    let (mut first, mut second) = (Talk::with(&shop).await, Talk::with(&shop).await);
    assert_eq!(first.ask("GET /health", "", "").await.0, 200);
    assert_eq!(second.ask("GET /health", "", "").await.0, 200, "at the limit");
    assert!(Talk::with(&shop).await.answer().await.is_none(), "one past it");
    drop(first);
    // The shop sees the end of a connection in its own time.
    let mut refused = 1;
    loop {
        let mut next = Talk::with(&shop).await;
        let _ = next.0.write_all(b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n").await;
        if next.answer().await.is_some() {
            break;
        }
        refused += 1;
    }
    assert_eq!(shop.stop().await.connections_refused, refused);
}

#[tokio::test]
async fn the_request_under_way_is_answered_at_the_end() {
    let shop = limited(Limits::default()).await;
    let (mut talk, mut idle) = (Talk::with(&shop).await, Talk::with(&shop).await);
    assert_eq!(idle.ask("GET /health", "", "").await.0, 200);
    talk.send("POST /cart HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n").await;
    // The shop asks for the body: from here on the request is under way.
    assert_eq!(talk.head().await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    let rest = async {
        // The shop is stopping when it closes the idle connection.
        assert!(idle.answer().await.is_none());
        talk.send("{\"item\":3}").await;
        talk.answer().await.unwrap().0
    };
    let (summary, head) = tokio::join!(shop.stop(), rest);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(summary.requests, 2);
}
