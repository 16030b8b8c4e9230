//! `record --encrypt-to`, from outside: what is in the files, who reads them, after `kill -9`, over segments and failures.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod scripted;
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use formats::model::Exchange;
use formats::seal::Identities;
use formats::session::{Event, Session, SessionError};
use scripted::{OK, read_head, read_up_to, target};
use support::{PATIENCE, Process, files, folder, inside, reenact, reenact_says, run, text, wait_for};

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
const OTHER_IDENTITY: &str = "AGE-SECRET-KEY-1E39YQ9XDHA900Y9Q77FQX2G5DMLKR4XA50F398P5PHG9SP7298LQJP3PZQ";
const OTHER_RECIPIENT: &str = "age1ly6lvwm9ep6rv4en5jxj20reeuqr7et3axvs4evntwa360nhusnsr0dsmr";
const STRANGER: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const BODY_BYTES: usize = 4_096;
/// What is looked for of a body: so much of it stands together wherever it is not encrypted.
const CANARY_BYTES: usize = 64;

/// Bytes that no compression changes, another sequence for each number.
fn noise(number: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (number + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(BODY_BYTES).collect()
}

/// Takes bodies of [`BODY_BYTES`].
fn upstream() -> SocketAddr {
    target(|mut socket| {
        let mut body = vec![0; BODY_BYTES];
        while read_head(&mut socket).is_some() && socket.read_exact(&mut body).is_ok() {
            if socket.write_all(OK).is_err() {
                break;
            }
        }
    })
}

fn post(address: &str, number: u64) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /canary/{number} HTTP/1.1\r\nHost: shop.test\r\nX-Note: canary-{number}\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&noise(number)).unwrap();
    assert!(read_up_to(&mut socket, b"\r\n\r\nok").is_some(), "an answer to {number}");
}

