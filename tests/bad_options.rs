//! Options that would do nothing, or not together: refused or said, whoever gave them: flag, variable or file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scripted::{gets, nobody, ok, target};
use support::{Said, folder, inside, reenact, reenact_says, run, run_json, text};
use tempfile::TempDir;

/// A session of three requests, a target that counts its connections, and a file of options.
struct Bench {
    folder: TempDir,
    session: String,
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    file: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = folder();
        let connections = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&connections);
        let address = target(move |socket| {
            counted.fetch_add(1, Ordering::Relaxed);
            ok(socket);
        });
        let (session, file) = (text(&gets(folder.path(), "s", 3)), inside(&folder, "options.toml"));
        Self { folder, session, address, connections, file }
    }

    /// What `reenact` says to this with `lines` in its file and these variables.
    fn says(&self, lines: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        std::fs::write(&self.file, lines).unwrap();
        let mut command = reenact(arguments);
        if !lines.is_empty() {
            command.arg("--config").arg(&self.file);
        }
        run(command.envs(variables.iter().copied()))
    }

    fn out(&self) -> PathBuf {
        inside(&self.folder, "run")
    }
}

/// It ends with exit code 2, an error with all these words, and something that can be done about it.
#[track_caller]
fn is_refused(said: &Said, words: &[&str]) {
    assert_eq!(said.code, 2, "{said:?}");
    for word in words {
        assert!(said.err.contains(word), "no `{word}`: {said:?}");
    }
    assert!(said.err.contains("error: ") && !said.err.contains("panicked"), "{said:?}");
}

#[test]
fn what_would_do_nothing_is_refused_before_anything_is_connected_to() {
    let bench = Bench::new();
    let (out, port) = (text(&bench.out()), bench.address.port());
    let at = format!("localhost:{port}");
    let to = format!("http://{at}");
    let check = |to: &str, more: &[&str], words: &[&str]| {
        let said = reenact_says(["replay", &bench.session, "--target", to, "--out", &out].iter().chain(more));
        is_refused(&said, words);
        assert!(!bench.out().exists(), "{more:?}: there is a run");
    };
    // Another port, another name, twice the same, the target's instead of the proxy's, and no name at all.
    let does_nothing = |given: &str| format!("--resolve {given} does nothing: ");
    for given in ["localhost:1:127.0.0.9", "typo.example:80:127.0.0.9"] {
        check(&to, &["--resolve", given], &[&does_nothing(given), &format!("connections go to {at}\n"), "hint: "]);
    }
    let (first, second) = (format!("{at}:127.0.0.1"), format!("LOCALHOST:{port}:127.0.0.9"));
    check(&to, &["--resolve", &first, "--resolve", &second], &[&does_nothing(&second), "HOST:PORT:ADDR,ADDR"]);
    let nobody = nobody().to_string();
    let proxy = format!("http://{nobody}");
    check(&to, &["--resolve", &first, "--proxy", &proxy], &[&does_nothing(&first), &nobody, "(the proxy"]);
    check("unix:/no/such.sock", &["--resolve", &first], &[&does_nothing(&first), "unix:/no/such.sock"]);
    let elsewhere = format!("*={to}");
    check("http://[::1]:7", &["--map", &elsewhere, "--resolve", "a:1:::1"], &["connections go to [::1]:7, ", &at]);

    check(&to, &["--think-min", "1s"], &["--think-min does nothing without --loop-model causal", "hint: "]);
    check(&to, &["--think-min", "1s", "--loop-model", "closed"], &["--think-min does nothing"]);
    for when_busy in ["extra", "shed"] {
        check(&to, &["--rate", "max", "--when-busy", when_busy], &["do nothing with --rate max", "hint: "]);
    }
    for option in ["--timeout", "--connect-timeout"] {
        check(&to, &[option, "0s"], &[option, "give a longer one, as in 30s"]);
    }
    is_refused(
        &bench.says("[replay]\ntimeout = \"0s\"\n", &[], &["replay", &bench.session, "--target", &to]),
        &["--timeout"],
    );
    assert_eq!(bench.connections.load(Ordering::Relaxed), 0);

    // What does something is done.
    for (run, more) in [
        ("queue", &["--rate", "max", "--when-busy", "queue"][..]),
        ("max", &["--rate", "max"]),
        ("think", &["--loop-model", "causal", "--think-min", "1s"]),
        ("resolve", &["--resolve", &first]),
    ] {
        let out = inside(&bench.folder, run);
        let said = reenact_says(["replay", &bench.session, "--target", &to, "--out", &text(&out)].iter().chain(more));
        assert_eq!((said.code, &run_json(&out)["completed"]), (0, &3.into()), "{more:?}: {said:?}");
    }
    let when_busy = |run: &str| run_json(&inside(&bench.folder, run))["asked"]["when_busy"].clone();
    assert_eq!((when_busy("max"), when_busy("resolve")), ("queue".into(), "extra".into()));
}

