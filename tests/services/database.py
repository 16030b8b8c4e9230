"""A stub of a database: GET /TABLE takes 3 ms, and every tenth query of prices a second. Its spans are made by hand with
OpenTelemetry's SDK and go over OTLP/HTTP as protobuf.

The port is printed on standard error."""

import itertools
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import telemetry
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind

tracer = telemetry.start("database", OTLPSpanExporter())
numbers = itertools.count(1)


class Query(BaseHTTPRequestHandler):
    def do_GET(self):
        table = self.path.strip("/")
        with tracer.start_as_current_span(f"SELECT {table}", extract(self.headers), kind=SpanKind.SERVER):
            is_slow = table == "prices" and next(numbers) % 10 == 0
            time.sleep(1 if is_slow else 0.003)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"42")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Query)
server.daemon_threads = True
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
