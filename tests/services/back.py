"""The second service: answers GET /prices and GET /stock with what the database says. Instrumented by OpenTelemetry's
packages for WSGI and requests; spans go over OTLP/gRPC, compressed.

Usage: back.py DATABASE (its address); the port is printed on standard error."""

import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import requests
import telemetry
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

telemetry.start("back", OTLPSpanExporter(insecure=True))
RequestsInstrumentor().instrument()
database = sys.argv[1]


def answer(environ, start_response):
    table = environ["PATH_INFO"].strip("/")
    rows = requests.get(f"http://{database}/{table}", timeout=10).content
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(rows)))])
    return [rows]


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 100


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, OpenTelemetryMiddleware(answer), server_class=Server, handler_class=Quiet)
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
