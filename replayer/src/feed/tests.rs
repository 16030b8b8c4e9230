//! What the feed hands out, against a plan that is listed naively, over random sessions that go through real files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use formats::model::*;
use formats::session::{Session, SessionHeader, SessionWriter, WriterOptions};
use proptest::prelude::*;

use super::*;
use crate::contexts::Contexts;
use crate::plan::{Length, Method, Options, Profile, Shard};
use crate::rewrite::{LeftOut, RewriteOptions, Rewriter};
use crate::send::remembered_after_each;
use crate::spool::{Builder, Seen, SpoolOptions};
use crate::survey::{Selection, Survey};

/// A recorded exchange: start and length in ms, client, connection, which clients share as behind a load balancer.
type Recorded = (u64, u64, u64, u64);

/// The target of the exchange with this index: on their connections client 0 talks to one host, the others to several.
fn target_of(client: u64, index: usize) -> u16 {
    if client == 0 { 0 } else { u16::try_from(index % 3).unwrap() }
}

fn exchange((start_ms, length_ms, client, connection): Recorded, index: usize) -> Exchange {
    let at = start_ms * 1_000_000 + index as u64;
    let end = at + length_ms * 1_000_000;
    // Every third client is a pool: it shows two User-Agents.
    let agent = if client % 3 == 2 { index % 2 } else { 0 };
    let host = target_of(client, index);
    let head = format!("GET /{index} HTTP/1.1\r\nUser-Agent: {agent}\r\nHost: h{host}\r\n\r\n");
    let ok = Message { head: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into(), ..Message::default() };
    Exchange {
        seq: 0,
        client: ClientKey { source: KeySource::Named, id: client },
        connection,
        protocol: Protocol::Http11,
        request: Message { head: head.into(), ..Message::default() },
        informational: Vec::new(),
        response: Some(ok),
        instants: Instants {
            request_start: at,
            request_head: at,
            request_end: Some(at),
            response_end: Some(end),
            ..Instants::default()
        },
        end: End::Complete,
        ..Exchange::default()
    }
}

fn session(path: &Path, recorded: &[Recorded], block_bytes: usize) -> Session {
    let options = WriterOptions { block_bytes, sync: false, ..WriterOptions::default() };
    let mut writer = SessionWriter::create(path, SessionHeader::default(), options).unwrap();
    let mut exchanges: Vec<Exchange> = recorded.iter().zip(0..).map(|(one, index)| exchange(*one, index)).collect();
    exchanges.sort_by_key(|exchange| exchange.instants.response_end);
    exchanges.iter_mut().for_each(|exchange| {
        writer.append(exchange).unwrap();
    });
    writer.finish().unwrap();
    Session::open(path).unwrap()
}

/// Everything that is fed, and the plan that it is of.
type Fed = (Vec<Job>, Arc<Plan>, Survey, u64, Vec<(usize, SlotNews)>);

fn fed(session: Session, directory: &Path, options: Options, shard: Shard) -> Fed {
    fed_without(session, directory, options, shard, &|_| false)
}