fn start(upstream: SocketAddr, session: &Path, more: &[&str], environment: &[(&str, &str)]) -> (Process, String) {
    let (upstream, out) = (format!("http://{upstream}"), text(session));
    let own = ["record", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--out", &out, "--flush-interval", "50ms"];
    let mut process = Process::start(reenact(own).args(more).envs(environment.iter().copied()));
    let line = process.wait_for_err("listening on ");
    let address = line.split("listening on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    (process, address)
}

fn open(session: &Path, identity: &str) -> Result<Session, SessionError> {
    let identities = Identities::parse(identity.as_bytes()).unwrap();
    Session::open_with(session, Some(Arc::new(identities)))
}

/// The numbers of the requests, in order, each with all that was sent.
#[track_caller]
fn numbers(session: &Session) -> Vec<u64> {
    let number = |exchange: &Exchange| {
        let head = String::from_utf8(exchange.request.head.to_vec()).unwrap();
        let number = head.split(['/', ' ']).find_map(|word| word.parse().ok()).unwrap();
        assert!(head.contains(&format!("X-Note: canary-{number}\r\n")), "{head}");
        assert!(exchange.request.body.bytes == noise(number), "the body of {number}");
        number
    };
    let exchanges = session.events().filter_map(|event| match event.unwrap() {
        Event::Exchange(exchange) => Some(number(&exchange)),
        Event::Damage(damage) => unreachable!("{damage:?}"),
        _ => None,
    });
    let mut numbers: Vec<_> = exchanges.collect();
    numbers.sort_unstable();
    numbers
}

/// Whether `wanted` stands in a file of the session.
fn stands_in(session: &Path, wanted: &[u8]) -> bool {
    let has = |bytes: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    files(session).iter().any(|file| has(&std::fs::read(file).unwrap()))
}

fn has_canary(session: &Path, numbers: impl IntoIterator<Item = u64>) -> bool {
    numbers.into_iter().any(|number| stands_in(session, &noise(number)[1_000..1_000 + CANARY_BYTES]))
}

#[test]
fn a_killed_recorders_segments_are_for_the_recipients_alone() {
    let folder = folder();
    let (upstream, recipients) = (upstream(), inside(&folder, "recipients"));
    std::fs::write(&recipients, format!("# ours\n{OTHER_RECIPIENT}\n")).unwrap();
    let by_file = format!("file:{}", text(&recipients));
    for (name, recipients) in
        [("plain", &[][..]), ("encrypted", &["--encrypt-to", RECIPIENT, "--encrypt-to", &by_file])]
    {
        let session = inside(&folder, name);
        let (mut recorder, address) = start(upstream, &session, recipients, &[]);
        (0..20).for_each(|number| post(&address, number));
        let is_encrypted = !recipients.is_empty();
        assert_eq!(recorder.err().contains("encrypted"), is_encrypted, "{}", recorder.err());
        let read = || if is_encrypted { open(&session, IDENTITY) } else { Session::open(&session) };
        wait_for("the last flush", || {
            // A session that is being written can be read.
            let there = read().ok().map(|session| numbers(&session))?;
            (there.len() == 20).then_some(())
        });
        recorder.signal("KILL");
        recorder.wait();
        assert_eq!(numbers(&read().unwrap()), (0..20).collect::<Vec<_>>());
        assert_eq!(read().unwrap().header().upstream, Some(format!("http://{upstream}")));
        // The check would see what is not encrypted: without recipients it does.
        assert_eq!(has_canary(&session, 0..20), !is_encrypted, "{name}");
        assert_eq!(stands_in(&session, upstream.to_string().as_bytes()), !is_encrypted, "{name}");
    }
    let session = inside(&folder, "encrypted");
    assert_eq!(numbers(&open(&session, OTHER_IDENTITY).unwrap()).len(), 20, "each recipient reads all");
    let stranger = open(&session, STRANGER).err();
    assert!(matches!(stranger, Some(SessionError::Unsealable { .. })), "{stranger:?}");
    let nobody = Session::open(&session).err();
    assert!(matches!(nobody, Some(SessionError::Encrypted { .. })), "{nobody:?}");
    let said = reenact_says(["record", "--explain-redaction", &text(&session)]);
    assert!(said.code == 2 && said.err.contains("is encrypted") && said.err.contains("reenact cat"), "{said:?}");
}

#[test]
fn later_segments_are_encrypted_too_after_rotation_and_after_failures() {
    let folder = folder();
    let session = inside(&folder, "s");
    // The environment gives the recipient here; every segment has one exchange or a few.
    let rotating = ["--rotate-size", "10000"];
    let (recorder, address) = start(upstream(), &session, &rotating, &[("REENACT_ENCRYPT_TO", RECIPIENT)]);
    let mut sent = 0;
    wait_for("three segments", || {
        post(&address, sent);
        sent += 1;
        (files(&session).len() >= 3).then_some(())
    });
    let all = usize::try_from(sent).unwrap();
    wait_for("the flush", || (open(&session, IDENTITY).ok().map(|one| numbers(&one))?.len() == all).then_some(()));
    assert!(!has_canary(&session, 0..sent));
    // Writing fails, and goes on in a new segment by itself.
    std::fs::remove_dir_all(&session).unwrap();
    wait_for("a segment after the failure", || {
        post(&address, sent);
        sent += 1;
        let there = open(&session, IDENTITY).ok().map(|one| numbers(&one))?;
        (!there.is_empty()).then_some(())
    });
    recorder.signal("TERM");
    let said = recorder.finish();
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(!has_canary(&session, 0..sent));
    for segment in files(&session) {
        assert!(matches!(Session::open(&segment).err(), Some(SessionError::Encrypted { .. })), "{}", segment.display());
        assert!(open(&segment, IDENTITY).is_ok(), "{}", segment.display());
    }
}

#[test]
fn what_is_no_recipient_is_refused_before_anything_is_listened_on() {
    let folder = folder();
    let (config, secret) = (inside(&folder, "c.toml"), inside(&folder, "identity"));
    std::fs::write(&config, "[record]\nencrypt-to = [\"age1nobody\"]\n").unwrap();
    std::fs::write(&secret, IDENTITY).unwrap();
    let (config, secret) = (text(&config), format!("file:{}", text(&secret)));
    let out = inside(&folder, "s");
    for (more, says) in [
        (&["--encrypt-to", "age1nobody"][..], "recipient 1 is no age recipient"),
        (&["--encrypt-to", RECIPIENT, "--encrypt-to", &secret], "recipient 2 is no age recipient"),
        (&["--encrypt-to", IDENTITY], "neither an age recipient nor a reference"),
        (&["--encrypt-to", "env:NOBODY_SET_THIS"], "the environment has no NOBODY_SET_THIS"),
        (&["--config", &config], "recipient 1 is no age recipient"),
        (&["--config", &config, "--capture", "off"], "recipient 1 is no age recipient"),
    ] {
        let upstream = "http://127.0.0.1:9";
        let own = ["record", "--listen", "127.0.0.1:0", "--upstream", upstream, "--out", &text(&out)];
        let said = run(reenact(own).args(more));
        assert_eq!(said.code, 2, "{more:?}: {said:?}");
        assert!(said.err.contains(says) && said.err.contains("hint: "), "{more:?}: {said:?}");
        assert!(!said.err.contains("listening") && !said.err.contains("AGE-SECRET-KEY"), "{said:?}");
        assert!(!out.exists());
    }
}
