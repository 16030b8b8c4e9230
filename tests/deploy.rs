//! What is in deploy/: manifests are valid, every command line in them is one that this binary takes, what has to fit
//! together does; and the recorder's side of systemd's protocol, with the test in systemd's place.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod operated;
mod support;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use operated::{Client, service};
use serde_json::Value;
use support::{PATIENCE, Process, exchanges, folder, inside, reenact, run, set_up, text, wait_for};

const MANIFESTS: [&str; 2] = ["kubernetes/sidecar.yaml", "kubernetes/transparent.yaml"];

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(deploy(name)).unwrap()
}

/// Python with what `tools/setup test` installs.
fn python() -> Command {
    Command::new(set_up("test", "test-venv/bin/python"))
}

/// The documents of a YAML file.
fn documents(name: &str) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/read.py");
    let said = run(python().arg(script).arg(deploy(name)));
    assert_eq!(said.code, 0, "{}", said.err);
    serde_json::from_str(&said.out).unwrap()
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Whether the binary takes these flags: it reads them all, and then prints its help instead of doing anything.
#[track_caller]
fn is_taken(arguments: &[String]) {
    let said = run(reenact(["record"]).args(arguments).arg("--help"));
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    assert!(said.out.contains("Usage: reenact record"));
}

/// The value of `--FLAG=VALUE`.
#[track_caller]
fn value<'a>(arguments: &'a [String], flag: &str) -> &'a str {
    let found = arguments.iter().find_map(|argument| argument.strip_prefix(flag)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {flag} in {arguments:?}"))
}

fn mebibytes(text: &str) -> u64 {
    let text = text.trim_end_matches('B');
    let number = |unit| text.strip_suffix(unit).and_then(|number: &str| number.parse::<u64>().ok());
    number("Mi")
        .or_else(|| number("Gi").map(|gibi| gibi * 1_024))
        .unwrap_or_else(|| panic!("{text} is no size of these tests"))
}

fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').unwrap().parse().unwrap()
}

#[test]
fn manifests_are_valid_kubernetes() {
    let validate = |version: &str, paths: &[PathBuf]| {
        run(python().args(["-m", "kubernetes_validate", "--strict", "-k", version]).args(paths))
    };
    // The first version with native sidecars by default, and a later one.
    for version in ["1.29", "1.34"] {
        let said = validate(version, &MANIFESTS.map(deploy));
        assert_eq!(said.code, 0, "{version}: {} {}", said.out, said.err);
        assert_eq!((said.out + &said.err).matches("passed").count(), 3, "two deployments and a service");
    }
    let folder = folder();
    let broken = inside(&folder, "broken.yaml");
    std::fs::write(&broken, read(MANIFESTS[0]).replace("readOnlyRootFilesystem", "readonlyRootFilesystem")).unwrap();
    assert_ne!(validate("1.29", &[broken]).code, 0, "a misspelt key is refused");
}

