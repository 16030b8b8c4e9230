//! What a user can decide about a replay, from outside: which part, how often, for whom, as whom, and when it stops.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use scripted::{gets, line, ok, read_head, session, target};
use serde_json::Value;
use support::{Process, Said, folder, inside, reenact, reenact_says, run_json, text};

/// What arrived, as heads.
type Heads = Arc<Mutex<Vec<String>>>;

/// A target that keeps every head and answers 200.
fn keeper() -> (String, Heads) {
    let heads = Heads::default();
    let kept = Arc::clone(&heads);
    let address = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            kept.lock().unwrap().push(String::from_utf8(head).unwrap());
            if socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                break;
            }
        }
    });
    (format!("http://{address}"), heads)
}

/// A replay that must end with this code.
#[track_caller]
fn replay(session: &Path, to: &str, out: &Path, code: i32, more: &[&str]) -> Said {
    let (session, out) = (text(session), text(out));
    let said = reenact_says(["replay", &session, "--target", to, "--out", &out].iter().chain(more));
    assert_eq!(said.code, code, "{more:?}: {said:?}");
    said
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn plan(session: &Path, more: &[&str]) -> Value {
    let session = text(session);
    let said = reenact_says(["plan", &session, "--json"].iter().chain(more));
    assert_eq!(said.code, 0, "{more:?}: {said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn a_plan_is_the_same_again_and_another_with_every_option() {
    let folder = folder();
    let session = gets(folder.path(), "s", 200);
    let first = plan(&session, &["--rate", "3x"]);
    assert_eq!(first["plan_hash"], plan(&session, &["--rate", "3x"])["plan_hash"]);
    assert_eq!(first["plan_hash"], plan(&session, &["--rate", "3x", "--shard", "1/2"])["plan_hash"]);
    let mut hashes = vec![first["plan_hash"].clone()];
    for other in [
        &["--rate", "2x"][..],
        &["--rate", "3x", "--seed", "2"],
        &["--rate", "3x", "--method", "warp"],
        &["--rate", "3x", "--method", "overlay"],
        &["--rate", "3x", "--speed", "2x"],
        &["--rate", "3x", "--repeat", "2"],
        &["--rate", "3x", "--duration", "500ms"],
        &["--rate", "3x", "--from", "100ms"],
        &["--rate", "3x", "--to", "900ms"],
        &["--ramp", "1x..3x/10s"],
    ] {
        let hash = plan(&session, other)["plan_hash"].clone();
        assert!(!hashes.contains(&hash), "{other:?}");
        hashes.push(hash);
    }
}

#[test]
fn of_a_config_only_its_rules_are_part_of_the_plan() {
    let folder = folder();
    let session = gets(folder.path(), "s", 20);
    let config = inside(&folder, "c.toml");
    let hash = |text: &str| {
        std::fs::write(&config, text).unwrap();
        plan(&session, &["--config", &support::text(&config)])["plan_hash"].clone()
    };
    let rule = "[[rewrite]]\nset_header = { X = \"1\" }\n";
    assert_eq!(hash(rule), hash(&format!("{rule}# a word\n[replay]\ntimeout = \"9s\"\n")));
    assert_ne!(hash(rule), hash(&rule.replace('1', "2")));
}

#[test]
fn a_plan_that_is_cut_off_is_compared_as_far_as_it_goes() {
    let folder = folder();
    let lines: Vec<String> =
        (0..4_000_u64).map(|i| line(i * i % 40_000, i, "GET", "/").replace("peer-", "named-")).collect();
    let session = session(folder.path(), "s", &lines);
    let shape = |more: &[&str]| plan(&session, more)["shape"].clone();
    for more in [&["--duration", "10s"][..], &["--duration", "100s"]] {
        let shape = shape(more);
        assert_eq!(shape["mean_rate"], 1.0, "{shape}");
        assert_ne!(shape["verdict"], "not_kept", "{shape}");
    }
}

#[test]
fn a_plan_says_how_much_comes_of_each_option() {
    let folder = folder();
    // 200 requests, one every 5 ms: 995 ms, 200 a second.
    let session = gets(folder.path(), "s", 200);
    let requests = |more: &[&str]| plan(&session, more)["requests"].as_u64().unwrap();
    assert_eq!(requests(&["--repeat", "3"]), 600);
    assert_eq!(requests(&["--duration", "5s"]), 1_000);
    assert_eq!((requests(&["--from", "500ms"]), requests(&["--to", "500ms"])), (100, 100));
    assert_eq!(requests(&["--from", "250ms", "--to", "750ms", "--rate", "2x"]), 200);
    assert_eq!(requests(&["--method", "compress", "--rate", "4x"]), 200);
    assert!((plan(&session, &["--speed", "2x"])["duration_s"].as_f64().unwrap() - 0.4975).abs() < 1e-6);
    let solved = plan(&session, &["--rate", "603/s"]);
    assert_eq!(solved["factor"], "2.999925x", "{solved}");
    let shards = |number| plan(&session, &["--rate", "3x", "--shard", number])["shard_requests"].as_u64().unwrap();
    assert_eq!(["1/3", "2/3", "3/3"].map(shards).iter().sum::<u64>(), 600);
}

#[test]
fn a_plan_shows_requests_as_they_would_be_sent() {
    let folder = folder();
    let session = gets(folder.path(), "s", 20);
    let said = reenact_says(["plan", &text(&session), "--show", "3", "--target", "http://staging:81"]);
    assert_eq!((said.code, said.out.matches("GET /item/").count()), (0, 3), "{said:?}");
    for part in ["# at 0.000000 s: client peer-", "Host: staging:81\r\n", "traceparent: 00-", "tracestate: reenact="] {
        assert!(said.out.contains(part), "no `{part}`: {}", said.out);
    }
    let (secret, table) = (inside(&folder, "token"), inside(&folder, "users.csv"));
    std::fs::write(&secret, "Bearer t-canary").unwrap();
    std::fs::write(&table, "cookie:sid\nc-canary\n").unwrap();
    let references = ["--auth", &format!("file:{}", text(&secret)), "--credentials", &text(&table)];
    let said = reenact_says([&["plan", &text(&session), "--show", "3"][..], &references].concat());
    assert_eq!((said.code, said.out.matches("Authorization: ***\r\n").count()), (0, 3), "{said:?}");
    assert!(said.out.contains("sid=***") && !said.out.contains("canary") && !said.err.contains("canary"), "{said:?}");
}

#[test]
fn maps_rules_and_credentials_change_what_arrives_and_nothing_else() {
    let folder = folder();
    let lines: Vec<String> = (0..40)
        .map(|i| {
            let host = if i % 2 == 0 { "shop.example" } else { "api.example:8443" };
            line(i * 5, i % 4 + 1, "GET", &format!("/item/{i}?debug=1&q={i}")).replace("recorded.invalid", host)
        })
        .collect();
    let session = session(folder.path(), "s", &lines);
    let ((shop, at_shop), (api, at_api)) = (keeper(), keeper());
    let (config, table) = (inside(&folder, "rules.toml"), inside(&folder, "users.csv"));
    std::fs::write(
        &config,
        "[[rewrite]]\nendpoint = \"GET /item/*\"\nset_header = { X-User = \"{{client}}-{{copy}}-{{seq}}\" }\nremove_query = [\"debug\"]\n",
    )
    .unwrap();
    std::fs::write(&table, "cookie:sid,X-Key\nalpha,k1\nbeta,k2\ngamma,k3\n").unwrap();
    let (config, table, map) = (text(&config), text(&table), format!("api.example={api}"));
    let more = ["--rate", "2x", "--map", &map, "--config", &config, "--credentials", &table];
    replay(&session, &shop, &inside(&folder, "run"), 0, &more);
    let (at_shop, at_api) = (at_shop.lock().unwrap(), at_api.lock().unwrap());
    assert_eq!((at_shop.len(), at_api.len()), (40, 40));
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    let mut users = std::collections::BTreeSet::new();
    for (heads, to) in [(&at_shop, &shop), (&at_api, &api)] {
        for head in heads.iter() {
            assert_eq!(field(head, "Host").unwrap(), to.trim_start_matches("http://"));
            assert!(!head.contains("debug=1") && head.contains("?q="), "{head}");
            let user = field(head, "X-User").unwrap();
            assert!(users.insert(user), "{user} came twice");
            let life = user.rsplit_once('-').unwrap().0;
            let key = field(head, "X-Key").unwrap();
            assert_eq!(*keys.entry(life).or_insert(key), key, "a life keeps its credentials");
            let cookie = field(head, "Cookie").unwrap();
            let expected = [("k1", "sid=alpha"), ("k2", "sid=beta"), ("k3", "sid=gamma")];
            assert!(expected.contains(&(key, cookie)), "{key} {cookie}");
        }
    }
    assert_eq!(keys.len(), 8, "four clients with two lives each: {keys:?}");
}

#[test]
fn a_rule_that_matches_nothing_is_said_and_a_bad_one_refused() {
    let folder = folder();
    let session = gets(folder.path(), "s", 5);
    let (to, _) = keeper();
    let config = inside(&folder, "rules.toml");
    std::fs::write(&config, "[[rewrite]]\nendpoint = \"GET /nowhere\"\nremove_header = [\"X\"]\n").unwrap();
    let said = replay(&session, &to, &inside(&folder, "run"), 0, &["--config", &text(&config)]);
    assert!(said.err.contains("warning: rewrite rule 1 (line 1): no request"), "{said:?}");
    assert!(run_json(&inside(&folder, "run"))["notices"].to_string().contains("rewrite rule 1"));
    std::fs::write(&config, "[[rewrite]]\nremove_heder = \"X\"\n").unwrap();
    let said = replay(&session, &to, &inside(&folder, "none"), 2, &["--config", &text(&config)]);
    assert!(said.err.contains("remove_heder"), "{said:?}");
}

#[test]
fn a_token_is_sent_and_stands_in_no_file() {
    let folder = folder();
    let session = gets(folder.path(), "s", 10);
    let (to, heads) = keeper();
    let secret = inside(&folder, "token");
    std::fs::write(&secret, "Bearer t0p-s3cret\n").unwrap();
    let out = inside(&folder, "run");
    replay(&session, &to, &out, 0, &["--auth", &format!("file:{}", secret.display())]);
    assert!(heads.lock().unwrap().iter().all(|head| field(head, "Authorization") == Some("Bearer t0p-s3cret")));
    for file in support::files(&out) {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"t0p-s3cre"));
    }
}

