"""A small HTTP server under OpenTelemetry's SDK: what its propagators read of each request (opentelemetry-sdk and the
propagator packages from PyPI; OTEL_PROPAGATORS says which). Knows nothing of the product.

    extract.py FILE

Prints its port. One JSON line a request: the remote parent that was extracted, the server span that was begun under it,
the baggage, and the head.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import baggage, trace
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.trace import TracerProvider

out = open(sys.argv[1], "w")
lock = threading.Lock()
tracer = TracerProvider().get_tracer("extract")
propagator = get_global_textmap()


class Fields(Getter):
    """Names without regard to case, as instrumentations of servers have them."""

    def get(self, carrier, key):
        return carrier.get_all(key)

    def keys(self, carrier):
        return list(carrier.keys())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        context = propagator.extract(self.headers, getter=Fields())
        parent = trace.get_current_span(context).get_span_context()
        span = tracer.start_span("server", context, kind=trace.SpanKind.SERVER)
        line = {
            "target": self.path,
            "remote": parent.is_remote,
            "trace_id": trace.format_trace_id(parent.trace_id),
            "span_id": trace.format_span_id(parent.span_id),
            "sampled": parent.trace_flags.sampled,
            "server_trace_id": trace.format_trace_id(span.get_span_context().trace_id),
            "server_is_recording": span.is_recording(),
            "baggage": dict(baggage.get_all(context)),
            "head": f"{self.requestline}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in self.headers.items()) + "\r\n",
        }
        span.end()
        with lock:
            out.write(json.dumps(line) + "\n")
            out.flush()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], file=sys.stderr, flush=True)
server.serve_forever()
