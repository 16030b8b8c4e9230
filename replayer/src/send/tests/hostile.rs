//! Targets that misbehave, at each stage.

use super::*;

/// What a hostile target does after it has read a head, by path.
fn hostile(path: &str, socket: &mut TcpStream) {
    let head = |head: &str| format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
    let plain = match path {
        "/closed" => Vec::new(),
        "/truncated" => [head("200 OK\r\nContent-Length: 9"), b"abc".to_vec()].concat(),
        "/truncated-chunk" => [head("200 OK\r\nTransfer-Encoding: chunked"), b"5\r\nab".to_vec()].concat(),
        "/truncated-head" => b"HTTP/1.1 200 OK\r\nContent-".to_vec(),
        "/two-lengths" => head("200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked"),
        "/garbage" => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no http\r\n\r\n".to_vec(),
        "/version" => b"HTTP/2.0 200 OK\r\n\r\n".to_vec(),
        "/endless-head" => [b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(60_000)].concat(),
        "/endless-line" => [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'y'; 300_000]].concat(),
        "/only-interim" => [head("103 Early Hints"), head("100 Continue")].concat(),
        "/until-close" => [head("200 OK"), b"all of it".to_vec()].concat(),
        "/interim" => [head("103 Early Hints"), head("102 Processing"), head("200 OK\r\nContent-Length: 0")].concat(),
        "/204" => head("204 No Content\r\nContent-Length: 5"),
        "/304" => head("304 Not Modified\r\nContent-Length: 5"),
        "/101" => [head("101 Switching Protocols\r\nUpgrade: x"), b"\x00\xff".to_vec()].concat(),
        "/chunked" => [head("200 OK\r\nTransfer-Encoding: chunked"), b"2\r\nab\r\n0\r\nT: 1\r\n\r\n".to_vec()].concat(),
        "/http-1.0" => b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec(),
        "/too-much" => [OK, OK].concat(),
        "/login" => head("302 Found\r\nLocation: /Login?x\r\nContent-Length: 0"),
        "/reset" => {
            // Closing with bytes unread resets.
            return rustix::net::sockopt::set_socket_linger(&*socket, Some(std::time::Duration::ZERO)).unwrap();
        }
        "/reset-inside" => {
            socket.write_all(&head("200 OK\r\nContent-Length: 9")).unwrap();
            // Until the sender has read it: its queue of unsent bytes is empty, and the reset does not overtake them.
            Clock::start().sleep_until(50 * MS);
            return rustix::net::sockopt::set_socket_linger(&*socket, Some(std::time::Duration::ZERO)).unwrap();
        }
        "/hang" => {
            read_head(socket);
            return;
        }
        "/trickle" => {
            let _ = socket.write_all(&head("200 OK\r\nContent-Length: 1000"));
            for turn in 0.. {
                Clock::start().sleep_until(20 * MS);
                if turn > 100 || socket.write_all(b"x").is_err() {
                    return;
                }
            }
            return;
        }
        other => panic!("{other}"),
    };
    let _ = socket.write_all(&plain);
    let _ = socket.shutdown(Shutdown::Write);
    while !read_head(socket).is_empty() {}
}