#[test]
fn endpoints_decide_about_unsafe_methods() {
    let folder = folder();
    let lines = [line(0, 1, "GET", "/"), line(5, 1, "POST", "/search"), line(9, 1, "POST", "/cart")];
    let session = session(folder.path(), "s", &lines);
    let (to, heads) = keeper();
    let config = inside(&folder, "rules.toml");
    std::fs::write(&config, "[[unsafe]]\nendpoint = \"POST /search\"\ndecision = \"send\"\n").unwrap();
    let config = text(&config);
    let said = replay(&session, &to, &inside(&folder, "refused"), 2, &["--config", &config]);
    assert!(said.err.contains("1 of 3 planned requests use POST"), "{said:?}");
    replay(&session, &to, &inside(&folder, "run"), 0, &["--config", &config, "--unsafe-methods", "skip"]);
    let heads = heads.lock().unwrap();
    assert_eq!((heads.len(), heads.iter().filter(|head| head.starts_with("POST /search")).count()), (2, 1));
}

#[test]
fn hooks_are_told_and_a_failing_one_stops_the_run() {
    let folder = folder();
    let session = gets(folder.path(), "s", 5);
    let (to, heads) = keeper();
    let told = inside(&folder, "told");
    let tell = format!("cat >> {0}; echo \" $REENACT_RUN_ID\" >> {0}", told.display());
    let out = inside(&folder, "run");
    replay(&session, &to, &out, 0, &["--on-start", &tell, "--on-end", &tell]);
    let said = std::fs::read_to_string(&told).unwrap();
    let id = run_json(&out)["run_id"].as_str().unwrap().to_owned();
    assert_eq!(said.matches(&id).count(), 4, "{said}");
    assert!(said.contains("\"completed\":5") && said.contains("\"verdict\":"), "{said}");
    let before = heads.lock().unwrap().len();
    let said = replay(&session, &to, &inside(&folder, "none"), 2, &["--on-start", "exit 3"]);
    assert!(said.err.contains("exit status: 3"), "{said:?}");
    assert_eq!(heads.lock().unwrap().len(), before, "nothing is sent");
}

