//! A target that misbehaves towards some clients of a session of numbered requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arrivals::Arrivals;
use super::{OK, line, read_up_to, session, target};

/// Requests of a session of three seconds, one every 5 ms, of clients in turn; of these every third meets a fault.
pub(crate) const REQUESTS: u64 = 600;
pub(crate) const CLIENTS: u64 = 60;
pub(crate) const SPACING: Duration = Duration::from_millis(5);

pub(crate) fn is_hit(number: u64) -> bool {
    number.is_multiple_of(3)
}

/// Three seconds of numbered requests; those that are hit went to a host of their own.
pub(crate) fn numbered(folder: &Path) -> PathBuf {
    let line = |number: u64| {
        let line = line(number * 5, number % CLIENTS + 1, "GET", &format!("/{number}")).replace("peer-", "named-");
        if is_hit(number) { line.replace("recorded.invalid", "hit.invalid") } else { line }
    };
    session(folder, "numbered", &(0..REQUESTS).map(line).collect::<Vec<_>>())
}

pub(crate) fn number(head: &[u8]) -> u64 {
    let head = String::from_utf8_lossy(head);
    head.split(' ').nth(1).unwrap().trim_start_matches('/').parse().unwrap()
}

/// What a target does to a request that is hit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Slow,
    Hangs,
    Closes,
    Resets,
}

impl Fault {
    /// Whether that was the connection's end; one byte of the request is still unread.
    #[expect(clippy::disallowed_methods, reason = "a slow target is slow")]
    fn strikes(self, socket: &mut TcpStream) -> bool {
        match self {
            Self::Slow => std::thread::sleep(Duration::from_secs(2)),
            Self::Hangs => drop(std::io::copy(socket, &mut std::io::sink())),
            Self::Closes => drop(socket.read(&mut [0])),
            // Closing before all is read is a reset.
            Self::Resets => {}
        }
        !matches!(self, Self::Slow)
    }

    /// A target that meets those requests with it which are hit.
    pub(crate) fn target(self) -> (String, Arrivals) {
        let arrivals = Arrivals::default();
        let noted = arrivals.clone();
        let address = target(move |mut socket| {
            while let Some(head) = read_up_to(&mut socket, b"\r\n\r") {
                let number = number(&head);
                noted.note(number, &socket);
                let is_over = is_hit(number) && self.strikes(&mut socket);
                if is_over || socket.read_exact(&mut [0]).is_err() || socket.write_all(OK).is_err() {
                    break;
                }
            }
        });
        (format!("http://{address}"), arrivals)
    }
}