#[test]
fn every_misbehaviour_has_its_name_and_hurts_nobody_else() {
    use ErrorKind::{Closed, Protocol, Reset, Timeout, Truncated};
    let cases = [
        ("/closed", Err(Closed)),
        ("/reset", Err(Reset)),
        ("/reset-inside", Err(Reset)),
        ("/truncated", Err(Truncated)),
        ("/truncated-chunk", Err(Truncated)),
        ("/truncated-head", Err(Truncated)),
        ("/only-interim", Err(Truncated)),
        ("/two-lengths", Err(Protocol)),
        ("/garbage", Err(Protocol)),
        ("/version", Err(Protocol)),
        ("/endless-head", Err(Protocol)),
        ("/endless-line", Err(Protocol)),
        ("/hang", Err(Timeout)),
        ("/trickle", Err(Timeout)),
        ("/until-close", Ok(200)),
        ("/interim", Ok(200)),
        ("/204", Ok(204)),
        ("/304", Ok(304)),
        ("/101", Err(Protocol)),
        ("/chunked", Ok(200)),
        ("/http-1.0", Ok(200)),
        ("/too-much", Ok(200)),
        ("/login", Ok(302)),
    ];
    let address = target(|_, mut socket| {
        let head = read_head(&mut socket);
        if path(&head) == "/fine" {
            socket.write_all(OK).unwrap();
            ok(socket);
        } else if !head.is_empty() {
            hostile(path(&head), &mut socket);
        }
    });
    let mut all: Vec<_> = (0..).zip(cases).map(|(slot, (path, _))| (5, slot, path)).collect();
    all.extend((10..30).map(|due| (due, 1_000, "/fine")));
    let (outcomes, _) = send(SendOptions { timeout_ns: 400 * MS, ..options() }, address, &all);
    for ((path, expected), outcome) in cases.iter().zip(&outcomes) {
        let progress = &outcome.progress;
        let got = match progress.error {
            Some(error) => Err(error),
            None => Ok(progress.status.unwrap()),
        };
        assert_eq!(got, *expected, "{path}");
        assert_eq!(progress.login, *path == "/login");
        assert_eq!(progress.bytes_out, outcome.job_bytes());
    }
    let others = &outcomes[cases.len()..];
    assert_eq!(errors(others), [None; 20]);
    // Whoever waited for a target that hangs would wait for 400 ms.
    let lags: Vec<u64> = others.iter().map(|one| one.progress.lag_ns().unwrap()).collect();
    assert!(lags.iter().all(|lag| *lag < 300 * MS), "{lags:?}");
}

impl Job {
    fn job_bytes(&self) -> u64 {
        (self.head.len() + self.body.len()) as u64
    }
}

#[test]
fn a_head_request_has_no_body_and_its_connection_goes_on() {
    let address = target(|_, mut socket| {
        while !read_head(&mut socket).is_empty() {
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n").unwrap();
        }
    });
    let mut jobs = requests(&[(0, 0, "/"), (20, 0, "/")]);
    jobs.iter_mut().for_each(|job| job.to = formats::wire::ResponseTo::Head);
    let (outcomes, counters) = send_all(options(), address, jobs);
    assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 2], (1, 0, 0)));
}

#[test]
fn bytes_out_of_turn_end_the_connection_and_not_the_next_request() {
    let address = target(|number, mut socket| {
        read_head(&mut socket);
        let answer = if number == 0 { [OK, b"HTTP/1.1 500 No\r\n\r\n"].concat() } else { OK.to_vec() };
        socket.write_all(&answer).unwrap();
        ok(socket);
    });
    let (outcomes, counters) = send(options(), address, &[(0, 0, "/"), (60, 0, "/")]);
    assert_eq!((errors(&outcomes), opened(&counters).0), (vec![None; 2], 2));
    assert_eq!(outcomes[1].progress.status, Some(200));
}

/// A POST with a body, which may ask for a 100 first.
fn post(body: usize, expects_continue: bool) -> Vec<Box<Job>> {
    let head = format!("POST /up HTTP/1.1\r\nContent-Length: {body}\r\n\r\n");
    let mut job = job(0, 0, head.as_bytes());
    (job.body, job.expects_continue) = (vec![b'b'; body].into(), expects_continue);
    vec![job]
}

#[test]
fn an_early_answer_counts_although_the_upload_was_cut_off() {
    let address = target(|_, mut socket| {
        read_head(&mut socket);
        let no = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        socket.write_all(no).unwrap();
        // Closing with bytes unread resets.
    });
    let (outcomes, _) = send_all(options(), address, post(64 << 20, false));
    let progress = &outcomes[0].progress;
    assert_eq!((progress.status, progress.error), (Some(413), None));
    assert!(progress.written_ns.is_none() && progress.bytes_out < 64 << 20);
}