/// A session of 20 s, 50 requests a second.
fn long(folder: &Path) -> PathBuf {
    let lines: Vec<String> = (0..1_000).map(|i| line(i * 20, i % 5 + 1, "GET", "/")).collect();
    session(folder, "long", &lines)
}

#[test]
fn a_kill_file_stops_a_run_and_keeps_one_from_beginning() {
    let folder = folder();
    let session = text(&long(folder.path()));
    let (to, heads) = keeper();
    let (kill, out) = (text(&inside(&folder, "kill")), inside(&folder, "run"));
    let arguments = ["replay", &session, "--target", &to, "--kill-file", &kill, "--out"];
    let running = Process::start(reenact(arguments).arg(&out));
    support::wait_for("the first requests", || (heads.lock().unwrap().len() > 5).then_some(()));
    std::fs::write(&kill, "").unwrap();
    let said = running.finish();
    let run = run_json(&out);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(run["aborted"].as_str().unwrap().contains("kill"), "{run}");
    assert!(run["sent"].as_u64().unwrap() < 1_000);
    assert_eq!(
        (&run["verdict"]["outcome"], &run["verdict"]["reasons"]),
        (&"valid".into(), &serde_json::json!([])),
        "{run}"
    );
    let said = reenact_says(arguments.iter().map(|one| (*one).to_owned()).chain([text(&inside(&folder, "again"))]));
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn a_run_stops_itself_by_its_own_figures() {
    let folder = folder();
    let session = long(folder.path());
    let broken = target(|mut socket: TcpStream| {
        while read_head(&mut socket).is_some() {
            if socket.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_err() {
                break;
            }
        }
    });
    let out = inside(&folder, "run");
    let rule = "status_5xx_rate > 50% for 2s";
    replay(&session, &format!("http://{broken}"), &out, 1, &["--abort-if", rule]);
    let run = run_json(&out);
    assert!(run["aborted"].as_str().unwrap().contains("status_5xx_rate"), "{run}");
    assert!(run["sent"].as_u64().unwrap() < 600, "{}", run["sent"]);
    let to = format!("http://{}", target(ok));
    let said = replay(&session, &to, &inside(&folder, "bad"), 2, &["--abort-if", "error_rate >> 5%"]);
    assert!(said.err.contains("error_rate >> 5%"), "{said:?}");
}

#[test]
fn shards_together_are_the_plan_and_merge_exactly() {
    let folder = folder();
    let session = gets(folder.path(), "s", 200);
    let (to, heads) = keeper();
    let runs: Vec<PathBuf> = ["1/2", "2/2"]
        .iter()
        .map(|shard| {
            let out = inside(&folder, &shard.replace('/', "-"));
            replay(&session, &to, &out, 0, &["--rate", "3x", "--shard", shard]);
            out
        })
        .collect();
    let mut paths: BTreeMap<String, u64> = BTreeMap::new();
    for head in heads.lock().unwrap().iter() {
        *paths.entry(head.split(' ').nth(1).unwrap().to_owned()).or_default() += 1;
    }
    assert!(paths.len() == 200 && paths.values().all(|count| *count == 3), "{paths:?}");
    let whole = inside(&folder, "whole");
    let said = reenact_says(["report", &text(&runs[0]), &text(&runs[1]), "--out", &text(&whole)]);
    assert_eq!(said.code, 0, "{said:?}");
    let (whole, parts) = (run_json(&whole), runs.iter().map(|run| run_json(run)).collect::<Vec<_>>());
    for name in ["planned", "sent", "completed"] {
        let sum: u64 = parts.iter().map(|part| part[name].as_u64().unwrap()).sum();
        assert_eq!(whole[name].as_u64().unwrap(), sum, "{name}");
    }
    assert_eq!(whole["response_us"]["count"], 600);
    let one = reenact_says(["report", &text(&runs[0]), "--out", &text(&inside(&folder, "half"))]);
    assert_eq!(one.code, 2, "a shard is missing: {one:?}");
}

#[test]
fn the_steady_window_leaves_out_warm_up_and_drain() {
    let folder = folder();
    let session = gets(folder.path(), "s", 200);
    let (to, _) = keeper();
    let out = inside(&folder, "run");
    replay(&session, &to, &out, 0, &["--warm-up", "250ms", "--drain", "250ms"]);
    let run = run_json(&out);
    assert_eq!((&run["response_us"]["count"], &run["steady"]["response_us"]["count"]), (&200.into(), &100.into()));
}

#[test]
fn a_run_begins_when_it_is_told() {
    let folder = folder();
    let session = gets(folder.path(), "s", 3);
    let (to, _) = keeper();
    let said = replay(&session, &to, &inside(&folder, "late"), 2, &["--start-at", "2020-01-01T00:00:00Z"]);
    assert!(said.err.contains("the time to start (2020-01-01T00:00:00Z) is over"), "{said:?}");
}

/// The lines of a run's request log.
fn requests(run: &Path) -> Vec<Value> {
    let text = zstd::decode_all(std::fs::File::open(run.join("requests.jsonl.zst")).unwrap()).unwrap();
    String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A target that takes its time for each answer.
#[expect(clippy::disallowed_methods, reason = "a slow target is slow")]
fn slow(ms: u64) -> String {
    let address = target(move |mut socket| {
        while read_head(&mut socket).is_some() {
            std::thread::sleep(std::time::Duration::from_millis(ms));
            if socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                break;
            }
        }
    });
    format!("http://{address}")
}

/// One client, ten requests 10 ms apart on one connection, each answered at once in the recording.
fn one_client(folder: &Path) -> PathBuf {
    let lines: Vec<String> =
        (0..10).map(|i| line(i * 10, 1, "GET", &format!("/{i}")).replace("peer-", "named-")).collect();
    session(folder, "one", &lines)
}

#[test]
fn loop_models_decide_what_a_slow_target_does_to_the_schedule() {
    let folder = folder();
    let session = one_client(folder.path());
    let to = slow(40);
    let run = |model: &str| {
        let out = inside(&folder, model);
        replay(&session, &to, &out, 0, &["--loop-model", model]);
        (requests(&out), run_json(&out))
    };
    let of = |one: &Value, name: &str| one[name].as_u64().unwrap();
    let (open, json) = run("open");
    assert!(open.iter().all(|one| one["released_ns"] == one["due_ns"] && one["held_by_seq"].is_null()));
    assert!(json["connections"]["extra"].as_u64().unwrap() > 0, "{}", json["connections"]);
    for model in ["causal", "closed"] {
        let (mut all, json) = run(model);
        all.sort_by_key(|one| of(one, "seq"));
        for (before, one) in all.iter().zip(all.iter().skip(1)) {
            assert_eq!(one["held_by_seq"], before["seq"], "{model}: {one}");
            assert!(of(one, "dispatched_ns") >= of(before, "done_ns"), "{model}: {before} {one}");
        }
        assert_eq!(json["held_us"]["count"], 9, "{model}");
        assert_eq!(json["loop_model"], model);
        assert_eq!(json["connections"]["extra"], 0, "{model}");
    }
}

#[test]
fn a_busy_connection_is_joined_by_another_waited_for_or_given_up() {
    let folder = folder();
    let session = one_client(folder.path());
    let to = slow(40);
    let run = |what: &str, code: i32| {
        let out = inside(&folder, what);
        replay(&session, &to, &out, code, &["--when-busy", what]);
        (requests(&out), run_json(&out))
    };
    let (_, extra) = run("extra", 0);
    assert!(extra["connections"]["extra"].as_u64().unwrap() > 0 && extra["completed"] == 10, "{extra}");
    let (queued, queue) = run("queue", 0);
    assert_eq!((&queue["connections"]["opened"], &queue["completed"]), (&1.into(), &10.into()));
    assert!(queued.iter().filter(|one| one["busy_ns"].as_u64().unwrap() > 0).count() >= 8, "{queued:?}");
    assert!(queue["lag_us"]["p50"].as_f64().unwrap() < 20_000.0, "waiting for a connection is no lag");
    let (_, shed) = run("shed", 3);
    assert_eq!(shed["shed"]["busy"].as_u64().unwrap() + shed["completed"].as_u64().unwrap(), 10, "{shed}");
}

#[test]
fn as_fast_as_the_target_answers_keeps_the_order_of_each_client() {
    let folder = folder();
    // Twenty seconds of recording.
    let session = long(folder.path());
    let (to, heads) = keeper();
    let out = inside(&folder, "run");
    replay(&session, &to, &out, 0, &["--rate", "max"]);
    let run = run_json(&out);
    assert_eq!((&run["completed"], heads.lock().unwrap().len()), (&1_000.into(), 1_000));
    assert!(run["duration_s"].as_f64().unwrap() < 15.0 || run["rate"]["achieved"].as_f64().unwrap() > 60.0, "{run}");
    let mut by_client: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for one in requests(&out) {
        by_client.entry(one["client"].to_string()).or_default().push(one);
    }
    for requests in by_client.values_mut() {
        requests.sort_by_key(|one| one["dispatched_ns"].as_u64());
        assert!(requests.is_sorted_by_key(|one| one["seq"].as_u64()), "{requests:?}");
    }
}

#[test]
fn bounds_shed_and_say_so() {
    let folder = folder();
    let session = gets(folder.path(), "s", 100);
    let (to, heads) = keeper();
    let out = inside(&folder, "requests");
    replay(&session, &to, &out, 3, &["--budget-requests", "40"]);
    let run = run_json(&out);
    assert_eq!((&run["shed"]["budget"], &run["completed"], heads.lock().unwrap().len()), (&60.into(), &40.into(), 40));
    // What no budget is left for is not waited for, either: this would take an hour.
    let lines = [line(0, 1, "GET", "/now"), line(3_600_000, 1, "GET", "/later")];
    let (hour, out) = (scripted::session(folder.path(), "hour", &lines), inside(&folder, "hour-run"));
    replay(&hour, &to, &out, 3, &["--budget-requests", "1"]);
    assert_eq!(run_json(&out)["shed"]["budget"], 1);
    let out = inside(&folder, "rate");
    replay(&session, &to, &out, 3, &["--max-rate", "20"]);
    assert!(run_json(&out)["shed"]["max_rate"].as_u64().unwrap() > 50, "{}", run_json(&out)["shed"]);
    let out = inside(&folder, "connections");
    replay(&session, &slow(50), &out, 3, &["--max-connections", "3"]);
    assert!(run_json(&out)["shed"]["max_connections"].as_u64().unwrap() > 0);
    assert!(run_json(&out)["connections"]["peak"].as_u64().unwrap() <= 3);
}

#[test]
fn unix_sockets_and_several_threads_serve_as_well() {
    let folder = folder();
    let session = gets(folder.path(), "s", 60);
    let path = inside(&folder, "app.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || {
                let mut socket = socket.unwrap();
                let mut bytes = [0; 4096];
                // Requests come one at a time on each connection.
                while std::io::Read::read(&mut socket, &mut bytes).is_ok_and(|read| read > 0) {
                    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    let out = inside(&folder, "unix");
    replay(&session, &format!("unix:{}", path.display()), &out, 0, &["--rate", "2x", "--threads", "3"]);
    assert_eq!((&run_json(&out)["completed"], &run_json(&out)["errors"]), (&120.into(), &serde_json::json!({})));
}
