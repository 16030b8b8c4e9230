//! An OTLP/gRPC receiver inside the demo, which counts and joins the spans of the replayer and of the replayed service.
//!
//! It stands where a tracing backend would stand. It keeps identifiers only, at most [`tally::SPANS_KEPT_MAX`], and counts
//! what it does not keep. HTTP/protobuf, metrics and logs are deliberately not here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use self::tally::Tally;
pub(crate) use self::tally::{Slowest, SpanCounts};
use crate::demo::clock::now;

mod tally;

#[cfg(test)]
mod tests;

/// The limit that OTLP receivers have by custom.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many messages of one connection are worked on at once; more wait.
const REQUESTS_PER_CONNECTION_MAX: usize = 8;
/// How long exporters that hold their connection open are waited for.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A running receiver. Dropping it ends it.
pub(crate) struct Collector {
    address: SocketAddr,
    tally: Arc<Mutex<Tally>>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Collector {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no such port.
    pub(crate) async fn start() -> Result<Self, std::io::Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let receiver = TraceServiceServer::new(Receiver { tally: Arc::clone(&tally) })
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let (stop, stopped) = oneshot::channel();
        let serving = Server::builder()
            .concurrency_limit_per_connection(REQUESTS_PER_CONNECTION_MAX)
            .add_service(receiver)
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), async {
                // A dropped collector stops as well.
                let _ = stopped.await;
            });
        Ok(Self { address, tally, stop, serving: tokio::spawn(serving) })
    }

    /// Where exporters send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has arrived so far.
    pub(crate) fn counts(&self) -> SpanCounts {
        locked(&self.tally).counts()
    }

    /// The slowest request of the replayer that the service's own trace explains.
    pub(crate) fn slowest(&self) -> Option<Slowest> {
        locked(&self.tally).slowest()
    }

    /// Takes no more spans, and says what has arrived.
    pub(crate) async fn stop(self) -> SpanCounts {
        // The server may have ended by itself; its tally is as good.
        let _ = self.stop.send(());
        let mut serving = self.serving;
        if timeout_at(now() + STOP_TIMEOUT, &mut serving).await.is_err() {
            serving.abort();
        }
        locked(&self.tally).counts()
    }
}

struct Receiver {
    tally: Arc<Mutex<Tally>>,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let refused = locked(&self.tally).add(&request.into_inner());
        let partial_success = (refused > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: i64::try_from(refused).unwrap_or(i64::MAX),
            error_message: String::from("a trace id has 16 bytes and a span id 8, and neither is all zeros"),
        });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

/// The tally, also after a panic: every step leaves it whole.
fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
