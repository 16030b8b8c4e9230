use formats::model::Framing;
use formats::session::{Event, Session};

use super::*;
use crate::job::tests::job;

fn options(keep: KeepAnswers) -> AnswerOptions {
    AnswerOptions { keep, key: RedactionKey::random().unwrap(), secrets: Secrets::default() }
}

/// Writes the answers of these jobs and reads them back.
fn kept(keep: KeepAnswers, jobs: Vec<Job>) -> (Vec<Exchange>, result::Answers) {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = AnswerSink::start(&options(keep), folder.path(), "http://t".to_owned(), Clock::start(), 0).unwrap();
    for mut job in jobs {
        sink.take(&mut job);
    }
    let answers = sink.finish().unwrap();
    let session = Session::open(&folder.path().join(DIRECTORY)).unwrap();
    let exchanges = session.events().filter_map(|event| match event.unwrap() {
        Event::Exchange(exchange) => Some(*exchange),
        _ => None,
    });
    (exchanges.collect(), answers)
}

fn answered(head: &[u8], body: &'static [u8], answer: Answer) -> Job {
    let mut job = *job(5, 7, head);
    job.body = Bytes::from_static(body);
    (job.facts.seq, job.facts.copy, job.facts.session) = (40, 2, 1);
    job.progress.dispatched_ns = Some(6);
    job.progress.written_ns = Some(7);
    job.progress.first_byte_ns = Some(8);
    job.progress.done_ns = 9;
    job.progress.answer = Some(Box::new(answer));
    job
}

fn ok(body: &'static [u8], total_len: u64) -> Answer {
    Answer {
        head: Bytes::from_static(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=abcdefghijklmnop; Path=/\r\nContent-Type: image/png\r\n\r\n",
        ),
        framing: Some(Framing::Length),
        body: Bytes::from_static(body),
        total_len,
        sha256: [9; 32],
        ..Answer::default()
    }
}

#[test]
fn a_request_and_its_answer_are_one_exchange() {
    let head = b"POST /a HTTP/1.1\r\nAuthorization: Bearer 0123456789abcdef\r\nContent-Type: image/png\r\n\
                 Transfer-Encoding: chunked\r\n\r\n";
    let chunked = b"3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n";
    let (exchanges, answers) = kept(KeepAnswers::All(4), vec![answered(head, chunked, ok(b"hell", 5))]);
    let [one] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(one.replay_of, Some(ReplayOf { session: 1, seq: 40, copy: 2 }));
    assert_eq!(one.request.body.bytes, "abcd", "up to the bound");
    assert_eq!((one.request.body.total_len, &one.request.body.chunks[..]), (5, &[3, 2][..]));
    assert_eq!(one.request.trailers, "X: y\r\n");
    let response = one.response.as_ref().unwrap();
    assert_eq!((&response.body.bytes[..], response.body.total_len), (&b"hell"[..], 5));
    assert_eq!(response.body.sha256, Some([9; 32]), "for what is not there");
    let heads = [&one.request.head[..], &response.head[..]].concat();
    let heads = String::from_utf8(heads).unwrap();
    assert!(!heads.contains("0123456789abcdef") && !heads.contains("abcdefghijklmnop"), "{heads}");
    assert_eq!((one.end, one.instants.response_end), (End::Complete, Some(9)));
    assert_eq!((answers.kept.as_str(), answers.exchanges, answers.lost, answers.failure), ("all", 1, 0, None));
}

#[test]
fn what_was_not_sent_is_no_exchange_and_what_failed_is_one() {
    let mut not_sent = *job(1, 1, b"GET / HTTP/1.1\r\n\r\n");
    not_sent.progress.error = Some(ErrorKind::Refused);
    let mut hung = answered(b"GET / HTTP/1.0\r\n\r\n", b"", Answer::default());
    (hung.progress.answer, hung.progress.error) = (None, Some(ErrorKind::Timeout));
    let (exchanges, answers) = kept(KeepAnswers::Digest, vec![not_sent, hung]);
    let [one] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!((one.end, one.response.is_some(), one.protocol), (End::ClientGone, false, Protocol::Http10));
    assert_eq!(answers.exchanges, 1);
}

#[test]
fn a_query_key_is_masked_wherever_it_stands() {
    let keys = [b"k".to_vec(), b"a%20b".to_vec()];
    for (given, expected) in [
        (
            "GET /p?k=1&x=2&a%20b=3&k HTTP/1.1\r\nH: k=1\r\n\r\n",
            "GET /p?k=***&x=2&a%20b=***&k HTTP/1.1\r\nH: k=1\r\n\r\n",
        ),
        ("GET /p HTTP/1.1\r\n\r\n", "GET /p HTTP/1.1\r\n\r\n"),
        ("GET /?k= HTTP/1.1\r\n\r\n", "GET /?k=*** HTTP/1.1\r\n\r\n"),
    ] {
        let mut head = Bytes::from_static(given.as_bytes());
        mask_query(&mut head, &keys);
        assert_eq!(head, expected);
    }
}