#[test]
fn options_go_together_whoever_gave_each_of_them() {
    let bench = Bench::new();
    let (to, out) = (format!("http://{}", bench.address), text(&bench.out()));
    let replay = ["replay", &bench.session, "--target", &to, "--out", &out];
    let profile = text(&inside(&bench.folder, "p.csv"));
    let no_key = ["--tls-cert", "says nothing without --tls-key", "hint: "];
    for (lines, variables, more, words) in [
        ("[replay]\ntls-cert = \"c.pem\"\n", &[][..], &[][..], &["--tls-cert (from a file)", no_key[1], no_key[2]][..]),
        ("", &[("REENACT_TLS_CERT", "c.pem")], &[], &["--tls-cert (REENACT_TLS_CERT)", no_key[1]]),
        ("", &[], &["--tls-cert", "c.pem"], &no_key),
        ("[replay]\ntls-key = \"k.pem\"\n", &[], &[], &["--tls-key (from a file) says nothing without --tls-cert"]),
        ("[replay]\notlp-cert = \"c.pem\"\n", &[], &[], &["--otlp-cert (from a file)", "without --otlp-key"]),
        ("", &[("REENACT_OTLP_KEY", "k.pem")], &[], &["--otlp-key (REENACT_OTLP_KEY)", "without --otlp-cert"]),
        (
            "[replay]\nramp = \"1x..2x/1s\"\n",
            &[],
            &["--profile", &profile],
            &["--ramp (from a file) cannot be used with --profile", "hint: "],
        ),
        ("[replay]\njson = true\n", &[], &["--json-stream", "-"], &["--json (from a file)", "with --json-stream"]),
        (
            "[replay]\notlp-file = \"spans\"\n",
            &[("REENACT_OTLP_ENDPOINT", "http://127.0.0.1:1")],
            &[],
            &["--otlp-file (from a file) cannot be used with --otlp-endpoint (REENACT_OTLP_ENDPOINT)"],
        ),
        (
            "[replay]\nbackend = \"jaeger\"\n",
            &[],
            &["--otlp-file", "spans"],
            &["--otlp-file", "--backend (from a file)"],
        ),
    ] {
        let said = bench.says(lines, variables, &[&replay[..], more].concat());
        is_refused(&said, words);
        assert!(!bench.out().exists(), "{said:?}");
    }
    let plan = ["plan", &bench.session, "--show", "1"];
    is_refused(&bench.says("[plan]\njson = true\n", &[], &plan), &["--json (from a file) cannot be used with --show"]);
    let ab = ["ab", &bench.session, "--before", &to, "--after", &to];
    is_refused(&bench.says("[ab]\nresume = true\n", &[], &ab), &["--resume (from a file) says nothing without --out"]);
    let edited = text(&inside(&bench.folder, "edited"));
    let edit = ["edit", &bench.session, "-o", &edited, "--decrypt"];
    is_refused(
        &bench.says("[edit]\nencrypt-to = [\"age1\"]\n", &[], &edit),
        &["--encrypt-to (from a file)", "--decrypt"],
    );
    is_refused(
        &bench.says("", &[], &["verify", &bench.session, "--decrypt"]),
        &["--decrypt says nothing without --repair"],
    );
    assert_eq!(bench.connections.load(Ordering::Relaxed), 0);

    // One from here and one from there are two, and what is off is not given.
    let keys = "[replay]\ntls-key = \"k.pem\"\njson = false\n";
    let said = bench.says(keys, &[], &[&replay[..], &["--tls-cert", "c.pem", "--json-stream", "-"]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    // A file may ask for what needs no run.
    let said = bench.says("[compare]\nprint-rules = true\n", &[], &["compare"]);
    assert!(said.code == 0 && said.out.contains("[[rule]]"), "{said:?}");
    is_refused(&bench.says("", &[], &["compare"]), &["nothing to compare", "hint: "]);
}

#[test]
fn of_tls_that_nothing_is_sent_over_it_is_said_that_it_does_nothing() {
    let bench = Bench::new();
    let (to, out) = (format!("http://{}", bench.address), text(&bench.out()));
    let replay = ["replay", &bench.session, "--target", &to, "--out", &out, "--tls-resumption"];
    let said = bench.says("[replay]\ninsecure = true\ntls-ca = \"/no/such.pem\"\n", &[], &replay);
    let notice = "no target is https://, so that these do nothing: --tls-ca, --tls-resumption, --insecure";
    assert!(said.code == 0 && said.err.contains(&format!("note: {notice}\n")), "{said:?}");
    let notices = run_json(&bench.out())["notices"].to_string();
    assert!(notices.contains(notice) && !notices.contains("certificate"), "{notices}");
}

/// An experiment has two targets, and each of its replays one of them.
#[test]
fn an_experiment_resolves_each_of_its_targets() {
    let bench = Bench::new();
    let out = text(&bench.out());
    let hosts = ["old.test", "new.test"].map(|host| format!("{host}:{}", bench.address.port()));
    let [before, after] = hosts.each_ref().map(|host| format!("http://{host}"));
    let [old, new] = hosts.each_ref().map(|host| format!("{host}:127.0.0.1"));
    let ab = ["ab", &bench.session, "--before", &before, "--after", &after, "--out", &out];
    let names = ["--resolve", &old, "--resolve", &new];
    // All about both targets was found to be right by whoever looks at the time.
    let said = reenact_says([&ab[..], &names, &["--budget", "1ms"]].concat());
    is_refused(&said, &["--budget 1ms is too short"]);
    let said = reenact_says([&ab[..], &names, &["--resolve", "typo.test:1:127.0.0.1"]].concat());
    is_refused(&said, &["--resolve typo.test:1:127.0.0.1 does nothing: connections go to old.test:"]);
    assert!(!Path::new(&out).exists());
}

/// Each fault once, with the file that it is in.
#[test]
fn what_is_wrong_with_rules_is_said_once_and_where() {
    let bench = Bench::new();
    let (to, file, edited) =
        (format!("http://{}", bench.address), text(&bench.file), text(&inside(&bench.folder, "e")));
    let commands = [&["plan", &bench.session][..], &["replay", &bench.session, "--target", &to]];
    for (table, words, rewrites) in [
        ("[[rewrite]]\nset_headr = { X = \"a\" }\n", ["line 2", "unknown field `set_headr`"], true),
        ("\n[[rewrite]]\nendpoint = \"GET /\"\n", ["rewrite rule 1 (line 2)", "it has no action"], true),
        ("[[rewrite]]\nremove_header = [\"Host\"]\n", ["rewrite rule 1 (line 1)", "it removes Host"], true),
        ("[[rewrite]]\nset_header = { Content-Length = \"1\" }\n", ["rule 1 (line 1)", "where the body ends"], true),
        ("[[rewrite]]\nreplace_body = { from = \"(\", to = \"\" }\n", ["rule 1 (line 1)", "unclosed group"], true),
        ("[[unsafe]]\nendpoint = \"GET /\"\ndecison = \"skip\"\n", ["line 3", "unknown field `decison`"], false),
    ] {
        let edit = ["edit", &bench.session, "--rewrite", "-o", &edited];
        let edit = rewrites.then_some(&edit[..]);
        for command in commands.into_iter().chain(edit) {
            let said = bench.says(table, &[], command);
            is_refused(&said, &[&format!("error: {file}: "), "hint: "]);
            for word in words {
                assert_eq!(said.err.matches(word).count(), 1, "`{word}`: {said:?}");
            }
        }
    }
}
