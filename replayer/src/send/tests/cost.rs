//! Not a test: what a request costs. Run by hand.
use super::*;
use crate::send::poll::{Events, Poll};
use rustix::time::{ClockId, clock_gettime};

fn cpu_ns() -> u64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

fn sink() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let poll = Poll::new().unwrap();
        let mut events = Events::new();
        poll.add(&listener, u64::MAX).unwrap();
        let mut sockets: Vec<TcpStream> = Vec::new();
        let mut buffer = vec![0; 65536];
        loop {
            let count = poll.wait(&mut events, 1_000_000_000).unwrap();
            for at in 0..count {
                let ready = events.get(at).unwrap();
                if ready.token == u64::MAX {
                    while let Ok((socket, _)) = listener.accept() {
                        socket.set_nonblocking(true).unwrap();
                        socket.set_nodelay(true).unwrap();
                        poll.add(&socket, sockets.len() as u64).unwrap();
                        sockets.push(socket);
                    }
                    continue;
                }
                let socket = &mut sockets[ready.token as usize];
                match socket.read(&mut buffer) {
                    Ok(n) if n > 0 => {
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, world!");
                    }
                    _ => {
                        let _ = socket.shutdown(Shutdown::Both);
                        let _ = poll.forget(&*socket);
                    }
                }
            }
        }
    });
    address
}

fn measure(name: &str, options: SendOptions, count: u64, interval_ns: u64, slots: u64) {
    let clock = Clock::start();
    let address = sink();
    let target = Target::resolve(&format!("http://{address}")).unwrap();
    let (counters, stop) = (Arc::new(Counters::default()), Arc::new(Stop::default()));
    let dial = Dialer::start(vec![target], DialOptions::new(clock), 1).unwrap().remove(0);
    let (mut jobs_in, jobs) = RingBuffer::new(count as usize);
    let (mut news_in, news) = RingBuffer::new(slots as usize);
    let (outcomes_in, mut outcomes) = RingBuffer::new(count as usize);
    let head = format!("GET /item HTTP/1.1\r\nhost: {address}\r\ntraceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-03\r\naccept: */*\r\n\r\n");
    for n in 0..count {
        let mut j = job(n * interval_ns, n % slots, head.as_bytes());
        j.next_in_slot_ns = (n + slots < count).then_some((n + slots) * interval_ns);
        if n < slots {
            news_in.push(SlotNews::Begins { slot: n, target: 0, due_ns: n * interval_ns }).unwrap();
        }
        jobs_in.push(j).unwrap();
    }
    drop((jobs_in, news_in));
    let parts = EngineParts {
        index: 0, clock, start_ns: clock.now_ns() + 100 * MS, options, jobs, news, outcomes: outcomes_in, dial,
        counters: Arc::clone(&counters), stop, tempo: Arc::default(),
    };
    let engine = Engine::new(parts).unwrap();
    let thread = std::thread::spawn(move || {
        let (c0, t0) = (cpu_ns(), clock.now_ns());
        engine.run().unwrap();
        (cpu_ns() - c0, clock.now_ns() - t0)
    });
    let (cpu, wall) = thread.join().unwrap();
    let mut lags: Vec<u64> = Vec::new();
    let mut errs = 0;
    while let Ok(o) = outcomes.pop() {
        errs += u64::from(o.progress.error.is_some() || o.progress.shed.is_some());
        lags.push(o.progress.dispatched_ns.unwrap_or(0) - o.progress.released_ns);
    }
    lags.sort_unstable();
    let q = |p: f64| lags[((lags.len() as f64 * p) as usize).min(lags.len() - 1)] as f64 / 1e3;
    eprintln!("{name}: {count} requests, {errs} bad, {:.0}/s, engine cpu {:.2} us/request, lag us p50 {:.1} p99 {:.1} p999 {:.1}, {:?}",
        count as f64 * 1e9 / (wall as f64 - 1e8), cpu as f64 / 1e3 / count as f64, q(0.5), q(0.99), q(0.999), opened(&counters));
}

#[test]
#[ignore = "a measurement"]
fn cost() {
    let options = SendOptions::new();
    let max = SendOptions { pace: Pace::Max, in_flight_max: 64, ..options };
    for _ in 0..3 {
        measure("max", max, 600_000, 1_000, 64);
    }
    measure("50k/s", options, 200_000, 20_000, 50);
    measure("20k/s", options, 80_000, 50_000, 50);
    measure("2k/s", options, 8_000, 500_000, 50);
    measure("max causal", SendOptions { loop_model: LoopModel::Causal { think_min_ns: 0 }, ..max }, 300_000, 1_000, 64);
}
