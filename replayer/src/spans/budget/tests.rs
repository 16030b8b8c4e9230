//! Both halves of the budget against streams of requests; nothing here waits.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

/// Trace ids that are as good as random.
fn trace(number: u64) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(number.to_le_bytes()).into();
    hash.first_chunk().copied().unwrap()
}

fn budget(text: &str) -> SpanBudget {
    text.parse().unwrap()
}

#[test]
fn a_budget_is_spans_a_second_parted_in_two() {
    for (text, parts) in
        [("1/s", (1, 0)), ("2/s", (1, 1)), ("5/s", (4, 1)), ("100/s", (80, 20)), ("1000000/s", (800_000, 200_000))]
    {
        let budget = budget(text);
        assert_eq!((budget.at_the_head(), budget.held_back()), parts, "{text}");
    }
    for bad in ["", "5", "/s", "-1/s", "1.5/s", "0/s", "1000001/s", "5/m", "5/s ", "99999999999999999999/s"] {
        assert!(bad.parse::<SpanBudget>().is_err(), "{bad}");
    }
}

/// How many of `rate` requests a second are admitted in each of `seconds`, evenly spread.
fn admitted(head: &mut HeadBudget, from_s: u64, seconds: u64, rate: u64) -> Vec<u64> {
    let in_second = |second: u64, head: &mut HeadBudget| {
        let admits =
            |at: u64| head.admits(second * SECOND_NS + at * SECOND_NS / rate, &trace(second * rate + at), false);
        let mut admits = admits;
        (0..rate).filter(|at| admits(*at)).count() as u64
    };
    (from_s..from_s + seconds).map(|second| in_second(second, head)).collect()
}

#[test]
fn below_the_budget_all_are_sampled_and_beyond_it_nearly_the_budget() {
    let mut head = HeadBudget::new(budget("100/s"));
    assert_eq!(admitted(&mut head, 0, 3, 79), [79; 3]);
    let beyond = admitted(&mut head, 3, 10, 5_000);
    // The first second of a higher rate is cut by the credit alone; a tenth of a second of it may be saved.
    assert!(beyond.iter().all(|count| (72..=88).contains(count)), "{beyond:?}");
    assert!(beyond.iter().sum::<u64>() <= 808, "{beyond:?}");
    assert_eq!(admitted(&mut head, 14, 2, 70), [70; 2], "and all again when the rate is low after a quiet second");
}

#[test]
fn what_is_sampled_does_not_hang_on_its_place_in_a_pattern() {
    let mut head = HeadBudget::new(budget("125/s"));
    // 1,000 a second of ten endpoints in turn; a tenth of them are sampled.
    let mut by_endpoint = [0_u32; 10];
    for number in 0..60_000_u64 {
        let at_ns = number * 1_000_000;
        if head.admits(at_ns, &trace(number), false) && at_ns > SECOND_NS {
            by_endpoint[usize::try_from(number % 10).unwrap()] += 1;
        }
    }
    assert!(by_endpoint.iter().all(|count| (400..800).contains(count)), "{by_endpoint:?}");
}

#[test]
fn requests_of_one_trace_are_sampled_as_its_first_was() {
    let mut head = HeadBudget::new(budget("10/s"));
    // The first takes the last of the credit, and its trace overdraws.
    assert!(head.admits(0, &trace(1), true));
    assert!((0..5).all(|_| head.admits(0, &trace(1), true)));
    assert!(!head.admits(0, &trace(2), true), "there is no credit for another trace");
    let mut refused = (1..20).map(|at| head.admits(at * SECOND_NS / 10, &trace(2), true));
    assert!(!refused.any(|admits| admits), "also later, when there is credit again");
    // A trace without end is cut when the budget of a second is overdrawn.
    let mut endless = HeadBudget::new(budget("10/s"));
    let of_one = (0..1_000).filter(|_| endless.admits(0, &trace(3), true)).count();
    assert_eq!(of_one, 1 + 8, "what was saved, and a second's part of the head");
}

#[test]
fn the_oldest_of_too_many_traces_is_forgotten() {
    let mut head = HeadBudget::new(budget("1000000/s"));
    head.traces_max = 2;
    for number in 0..3 {
        assert!(head.admits(0, &trace(number), true));
    }
    assert_eq!((head.remembered.len(), head.oldest.len()), (2, 2));
    assert!(!head.remembered.contains_key(&trace(0)) && head.remembered.contains_key(&trace(2)));
}