#[test]
fn the_sidecars_fit_their_pods() {
    for name in MANIFESTS {
        let all = documents(name);
        let deployment = all.iter().find(|one| one["kind"] == "Deployment").unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let containers = pod["initContainers"].as_array().unwrap();
        let recorder = containers.iter().find(|one| one["name"] == "recorder").unwrap();
        let arguments = words(&recorder["args"]);
        is_taken(&arguments);
        assert_eq!(recorder["restartPolicy"], "Always", "a native sidecar");

        let security = &recorder["securityContext"];
        assert_eq!((&security["runAsNonRoot"], &security["readOnlyRootFilesystem"]), (&true.into(), &true.into()));
        assert_eq!(
            (&security["allowPrivilegeEscalation"], &security["capabilities"]["drop"][0]),
            (&false.into(), &"ALL".into())
        );
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["securityContext"]["fsGroup"], security["runAsGroup"], "it may write the volume");

        // Probes ask the operator's port.
        let admin: u64 = value(&arguments, "--admin").rsplit(':').next().unwrap().parse().unwrap();
        let ports = recorder["ports"].as_array().unwrap();
        let port =
            |name: &Value| ports.iter().find(|port| &port["name"] == name).unwrap()["containerPort"].as_u64().unwrap();
        for (probe, path) in [("startupProbe", "/readyz"), ("livenessProbe", "/livez")] {
            let get = &recorder[probe]["httpGet"];
            assert_eq!((port(&get["port"]), get["path"].as_str().unwrap()), (admin, path));
        }

        // What is on disk stays below what evicts the pod: two segments, one of which is being written, past the retention.
        let volumes = pod["volumes"].as_array().unwrap();
        let sessions = volumes.iter().find(|volume| volume["name"] == "sessions").unwrap();
        let limit = mebibytes(sessions["emptyDir"]["sizeLimit"].as_str().unwrap());
        let (keep, segment) =
            (mebibytes(value(&arguments, "--keep-size")), mebibytes(value(&arguments, "--rotate-size")));
        assert!(keep + 2 * segment < limit, "{keep} + 2 * {segment} MiB of {limit}");
        let mount = &recorder["volumeMounts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|mount| mount["name"] == "sessions")
            .unwrap()["mountPath"];
        assert!(value(&arguments, "--out").starts_with(mount.as_str().unwrap()));

        // Buffers at their bounds leave half of the memory to everything else.
        let memory = mebibytes(recorder["resources"]["limits"]["memory"].as_str().unwrap());
        let buffers =
            5 * mebibytes(value(&arguments, "--queue-bytes")) + mebibytes(value(&arguments, "--backlog-bytes"));
        assert!(2 * buffers <= memory, "{buffers} of {memory} MiB");
        assert!(seconds(value(&arguments, "--drain")) < pod["terminationGracePeriodSeconds"].as_u64().unwrap());
        let secret = value(&arguments, "--redact-key").strip_prefix("file:/run/secrets/reenact/").unwrap();
        assert_eq!(secret, "key");

        let listen: u64 = value(&arguments, "--listen").rsplit(':').next().unwrap().parse().unwrap();
        let shop = &pod["containers"][0]["ports"][0]["containerPort"];
        match all.iter().find(|one| one["kind"] == "Service") {
            Some(service) => {
                assert_eq!(port(&service["spec"]["ports"][0]["targetPort"]), listen, "clients reach the recorder");
                assert_eq!(value(&arguments, "--upstream"), format!("http://127.0.0.1:{shop}"));
            }
            None => {
                let redirect = containers.iter().find(|one| one["name"] == "redirect").unwrap();
                let variable = |name: &str| {
                    let all = redirect["env"].as_array().unwrap();
                    all.iter().find(|one| one["name"] == name).unwrap()["value"].as_str().unwrap().to_owned()
                };
                assert_eq!(variable("APP_PORT"), shop.to_string());
                assert_eq!(variable("RECORDER_PORT"), listen.to_string());
                assert_eq!(variable("RECORDER_UID"), security["runAsUser"].to_string());
                assert!(read("transparent/redirect.sh").contains("RECORDER_UID"));
                assert!(containers[0]["name"] == "recorder", "it listens before anything is redirected to it");
            }
        }
    }
}

#[test]
fn a_flag_that_does_not_exist_is_noticed() {
    for bad in [["--keep-sice=1GiB", "--listen=0.0.0.0:1"], ["--keep-size=much", "--listen=0.0.0.0:1"]] {
        assert_eq!(run(reenact(["record"]).args(bad).arg("--help")).code, 2);
    }
}

#[test]
fn compose_has_the_recorder_in_front() {
    let compose = &documents("compose.yaml")[0];
    let recorder = &compose["services"]["recorder"];
    let arguments = words(&recorder["command"]);
    is_taken(&arguments);
    assert_eq!(value(&arguments, "--upstream"), "http://shop:80");
    assert!(compose["services"]["shop"]["ports"].is_null(), "nobody gets past the recorder");
    let ports = words(&recorder["ports"]);
    let port = |flag| value(&arguments, flag).rsplit(':').next().unwrap();
    assert_eq!(ports[0].rsplit(':').next().unwrap(), port("--listen"));
    assert!(ports[1].starts_with("127.0.0.1:") && ports[1].ends_with(port("--admin")));
    assert_eq!(value(&arguments, "--redact-key"), "file:/run/secrets/redact-key");
    assert!(compose["secrets"]["redact-key"].is_object());
    assert_eq!((&recorder["read_only"], &recorder["cap_drop"][0]), (&true.into(), &"ALL".into()));
    assert!(seconds(value(&arguments, "--drain")) < seconds(recorder["stop_grace_period"].as_str().unwrap()));
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(recorder["build"]["dockerfile"].as_str().unwrap()).exists());
}

/// The values of a key of a unit file, lines put together.
fn unit(name: &str, key: &str) -> Vec<String> {
    let whole = read(&format!("systemd/{name}")).replace("\\\n", " ");
    whole.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned).collect()
}

