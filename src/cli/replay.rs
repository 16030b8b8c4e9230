//! Arguments of `replay`.

mod collect;
mod live;
mod results;
mod traces;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

pub(crate) use collect::CollectArgs;
pub(crate) use live::{LiveArgs, Progress};
pub(crate) use results::{Answers, OutputForm, Requests, ResultArgs};
pub(crate) use traces::{Backend, ContextArgs, IdBits, TraceArgs};
pub(crate) use watch::WatchArgs;

use super::LoadArgs;
use crate::secret::Reference;
use crate::thresholds::ThresholdArgs;
use crate::units;

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  reenact replay sessions/monday --target http://127.0.0.1:9000 --rate 3x
  reenact replay sessions/monday --target https://staging --allow staging --ramp 1x..10x/10m \\
      --unsafe-methods send --abort-if 'error_rate > 5% for 10s' --otlp-endpoint http://127.0.0.1:4317
  reenact replay sessions/monday --target http://127.0.0.1:9000 --propagators b3multi --trace-id-bits 64
  reenact replay sessions/monday --target http://127.0.0.1:9000 --loop-model causal --duration 8h
  reenact replay sessions/monday --target http://127.0.0.1:9000 --filter 'status = 2xx and path like /api/*'
  API_KEY=… reenact replay s --target … --otlp-endpoint https://otlp.example:443 --otlp-header api-key=env:API_KEY
  reenact replay s --target … --otlp-endpoint http://127.0.0.1:4318 --otlp-protocol http/protobuf
  reenact replay sessions/monday --target http://127.0.0.1:9000 --collect 4317 --collect-wait 15s
  reenact replay sessions/monday --target http://127.0.0.1:9000 --prometheus 9464 --json-stream run.jsonl
  reenact replay s --target … --budgets budgets.toml --fail-if 'p99(GET /cart) > 300ms' --output csv,openmetrics
  reenact replay s --target … --environment staging --backend honeycomb --backend-site eu --token aws-sm:honeycomb#key \\
      --span-budget 200/s

