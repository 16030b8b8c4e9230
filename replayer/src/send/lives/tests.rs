use super::*;
use crate::job::tests::job;

const MS: u64 = 1_000_000;
const START: u64 = 1_000 * MS;

/// A request of life 7: its number, when it is due and ended in the recording (ms, 0: never), what it depends on
/// (number, recorded end, pause).
fn of_life(number: u32, due: u64, end: u64, after: Option<(u32, u64, u64)>) -> Box<Job> {
    let mut job = job(due * MS, 1, b"");
    (job.life, job.number) = (7, number);
    job.recorded_end_ns = if end == 0 { u64::MAX } else { end * MS };
    job.after = after.map(|(number, end, pause)| After {
        number,
        seq: 100 + u64::from(number),
        recorded_end_ns: end * MS,
        pause_ns: pause * MS,
    });
    job
}

fn lives(model: LoopModel, pace: Pace) -> Lives {
    Lives::new(model, pace, START)
}

/// How many lives are remembered after each request, in causal loop, when each is answered at once; and at the end.
pub(crate) fn remembered_after_each(jobs: impl Iterator<Item = Job>) -> Vec<usize> {
    let mut lives = lives(LoopModel::Causal { think_min_ns: 0 }, Pace::Recorded);
    let mut after_each = |job: Job| {
        let now = START + job.due_ns;
        lives.pass(job.due_ns);
        if let Some(job) = lives.arrive(Box::new(job), now) {
            lives.ended(&job, now);
        }
        lives.remembered().0
    };
    let mut remembered: Vec<usize> = jobs.map(&mut after_each).collect();
    lives.pass(u64::MAX);
    remembered.push(lives.remembered().0);
    remembered
}

const CAUSAL: LoopModel = LoopModel::Causal { think_min_ns: 5 * MS };

#[test]
fn in_open_loop_nothing_is_remembered() {
    let mut lives = lives(LoopModel::Open, Pace::Recorded);
    let free = lives.arrive(of_life(1, 20, 30, Some((0, 10, 10))), START).unwrap();
    assert_eq!((free.progress.released_ns, lives.remembered(), lives.next_ns()), (20 * MS, (0, 0), None));
}

#[test]
fn a_request_is_held_until_its_answer_and_its_pause_are_over() {
    for (model, released, held) in
        [(CAUSAL, [45, 100], [Some(100), None]), (LoopModel::Closed, [50, 50], [Some(100), Some(100)])]
    {
        let mut lives = lives(model, Pace::Recorded);
        let first = lives.arrive(of_life(0, 0, 10, None), START).unwrap();
        assert!(lives.arrive(of_life(1, 20, 0, Some((0, 10, 10))), START + 20 * MS).is_none());
        assert!(lives.arrive(of_life(2, 100, 0, Some((0, 10, 10))), START + 20 * MS).is_none());
        assert_eq!((lives.parked(), lives.next_ns()), (2, None));
        lives.ended(&first, START + 40 * MS);
        for (released, held) in released.into_iter().zip(held) {
            let at = START + released * MS;
            assert_eq!(lives.next_ns(), Some(at));
            assert!(lives.next(at - 1).is_none());
            let free = lives.next(at).unwrap();
            assert_eq!((free.progress.released_ns, free.progress.held_by_seq), (released * MS, held), "{model:?}");
        }
        assert_eq!((lives.parked(), lives.next_ns()), (0, None));
    }
}

#[test]
fn an_answer_that_ended_before_its_dependant_came_counts_and_one_that_never_came_does_not() {
    let mut lives = lives(CAUSAL, Pace::Recorded);
    let first = lives.arrive(of_life(0, 0, 10, None), START).unwrap();
    lives.ended(&first, START + 18 * MS);
    assert!(lives.arrive(of_life(1, 20, 30, Some((0, 10, 10))), START + 20 * MS).is_none());
    assert_eq!(lives.next(START + 23 * MS).unwrap().progress.held_by_seq, Some(100));
    let free = lives.arrive(of_life(3, 50, 0, Some((2, 40, 1))), START + 50 * MS).unwrap();
    assert_eq!((free.progress.released_ns, free.progress.held_by_seq), (50 * MS, None));
}

#[test]
fn only_ends_that_can_still_be_waited_for_are_kept_and_a_life_that_is_over_is_forgotten() {
    let mut lives = lives(CAUSAL, Pace::Recorded);
    let mut one = |number: u32, end, after| {
        let mut job = of_life(number, u64::from(number) * 100, end, after);
        job.life_ends_ns = 300 * MS;
        let now = START + job.due_ns;
        lives.pass(job.due_ns);
        let job = lives.arrive(job, now).unwrap();
        lives.ended(&job, now + 1);
        lives.remembered()
    };
    assert_eq!(one(0, 10, None), (1, 1));
    assert_eq!(one(1, 110, Some((0, 10, 90))), (1, 2));
    assert_eq!(one(2, 0, Some((1, 110, 90))), (1, 1), "one ended earlier, one never");
    assert_eq!(one(3, 0, Some((1, 110, 190))), (1, 1), "others may be due at that instant");
    lives.pass(300 * MS);
    assert_eq!(lives.remembered(), (1, 1));
    lives.pass(300 * MS + 1);
    assert_eq!(lives.remembered(), (0, 0), "though another request that ends it may never come");
}

#[test]
fn a_life_whose_last_request_is_under_way_at_its_end_is_forgotten_when_that_ends() {
    let mut lives = lives(CAUSAL, Pace::Recorded);
    let mut job = of_life(0, 0, 10, None);
    job.life_ends_ns = 0;
    let job = lives.arrive(job, START).unwrap();
    lives.pass(1);
    assert_eq!(lives.remembered(), (1, 0));
    lives.ended(&job, START + 40 * MS);
    assert_eq!(lives.remembered(), (0, 0));
}

#[test]
fn at_the_highest_pace_a_life_goes_in_order() {
    let mut lives = lives(LoopModel::Open, Pace::Max);
    let first = lives.arrive(of_life(0, 0, 10, None), START).unwrap();
    let second = lives.arrive(of_life(1, 10, 20, None), START).unwrap();
    lives.put_back(second);
    assert!(lives.arrive(of_life(2, 20, 30, None), START).is_none());
    assert_eq!((lives.parked(), lives.next_ns()), (2, None), "nothing before something ends");
    lives.ended(&first, START + 1);
    let second = lives.next(START + 1).unwrap();
    assert_eq!((second.number, lives.next_ns()), (1, None));
    lives.poke(7, START + 1);
    assert_eq!(lives.next(START + 1).unwrap().number, 2);
    assert_eq!((lives.parked(), lives.remembered()), (0, (0, 0)));
}

#[test]
fn what_waits_can_be_taken_out() {
    let mut lives = lives(CAUSAL, Pace::Recorded);
    lives.arrive(of_life(0, 0, 10, None), START).unwrap();
    assert!(lives.arrive(of_life(1, 20, 0, Some((0, 10, 10))), START + 20 * MS).is_none());
    assert_eq!(lives.drain().count(), 1);
    assert_eq!((lives.parked(), lives.next_ns(), lives.remembered()), (0, None, (0, 0)));
}