/// The same, of a run that refuses the exchanges of some paths.
fn fed_without(
    session: Session,
    directory: &Path,
    options: Options,
    shard: Shard,
    is_refused: &(dyn Fn(usize) -> bool + Sync),
) -> Fed {
    let sessions = [session];
    let selection = Selection::default();
    let survey = Survey::of(&sessions, &selection, None).unwrap();
    let mut plan = Plan::new(&survey.clients, survey.recording_ns, options).unwrap();
    let mut planned = 0;
    let mut watch = |seen: Seen| planned += u64::from(matches!(seen, Seen::Planned { .. }));
    let spool_options = SpoolOptions { directory: directory.to_owned(), bytes_max: 1 << 30, kept: true, shard };
    let target = Some("http://127.0.0.1:1".parse().unwrap());
    let maps = ["h1=http://127.0.0.1:2", "h2=https://127.0.0.1:3"].map(|map| map.parse().unwrap()).into();
    let rewriter = Rewriter::new(RewriteOptions { target, maps, ..RewriteOptions::default() }).unwrap();
    let prepare = |session, exchange: &Exchange, _: &str| match is_refused(path(&exchange.request.head)) {
        true => Err(LeftOut::UnsafeMethod.into()),
        false => rewriter.template(session, exchange),
    };
    let spool = Builder::new(&survey, &mut plan, &selection, spool_options, &mut watch)
        .build(&sessions, &prepare, &mut |_| {})
        .unwrap();
    let facts = RunFacts {
        contexts: Contexts::random().unwrap(),
        endpoints: Vec::new(),
        targets: Vec::new(),
        planned: spool.summary.requests,
        multiplier: 1.0,
    };
    assert_eq!(spool.summary.planned, planned);
    let (requests, seconds) = (spool.summary.requests, spool.summary.seconds.iter().sum::<u64>());
    assert_eq!(requests, seconds);
    let plan = Arc::new(plan);
    let mut list = spool.due().unwrap();
    let mut feed =
        Feed::new(spool, Arc::clone(&plan), survey.clients.clone(), Arc::new(facts), Secrets::default(), Vec::new());
    let (mut jobs, mut ended) = (Vec::new(), Vec::new());
    while let Some(job) = feed.next(&mut list).unwrap() {
        ended.extend(feed.ended.drain(..).map(|(_, news)| (jobs.len(), news)));
        jobs.push(*job);
    }
    assert_eq!(jobs.len() as u64, requests);
    (jobs, plan, survey, planned, ended)
}

/// Which recorded exchange a job is of, by its path.
fn index(job: &Job) -> usize {
    path(&job.head)
}

fn path(head: &[u8]) -> usize {
    let path = head.split(|byte| *byte == b' ').nth(1).unwrap();
    std::str::from_utf8(&path[1..]).unwrap().parse().unwrap()
}

