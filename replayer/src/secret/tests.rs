//! Secrets that do not show, that change, and that are asked for again when they are refused.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::clock::Clock;

#[test]
fn a_live_secret_changes_only_to_what_can_be_sent() {
    let next = Arc::new(Mutex::new(Ok(b"Bearer 2".to_vec())));
    let source = Arc::clone(&next);
    let resolve = move || source.lock().unwrap().clone().map(|bytes| Secret::new(&bytes));
    let live = LiveSecret::new("the token", Secret::new(b"Bearer 1"), resolve).unwrap();
    assert_eq!(live.current().reveal(), b"Bearer 1");
    assert!(live.renew().unwrap());
    assert!(!live.renew().unwrap());
    for bad in [Ok(b"a\r\nB: c".to_vec()), Ok(Vec::new()), Ok(b"x ".to_vec()), Err("gone".to_owned())] {
        *next.lock().unwrap() = bad;
        assert!(live.renew().is_err());
        assert_eq!(live.current().reveal(), b"Bearer 2");
    }
    assert_eq!(live.renew().unwrap_err().to_string(), "the token could not be read again: gone");
    assert_eq!(format!("{live:?} {:?} {}", live.current(), live.current()), "LiveSecret(***) *** ***");
    let refused = LiveSecret::new("the token", Secret::new(b"a\nb"), || Err(String::new())).unwrap_err();
    assert!(refused.to_string().starts_with("the token is empty, has white space"), "{refused}");
}

#[test]
fn who_is_turned_away_has_the_sources_asked_again_long_before_the_interval_is_over() {
    let (told, asked) = sync_channel(4);
    let resolve = move || {
        told.try_send(()).map_err(|error| error.to_string())?;
        Ok(Secret::new(b"2"))
    };
    let secret = Arc::new(LiveSecret::new("the token", Secret::new(b"1"), resolve).unwrap());
    let renewal = Renewal::start("renew", vec![Arc::clone(&secret)], Clock::start()).unwrap();
    renewal.turned_away();
    asked.recv_timeout(Duration::from_secs(20)).expect("asked within two thirds of the interval");
    // The thread ends with what it is held by, and then gives up the secrets.
    drop(renewal);
    let until = Clock::start();
    while Arc::strong_count(&secret) > 1 {
        assert!(until.now_ns() < 20_000_000_000, "the thread goes on");
        std::thread::yield_now();
    }
    assert_eq!(secret.current().reveal(), b"2");
}