#[test]
fn units_start_what_exists() {
    let service = "reenact-record.service";
    let start = unit(service, "ExecStart").remove(0);
    let arguments: Vec<String> = start.split_whitespace().skip(2).map(str::to_owned).collect();
    assert!(start.starts_with("/usr/local/bin/reenact record "));
    // The file that the unit names is the one that stands beside it.
    let config = text(&deploy("systemd/record.toml"));
    let ours: Vec<_> = arguments.iter().map(|word| word.replace("/etc/reenact/record.toml", &config)).collect();
    assert_ne!(ours, arguments);
    is_taken(&ours);
    let keys: toml::Table = read("systemd/record.toml").parse().unwrap();
    assert_eq!(
        keys["record"]["listen"].as_str(),
        Some(&*unit("reenact-record.socket", "ListenStream")[0]),
        "to the letter"
    );
    let drain = arguments.iter().skip_while(|word| *word != "--drain").nth(1).unwrap();
    assert!(seconds(drain) < seconds(&unit(service, "TimeoutStopSec")[0]));
    assert_eq!((&*unit(service, "Type")[0], &*unit(service, "LimitCORE")[0]), ("notify", "0"));
    assert_eq!(unit(service, "SuccessExitStatus"), ["3"]);

    // systemd's own check, where it is installed; it wants the binary to be there.
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let folder = folder();
    let verify = |from: &str, to: &str| {
        let unit = read(&format!("systemd/{service}")).replace("/usr/local/bin/reenact", env!("CARGO_BIN_EXE_reenact"));
        let socket = "reenact-record.socket";
        std::fs::write(inside(&folder, service), unit.replace(from, to)).unwrap();
        std::fs::copy(deploy("systemd/reenact-record.socket"), inside(&folder, socket)).unwrap();
        let mut command = Command::new("systemd-analyze");
        run(command.args(["verify", "--man=no"]).arg(inside(&folder, service)).arg(inside(&folder, socket)))
    };
    let said = verify("", "");
    assert_eq!((said.code, said.err.contains("reenact")), (0, false), "{}", said.err);
    assert!(verify("WatchdogSec", "WatchDogSec").err.contains("WatchDogSec"), "a misspelt key is noticed");
}

#[test]
fn systemd_gives_the_socket_and_is_told_how_it_goes() {
    let folder = folder();
    let notified = UnixDatagram::bind(inside(&folder, "notify")).unwrap();
    notified.set_read_timeout(Some(PATIENCE)).unwrap();
    let upstream = format!("http://{}", service());
    let out = inside(&folder, "s");
    let mut command = python();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/activate.py"));
    command.arg(env!("CARGO_BIN_EXE_reenact")).args(["record", "--listen", "ADDRESS", "--upstream", &upstream]);
    command.args(["--drain", "20s", "--out"]).arg(&out).env("NOTIFY_SOCKET", inside(&folder, "notify"));
    let mut recorder = Process::start(&mut command);
    let address = wait_for("the socket's address", || recorder.out().lines().next().map(str::to_owned));
    // It can be connected to before anybody accepts.
    let mut client = Client::connect(&address).unwrap();
    let next = || {
        let mut message = [0; 512];
        let length = notified.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let ready = next();
    assert!(ready.lines().any(|line| line == "READY=1"), "{ready}");
    assert!(ready.lines().any(|line| line == format!("MAINPID={}", recorder.id())), "{ready}");
    recorder.wait_for_err(&format!("listening on {address}"));
    assert!(client.get("/through"));
    for _ in 0..3 {
        assert_eq!(next().trim(), "WATCHDOG=1");
    }
    recorder.signal("TERM");
    recorder.wait_for_err("passing traffic on for 1 connections");
    // Draining is no reason for the watchdog to bite.
    while notified.set_nonblocking(true).is_ok() && notified.recv(&mut [0; 512]).is_ok() {}
    notified.set_nonblocking(false).unwrap();
    assert_eq!(next().trim(), "WATCHDOG=1");
    drop(client);
    let stopping = std::iter::repeat_with(next).find(|message| message.trim() != "WATCHDOG=1").unwrap();
    assert_eq!(stopping.trim(), "STOPPING=1");
    assert_eq!(recorder.wait().code(), Some(0), "{}", recorder.err());
    assert_eq!(exchanges(&out).len(), 1);
}