fn options(factor: &str, method: Method, repeat: u32) -> Options {
    Options {
        profile: Profile::constant(factor.parse().unwrap()),
        seed: 7,
        method,
        length: Length { repeat: Some(repeat), ..Length::default() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everything_planned_is_fed_once_in_order(
        recorded in prop::collection::vec((0..20_000_u64, 1..4_000_u64, 0..6_u64, 0..3_u64), 1..80),
        method in prop::sample::select(vec![Method::Auto, Method::Clone, Method::Overlay, Method::Warp, Method::Poisson]),
        factor in prop::sample::select(vec!["0.5x", "1x", "2.5x"]),
        repeat in 1..3_u32,
        block_bytes in prop::sample::select(vec![1_usize, 1 << 20]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let session = session(&folder.path().join("s"), &recorded, block_bytes);
        let (jobs, plan, survey, planned, _) =
            fed(session, folder.path(), options(factor, method, repeat), Shard::WHOLE);
        prop_assert_eq!(jobs.len() as u64, planned);
        prop_assert!(jobs.is_sorted_by_key(|job| job.due_ns));
        prop_assert!(jobs.iter().enumerate().all(|(position, job)| job.facts.position == position as u64));

        // Against the plan, asked for each exchange by itself.
        let starts: Vec<u64> = recorded.iter().enumerate().map(|(i, one)| one.0 * 1_000_000 + i as u64 - survey.origin_ns).collect();
        let mut order: Vec<usize> = (0..recorded.len()).collect();
        order.sort_by_key(|index| starts[*index]);
        let mut ordinals: HashMap<u32, u64> = HashMap::new();
        let mut expected = BTreeSet::new();
        for index in order {
            let key = ClientKey { source: KeySource::Named, id: recorded[index].2 };
            let client = survey.number(0, key).unwrap();
            for life in plan.lives(client) {
                if let Some(due_ns) = plan.due_ns(client, life, starts[index]) {
                    expected.insert((due_ns, index, life.copy));
                }
            }
            let ordinal = ordinals.entry(client).or_default();
            expected.extend(plan.copies(client, *ordinal, starts[index]).map(|(copy, due_ns)| (due_ns, index, copy)));
            *ordinal += 1;
        }
        let got: BTreeSet<_> = jobs.iter().map(|job| (job.due_ns, index(job), job.facts.copy)).collect();
        prop_assert_eq!(got, expected);

        prop_assert!(jobs.iter().all(|job| job.target == target_of(recorded[index(job)].2, index(job))));
        // Slots: one recorded connection of one life to one target each, in order, and the last request knows that it is
        // the last.
        let mut slots: BTreeMap<u64, Vec<&Job>> = BTreeMap::new();
        jobs.iter().for_each(|job| slots.entry(job.slot).or_default().push(job));
        // What of a copy passed the end of the recording is a life of its own.
        let connection = |job: &Job| (recorded[index(job)].2, recorded[index(job)].3, job.life, job.target);
        let distinct: BTreeSet<_> = slots.values().map(|jobs| connection(jobs[0])).collect();
        prop_assert_eq!(distinct.len(), slots.len(), "a connection of a life has one slot for each target");
        for jobs in slots.values() {
            prop_assert!(jobs.iter().all(|job| connection(job) == connection(jobs[0])));
            if !plan.is_warped(survey.number(0, jobs[0].facts.client).unwrap()) {
                let next: Vec<_> = jobs.iter().skip(1).map(|job| Some(job.due_ns)).chain([None]).collect();
                prop_assert_eq!(jobs.iter().map(|job| job.next_in_slot_ns).collect::<Vec<_>>(), next);
            }
        }

        // Lives: what a request waits for is the latest-ended answer of its client before it.
        for job in jobs.iter().filter(|job| !plan.is_warped((job.life >> 32) as u32)) {
            let at = starts[index(job)];
            let ends = recorded.iter().enumerate().filter(|(_, one)| one.2 == recorded[index(job)].2);
            let ended = ends.map(|(i, one)| starts[i] + one.1 * 1_000_000).filter(|end| *end <= at).max();
            let shift = job.due_ns as i64 - at as i64 - (i64::from(job.facts.copy) % i64::from(plan.timing().rounds)) * plan.timing().period_ns as i64;
            let ended = ended.filter(|end| *end as i64 + shift >= 0);
            let after = job.after.map(|after| (after.recorded_end_ns, after.pause_ns));
            let first = survey.clients[(job.life >> 32) as usize].first_ns;
            prop_assert_eq!(after, ended.map(|end| (end - first, at - end)));
        }
    }

    #[test]
    fn a_life_is_remembered_for_as_long_as_it_lasts_and_no_longer(
        recorded in prop::collection::vec((0..20_000_u64, 1..4_000_u64, 0..6_u64, 0..3_u64), 1..80),
        refused in prop::collection::vec(prop::bool::weighted(0.3), 80),
        method in prop::sample::select(vec![Method::Auto, Method::Clone, Method::Overlay, Method::Warp]),
        factor in prop::sample::select(vec!["0.5x", "1x", "2.5x"]),
        repeat in 1..3_u32,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let session = session(&folder.path().join("s"), &recorded, 1 << 20);
        let (jobs, plan, survey, ..) =
            fed_without(session, folder.path(), options(factor, method, repeat), Shard::WHOLE, &|path| refused[path]);

        // A life lasts, whatever of it is refused, until its client's last request or the end of the recording that cuts it.
        let starts = |client: u64| {
            let of = recorded.iter().enumerate().filter(move |(_, one)| one.2 == client);
            of.map(|(i, one)| one.0 * 1_000_000 + i as u64 - survey.origin_ns)
        };
        let timing = plan.timing();
        let last = |client: u64, number: u32, life: Life| {
            let dues = starts(client).map(|at| plan.due_ns(number, life, at));
            let end_ns = u64::from(life.copy % timing.rounds) * timing.period_ns + timing.recording_ns;
            let is_cut = starts(client).any(|at| at.saturating_add_signed(life.shift_ns) > end_ns);
            if is_cut { Some(end_ns) } else { dues.flatten().max() }
        };
        let lasts = |client: u64| {
            let number = survey.number(0, ClientKey { source: KeySource::Named, id: client });
            let lives = number.into_iter().flat_map(|number| plan.lives(number).map(move |life| (number, life)));
            lives.filter_map(|(number, life)| last(client, number, life)).collect::<Vec<_>>()
        };
        let lasts: Vec<u64> = (0..6).flat_map(lasts).collect();
        let dues: Vec<u64> = jobs.iter().map(|job| job.due_ns).collect();
        let warped: Vec<u64> = jobs.iter().filter(|job| plan.is_warped((job.life >> 32) as u32)).map(|job| job.due_ns).collect();
        let remembered = remembered_after_each(jobs.into_iter());
        for (due_ns, remembered) in dues.iter().zip(&remembered) {
            let lasting = lasts.iter().filter(|last| **last >= *due_ns).count();
            let taken_by_themselves = warped.iter().filter(|due| *due == due_ns).count();
            prop_assert!(*remembered <= lasting + taken_by_themselves, "{remembered} at {due_ns}, of which {lasting} last");
        }
        prop_assert_eq!(remembered.last(), Some(&0));
    }

    #[test]
    fn shards_feed_the_plan_once_together(
        recorded in prop::collection::vec((0..20_000_u64, 1..4_000_u64, 0..6_u64, 0..3_u64), 1..60),
        method in prop::sample::select(vec![Method::Auto, Method::Overlay, Method::Warp]),
        of in 1..4_u32,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let session = session(&folder.path().join("s"), &recorded, 1 << 20);
        let of_shard = |shard: Shard| fed(session.clone(), folder.path(), options("2x", method, 1), shard);
        let all = |jobs: &[Job]| jobs.iter().map(|job| (job.due_ns, index(job), job.facts.copy)).collect::<Vec<_>>();
        let (whole, plan, survey, ..) = of_shard(Shard::WHOLE);
        let mut together = Vec::new();
        for number in 1..=of {
            let (jobs, part, ..) = of_shard(Shard { number, of });
            prop_assert_eq!(part.hash(&survey.clients, b""), plan.hash(&survey.clients, b""));
            together.extend(all(&jobs));
        }
        together.sort_unstable();
        let mut whole = all(&whole);
        whole.sort_unstable();
        prop_assert_eq!(together, whole);
    }
}

#[test]
fn a_warped_connection_without_requests_for_long_is_over() {
    let folder = tempfile::tempdir().unwrap();
    // One client, three connections: one busy all the time, one at the beginning, one at both ends; and the connection of
    // another client, which led to two hosts.
    let busy = (0..120_u64).map(|second| (second * 1_000, 1, 0, 0));
    let recorded: Vec<_> =
        busy.chain([(10, 1, 0, 1), (20, 1, 0, 2), (119_500, 1, 0, 2), (30, 1, 1, 3), (40, 1, 1, 3)]).collect();
    let session = session(&folder.path().join("s"), &recorded, 1 << 20);
    let (jobs, _, _, _, ended) = fed(session, folder.path(), options("1x", Method::Warp, 1), Shard::WHOLE);
    let slots = |connection: u64| {
        let of = jobs.iter().filter(|job| recorded[index(job)].3 == connection).map(|job| job.slot);
        of.collect::<BTreeSet<_>>()
    };
    assert_eq!([0, 1, 2].map(|connection| slots(connection).len()), [1, 1, 2], "a later request gets a new connection");
    assert_eq!(slots(3).len(), 2, "a target does not get what another one got");
    let told: BTreeSet<u64> = ended
        .iter()
        .map(|(at, news)| {
            let SlotNews::Ends { slot, last_due_ns } = *news else { panic!("{news:?}") };
            let last = jobs.iter().rposition(|job| job.slot == slot).unwrap();
            assert!(last < *at, "told after its last request");
            assert_eq!(jobs[last].due_ns, last_due_ns);
            assert!(jobs[*at].due_ns - last_due_ns <= WARPED_IDLE_NS + SWEEP_NS + 1_000_000_000, "and not much later");
            slot
        })
        .collect();
    // Whoever has the last one of a connection knows it without being told.
    assert_eq!(told, slots(2).into_iter().take(1).collect());
    let last = |connection: u64| {
        let of =
            jobs.iter().filter(|job| recorded[index(job)].3 == connection).map(|job| job.next_in_slot_ns.is_none());
        of.collect::<Vec<_>>()
    };
    assert_eq!((last(1), last(2), last(3)), (vec![true], vec![false, true], vec![true, true]));
}
