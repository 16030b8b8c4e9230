//! `aws-sm:` against a Secrets Manager that is not ours (`moto`, which checks signatures as botocore makes them): what is
//! found, what is refused and how it is said, where credentials come from, and rotation while a run goes on.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use scripted::{OK, gets, line, read_head, session, target};
use serde_json::{Value, json};
use support::{Said, folder, inside, reenact, run, set_up, text, wait_for};

const UNAUTHORIZED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";

/// moto in a process of its own.
struct Store {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
    url: String,
}

impl Store {
    fn start() -> Self {
        let mut command = Command::new(set_up("test", "test-venv/bin/python"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/secret_store/store.py"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (asked, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = said.next().unwrap().unwrap();
        std::thread::spawn(move || said.for_each(drop));
        Self { child, asked, answers, url: format!("http://127.0.0.1:{port}") }
    }

    fn ask(&mut self, what: &Value) -> Value {
        writeln!(self.asked, "{what}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no answer to {what}"))
    }

    /// A command with nothing of AWS's in its surroundings but this store's address, a region and any key.
    fn reenact(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.envs([("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any"), ("AWS_REGION", "eu-central-1")]);
        command
    }

    /// The same without region and key.
    fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = reenact(arguments);
        let ours = std::env::vars_os().map(|(name, _)| name);
        ours.filter(|name| name.to_string_lossy().starts_with("AWS_")).for_each(|name| {
            command.env_remove(name);
        });
        command.envs([("HOME", "/nonexistent"), ("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_MAX_ATTEMPTS", "1")]);
        command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.url);
        command
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A target that keeps the values of Authorization.
fn keeper() -> (String, Arc<Mutex<Vec<String>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&kept);
    let address = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            seen.lock().unwrap().push(authorization(&head));
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    });
    (format!("http://{address}"), kept)
}

fn authorization(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head);
    let line = head.lines().find(|line| line.starts_with("Authorization: ")).unwrap();
    line["Authorization: ".len()..].to_owned()
}

