//! Profiles, rounds, speed, overlay, Poisson and shards.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn spec(text: &str) -> Result<Profile, PlanError> {
    let spec = if text.contains("[[") { ProfileSpec::toml(text) } else { ProfileSpec::csv(text) };
    // 600 requests in a minute are 10 a second.
    spec.and_then(|spec| spec.solve(600, 60 * SECOND))
}

fn with(factor: &str, method: Method, change: impl FnOnce(&mut Options)) -> Options {
    let mut options = options(factor, method, 1);
    change(&mut options);
    options
}

#[test]
fn profiles_go_in_straight_lines() {
    let check = |profile: &Profile, points: &[(u64, u64)]| {
        for (at_s, hundredths) in points {
            assert_eq!(profile.at(at_s * SECOND), hundredths * 10_000, "at {at_s} s of {profile:?}");
        }
    };
    let ramp = ProfileSpec::ramp("1x..10x/10m").unwrap().solve(600, 60 * SECOND).unwrap();
    check(&ramp, &[(0, 100), (60, 190), (300, 550), (600, 1000), (9_999, 1000)]);
    assert_eq!((ramp.length_ns(), ramp.as_constant()), (600 * SECOND, None));
    assert!((ramp.mean(600 * SECOND) - 5.5).abs() < 1e-6 && (ramp.mean(1_200 * SECOND) - 7.75).abs() < 1e-6);
    check(
        &ProfileSpec::ramp("40/s..2x/10s").unwrap().solve(600, 60 * SECOND).unwrap(),
        &[(0, 400), (5, 300), (10, 200)],
    );
    check(
        &spec("\u{feff}AT, RATE\n0s,1x\n# up\n10s,2x\n10s,4x\n20s,4x\n").unwrap(),
        &[(0, 100), (5, 150), (10, 400), (30, 400)],
    );
    let stages = "[[stage]]\nduration='10s'\nto='2x'\n[[stage]]\nduration='10s'\nto='30/s'\n[[spike]]\nat='5s'\nfor='2s'\nrate='9x'\n[[spike]]\nat='30s'\nfor='1s'\nrate='8x'";
    check(
        &spec(stages).unwrap(),
        &[(0, 200), (4, 200), (5, 900), (6, 900), (7, 200), (15, 250), (25, 300), (30, 800), (31, 300)],
    );
}