#[test]
fn a_large_upload_arrives_whole_and_delays_nobody() {
    // The upload is read only after all others were answered.
    let (other, others) = sync_channel(9);
    let others = Mutex::new(others);
    let address = target(move |_, mut socket| {
        let mut left = 32 << 20;
        let mut buffer = vec![0; 1 << 16];
        if path(&read_head(&mut socket)) == "/up" {
            (0..9).for_each(|_| others.lock().unwrap().recv().unwrap());
            while left > 0 {
                left -= socket.read(&mut buffer).unwrap();
            }
            socket.write_all(OK).unwrap();
        } else {
            socket.write_all(OK).unwrap();
            other.send(()).unwrap();
        }
        ok(socket);
    });
    let mut jobs = post(32 << 20, false);
    jobs.extend(requests(&(1..10).map(|slot| (1, slot, "/")).collect::<Vec<_>>()));
    let (outcomes, _) = send_all(SendOptions { timeout_ns: 20_000 * MS, ..options() }, address, jobs);
    assert_eq!(errors(&outcomes), [None; 10]);
    assert_eq!(outcomes[0].progress.bytes_out, outcomes[0].job_bytes());
    let written = outcomes[0].progress.written_ns.unwrap();
    assert!(outcomes[1..].iter().all(|one| dispatched(one) < written), "{written}");
}

#[test]
fn a_body_waits_for_a_hundred_and_is_not_sent_after_a_final_answer() {
    let answers = |with: &'static [u8]| {
        let (bodies, body) = sync_channel(9);
        let address = target(move |_, mut socket| {
            read_head(&mut socket);
            socket.set_nonblocking(true).unwrap();
            Clock::start().sleep_until(30 * MS);
            assert!(socket.read(&mut [0]).is_err(), "nothing may come before the 100");
            socket.set_nonblocking(false).unwrap();
            socket.write_all(with).unwrap();
            let mut got = [0; 5];
            let whole = socket.read_exact(&mut got).is_ok();
            bodies.send(whole).unwrap();
            let _ = socket.write_all(OK);
        });
        let (outcomes, counters) = send_all(options(), address, post(5, true));
        assert_eq!(errors(&outcomes), [None]);
        assert_eq!(opened(&counters).0, 1);
        (outcomes[0].progress.status.unwrap(), outcomes[0].progress.written_ns.is_some(), body.recv().unwrap())
    };
    assert_eq!(answers(b"HTTP/1.1 100 Continue\r\n\r\n"), (200, true, true));
    assert_eq!(answers(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"), (200, true, true));
    assert_eq!(answers(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"), (417, false, false));
}

#[test]
fn a_hundred_that_does_not_come_is_waited_for_a_second() {
    let address = target(|_, mut socket| {
        read_head(&mut socket);
        socket.read_exact(&mut [0; 5]).unwrap();
        socket.write_all(OK).unwrap();
    });
    let (outcomes, _) = send_all(options(), address, post(5, true));
    let progress = &outcomes[0].progress;
    assert_eq!((progress.status, progress.error), (Some(200), None));
    let waited = progress.written_ns.unwrap() - progress.dispatched_ns.unwrap();
    assert!(waited >= super::super::connection::CONTINUE_NS, "{waited}");
}

#[test]
fn nobody_waits_for_the_end_of_what_can_be_no_answer() {
    const SAID: [&[u8]; 6] = [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"<",
        b"HTTX/1.1 200 OK\r\n",
        b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/1.1 200 OK\r\nA: 1\r\n",
    ];
    let address = target(|_, mut socket| {
        let head = read_head(&mut socket);
        let said = SAID[path(&head)[1..].parse::<usize>().unwrap()];
        // Byte by byte: what may still become an answer is waited for.
        for byte in said {
            let _ = socket.write_all(std::slice::from_ref(byte));
        }
        while !read_head(&mut socket).is_empty() {}
    });
    let all: Vec<_> = (0..).zip(["/0", "/1", "/2", "/3", "/4", "/5"]).map(|(slot, path)| (5, slot, path)).collect();
    let (outcomes, _) = send(SendOptions { timeout_ns: 2_000 * MS, ..options() }, address, &all);
    let [garbage @ .., begun] = &errors(&outcomes)[..] else { unreachable!() };
    assert_eq!((garbage, *begun), (&[Some(ErrorKind::Protocol); 5][..], Some(ErrorKind::Timeout)));
}