#[test]
fn without_room_the_rest_is_lost_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker { writer: None, ..worker(folder.path()) };
    let mut sink = AnswerSink { queue: None, ..AnswerSink::none() };
    let (queue, answers) = RingBuffer::new(1);
    let worker = Worker { answers, ..worker };
    sink.queue = Some(queue);
    sink.lost = Arc::clone(&worker.lost);
    for _ in 0..3 {
        sink.take(&mut answered(b"GET / HTTP/1.1\r\n\r\n", b"", ok(b"", 0)));
    }
    sink.thread = Some(std::thread::spawn(move || worker.run()));
    let answers = sink.finish().unwrap();
    assert_eq!((answers.exchanges, answers.lost), (0, 3), "two found no room, one no writer");
}

#[test]
fn bodies_that_wait_to_be_written_are_bounded_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, answers) = RingBuffer::new(10);
    let worker = Worker { answers, ..worker(folder.path()) };
    let mut sink = AnswerSink { queue: Some(queue), lost: Arc::clone(&worker.lost), ..AnswerSink::none() };
    let mut upload = answered(b"PUT / HTTP/1.1\r\nContent-Length: 67108864\r\n\r\n", b"", ok(b"", 0));
    upload.body = vec![0; 64 << 20].into();
    for (lost, behind) in [(0, 250), (0, 500), (0, 750), (0, 1_000), (1, 1_000)] {
        sink.take(&mut upload);
        assert_eq!((sink.lost.load(Ordering::Relaxed), sink.behind_permille()), (lost, behind));
    }
    // What has no body needs no such room.
    sink.take(&mut answered(b"GET / HTTP/1.1\r\n\r\n", b"", ok(b"", 0)));
    assert_eq!(sink.lost.load(Ordering::Relaxed), 1);
    let body_bytes = Arc::clone(&sink.body_bytes);
    sink.thread = Some(std::thread::spawn(move || worker.run()));
    assert!(sink.finish().is_some());
    assert_eq!(body_bytes.load(Ordering::Relaxed), 0, "given back when they are written");
}

#[test]
fn what_was_opened_for_a_request_is_not_kept_and_its_headers_are_redacted_in_answers_too() {
    let head = b"POST /secret1?a=1 HTTP/1.1\r\nX-Shop-User: my secret2\r\nX-Plain: yes\r\nContent-Length: 7\r\n\r\n";
    let at = |what: &[u8]| {
        let at = head.windows(what.len()).position(|window| window == what).unwrap();
        at..at + what.len()
    };
    let answer = Answer {
        head: Bytes::from_static(b"HTTP/1.1 200 OK\r\nX-Shop-User: 0123456789abcdefsecret2\r\nX-Plain: yes\r\n\r\n"),
        ..ok(b"fine", 4)
    };
    let mut job = answered(head, b"secret3", answer);
    job.opened =
        Some(Box::new(Opened { head: vec![at(b"secret1"), at(b"my secret2")], in_body: true, ..Opened::default() }));
    let (exchanges, _) = kept(KeepAnswers::All(100), vec![job]);
    let [one] = &exchanges[..] else { panic!("{exchanges:?}") };
    let request = String::from_utf8(one.request.head.to_vec()).unwrap();
    assert!(request.starts_with("POST /***?a=1 HTTP/1.1\r\nX-Shop-User: "), "{request}");
    assert!(!format!("{one:?}").contains("secret"), "{one:?}");
    assert_eq!((one.request.body.total_len, one.request.body.bytes.len()), (7, 0));
    let response = one.response.as_ref().unwrap();
    assert!(response.head.ends_with(b"X-Plain: yes\r\n\r\n") && response.body.bytes == "fine", "{response:?}");
}

fn worker(folder: &Path) -> Worker {
    let (_, answers) = RingBuffer::new(1);
    Worker {
        keep: KeepAnswers::Digest,
        redactor: Redactor::new(&RedactionKey::random().unwrap()),
        masked: Vec::new(),
        opened_in: BTreeSet::new(),
        clock: Clock::start(),
        start_ns: 0,
        answers,
        writer: None,
        directory: folder.to_owned(),
        lost: Arc::default(),
        lost_before: 0,
        flushed_ns: 0,
        written: Written::default(),
    }
}