Exit codes: 0 done, 1 a threshold failed, the run stopped itself, or the plan has not the shape that --require-shape asks
for, 2 refused before anything was sent, 3 done with loss, 4 invalid (this machine, not the target, was the limit),
130 interrupted; results so far are written.")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) results: ResultArgs,
    #[command(flatten)]
    pub(crate) traces: TraceArgs,
    #[command(flatten)]
    pub(crate) collect: CollectArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
    #[command(flatten)]
    pub(crate) thresholds: ThresholdArgs,

    /// open: requests leave at their due instants; causal: after the answers that they followed in the recording, too;
    /// closed: recorded think time after these answers
    #[arg(long, env = "REENACT_LOOP_MODEL", value_enum, default_value_t = LoopModel::Open, help_heading = "Pace")]
    pub(crate) loop_model: LoopModel,
    /// With --loop-model causal, think time that is kept even when a request is already late
    #[arg(long, env = "REENACT_THINK_MIN", value_name = "DURATION", default_value = "0s", value_parser = units::duration, help_heading = "Pace")]
    pub(crate) think_min: Duration,
    /// What a request does whose connection is busy: take an extra connection, wait, or not be sent [default: extra; queue
    /// with --rate max]
    #[arg(long, env = "REENACT_WHEN_BUSY", value_enum, help_heading = "Pace")]
    pub(crate) when_busy: Option<WhenBusy>,
    /// Left out of the steady window at its beginning
    #[arg(long, env = "REENACT_WARM_UP", value_name = "DURATION", default_value = "0s", value_parser = units::duration, help_heading = "Pace")]
    pub(crate) warm_up: Duration,
    /// Left out of the steady window at its end; not with --rate max, whose end nobody knows before
    #[arg(long, env = "REENACT_DRAIN", value_name = "DURATION", default_value = "0s", value_parser = units::duration, help_heading = "Pace")]
    pub(crate) drain: Duration,
    /// Begin at this time (RFC 3339), as all shards of a run must
    #[arg(long, env = "REENACT_START_AT", value_name = "TIME", value_parser = units::time, help_heading = "Pace")]
    pub(crate) start_at: Option<std::time::SystemTime>,
    /// Sending threads
    #[arg(long, env = "REENACT_THREADS", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Pace")]
    pub(crate) threads: u16,
    /// The last so much before a due instant is spun away instead of slept (costs CPU)
    #[arg(long, env = "REENACT_SPIN", value_name = "DURATION", default_value = "0s", value_parser = units::duration, help_heading = "Pace")]
    pub(crate) spin: Duration,
    /// Do not give sending threads a real-time priority, which they take where the system allows it (CAP_SYS_NICE or RLIMIT_RTPRIO)
    #[arg(long, env = "REENACT_NO_REAL_TIME", help_heading = "Pace")]
    pub(crate) no_real_time: bool,
    /// Lateness that makes a run strained or invalid, as in strained=10ms,invalid=100ms
    #[arg(long, env = "REENACT_LAG_LIMIT", value_name = "LIMITS", help_heading = "Pace")]
    pub(crate) lag_limit: Option<String>,

    /// A host that may be loaded, as HOST or HOST:PORT; loopback always may (repeatable)
    #[arg(long, env = "REENACT_ALLOW", value_name = "HOST[:PORT]", value_delimiter = ',', help_heading = "Safety")]
    pub(crate) allow: Vec<String>,
    /// Allow to send to where the session was recorded
    #[arg(long, env = "REENACT_ALLOW_ORIGIN", help_heading = "Safety")]
    pub(crate) allow_origin: bool,
    /// Requests that may wait for their answers; those due beyond that are not sent, and counted; with --rate max they
    /// wait [default: 20000; 64 with --rate max]
    #[arg(long, env = "REENACT_MAX_IN_FLIGHT", value_name = "N", help_heading = "Safety")]
    pub(crate) max_in_flight: Option<usize>,
    /// Connections that may be open; requests that need one more are not sent, and counted; with --rate max they wait, and
    /// idle connections are closed for them [default: no bound; with --rate max as many as there are descriptors for]
    #[arg(long, env = "REENACT_MAX_CONNECTIONS", value_name = "N", help_heading = "Safety")]
    pub(crate) max_connections: Option<usize>,
    /// Requests a second that are sent at most, of which those of a tenth of a second may leave at once; those due beyond
    /// that are not sent, and counted; with --rate max they wait
    #[arg(long, env = "REENACT_MAX_RATE", value_name = "N", help_heading = "Safety")]
    pub(crate) max_rate: Option<std::num::NonZeroU32>,
    /// Requests that are sent at most; what is due after them is not sent, and counted
    #[arg(long, env = "REENACT_BUDGET_REQUESTS", value_name = "N", help_heading = "Safety")]
    pub(crate) budget_requests: Option<u64>,
    /// Bytes of requests and answers together, counted at the end of each request, after which nothing more is sent: what is
    /// under way then comes on top
    #[arg(long, env = "REENACT_BUDGET_BYTES", value_name = "SIZE", value_parser = units::size, help_heading = "Safety")]
    pub(crate) budget_bytes: Option<u64>,
    /// Nothing is sent after so long from the first due instant on; what is under way is waited for
    #[arg(long, env = "REENACT_BUDGET_TIME", value_name = "DURATION", value_parser = units::duration, help_heading = "Safety")]
    pub(crate) budget_time: Option<Duration>,
    /// Stop the run when this holds, as in 'error_rate > 5% for 10s' or 'p99 > 2s for 30s' (repeatable)
    #[arg(long, env = "REENACT_ABORT_IF", value_name = "RULE", help_heading = "Safety")]
    pub(crate) abort_if: Vec<String>,
    /// Stop the run when this file appears
    #[arg(long, env = "REENACT_KILL_FILE", value_name = "FILE", help_heading = "Safety")]
    pub(crate) kill_file: Option<PathBuf>,
    /// Command or URL that is told before the run begins; the run does not begin when it fails (repeatable)
    #[arg(long, env = "REENACT_ON_START", value_name = "COMMAND|URL", help_heading = "Safety")]
    pub(crate) on_start: Vec<String>,
    /// Command or URL that is told when the run is over (repeatable)
    #[arg(long, env = "REENACT_ON_END", value_name = "COMMAND|URL", help_heading = "Safety")]
    pub(crate) on_end: Vec<String>,
    /// For each of these: one that takes longer is stopped, and has failed
    #[arg(long, env = "REENACT_HOOK_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = units::timeout, help_heading = "Safety")]
    pub(crate) hook_timeout: Duration,

    /// From sending a request to the end of its answer
    #[arg(long, env = "REENACT_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = units::time_limit, help_heading = "Connections")]
    pub(crate) timeout: Duration,
    /// To connect to the target, TLS included
    #[arg(long, env = "REENACT_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = units::time_limit, help_heading = "Connections")]
    pub(crate) connect_timeout: Duration,
    /// Use this address for a name, as in HOST:PORT:ADDRESS (repeatable)
    #[arg(long, env = "REENACT_RESOLVE", value_name = "HOST:PORT:ADDR", help_heading = "Connections")]
    pub(crate) resolve: Vec<String>,
    /// Source addresses, used in turn (repeatable)
    #[arg(long, env = "REENACT_BIND", value_name = "ADDR", value_delimiter = ',', help_heading = "Connections")]
    pub(crate) bind: Vec<std::net::IpAddr>,
    /// HTTP proxy, as in http://proxy:3128
    #[arg(long, env = "REENACT_PROXY", value_name = "URL", help_heading = "Connections")]
    pub(crate) proxy: Option<String>,
    /// User and password for the proxy (USER:PASSWORD), by reference
    #[arg(long, env = "REENACT_PROXY_AUTH", value_name = "REF", help_heading = "Connections")]
    pub(crate) proxy_auth: Option<Reference>,
    /// Certificates (PEM) of the authorities to trust, instead of the system's
    #[arg(long, env = "REENACT_TLS_CA", value_name = "FILE", help_heading = "Connections")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Client certificate chain (PEM)
    #[arg(long, env = "REENACT_TLS_CERT", value_name = "FILE", help_heading = "Connections")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "REENACT_TLS_KEY", value_name = "FILE", help_heading = "Connections")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Resume TLS sessions; without it every connection pays for a full handshake, as those of different users do
    #[arg(long, env = "REENACT_TLS_RESUMPTION", help_heading = "Connections")]
    pub(crate) tls_resumption: bool,
    /// Do not verify the target's certificate
    #[arg(long, env = "REENACT_INSECURE", help_heading = "Connections")]
    pub(crate) insecure: bool,

    /// Keep the spool in the directory given with --spool, and use one that was kept there for the same requests
    #[arg(long, env = "REENACT_REUSE_SPOOL", help_heading = "Resources")]
    pub(crate) reuse_spool: bool,
}

impl ReplayArgs {
    /// Whether due instants are only an order.
    pub(crate) fn is_at_once(&self) -> bool {
        self.load.rate == "max"
    }

    /// What a request does whose connection is busy.
    pub(crate) fn when_busy(&self) -> WhenBusy {
        self.when_busy.unwrap_or(if self.is_at_once() { WhenBusy::Queue } else { WhenBusy::Extra })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoopModel {
    Open,
    Causal,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhenBusy {
    Extra,
    Queue,
    Shed,
}
