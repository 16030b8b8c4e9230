"""A service as OpenTelemetry's own SDK and instrumentation trace it (PyPI), baggage copied to its spans: one JSON line a
span, of the server and of the work that it does.

    traced.py FILE

Prints its port.
"""

import json
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from opentelemetry import trace
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.processor.baggage import ALLOW_ALL_BAGGAGE_KEYS, BaggageSpanProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

out = open(sys.argv[1], "w")


class Lines(SpanProcessor):
    def on_end(self, span):
        out.write(json.dumps({
            "resource": dict(span.resource.attributes),
            "attributes": dict(span.attributes),
            "trace_state": span.context.trace_state.to_header(),
            "kind": span.kind.name,
            "trace_id": f"{span.context.trace_id:032x}",
        }) + "\n")
        out.flush()


provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
provider.add_span_processor(BaggageSpanProcessor(ALLOW_ALL_BAGGAGE_KEYS))
provider.add_span_processor(Lines())
trace.set_tracer_provider(provider)


def shop(environ, start_response):
    with trace.get_tracer("shop").start_as_current_span("look up"):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, OpenTelemetryMiddleware(shop), server_class=Server, handler_class=Quiet)
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
