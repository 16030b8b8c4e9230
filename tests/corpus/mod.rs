//! Conversations of two scripted peers as data: valid, odd and hostile HTTP/1 and HTTP/2, and what is no HTTP at all.
//!
//! Pauses are conditions ("the other side has all of it"), never lengths of time. What a relay between the peers must do
//! with each is in `identity.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub(crate) mod hostile;
pub(crate) mod peers;
pub(crate) mod shapes;

/// What a peer does next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends it at once.
    Send(Vec<u8>),
    /// Sends it a byte at a time, each when the other side has the one before.
    Dribble(Vec<u8>),
    /// Waits until so many bytes have come in all.
    Got(usize),
    /// Waits until everything of the first so many sending steps of the other side has come.
    Heard(usize),
    /// Waits until the other side has everything that was sent.
    Seen,
    /// Waits for the other side's end.
    GotEnd,
    /// Ends its direction and goes on reading.
    HalfClose,
    /// Resets the connection.
    Reset,
}

/// A conversation. After its steps a peer reads to the end and closes.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) client: Vec<Step>,
    pub(crate) server: Vec<Step>,
    /// Plain HTTP/1: `cat` must show exactly these requests and answers.
    pub(crate) is_plain: bool,
}

/// The longest conversation that is also held a byte at a time.
const DRIBBLED_BYTES_MAX: usize = 400;

/// Everything.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = shapes::plain();
    cases.extend(shapes::ends());
    cases.extend(shapes::sizes());
    cases.extend(hostile::smuggling());
    cases.extend(hostile::syntax());
    cases.extend(hostile::http2());
    cases.extend(hostile::garbage());
    let dribbled: Vec<_> = cases.iter().filter_map(Case::dribbled).collect();
    cases.extend(dribbled);
    cases
}

/// A request that is answered when all of it is there; the server ends first.
pub(crate) fn exchange(name: &str, request: impl AsRef<[u8]>, response: impl AsRef<[u8]>) -> Case {
    let (request, response) = (request.as_ref().to_vec(), response.as_ref().to_vec());
    let server = vec![Step::Got(request.len()), Step::Send(response), Step::HalfClose];
    case(name, vec![Step::Send(request), Step::GotEnd, Step::HalfClose], server)
}

pub(crate) fn case(name: &str, client: Vec<Step>, server: Vec<Step>) -> Case {
    let heard = |steps: &[Step], other: &[Step]| {
        let sends: Vec<_> =
            other.iter().filter(|step| matches!(step, Step::Send(_) | Step::Dribble(_))).cloned().collect();
        let heard = |step: &Step| match step {
            Step::Heard(count) => Step::Got(Case::bytes(sends.get(..*count).unwrap()).len()),
            other => other.clone(),
        };
        steps.iter().map(heard).collect()
    };
    Case { name: name.to_owned(), client: heard(&client, &server), server: heard(&server, &client), is_plain: false }
}

impl Case {
    /// The same a byte at a time.
    fn dribbled(&self) -> Option<Self> {
        let is_short = |step: &Step| !matches!(step, Step::Send(bytes) if bytes.len() > DRIBBLED_BYTES_MAX);
        if !self.client.iter().chain(&self.server).all(is_short) {
            return None;
        }
        let slowly = |steps: &[Step]| {
            let slowly = |step: &Step| match step {
                Step::Send(bytes) => Step::Dribble(bytes.clone()),
                other => other.clone(),
            };
            steps.iter().map(slowly).collect()
        };
        let (client, server) = (slowly(&self.client), slowly(&self.server));
        Some(Self { name: format!("{}, a byte at a time", self.name), client, server, is_plain: false })
    }

    /// Everything that one side sends.
    pub(crate) fn bytes(steps: &[Step]) -> Vec<u8> {
        let sent = |step: &Step| match step {
            Step::Send(bytes) | Step::Dribble(bytes) => bytes.clone(),
            _ => Vec::new(),
        };
        steps.iter().flat_map(sent).collect()
    }
}
