//! Kept answers, and connections that speak TLS.

use sha2::{Digest, Sha256};

use super::*;
use formats::model::Framing;

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[test]
fn an_answer_is_kept_up_to_its_bound_with_a_digest_over_all_of_it() {
    let address = target(|_, mut socket| {
        let head = read_head(&mut socket);
        let answer: Vec<u8> = match path(&head) {
            "/chunks" => b"HTTP/1.1 103 Hint\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                3\r\nabc\r\n4\r\ndefg\r\n0\r\nT: 1\r\n\r\n"
                .to_vec(),
            "/long" => [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec(), vec![b'x'; 100_000]].concat(),
            "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec(),
            _ => Vec::new(),
        };
        socket.write_all(&answer).unwrap();
        let _ = socket.shutdown(Shutdown::Write);
        read_head(&mut socket);
    });
    let all = [(0, 0, "/chunks"), (0, 1, "/long"), (0, 2, "/cut"), (0, 3, "/none")];
    let (outcomes, counters) = send(SendOptions { keep_answers: KeepAnswers::All(5), ..options() }, address, &all);
    let kept: Vec<_> = outcomes.iter().map(|outcome| outcome.progress.answer.as_deref()).collect();
    let [Some(chunks), Some(long), Some(cut), None] = kept[..] else { panic!("{kept:?}") };
    assert_eq!(chunks.head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(chunks.informational, ["HTTP/1.1 103 Hint\r\nA: b\r\n\r\n"]);
    assert_eq!((chunks.framing, &chunks.body[..], chunks.total_len), (Some(Framing::Chunked), &b"abcde"[..], 7));
    assert_eq!((&chunks.chunks[..], &chunks.trailers[..]), (&[3, 4][..], &b"T: 1\r\n"[..]));
    assert_eq!(chunks.sha256, digest(b"abcdefg"));
    assert_eq!((&long.body[..], long.total_len, long.left_out), (&b"xxxxx"[..], 100_000, false));
    assert_eq!(long.sha256, digest(&[b'x'; 100_000]));
    assert_eq!((&cut.body[..], cut.total_len, cut.sha256), (&b"abc"[..], 3, digest(b"abc")));
    assert_eq!(counters.kept_bytes.load(Ordering::Relaxed), 13);
    drop(outcomes);
    assert_eq!(counters.kept_bytes.load(Ordering::Relaxed), 0, "given back with the answers");
}

#[test]
fn bodies_beyond_what_may_be_held_are_left_out_and_counted() {
    let address = target(|_, socket| ok(socket));
    let bounded = |kept_bytes_max| SendOptions { keep_answers: KeepAnswers::All(9), kept_bytes_max, ..options() };
    for (bound, expected) in [(4, [false, false]), (3, [false, true])] {
        let (outcomes, counters) = send(bounded(bound), address, &[(0, 0, "/"), (30, 0, "/")]);
        let answers: Vec<_> = outcomes.iter().map(|one| one.progress.answer.as_ref().unwrap()).collect();
        assert_eq!(answers.iter().map(|answer| answer.left_out).collect::<Vec<_>>(), expected);
        assert!(answers.iter().all(|answer| answer.body.is_empty() == answer.left_out));
        assert!(answers.iter().all(|answer| answer.total_len == 2 && answer.sha256 == digest(b"hi")));
        let left_out = expected.iter().filter(|left| **left).count() as u64;
        assert_eq!(counters.bodies_left_out.load(Ordering::Relaxed), left_out);
    }
}

#[test]
fn tls_is_spoken_and_an_end_that_was_not_announced_cuts_an_answer_off() {
    let address = secured(|mut stream| {
        loop {
            let head = read_secured_head(&mut stream);
            match path(&head) {
                "" => return,
                "/large" => {
                    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n";
                    stream.write_all(&[&head[..], &vec![b'x'; 3_000_000]].concat()).unwrap();
                }
                "/until-close" => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nall").unwrap();
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                    return;
                }
                "/cut" => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nall").unwrap();
                    stream.flush().unwrap();
                    stream.sock.shutdown(Shutdown::Write).unwrap();
                    return;
                }
                _ => stream.write_all(OK).unwrap(),
            }
            stream.flush().unwrap();
        }
    });
    let (rig, mut ring, mut opens) = rigs(options(), vec![https(address)], insecure).remove(0);
    let all = [(400, 0, "/a"), (420, 0, "/large"), (800, 0, "/b"), (400, 1, "/until-close"), (400, 2, "/cut")];
    let mut all = requests(&all);
    all.sort_by_key(|job| job.due_ns);
    feed(all, &mut ring, Some(&mut opens));
    drop((ring, opens));
    let (mut outcomes, counters) = rig.run();
    outcomes.sort_by_key(|outcome| (outcome.slot, outcome.due_ns));
    assert_eq!(errors(&outcomes), [None, None, None, None, Some(ErrorKind::Truncated)]);
    assert_eq!(opened(&counters), (3, 0, 0));
    assert!(outcomes[1].progress.bytes_in > 3_000_000);
    assert!(outcomes.iter().all(|outcome| outcome.progress.written_ns.is_some()));
}
