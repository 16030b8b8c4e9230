use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
/// How long the connection in these tests takes.
const AT_WORK: Duration = Duration::from_millis(50);

/// A connection that was accepted and had no turn yet is a task like any other, which is in no counter.
#[test]
fn a_drain_waits_for_a_connection_that_had_no_turn_yet() {
    let config = RelayConfig {
        pairs: vec![PairConfig::new("127.0.0.1:0".parse().unwrap(), Forward::Sink)],
        threads: 1,
        connect_timeout: PATIENCE,
        look_up_interval: Duration::from_secs(30),
        handshake_timeout: PATIENCE,
        idle_timeout: None,
    };
    let mut relay = Relay::bind(&config, Vec::new()).unwrap().start(None).unwrap();
    relay.stop_accepting();
    let served = Arc::new(AtomicBool::new(false));
    let (clock, in_task) = (relay.clock, Arc::clone(&served));
    relay.runtime.spawn(async move {
        tokio::time::sleep_until(clock.deadline_after(AT_WORK).into()).await;
        in_task.store(true, Ordering::Release);
    });
    let began_ns = clock.now_ns();
    let (counters, cut) = relay.drain(PATIENCE, std::future::pending());
    assert!(served.load(Ordering::Acquire));
    assert_eq!((counters.active, cut), (0, 0));
    assert!(u128::from(clock.now_ns() - began_ns) < PATIENCE.as_nanos(), "and for nothing else");
}
