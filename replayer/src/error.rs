//! Why a replay cannot begin or go on.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Everything that stops a replay as a whole; what happens to single requests is data, not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The session cannot be read.
    #[error(transparent)]
    Session(#[from] formats::session::SessionError),
    /// The plan cannot be made.
    #[error(transparent)]
    Plan(#[from] crate::plan::PlanError),
    /// The target's address has none of the forms that targets have.
    #[error("the target `{given}` is not http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH: {why}")]
    Target {
        /// As given.
        given: String,
        /// What is wrong.
        why: String,
    },
    /// An override of the resolver cannot be read.
    #[error("`{given}` is not HOST:PORT:ADDR[,ADDR]: {why}")]
    Override {
        /// As given.
        given: String,
        /// What is wrong.
        why: String,
    },
    /// A proxy cannot be used.
    #[error("cannot use the proxy {given}: {why}")]
    Proxy {
        /// Its address, without credentials.
        given: String,
        /// What is wrong.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS with {with}: {why}")]
    Tls {
        /// The file or setting at fault.
        with: String,
        /// What is wrong.
        why: String,
    },
    /// A source address does not belong to this machine.
    #[error("cannot send from the address {address}")]
    Bind {
        /// The address.
        address: IpAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The target's name does not resolve.
    #[error("the target's host `{host}` does not resolve")]
    Resolve {
        /// The host.
        host: String,
        /// The resolver's answer.
        source: std::io::Error,
    },
    /// The target is not on the allow-list.
    #[error("the target {host}:{port} ({}) is not allowed", address.map_or("through a proxy".to_owned(), |address| address.to_string()))]
    NotAllowed {
        /// Its name.
        host: String,
        /// Its port.
        port: u16,
        /// The address that is not loopback; `None` where a proxy decides which it is.
        address: Option<SocketAddr>,
    },
    /// The target is what the session was recorded from.
    #[error("the target {target} is the recorded origin ({origin})")]
    Origin {
        /// As given.
        target: String,
        /// What it was in the recording.
        origin: String,
    },
    /// Nobody answers at the target.
    #[error("cannot connect to the target {target}")]
    Unreachable {
        /// As given.
        target: String,
        /// Why not.
        source: crate::dial::DialError,
    },
    /// The sessions hold nothing that can be sent.
    #[error("the plan is empty: {why}")]
    Empty {
        /// Why.
        why: String,
    },
    /// The plan has requests that may change the target's state, and nobody decided about them.
    #[error("{requests} of {of} planned requests use {methods}, which may change the target's state")]
    UnsafeMethods {
        /// How many.
        requests: u64,
        /// Of how many.
        of: u64,
        /// `POST, PUT`
        methods: String,
        /// The tables that say `fail` of some of them.
        tables: Vec<String>,
        /// Whether `fail` is what is decided of all others.
        by_default: bool,
    },
    /// The requests do not fit into the spool.
    #[error("the spool of this plan takes more than {limit_bytes} bytes, after {done} of {of} exchanges")]
    SpoolTooLarge {
        /// The limit.
        limit_bytes: u64,
        /// Exchanges that are in it.
        done: u64,
        /// Of how many.
        of: u64,
    },
    /// The disk does not hold the spool.
    #[error(
        "the disk of {} has {free_bytes} bytes left, too few for the spool: it needs {more_bytes} more, and leaves {reserve_bytes} to others",
        directory.display()
    )]
    SpoolDisk {
        /// Where the spool is made.
        directory: PathBuf,
        /// What is left.
        free_bytes: u64,
        /// What is to be written next.
        more_bytes: u64,
        /// What stays free.
        reserve_bytes: u64,
    },
    /// The spool cannot be written or read.
    #[error("cannot {doing} the spool in {}", directory.display())]
    Spool {
        /// `write`, `read`
        doing: &'static str,
        /// Where it is.
        directory: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// What the spool says is not what was written into it.
    #[error("the spool {} is damaged", place.display())]
    SpoolDamaged {
        /// The folder in which it was kept, or that of its files.
        place: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A sealed value cannot be opened.
    #[error("cannot open the sealed value in {place} of exchange {seq} of {}", session.display())]
    Sealed {
        /// The session.
        session: PathBuf,
        /// The exchange's number in it.
        seq: u64,
        /// Where in its request.
        place: String,
        /// Why not.
        source: formats::seal::SealError,
    },
    /// The time to start is over, or too near.
    #[error("the time to start ({}) is over or nearer than the {} ms that opening connections takes", humantime::format_rfc3339_seconds(*at), lead_ns / 1_000_000)]
    TooLate {
        /// When the run was to start.
        at: std::time::SystemTime,
        /// What it needs before.
        lead_ns: u64,
    },
    /// The operating system refused.
    #[error("cannot {doing}")]
    System {
        /// What.
        doing: &'static str,
        /// Its answer.
        source: std::io::Error,
    },
    /// What is to be watched cannot be seen.
    #[error("cannot watch {what}: {why}")]
    Watched {
        /// A process or a URL.
        what: String,
        /// What happened.
        why: String,
    },
    /// A file of the run directory cannot be written.
    #[error("cannot {doing} {}", path.display())]
    RunDirectory {
        /// `create`, `write`
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The session of answers cannot be made.
    #[error("cannot keep answers in {}", directory.display())]
    Answers {
        /// Where.
        directory: std::path::PathBuf,
        /// Why.
        source: formats::session::SessionError,
    },
    /// A header of exports cannot be used.
    #[error("cannot send the header `{name}` with spans: {why}")]
    ExportHeader {
        /// Its name; its value is shown nowhere.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The file for spans cannot be made.
    #[error("cannot write spans to {}: {why}", path.display())]
    ExportFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no place to receive spans at.
    #[error("cannot listen for the services' spans on {address}")]
    Collect {
        /// Where.
        address: std::net::SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The exporter of spans cannot be set up.
    #[error("cannot export spans to {endpoint}: {why}")]
    Exporter {
        /// Where to.
        endpoint: String,
        /// What is wrong.
        why: String,
    },
}

impl ReplayError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Session(error) => return error.hint().map(str::to_owned),
            Self::Plan(_) => return None,
            Self::Target { .. } => "write it as in --target http://127.0.0.1:8080".into(),
            Self::Override { .. } => "write it as in --resolve shop.test:443:127.0.0.1".into(),
            Self::Proxy { .. } => "write it as in http://proxy.test:3128, with its credentials by reference".into(),
            Self::Tls { .. } => "give PEM files; without a CA file the system's certificates must be installed".into(),
            Self::Bind { .. } => "name addresses that `ip addr` shows".into(),
            Self::Resolve { .. } => "check the name, or give an address".into(),
            Self::NotAllowed { host, port, .. } => {
                format!("only loopback is allowed by itself; if you mean to load it, add --allow {host}:{port}")
            }
            Self::Origin { .. } => {
                "sending a recording back where it came from may hit production; if it is not, add --allow-origin"
                    .into()
            }
            Self::Unreachable { source, .. } => match source.kind {
                crate::dial::DialErrorKind::Tls if source.to_string().contains("CaUsedAsEndEntity") => {
                    "its certificate is marked as an authority's, as `openssl req -x509` makes it: make it with -addext \
                     basicConstraints=critical,CA:FALSE, or have an authority sign one"
                        .into()
                }
                crate::dial::DialErrorKind::Tls => {
                    "trust its authority with a CA file, or check name, certificate and TLS versions".into()
                }
                crate::dial::DialErrorKind::Proxy => "check the proxy's address and credentials".into(),
                _ => "start the target, or check address and port".into(),
            },
            Self::Empty { .. } => "look at the session with `reenact inspect`".into(),
            Self::UnsafeMethods { tables, by_default, .. } => {
                let decide = "decide with --unsafe-methods send (send them), skip (leave them out) or fail";
                let change = format!("{}, which counts before --unsafe-methods: change it there", tables.join(", "));
                match (tables.is_empty(), by_default) {
                    (true, _) => decide.into(),
                    (false, true) => format!("{change}; for all others {decide}"),
                    (false, false) => change,
                }
            }
            Self::SpoolTooLarge { .. } => {
                "allow more with --spool-max, or replay less at a time (--from, --to, a lower rate)".into()
            }
            Self::SpoolDisk { .. } => "make room, or name another directory with --spool".into(),
            Self::Spool { .. } => {
                "check the directory given with --spool (default: the system's temporary folder)".into()
            }
            Self::SpoolDamaged { .. } => "if it was kept there, remove it: the next run makes it again".into(),
            Self::Sealed { source, .. } => return source.hint().map(str::to_owned),
            Self::TooLate { .. } => "give a later --start-at to all shards".into(),
            Self::System { .. } => return None,
            Self::Watched { .. } => {
                "give a process of this machine with --watch-pid, or with --watch-prometheus a page that has process_cpu_seconds_total and process_resident_memory_bytes".into()
            }
            Self::RunDirectory { .. } => "give a new directory that can be written with --out".into(),
            Self::Answers { .. } => "make room there, or keep none with --answers none".into(),
            Self::ExportHeader { .. } => "give it as in --otlp-header api-key=env:API_KEY".into(),
            Self::ExportFile { .. } => "give a new file with --otlp-file".into(),
            Self::Collect { .. } => "name a free address of this machine with --collect; port 0 takes any port".into(),
            Self::Exporter { .. } => "check --otlp-endpoint, as in http://127.0.0.1:4317".into(),
        })
    }
}