#[test]
fn bad_profiles_say_what_and_where() {
    for (text, part) in [
        ("", "line 1: the profile is empty"),
        ("at,rate\n", "line 1: the profile is empty"),
        ("5s,1x", "line 1: the first row is at 5s"),
        ("0s,1x\n10s,2x\n9s,1x", "line 3: 9s is earlier"),
        ("0s,1x\n-5s,2x", "line 2: `-5s` is no duration"),
        ("0s,-1x", "line 1: the rate `-1x` is negative"),
        ("0s;1x", "line 1: `0s;1x` is no AT,RATE"),
        ("0s,max", "`max` is no rate that can be ramped"),
        ("[[spike]]\nat='1s'\nfor='1s'\nrate='1x'", "line 1: the profile has no [[stage]]"),
        ("[[stage]]\nduration='1s'", "line 1: stage 1: it has neither"),
        ("[[stage]]\nduration='1s'\nto='1x'\ntoo='1x'", "unknown field `too`"),
        (
            "[[stage]]\nduration='1s'\nto='1x'\n[[spike]]\nat='1s'\nfor='2s'\nrate='1x'\n[[spike]]\nat='2s'\nfor='2s'\nrate='1x'",
            "line 9: spike 2: it begins before",
        ),
        (
            "[[stage]]\nduration='1s'\nto='1x'\n\n[[stage]]\nduration='soon'\nto='1x'",
            "line 6: stage 2: `soon` is no duration",
        ),
        ("[[stage]]\nduration='1s'\nfrom='1x'\nto='-1x'", "line 4: stage 1: the rate `-1x` is negative"),
        (
            "[[stage]]\nduration='1s'\nto='1x'\n[[spike]]\nat='1s'\nrate='max'\nfor='1s'",
            "line 6: spike 1: `max` is no rate",
        ),
        ("[[stage]]\nto='1x'", "line 1"),
        ("0s,1x\n\n9s,1000000/s\n", "line 3: 1000000/s cannot be made of 600 requests"),
        ("[[stage]]\nduration='1s'\nfrom='1x'\nto='1000000/s'", "line 4: stage 1: 1000000/s cannot be made"),
        (
            "[[stage]]\nduration='1s'\nto='1000000/s'\n[[stage]]\nduration='1s'\nto='1x'",
            "line 3: stage 1: 1000000/s cannot",
        ),
        (
            "[[stage]]\nduration='1s'\nto='1x'\n[[spike]]\nat='1s'\nfor='1s'\nrate='1000000/s'",
            "line 7: spike 1: 1000000/s cannot",
        ),
    ] {
        let error = spec(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    for (text, part) in [
        ("1x..2x", "no /DURATION"),
        ("2x/10m", "no /DURATION"),
        ("1x..0x/10m", "is zero"),
        ("1x..2x/soon", "no duration"),
    ] {
        let error = ProfileSpec::ramp(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

/// 40,000 clients with one request each, over 100 s: what comes in each tenth.
fn tenths(options: &Options) -> Vec<f64> {
    let (mut clients, arrivals) = recording((0..40_000).map(|i| (i * 2_500_000, i as u32)).collect());
    clients.iter_mut().for_each(|client| client.user_agents = 1);
    let plan = plan(&clients, &arrivals, options).unwrap();
    let count = |part: u64| plan.items.iter().filter(|item| item.due_ns / (10 * SECOND) == part).count() as f64;
    (0..10).map(|part| count(part) / 4_000.0).collect()
}

#[test]
fn a_ramp_gives_its_factor_at_every_instant() {
    let ramp = ProfileSpec::ramp("0.5x..5.5x/100s").unwrap().solve(1, 1).unwrap();
    for method in [Method::Clone, Method::Warp, Method::Poisson] {
        let got = tenths(&with("1x", method, |options| options.profile = ramp.clone()));
        for (part, got) in (0..).zip(&got) {
            let expected = 0.75 + 0.5 * f64::from(part);
            assert!((got / expected - 1.0).abs() < 0.08, "{method}, tenth {part}: {got} instead of {expected}");
        }
    }
}

#[test]
fn poisson_counts_are_poisson() {
    for factor in ["0.5x", "3x", "40x"] {
        let (mut clients, arrivals) = recording((0..4_000).map(|i| (i * 2_500_000, i as u32)).collect());
        clients.iter_mut().for_each(|client| client.user_agents = 1);
        let plan = plan(&clients, &arrivals, &options(factor, Method::Poisson, 3)).unwrap();
        let mut counts = vec![0_u32; arrivals.len()];
        plan.items.iter().for_each(|item| counts[item.arrival as usize] += 1);
        let mean = counts.iter().copied().map(f64::from).sum::<f64>() / 4_000.0;
        let variance = counts.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>() / 4_000.0;
        let k: f64 = factor.trim_end_matches('x').parse().unwrap();
        assert!((mean / k - 1.0).abs() < 0.08 && (variance / k - 1.0).abs() < 0.12, "{factor}: {mean} {variance}");
    }
}

#[test]
fn rounds_repeat_the_recording_and_draw_anew() {
    let (mut clients, arrivals) = recording((0..100).map(|i| (i * SECOND, i as u32)).collect());
    clients.iter_mut().for_each(|client| client.user_agents = 1);
    let repeated = plan(&clients, &arrivals, &with("2x", Method::Clone, |one| one.length.repeat = Some(3))).unwrap();
    assert_eq!(repeated.items.len(), 600);
    let by_copy = |copy: u32| repeated.items.iter().filter(move |item| item.copy == copy).map(|item| item.due_ns);
    // Originals (copies 0, 1 and 2 of three rounds) are one period apart, a mean gap longer than the recording.
    for (copy, round) in [(0, 0), (1, 1), (2, 2)] {
        assert!(by_copy(copy).eq(arrivals.iter().map(|arrival| arrival.at_ns + round * 100 * SECOND)), "copy {copy}");
    }
    let offsets = |copy: u32, round: u64| by_copy(copy).map(|due| due - round * 100 * SECOND).collect::<Vec<_>>();
    assert_ne!(offsets(3, 0), offsets(4, 1), "the copies of another round start elsewhere");
    assert_eq!(repeated.items.iter().map(|item| item.copy).max(), Some(5));

    let long = plan(&clients, &arrivals, &with("1x", Method::Clone, |one| one.length.duration_ns = Some(250 * SECOND)))
        .unwrap();
    assert_eq!((long.items.len(), long.items.last().unwrap().due_ns), (250, 249 * SECOND));
    let short = plan(&clients, &arrivals, &with("1x", Method::Clone, |one| one.length.duration_ns = Some(10 * SECOND)))
        .unwrap();
    assert_eq!(short.items.len(), 10, "nothing is due at the end or later");
    let both =
        with("1x", Method::Clone, |one| (one.length.duration_ns, one.length.repeat) = (Some(250 * SECOND), Some(2)));
    assert_eq!(plan(&clients, &arrivals, &both).unwrap().items.len(), 200);
}

#[test]
fn time_runs_faster_by_speed_and_by_compress() {
    let (clients, arrivals) = recording((0..100).map(|i| (i * SECOND, i as u32)).collect());
    let speed: Factor = "2.5x".parse().unwrap();
    let by_speed = plan(&clients, &arrivals, &with("1x", Method::Clone, |one| one.length.speed = speed)).unwrap();
    let by_method = plan(&clients, &arrivals, &options("2.5x", Method::Compress, 1)).unwrap();
    for plan in [by_speed, by_method] {
        assert!(plan.items.iter().map(|item| item.due_ns).eq(arrivals.iter().map(|one| one.at_ns * 2 / 5)));
    }
    let both = with("3x", Method::Clone, |one| one.length.speed = speed);
    let both = plan(&clients, &arrivals, &both).unwrap();
    assert_eq!((both.items.len(), both.items.last().unwrap().due_ns <= 99 * SECOND * 2 / 5), (300, true));
    let ramp = ProfileSpec::ramp("1x..2x/10s").unwrap().solve(1, 1).unwrap();
    let error = plan(&clients, &arrivals, &with("1x", Method::Compress, |one| one.profile = ramp)).unwrap_err();
    assert!(error.to_string().contains("compress"), "{error}");
}

proptest! {
    #[test]
    fn an_overlay_is_whole_streams_moved_by_one_amount_around_the_end((clients, arrivals) in recordings(), seed: u64) {
        let plan = plan(&clients, &arrivals, &options("3x", Method::Overlay, seed)).unwrap();
        prop_assert_eq!(plan.items.len(), 3 * arrivals.len());
        let around = plan.duration_ns + 1;
        let start = arrivals.first().map_or(0, |first| first.at_ns);
        for copies in [[0, 3], [1, 4], [2, 5]] {
            let shifts: HashSet<u64> = plan.items.iter().filter(|item| copies.contains(&item.copy))
                .map(|item| (item.due_ns + around - (arrivals[item.arrival as usize].at_ns - start)) % around)
                .collect();
            prop_assert!(shifts.len() <= 1, "copies {:?}: {:?}", copies, shifts);
        }
        // Within a life nothing is out of order.
        for items in super::copies(&plan, &arrivals).values() {
            prop_assert!(items.is_sorted_by_key(|item| arrivals[item.arrival as usize].at_ns));
        }
    }

    #[test]
    fn every_life_is_in_exactly_one_shard(
        (clients, arrivals) in recordings(), of in 1..5_u32, method in methods(), length in lengths()
    ) {
        let options = with_length("2x", method, 1, length);
        let listed = plan(&clients, &arrivals, &options).unwrap();
        let plan = Plan::new(&clients, listed.duration_ns, options).unwrap();
        for item in &listed.items {
            let client = arrivals[item.arrival as usize].client;
            let ordinal = arrivals[..item.arrival as usize].iter().filter(|one| one.client == client).count() as u64;
            let shards = (1..=of).filter(|number| plan.is_in(Shard { number: *number, of }, client, item.copy, ordinal));
            prop_assert_eq!(shards.count(), 1);
        }
    }
}

#[test]
fn shards_are_read_and_refused() {
    for text in ["1/1", "2/4", "1000/1000"] {
        assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
    }
    for text in ["0/1", "2/1", "1/0", "1", "a/2", "1/1001", ""] {
        assert!(text.parse::<Shard>().unwrap_err().to_string().contains("as in 2/4"), "{text}");
    }
}

#[test]
fn too_many_lives_and_rounds_are_refused() {
    let (clients, arrivals) = recording(vec![(0, 0), (SECOND, 0)]);
    let error = plan(&clients, &arrivals, &with("10000x", Method::Clone, |one| one.length.repeat = Some(1_000_000)));
    assert!(matches!(error, Err(PlanError::TooManyLives { .. })));
    let error =
        plan(&clients, &arrivals, &with("1x", Method::Clone, |one| one.length.duration_ns = Some(u64::MAX / 4)));
    assert!(matches!(error, Err(PlanError::TooManyRounds { .. })));
}