#[test]
fn secrets_are_sent_as_the_store_has_them() {
    let (folder, mut store) = (folder(), Store::start());
    let session = text(&gets(folder.path(), "s", 3));
    store.ask(&json!(["create", "shop/token", "Bearer one"]));
    let arn = store.ask(&json!(["create", "shop/json", r#"{"header": "Bearer two", "port": 8080}"#]));
    store.ask(&json!(["create_binary", "shop/binary", "Bearer three\n"]));
    store.ask(&json!(["create", "shop/far", "Bearer four", "us-west-2"]));
    let old = store.ask(&json!(["rotate", "shop/token", "Bearer five"]));
    store.ask(&json!(["rotate", "shop/token", "Bearer six"]));
    let by_version = format!("aws-sm:shop/token?version={}", old.as_str().unwrap());
    let by_arn = format!("aws-sm:{}#header", arn.as_str().unwrap());
    for (at, (reference, expected)) in [
        ("aws-sm:shop/token", "Bearer six"),
        ("aws-sm:shop/token?stage=AWSPREVIOUS", "Bearer five"),
        (&by_version, "Bearer five"),
        ("aws-sm:shop/json#header", "Bearer two"),
        ("aws-sm:shop/json#port", "8080"),
        (&by_arn, "Bearer two"),
        ("aws-sm:shop/binary", "Bearer three"),
        ("aws-sm:shop/far?region=us-west-2", "Bearer four"),
    ]
    .into_iter()
    .enumerate()
    {
        let (to, kept) = keeper();
        let out = inside(&folder, &format!("run-{at}"));
        let said =
            run(&mut store.reenact(&["replay", &session, "--target", &to, "--auth", reference, "--out", &text(&out)]));
        assert_eq!(said.code, 0, "{reference}: {said:?}");
        assert_eq!(*kept.lock().unwrap(), [expected; 3], "{reference}");
        assert!(!said.err.contains("Bearer") && !said.out.contains("Bearer"), "{said:?}");
    }
}

#[test]
fn what_is_not_given_is_said_with_its_reason_and_never_with_a_value() {
    let (folder, mut store) = (folder(), Store::start());
    let session = text(&gets(folder.path(), "s", 3));
    store.ask(&json!(["create", "there", "hunter2"]));
    store.ask(&json!(["create", "json", r#"{"a": "hunter2", "b": {"c": "hunter2"}}"#]));
    store.ask(&json!(["create", "gone", "hunter2"]));
    store.ask(&json!(["delete", "gone"]));
    let may = store.ask(&json!(["user", "may", "secretsmanager:GetSecretValue"]));
    let may_not = store.ask(&json!(["user", "may-not", "s3:GetObject"]));
    let plan = |reference: &str| ["plan", session.as_str(), "--auth", reference].map(str::to_owned);
    let refused = |command: &mut Command, parts: &[&str]| {
        let said = run(command);
        assert_eq!(said.code, 2, "{said:?}");
        for part in parts {
            assert!(said.err.contains(part), "no `{part}` in {}", said.err);
        }
        assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"), "{said:?}");
    };
    let check = |store: &Store, reference: &str, parts: &[&str]| {
        let line = plan(reference);
        let named = format!("cannot read the secret {reference}: ");
        refused(&mut store.reenact(&line.each_ref().map(String::as_str)), &[&[named.as_str()][..], parts].concat());
    };
    check(
        &store,
        "aws-sm:nowhere",
        &["of eu-central-1 says ResourceNotFoundException", "check name, stage and region"],
    );
    check(&store, "aws-sm:there?region=us-east-1", &["of us-east-1 says ResourceNotFoundException"]);
    check(&store, "aws-sm:there?stage=NOBODYS", &["ResourceNotFoundException"]);
    check(&store, "aws-sm:there#a", &["it has no key `a`: it is no JSON object"]);
    check(&store, "aws-sm:json#c", &["it has no key `c`, among 2 others", "outermost keys"]);
    check(&store, "aws-sm:json#b", &["its key `b` holds neither a text nor an integer"]);
    check(&store, "aws-sm:gone", &["InvalidRequestException", "marked for deletion"]);

    let line = plan("aws-sm:there");
    let line = line.each_ref().map(String::as_str);
    refused(
        store.bare(&line).envs([("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")]),
        &["no AWS region is known", "?region=eu-central-1"],
    );
    refused(
        store.bare(&line).env("AWS_REGION", "eu-central-1"),
        &["AWS credentials were not found", "AWS_ACCESS_KEY_ID", "SSO"],
    );
    let profiles = inside(&folder, "config");
    std::fs::write(
        &profiles,
        "[profile sso]\nregion = eu-central-1\nsso_start_url = https://x.test/start\nsso_region = eu-central-1\n\
         sso_account_id = 123456789012\nsso_role_name = r\n",
    )
    .unwrap();
    let sso = [("AWS_CONFIG_FILE", text(&profiles)), ("AWS_PROFILE", "sso".to_owned())];
    refused(store.bare(&line).envs(sso), &["AWS credentials were not found", "profiles of SSO"]);
    let nobody = format!("http://{}", scripted::nobody());
    refused(
        store.reenact(&line).env("AWS_ENDPOINT_URL_SECRETS_MANAGER", nobody),
        &["Secrets Manager of eu-central-1 cannot be asked", "AWS_ENDPOINT_URL"],
    );

    // With accounts: who may, who may not, who is unknown, and who signs with another key.
    store.ask(&json!(["check_accounts", true]));
    let of = |key: &Value| {
        let part = |at: usize| key[at].as_str().unwrap().to_owned();
        [("AWS_ACCESS_KEY_ID", part(0)), ("AWS_SECRET_ACCESS_KEY", part(1))]
    };
    assert_eq!(run(store.reenact(&line).envs(of(&may))).code, 0, "botocore finds our signature right");
    // moto says all of these as XML, which AWS does not: there is a status, and no code.
    let refused_key = ["of eu-central-1 answers 403", "these credentials need secretsmanager:GetSecretValue"];
    refused(store.reenact(&line).envs(of(&may_not)), &refused_key);
    refused(store.reenact(&line).envs(of(&may)).env("AWS_SECRET_ACCESS_KEY", "another"), &refused_key);
    refused(&mut store.reenact(&line), &refused_key);

    // The same in AWS's own form.
    for (code, hint) in [
        ("AccessDeniedException", "these credentials need secretsmanager:GetSecretValue"),
        ("DecryptionFailure", "kms:Decrypt with the secret's key"),
        ("ExpiredTokenException", "these AWS credentials are wrong or expired"),
        ("UnrecognizedClientException", "these AWS credentials are wrong or expired"),
    ] {
        let aws = target(move |mut socket| {
            while let Some(head) = read_head(&mut socket) {
                let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
                socket.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
                let body = json!({"__type": code, "Message": "User: ann may not"}).to_string();
                let length = body.len();
                let kind = "application/x-amz-json-1.1";
                write!(socket, "HTTP/1.1 400 Bad\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
                    .unwrap();
            }
        });
        let said = format!("says {code}: User: ann may not");
        refused(store.reenact(&line).env("AWS_ENDPOINT_URL_SECRETS_MANAGER", format!("http://{aws}")), &[&said, hint]);
    }
}

#[test]
fn credentials_are_found_as_aws_tools_find_them() {
    let (folder, mut store) = (folder(), Store::start());
    let session = text(&gets(folder.path(), "s", 3));
    store.ask(&json!(["create", "there", "value"]));
    let role = store.ask(&json!(["role", "replayer"]));
    let line = ["plan", &session, "--auth", "aws-sm:there"];
    let finds = |store: &Store, settings: &[(&str, &str)]| {
        let said: Said = run(store.bare(&line).envs(settings.iter().copied()));
        assert_eq!(said.code, 0, "{settings:?}: {said:?}");
    };
    let (config, credentials) = (inside(&folder, "config"), inside(&folder, "credentials"));
    std::fs::write(
        &config,
        "[profile files]\nregion = eu-central-1\n[profile process]\nregion = eu-central-1\n\
         credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\"}'\n",
    )
    .unwrap();
    std::fs::write(&credentials, "[files]\naws_access_key_id = a\naws_secret_access_key = b\n").unwrap();
    let files = [("AWS_CONFIG_FILE", text(&config)), ("AWS_SHARED_CREDENTIALS_FILE", text(&credentials))];
    let files = files.each_ref().map(|(name, value)| (*name, value.as_str()));
    finds(&store, &[&files[..], &[("AWS_PROFILE", "files")]].concat());
    finds(&store, &[&files[..], &[("AWS_PROFILE", "process")]].concat());

    let token = inside(&folder, "token");
    std::fs::write(&token, "a-token-of-the-cluster").unwrap();
    finds(
        &store,
        &[
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &text(&token)),
            ("AWS_ROLE_ARN", role.as_str().unwrap()),
            ("AWS_ENDPOINT_URL_STS", &store.url),
        ],
    );

    let asked = Arc::new(Mutex::new(String::new()));
    let head = Arc::clone(&asked);
    let container = target(move |mut socket| {
        *head.lock().unwrap() = String::from_utf8(read_head(&mut socket).unwrap()).unwrap();
        let body =
            r#"{"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": "2099-01-01T00:00:00Z"}"#;
        write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    finds(
        &store,
        &[
            ("AWS_REGION", "eu-central-1"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("http://{container}/keys")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "it-is-me"),
        ],
    );
    let asked = asked.lock().unwrap().to_ascii_lowercase();
    assert!(asked.starts_with("get /keys ") && asked.contains("authorization: it-is-me"), "{asked}");

    // Instance metadata, version 2: nothing is given without the token of the session.
    let metadata = target(|mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let has_token = head.contains("x-aws-ec2-metadata-token: a-session");
            let body = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
                ["put", "/latest/api/token"] => "a-session",
                ["get", "/latest/meta-data/iam/security-credentials/"] if has_token => "replayer",
                ["get", "/latest/meta-data/iam/security-credentials/replayer"] if has_token => {
                    r#"{"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "AccessKeyId": "a",
                        "SecretAccessKey": "b", "Token": "c", "Expiration": "2099-01-01T00:00:00Z"}"#
                }
                _ => "",
            };
            let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
            let ttl = "x-aws-ec2-metadata-token-ttl-seconds: 21600";
            write!(socket, "HTTP/1.1 {status}\r\n{ttl}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    let metadata = format!("http://{metadata}");
    let settings = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.as_str()),
    ];
    finds(&store, &settings);
}

#[test]
fn a_value_that_is_rotated_under_a_run_is_taken_over_after_the_first_401() {
    let (folder, store) = (folder(), Store::start());
    let lines: Vec<String> = (0..2_000).map(|i| line(i * 20, i % 5 + 1, "GET", "/")).collect();
    let session = text(&session(folder.path(), "s", &lines));
    let store = Mutex::new(store);
    let mut command = {
        let mut store = store.lock().unwrap();
        store.ask(&json!(["create", "token", "Bearer first"]));
        store.reenact(&["replay", &session])
    };
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&accepted);
    // From the 20th request on the first value is refused: the store has the second one by then.
    let (count, store) = (Mutex::new(0), Arc::new(store));
    let rotator = Arc::clone(&store);
    let to = target(move |mut socket| {
        while let Some(head) = read_head(&mut socket) {
            let mut count = count.lock().unwrap();
            *count += 1;
            if *count == 20 {
                rotator.lock().unwrap().ask(&json!(["rotate", "token", "Bearer second"]));
            }
            let value = authorization(&head);
            let is_right = value == if *count < 20 { "Bearer first" } else { "Bearer second" };
            if is_right {
                seen.lock().unwrap().push(value);
            }
            drop(count);
            if socket.write_all(if is_right { OK } else { UNAUTHORIZED }).is_err() {
                break;
            }
        }
    });
    let to = format!("http://{to}");
    let mut replay = support::Process::start(command.args([
        "--target",
        &to,
        "--auth",
        "aws-sm:token",
        "--out",
        &text(&inside(&folder, "run")),
    ]));
    wait_for("the new value", || accepted.lock().unwrap().last().filter(|value| *value == "Bearer second").map(|_| ()));
    replay.signal("KILL");
    replay.wait();
    assert_eq!(accepted.lock().unwrap().iter().filter(|value| *value == "Bearer first").count(), 19);
}