proptest! {
    /// Whatever the instants are, no stretch of time has more than its budget, what may be saved, and one span.
    #[test]
    fn the_budget_is_never_exceeded(
        per_second in 2_u64..500,
        gaps_ns in proptest::collection::vec(0_u64..50_000_000, 1..400),
    ) {
        let mut head = HeadBudget::new(budget(&format!("{per_second}/s")));
        let (mut at_ns, mut count) = (0, 0_u64);
        for (number, gap_ns) in (0..).zip(gaps_ns) {
            at_ns += gap_ns;
            count += u64::from(head.admits(at_ns, &trace(number), false));
        }
        let share = budget(&format!("{per_second}/s")).at_the_head();
        prop_assert!(count <= share * (at_ns + SAVED_NS) / SECOND_NS + 1);
    }

    /// Everything that is offered is kept or left out, exactly once, and no second keeps more than is held back.
    #[test]
    fn every_fate_is_told_once(
        held_back in 0_u64..8,
        offers in proptest::collection::vec((0_u64..3_000_000_000, 0_u64..100, any::<bool>()), 0..200),
    ) {
        let mut ended: Vec<_> = offers;
        ended.sort_by_key(|offer| offer.0);
        let mut tail = TailBudget::new(held_back);
        let mut fates = vec![0; ended.len()];
        let mut kept = [0_u64; 3];
        let mut tell = |fate: Fate<(usize, u64)>| match fate {
            Fate::Kept(_, (number, ended_ns)) => {
                fates[number] += 1;
                kept[usize::try_from(ended_ns / SECOND_NS).unwrap()] += 1;
            }
            Fate::LeftOut((number, _)) => fates[number] += 1,
        };
        for (number, (ended_ns, duration_ns, is_error)) in ended.iter().enumerate() {
            tail.offer(*ended_ns, *duration_ns, *is_error, (number, *ended_ns), &mut tell);
        }
        tail.close(&mut tell);
        prop_assert!(fates.iter().all(|count| *count == 1));
        prop_assert!(kept.iter().all(|count| *count <= held_back));
    }
}

/// What becomes of (seconds, duration, error), by number.
fn fates(held_back: u64, offers: &[(u64, u64, bool)]) -> Vec<(usize, &'static str)> {
    let mut told = Vec::new();
    let mut tell = |fate| match fate {
        Fate::Kept(Kept::AsError, number) => told.push((number, "error")),
        Fate::Kept(Kept::AsSlow, number) => told.push((number, "slow")),
        Fate::LeftOut(number) => told.push((number, "left out")),
    };
    let mut tail = TailBudget::new(held_back);
    for (number, (second, duration_ns, is_error)) in offers.iter().enumerate() {
        tail.offer(second * SECOND_NS, *duration_ns, *is_error, number, &mut tell);
    }
    tail.close(&mut tell);
    told.sort_unstable();
    told
}

#[test]
fn errors_have_half_and_the_slowest_the_rest() {
    let offers = [(0, 9, true), (0, 1, true), (0, 5, true), (0, 7, false), (0, 6, false), (0, 8, false)];
    // Two errors at once; of the third error and the others, the two slowest.
    let expected = [(0, "error"), (1, "error"), (2, "left out"), (3, "slow"), (4, "left out"), (5, "slow")];
    assert_eq!(fates(4, &offers), expected);
    // Without errors all of it is for the slowest, of each second anew.
    let offers = [(0, 1, false), (0, 2, false), (1, 1, false), (1, 1, false), (1, 3, false)];
    assert_eq!(fates(2, &offers), [(0, "slow"), (1, "slow"), (2, "slow"), (3, "left out"), (4, "slow")]);
    assert_eq!(fates(0, &[(0, 1, true)]), [(0, "left out")]);
}

#[test]
fn no_more_than_the_limit_wait_for_the_end_of_a_second() {
    for beyond in [0, 1] {
        let offers: Vec<_> = (0..SLOWEST_MAX + beyond).map(|at| (0, at, false)).collect();
        let told = fates(SLOWEST_MAX * 2, &offers);
        let left_out = told.iter().filter(|(_, fate)| *fate == "left out").count() as u64;
        assert_eq!(left_out, beyond);
    }
}
